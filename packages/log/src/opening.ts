/**
 * From what lies on the medium to a log's memory: sealed segments, the newest commit, the tail, the ids. What is read
 * here does not grow with the log, apart from one 32-byte root per sealed segment.
 */
import {
  CairnError,
  emptyRoot,
  genesisPrev,
  hashLeaf,
  hashOfTile,
  isSameBytes,
  parseEntryBundle,
  parseEntryHead,
  type Hash,
  type Sha256,
} from "@cairnlog/core";
import {
  bundleEntries,
  type Commit,
  formatIdSidecar,
  frameCount,
  type IdHasher,
  idSidecarPath,
  type LogStore,
  readIdSidecar,
  sealedPath,
  segmentEntries,
  type SegmentReader,
  tailPath,
  treeTilePath,
} from "@cairnlog/store";
import { findIdRange } from "./event-batch.ts";
import { generationSize, IdTable } from "./id-table.ts";
import type { LogTree } from "./log-tree.ts";
import { openSegmentReader } from "./segment-files.ts";
import { recoverTail, type Recovered } from "./recovery.ts";
import { OpenedStreams } from "./sources/opened-streams.ts";
import { StreamReader } from "./sources/read-streams.ts";

const segmentTileLevel = 2;
const hashByteLength = 32;
/** Files that are read at once: as many as Node has threads for. */
const readAheadMax = 4;

export interface Opened {
  readonly commit: Commit;
  readonly tree: LogTree;
  readonly ids: IdTable;
  readonly streams: OpenedStreams;
  readonly recovered: Recovered;
}

/**
 * Reads a log's state into `tree`, which is empty. "tampered" if acknowledged data is damaged or missing. `check` is
 * called with the committed size when what was committed has been read, before anything is changed on the medium.
 */
export async function openState(
  store: LogStore,
  sha256: Sha256,
  idHasher: IdHasher,
  tree: LogTree,
  check: (committedSize: number) => Promise<void>,
): Promise<Opened> {
  const commit = await newestCommit(store, sha256);
  const segments = await countSegments(store, commit);
  const last = await loadSealed(store, sha256, tree, segments);
  const ids = new IdTable(generationSize, sealedIdsMax(segments));
  await loadIds(store, sha256, idHasher, ids, segments);
  const reader = new StreamReader();
  const parts = { store, sha256, tree, ids, idHasher, streams: reader, commit, check, ...last };
  const recovered = await recoverTail(parts);
  const streams = new OpenedStreams(store, sha256, segments);
  await streams.take(store, reader);
  // Not before the sealed segments have proved to be those of the last commit.
  for (const { path, bytes } of last.remade) await store.put(path, bytes);
  await finishSealing(store, segments);
  // The record that was read may never have reached the medium (its sync may have failed). Before anything is said
  // about this size, it is recorded once more; where there is something to tell, by the commit that tells it.
  const opened = { tree, ids, streams, recovered };
  if (recovered.rest !== undefined) return { commit, ...opened };
  const again = { ...commit, number: commit.number + 1 };
  await store.commit(again);
  return { commit: again, ...opened };
}

/** The newest commit. A log that has data but no commit was tampered with; one that has neither was just created. */
async function newestCommit(store: LogStore, sha256: Sha256): Promise<Commit> {
  const [newest] = await store.commits();
  if (newest !== undefined) return newest;
  const path = await findEntries(store);
  if (path !== undefined) {
    throw new CairnError(
      "tampered",
      `the log ${store.name} has entries in ${path}, but no valid commit record: it does not start. Keep its ` +
        "files as evidence; go on from a mirror or copy that verifies, or begin a successor with " +
        "`cairn init --succeeds <checkpoint>`",
      { place: { log: store.name, path: "commits" } },
    );
  }
  const first = { number: 1, size: 0, root: emptyRoot(sha256), tailFirst: 0, tailOffset: 0 };
  await store.commit(first);
  return first;
}

/** True if entry 0 was never committed: nobody was told of this log. */
export async function isUnborn(store: LogStore): Promise<boolean> {
  const [newest] = await store.commits();
  return newest === undefined ? (await findEntries(store)) === undefined : newest.size === 0;
}

