/** Puts the results of sealed files together, in order: chain, time, tree, and what claims roots inside of them. */
import {
  isCairnError,
  isSameBytes,
  parseLogTime,
  type RightEdge,
  type Sha256,
} from "@cairnlog/core";
import { bundleEntries, sealedPath, SegmentReader, segmentEntries } from "@cairnlog/store";
import type { LogFolder } from "./folder.ts";
import type { Findings } from "./report.ts";
import type { RootClaims } from "./root-claims.ts";
import type { SegmentResult } from "./segment-pool.ts";
import type { Position } from "./tail.ts";
import type { UpperTiles } from "./upper-tiles.ts";

const segmentLevel = 16;
const tileLevel = 8;
const hashByteLength = 32;

export interface ChainContext {
  readonly folder: LogFolder;
  readonly sha256: Sha256;
  readonly findings: Findings;
  readonly claims: RootClaims;
  readonly tiles: Pick<UpperTiles, "append">;
  readonly onFirst: (time: string) => void;
}

/** Takes the next sealed file. `result` is undefined where the file is missing. */
export async function appendSealed(
  context: ChainContext,
  position: Position,
  result: SegmentResult | undefined,
): Promise<void> {
  const { findings, claims, tiles, onFirst } = context;
  const { edge } = position;
  const first = edge.size;
  const path = sealedPath(first);
  if (result === undefined || !result.isSound) {
    if (result === undefined) {
      const what = `entries ${first} to ${first + segmentEntries - 1} are gone: their sealed file is missing`;
      findings.problem("missing", what, { path, seq: first });
    } else findings.problem(result.code, result.message, { seq: first, ...result.place });
    position.isSound = false;
    position.prev = undefined;
    // Keeps the count of entries right; no root is computed from here on.
    edge.appendSubtree(segmentLevel, new Uint8Array(hashByteLength));
    await tiles.append(undefined);
    return;
  }
  const { root, prev, lastLeafHash, firstTime, lastTime, derivedFault } = result;
  if (first === 0) onFirst(firstTime);
  if (position.prev !== undefined && !isSameBytes(prev, position.prev)) {
    const what =
      "the sealed file does not continue the entry before it: one of the two is another log's";
    findings.problem("chain", what, { seq: first, path });
    position.isSound = false;
  }
  const firstTimeMs = parseLogTime(firstTime);
  if (firstTimeMs < position.lastTimeMs) {
    findings.problem("order", `entry ${first} is earlier than the one before it`, {
      seq: first,
      path,
    });
  }
  if (derivedFault !== undefined) {
    const ids = `index/ids/${String(first).padStart(16, "0")}`;
    findings.problem("derived", `the index of event ids is damaged: ${derivedFault}`, {
      path: ids,
    });
  }
  if (position.isSound) await settleInside(context, path, edge);
  edge.appendSubtree(segmentLevel, root);
  position.prev = lastLeafHash;
  position.lastTime = lastTime;
  position.lastTimeMs = parseLogTime(lastTime);
  await tiles.append(root);
  if (position.isSound && claims.isWaiting(edge.size)) claims.settle(edge.size, edge.root());
}

/** Roots of sizes that end inside the file, from the hashes in it, which were checked. */
async function settleInside(context: ChainContext, path: string, edge: RightEdge): Promise<void> {
  const { folder, sha256, claims, findings } = context;
  const sizes = claims.waiting(edge.size, edge.size + segmentEntries - 1);
  if (sizes.length === 0) return;
  try {
    const byteLength = (await folder.byteLength(path)) ?? 0;
    const segment = await SegmentReader.open({ reader: folder, path, byteLength, sha256 });
    const level1 = await segment.level1();
    for (const size of sizes) {
      const part = edge.clone();
      const entries = size - edge.size;
      const whole = Math.floor(entries / bundleEntries);
      for (let tile = 0; tile < whole; tile++) {
        part.appendSubtree(
          tileLevel,
          level1.slice(tile * hashByteLength, (tile + 1) * hashByteLength),
        );
      }
      const level0 = entries % bundleEntries === 0 ? level1 : await segment.level0(whole);
      for (let i = 0; i < entries % bundleEntries; i++) {
        part.append(level0.slice(i * hashByteLength, (i + 1) * hashByteLength));
      }
      claims.settle(size, part.root());
    }
  } catch (error) {
    if (!isCairnError(error)) throw error;
    findings.caught(error, "sealed", { path });
  }
}
