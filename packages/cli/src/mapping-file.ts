/** A mapping from its file: YAML, of which JSON is a part. See docs/mapping.md. */
import { readFileSync } from "node:fs";
import { parseMapping, type Mapping } from "@cairnlog/capture";
import { CairnError, isCairnError } from "@cairnlog/core";
import { parseDocument } from "yaml";

export interface MappingFile {
  readonly mapping: Mapping;
  /** As a source keeps it: JSON. */
  readonly text: string;
}

const bytesMax = 256 * 1024;

/** "usage" with what is wrong and where. `shown` is what messages call the file. */
export function readMappingFile(path: string, shown: string): MappingFile {
  const refuse = (why: string, cause?: unknown): CairnError =>
    new CairnError("usage", `${shown}: ${why}`, { cause, place: { path: shown } });
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (cause) {
    throw refuse(`it cannot be read: ${cause instanceof Error ? cause.message : ""}`, cause);
  }
  if (text.length > bytesMax) throw refuse("a mapping has at most 256 KiB");
  const document = parseDocument(text, { strict: true, uniqueKeys: true });
  const [error] = document.errors;
  if (error !== undefined) throw refuse(error.message, error);
  const value: unknown = document.toJS({ maxAliasCount: 0 });
  try {
    return { mapping: parseMapping(value), text: JSON.stringify(value) };
  } catch (cause) {
    if (isCairnError(cause, "usage")) throw refuse(cause.message, cause);
    throw cause;
  }
}