/** A file that holds entries, committed or not. */
async function findEntries(store: LogStore): Promise<string | undefined> {
  for (const { path } of [...(await store.list("tail")), ...(await store.list("sealed"))]) {
    const bytes = await store.read(path, 0, 2);
    if (bytes?.some((byte) => byte !== 0) === true) return path;
  }
  return undefined;
}

/** How many segments are sealed. They must follow one another from the first one, and be committed. */
async function countSegments(store: LogStore, commit: Commit): Promise<number> {
  const sealed = await store.list("sealed");
  for (const [i, { path }] of sealed.entries()) {
    if (path === sealedPath(i * segmentEntries)) continue;
    throw new CairnError(
      "tampered",
      `the log ${store.name} has lost sealed entries: ${sealedPath(i * segmentEntries)} is missing`,
      { place: { log: store.name, seq: i * segmentEntries, path: sealedPath(i * segmentEntries) } },
    );
  }
  if (sealed.length * segmentEntries > commit.size) {
    throw new CairnError(
      "tampered",
      `the log ${store.name} has ${sealed.length * segmentEntries} sealed entries, but its newest commit record ` +
        `knows ${commit.size}: newer records are gone`,
      { place: { log: store.name, path: "commits" } },
    );
  }
  return sealed.length;
}

interface LoadedSealed {
  /** Leaf hash and time of the last sealed entry. */
  readonly prev: Hash;
  readonly lastTimeMs: number;
  /** Tiles that were missing. Not stored before the commit's root has proved them. */
  readonly remade: readonly { readonly path: string; readonly bytes: Uint8Array }[];
}

/** Loads the roots of sealed segments into the tree: by tiles of 256 where they are complete, then one by one. */
async function loadSealed(
  store: LogStore,
  sha256: Sha256,
  tree: LogTree,
  segments: number,
): Promise<LoadedSealed> {
  const wholeTiles = Math.floor(segments / bundleEntries);
  const remade: { readonly path: string; readonly bytes: Uint8Array }[] = [];
  for (let index = 0; index < wholeTiles; index++) {
    const path = treeTilePath(segmentTileLevel, index);
    const tile = await store.get(path);
    if (tile?.length === bundleEntries * hashByteLength) {
      for (let i = 0; i < bundleEntries; i++) {
        tree.appendSealed(tile.slice(i * hashByteLength, (i + 1) * hashByteLength));
      }
      continue;
    }
    // Derived, so that it can be made again from the segments; the root of the commit decides whether it is right.
    const roots = new Uint8Array(bundleEntries * hashByteLength);
    for (let i = 0; i < bundleEntries; i++) {
      const { root } = (await openSegment(store, sha256, index * bundleEntries + i)).trailer;
      roots.set(root, i * hashByteLength);
      tree.appendSealed(root);
    }
    if (tile === undefined) remade.push({ path, bytes: roots });
  }
  const single = { from: wholeTiles * bundleEntries, to: segments };
  for await (const segment of readAhead(single, (index) => openSegment(store, sha256, index))) {
    tree.appendSealed(segment.trailer.root);
  }
  if (segments === 0) return { prev: genesisPrev(), lastTimeMs: 0, remade };
  const last = await lastSealedEntry(await openSegment(store, sha256, segments - 1), sha256);
  return { ...last, remade };
}

/**
 * Leaf hash and time of a segment's last entry, which the next one continues. Checked up to the segment's root, because
 * a log that ends with this segment has no entry in its tail that would show a wrong one.
 */
async function lastSealedEntry(
  segment: SegmentReader,
  sha256: Sha256,
): Promise<{ readonly prev: Hash; readonly lastTimeMs: number }> {
  const lastFrame = frameCount - 1;
  const bundle = await segment.entryBundle(lastFrame);
  const level0 = await segment.level0(lastFrame);
  const level1 = await segment.level1();
  const { begin, end } = parseEntryBundle(bundle).at(-1)!;
  const bytes = bundle.subarray(begin, end);
  const prev = hashLeaf(sha256, bytes);
  const isProven =
    isSameBytes(prev, level0.subarray(-hashByteLength)) &&
    isSameBytes(hashOfTile(sha256, level0), level1.subarray(-hashByteLength)) &&
    isSameBytes(hashOfTile(sha256, level1), segment.trailer.root);
  if (isProven) return { prev, lastTimeMs: parseEntryHead(bytes).timeMs };
  const seq = segment.first + segmentEntries - 1;
  throw new CairnError(
    "tampered",
    `acknowledged data was changed: entry ${seq} does not hash to the root of ${segment.path}. Restore that file from a ` +
      "mirror or copy that verifies",
    { place: { seq, path: segment.path } },
  );
}

