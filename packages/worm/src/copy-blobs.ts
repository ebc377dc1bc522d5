/**
 * The blobs that the entries of a sealed file name, each put into the bucket under its lock. A blob that is gone here,
 * or not what its name says, is told and not copied: under a lock its damage would stay for years.
 */
import { nodeCrypto } from "@cairnlog/crypto";
import { hex, isCairnError, type CairnError } from "@cairnlog/core";
import { blobPath, findSegmentBlobs, SegmentReader, type LogReader } from "@cairnlog/store";
import { fileContent, type Content } from "./content.ts";
import { keepObject, type Kept, type KeepParts } from "./keep.ts";

export type CopiedBlob =
  | { readonly path: string; readonly byteLength: number; readonly kept: Kept }
  /** Why it was not copied. */
  | { readonly path: string; readonly why: string; readonly kept: undefined };

export async function* copyBlobs(
  parts: KeepParts,
  reader: Pick<LogReader, "read" | "byteLength">,
  sealed: string,
): AsyncGenerator<CopiedBlob> {
  const seqs = await namedIn(reader, sealed);
  for (const [sha256, seq] of seqs) {
    const path = blobPath(sha256);
    const content = await contentOfBlob(reader, path);
    if (content === undefined || hex(content.sha256) !== sha256) {
      const what = content === undefined ? "is gone" : "was changed";
      const why = `the blob ${sha256}, which entry ${seq} names, ${what}: it is not copied`;
      yield { path, why, kept: undefined };
      continue;
    }
    yield {
      path,
      byteLength: content.byteLength,
      kept: await keepObject(parts, path, content),
    };
  }
}

/** Each hash with the first entry that names it. */
async function namedIn(
  reader: Pick<LogReader, "read" | "byteLength">,
  path: string,
): Promise<ReadonlyMap<string, number>> {
  const seqs = new Map<string, number>();
  const byteLength = (await reader.byteLength(path)) ?? 0;
  const { sha256 } = nodeCrypto;
  try {
    const segment = await SegmentReader.open({ reader, path, byteLength, sha256 });
    await findSegmentBlobs(segment, (seq, blob) => {
      if (!seqs.has(blob.sha256)) seqs.set(blob.sha256, seq);
    });
  } catch (error) {
    // A damaged file is copied as it is, and is for the scrubber and for verification to report.
    if (!isDamage(error)) throw error;
  }
  return seqs;
}

function isDamage(error: unknown): error is CairnError {
  return isCairnError(error, "malformed") || isCairnError(error, "unverified");
}

async function contentOfBlob(
  reader: Pick<LogReader, "read" | "byteLength">,
  path: string,
): Promise<Content | undefined> {
  try {
    return await fileContent(reader, path);
  } catch (error) {
    if (isCairnError(error, "not_found")) return undefined;
    throw error;
  }
}
