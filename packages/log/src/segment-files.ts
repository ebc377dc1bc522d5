/** Opens sealed segments by their place in the log. */
import { CairnError, type Sha256 } from "@cairnlog/core";
import { sealedPath, SegmentReader, type LogReader } from "@cairnlog/store";

/** The sealed segment that begins at entry `first`. */
export async function openSegmentReader(
  reader: LogReader,
  first: number,
  sha256: Sha256,
): Promise<SegmentReader> {
  const path = sealedPath(first);
  const byteLength = await reader.byteLength(path);
  if (byteLength === undefined) {
    throw new CairnError(
      "tampered",
      `the log ${reader.name} has lost sealed entries: ${path} is missing. Restore it from a mirror or copy ` +
        "that verifies",
      { place: { log: reader.name, seq: first, path } },
    );
  }
  return SegmentReader.open({ reader, path, byteLength, sha256 });
}
