/**
 * What the log says should be on its medium: the side of memory in every comparison. The scrubber believes nothing
 * else: what a file holds is held against this, never the other way round.
 *
 * Asking goes through here and not to the log itself, because the scrubber works in a thread of its own.
 */
import { hashByteLength, tileWidthMax, type Hash } from "@cairnlog/core";
import type { AtRest, Log } from "@cairnlog/log";

export interface RestingLog {
  readonly name: string;
  readonly origin: string;
  /** Verifier keys: Ed25519 first, then ML-DSA-44. */
  readonly vkeys: readonly string[];
  atRest(): Promise<AtRest>;
  /** Hashes of a C2SP tile of the durable tree, from the left. Rejects where the log itself finds damage. */
  tile(level: number, index: number, width: number): Promise<Uint8Array | undefined>;
  /** Leaf hashes of the durable entries [from, to), one run; undefined where there are not so many. */
  leafHashes(from: number, to: number): Promise<Uint8Array | undefined>;
  /** Root of the tree of `size`. */
  root(size: number): Promise<Hash>;
}

/** An open log, asked in the same thread. */
export function restingLog(log: Log): RestingLog {
  const { name, origin, vkeys } = log;
  return {
    name,
    origin,
    vkeys,
    atRest: () => Promise.resolve(log.atRest()),
    tile: (level, index, width) => log.tile(level, index, width),
    leafHashes: (from, to) => leafHashes(log, from, to),
    root: (size) => log.root(size),
  };
}

/** Of the durable entries [from, to), tile by tile: asking for all at once spares the way between two threads. */
export async function leafHashes(
  log: Pick<Log, "tile">,
  from: number,
  to: number,
): Promise<Uint8Array | undefined> {
  const hashes = new Uint8Array(hashByteLength * (to - from));
  for (let at = from; at < to;) {
    const index = Math.floor(at / tileWidthMax);
    const end = Math.min(to, (index + 1) * tileWidthMax);
    const tile = await log.tile(0, index, end - index * tileWidthMax);
    if (tile === undefined) return undefined;
    hashes.set(tile.subarray(hashByteLength * (at % tileWidthMax)), hashByteLength * (at - from));
    at = end;
  }
  return hashes;
}
