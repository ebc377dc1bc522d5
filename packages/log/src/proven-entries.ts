/**
 * Entries with one proof for all of them, for evidence: thousands at a time, from anywhere in the log.
 *
 * Nothing that is read is checked by itself. Instead the finished proof is verified against the root that the log has
 * signed, as whoever gets it will do; only where that fails are the entries read one by one, to say which is damaged.
 */
import {
  assert,
  CairnError,
  isCairnError,
  leafHash,
  multiProof,
  multiProofNodes,
  nodeFromTile,
  tileOfNode,
  verifyMultiProof,
  type Hash,
  type Sha256,
} from "@cairnlog/core";
import { bundleEntries } from "@cairnlog/store";

/** Entries of one tree, by ascending seq, and what proves them. */
export interface ProvenEntries {
  readonly entries: readonly Uint8Array[];
  readonly leafHashes: readonly Hash[];
  /** A multi-proof: see `multiProof` in core. */
  readonly proof: readonly Hash[];
}

/** What a log's files and memory hold, unproven. */
export interface UnprovenAccess {
  /** Entries of a bundle by their place in it, ascending. */
  entries(bundle: number, places: readonly number[]): Promise<readonly Uint8Array[]>;
  /** A node that is in memory. */
  node(level: number, index: number): Hash | undefined;
  /** A full tile. */
  tile(level: number, index: number): Promise<Uint8Array>;
}

/** The tiles that are looked at again are the last few at each level: nodes come from left to right. */
const tilesHeld = 16;

/** What is to be proven. */
export interface EntriesWanted {
  /** Ascending, at least one, below `size`. */
  readonly seqs: readonly number[];
  readonly size: number;
  /** That of the tree of `size`. */
  readonly root: Hash;
  /** All entries are held in memory at once: so many bytes at most. */
  readonly entryBytesMax: number;
}

/** "unverified" if the entries do not lead to the root, "too_large" if they are too many bytes. */
export async function proveEntries(
  sha256: Sha256,
  access: UnprovenAccess,
  { seqs, size, root, entryBytesMax }: EntriesWanted,
): Promise<ProvenEntries> {
  const entries = await readEntries(access, seqs, entryBytesMax);
  const leafHashes = entries.map((entry) => leafHash(sha256, entry));
  const nodes = await readNodes(sha256, access, seqs, size);
  const proof = multiProof(sha256, seqs, size, (level, index) => {
    const hash = nodes.get(keyOf(level, index));
    assert(hash !== undefined, "the nodes of the proof were read");
    return hash;
  });
  verifyMultiProof(sha256, { indexes: seqs, size, leafHashes, proof, root });
  return { entries, leafHashes, proof };
}

async function readEntries(
  access: UnprovenAccess,
  seqs: readonly number[],
  entryBytesMax: number,
): Promise<readonly Uint8Array[]> {
  const entries: Uint8Array[] = [];
  let byteLength = 0;
  for (let i = 0; i < seqs.length;) {
    const bundle = Math.floor(seqs[i]! / bundleEntries);
    const places: number[] = [];
    for (; i < seqs.length && Math.floor(seqs[i]! / bundleEntries) === bundle; i++) {
      places.push(seqs[i]! % bundleEntries);
    }
    for (const entry of await access.entries(bundle, places)) {
      entries.push(entry);
      byteLength += entry.length;
    }
    if (byteLength > entryBytesMax) {
      throw new CairnError(
        "too_large",
        `the first ${entries.length} of ${seqs.length} entries have more than ${entryBytesMax} bytes already: ` +
          "narrow the selection, or export it in parts",
      );
    }
  }
  return entries;
}

async function readNodes(
  sha256: Sha256,
  access: UnprovenAccess,
  seqs: readonly number[],
  size: number,
): Promise<ReadonlyMap<string, Hash>> {
  const nodes = new Map<string, Hash>();
  const tiles = new Map<string, Uint8Array>();
  for (const { level, index } of multiProofNodes(seqs, size)) {
    const inMemory = access.node(level, index);
    if (inMemory !== undefined) {
      nodes.set(keyOf(level, index), inMemory);
      continue;
    }
    const slice = tileOfNode(level, index);
    const key = keyOf(slice.level, slice.index);
    let tile = tiles.get(key);
    if (tile === undefined) {
      tile = await access.tile(slice.level, slice.index);
      tiles.set(key, tile);
      if (tiles.size > tilesHeld) tiles.delete(tiles.keys().next().value!);
    }
    nodes.set(keyOf(level, index), nodeFromTile(sha256, tile, slice));
  }
  return nodes;
}

function keyOf(level: number, index: number): string {
  return `${level}/${index}`;
}

/** Whether an error says that bytes are not what they should be: then reading one by one says which. */
export function isDamage(error: unknown): boolean {
  return isCairnError(error) && (error.code === "unverified" || error.code === "malformed");
}
