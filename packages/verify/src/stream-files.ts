/**
 * The files of sealed segments' streams, `index/streams/<first>`: derived, and no proof depends on one. What is checked
 * is that each is as it was written: its beginning, and the digest at its end. What it says of events is checked by who
 * reads it, against the entries.
 */
import { createHash } from "node:crypto";
import { isSameBytes, utf8 } from "@cairnlog/core";
import type { LogFolder } from "./folder.ts";
import type { Findings } from "./report.ts";

const magic = utf8("cairn-streams-v1");
const headByteLength = magic.length + 8;
const digestByteLength = 32;
const pieceByteLength = 1024 * 1024;

export function streamFilePath(first: number): string {
  return `index/streams/${String(first).padStart(16, "0")}`;
}

/** `firsts`: of the files that are there. */
export async function checkStreamFiles(
  folder: LogFolder,
  firsts: readonly number[],
  findings: Findings,
): Promise<void> {
  for (const first of firsts) {
    const path = streamFilePath(first);
    try {
      if (await isAsWritten(folder, path, first)) continue;
      const what = "the index of streams is not as it was written";
      findings.problem("derived", what, { path, seq: first });
    } catch (error) {
      findings.caught(error, "derived", { path, seq: first });
    }
  }
}

async function isAsWritten(folder: LogFolder, path: string, first: number): Promise<boolean> {
  const end = ((await folder.byteLength(path)) ?? 0) - digestByteLength;
  if (end < headByteLength) return false;
  const head = new Uint8Array(headByteLength);
  head.set(magic);
  const view = new DataView(head.buffer);
  view.setUint32(magic.length, Math.floor(first / 2 ** 32));
  view.setUint32(magic.length + 4, first % 2 ** 32);
  const hash = createHash("sha256");
  for (let at = 0; at < end; at += pieceByteLength) {
    const piece = await folder.read(path, at, Math.min(pieceByteLength, end - at));
    if (piece === undefined) return false;
    if (at === 0 && !isSameBytes(piece.subarray(0, headByteLength), head)) return false;
    hash.update(piece);
  }
  const digest = await folder.read(path, end, digestByteLength);
  return digest !== undefined && isSameBytes(hash.digest(), digest);
}
