/**
 * Blobs that are gone or damaged, from a source that keeps a log's files as they are. A blob is named by its hash, so
 * that nothing else has to say which bytes are the right ones. What no entry names and is damaged is restored too,
 * where the source has it.
 */
import { createHash } from "node:crypto";
import { EventScanner, isCairnError, parseEntry } from "@cairnlog/core";
import {
  blobPath,
  findBlobHash,
  findSegmentBlobs,
  listBlobs,
  recordedBlobs,
  sealedPath,
  segmentEntries,
  SegmentReader,
  tailPath,
} from "@cairnlog/store";
import { withFileBytes } from "./file-bytes.ts";
import type { RepairContext, Staged } from "./repair-context.ts";
import { framesOf } from "./repair-folder.ts";

interface LeftBlob {
  readonly path: string;
  readonly why: string;
}

const pieceByteLength = 1024 * 1024;

/** `staged`: the sealed files and the tail that still lie aside. `segments`: how many sealed files there are. */
export async function planBlobs(
  context: RepairContext,
  staged: readonly Staged[],
  segments: number,
): Promise<(Staged | LeftBlob)[]> {
  const hashes = await namedBlobs(context, staged, segments);
  for await (const { path } of listBlobs(context.reader)) {
    const sha256 = findBlobHash(path);
    if (sha256 !== undefined) hashes.add(sha256);
  }
  const planned: (Staged | LeftBlob)[] = [];
  for (const sha256 of [...hashes].toSorted()) {
    const path = blobPath(sha256);
    const found = await withFileBytes(context.location, path, "cached", (file) => file.sha256());
    if (found === sha256) continue;
    const damage = found === undefined ? "the blob is gone" : `its SHA-256 is ${found}`;
    const aside = await copied(context, sha256);
    if (aside === undefined) {
      planned.push({ path, why: `${damage}; ${context.source.where} does not have it` });
    } else planned.push({ path, damage, how: "copy", staged: aside });
  }
  return planned;
}

/** Hashes of the blobs that the entries up to the newest commit name, which are proven by now. */
async function namedBlobs(
  context: RepairContext,
  staged: readonly Staged[],
  segments: number,
): Promise<Set<string>> {
  const { location, commit, crypto } = context;
  const hashes = new Set<string>();
  const lying = (path: string): string => staged.find((each) => each.path === path)?.staged ?? path;
  const end = segments * segmentEntries;
  for (let first = 0; first < end; first += segmentEntries) {
    const path = lying(sealedPath(first));
    await withFileBytes(location, path, "cached", async (file) => {
      const { byteLength } = file;
      const { sha256 } = crypto;
      const segment = await SegmentReader.open({ reader: file, path, byteLength, sha256 });
      await findSegmentBlobs(segment, (_, blob) => hashes.add(blob.sha256));
    });
  }
  const scanner = new EventScanner();
  for (let first = end; first < commit.size; first += segmentEntries) {
    await withFileBytes(location, lying(tailPath(first)), "cached", async (file) => {
      let seq = first;
      for await (const framed of framesOf((offset, length) => file.at(offset, length))) {
        if (seq++ === commit.size) return;
        const entry = framed.subarray(2);
        parseEntry(entry, scanner);
        for (const blob of recordedBlobs(scanner, entry)) hashes.add(blob.sha256);
      }
    });
  }
  return hashes;
}

/** The source's blob, written aside; undefined where it has none that is right. */
async function copied(context: RepairContext, sha256: string): Promise<string | undefined> {
  const { files } = context.source;
  if (files === undefined) return undefined;
  const path = blobPath(sha256);
  const { staged, object } = context.files.stageObject(path);
  const hash = createHash("sha256");
  try {
    for (let offset = 0; ; offset += pieceByteLength) {
      const piece = await files.read(path, offset, pieceByteLength);
      if (piece === undefined) break;
      hash.update(piece);
      await object.write(piece);
      if (piece.length < pieceByteLength) break;
    }
    if (hash.digest("hex") !== sha256) return undefined;
    await object.finish();
    return staged;
  } catch (error) {
    if (!isCairnError(error)) throw error;
    return undefined;
  } finally {
    await object.abandon();
  }
}