function openSegment(store: LogStore, sha256: Sha256, index: number): Promise<SegmentReader> {
  return openSegmentReader(store, index * segmentEntries, sha256);
}

/** A crash may have left the tail file of a segment that was sealed. */
async function finishSealing(store: LogStore, segments: number): Promise<void> {
  for (const { path } of await store.list("tail")) {
    for (let index = 0; index < segments; index++) {
      if (path === tailPath(index * segmentEntries)) await store.remove(path);
    }
  }
}

/** Fills the table with the ids of the last sealed segments, oldest first. */
async function loadIds(
  store: LogStore,
  sha256: Sha256,
  idHasher: IdHasher,
  ids: IdTable,
  segments: number,
): Promise<void> {
  const count = sealedIdsMax(segments) / segmentEntries;
  const last = { from: segments - count, to: segments };
  const read = (index: number): Promise<Uint8Array | undefined> =>
    store.get(idSidecarPath(index * segmentEntries));
  let first = last.from * segmentEntries;
  for await (const bytes of readAhead(last, read)) {
    const idHashes =
      (bytes && readIdSidecar(sha256, first, bytes)) ??
      (await remakeIds(store, sha256, idHasher, first));
    for (let i = 0; i < segmentEntries; i++) {
      const high = idHashes[2 * i]!;
      const low = idHashes[2 * i + 1]!;
      if (high !== 0 || low !== 0) ids.insert(high, low, first + i);
    }
    first += segmentEntries;
  }
}

/** How many sealed entries' ids are loaded. */
function sealedIdsMax(segments: number): number {
  return Math.min(segments * segmentEntries, generationSize);
}

/** What `read` gives for each index, in order, while some of the next ones are on their way already. */
async function* readAhead<T>(
  { from, to }: { readonly from: number; readonly to: number },
  read: (index: number) => Promise<T>,
): AsyncGenerator<T> {
  const pending: Promise<T>[] = [];
  let next = from;
  for (let index = from; index < to; index++) {
    for (; next < to && next < index + readAheadMax; next++) {
      const promise = read(next);
      // If one before it fails, nobody waits for this one.
      promise.catch(() => undefined);
      pending.push(promise);
    }
    yield await pending.shift()!;
  }
}

/** Makes a segment's id hashes again from its entries. */
async function remakeIds(
  store: LogStore,
  sha256: Sha256,
  idHasher: IdHasher,
  first: number,
): Promise<Uint32Array> {
  const idHashes = new Uint32Array(2 * segmentEntries);
  const segment = await openSegment(store, sha256, first / segmentEntries);
  let i = 0;
  for (let frame = 0; frame < segmentEntries / bundleEntries; frame++) {
    const bundle = await segment.entryBundle(frame);
    for (const { begin, end } of parseEntryBundle(bundle)) {
      const bytes = bundle.subarray(begin, end);
      const entry = parseEntryHead(bytes);
      const id = findIdRange(bytes, entry.eventOffset, bytes.length - 1);
      if (id !== undefined) {
        idHasher.hash(idHasher.sourceSeed(entry.source), bytes, id.start, id.end);
        idHashes[2 * i] = idHasher.high;
        idHashes[2 * i + 1] = idHasher.low;
      }
      i++;
    }
  }
  const sidecar = formatIdSidecar(sha256, first, idHashes);
  const there = await store.get(idSidecarPath(first));
  // A damaged one stays as it is: objects are written once. It only costs this work again.
  if (there === undefined || isSameBytes(there, sidecar)) {
    await store.put(idSidecarPath(first), sidecar);
  }
  return idHashes;
}
