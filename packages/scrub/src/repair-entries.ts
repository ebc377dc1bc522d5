/** Which entries of a log are damaged, and what they are restored from: sealed files, then the tail, then one root. */
import { chmodSync, copyFileSync, writeFileSync } from "node:fs";
import {
  CairnError,
  genesisPrev,
  hashLeaf,
  isCairnError,
  isSameBytes,
  parseNote,
  parseSeal,
  rangeRoot,
  RightEdge,
  verifySeal,
  type Hash,
} from "@cairnlog/core";
import {
  bundleEntries,
  checkSegment,
  compressFrameHere,
  frameCount,
  sealedPath,
  segmentEntries,
  SegmentReader,
  tailPath,
  writeSegment,
} from "@cairnlog/store";
import { withFileBytes } from "./file-bytes.ts";
import type { RepairContext, Staged } from "./repair-context.ts";
import { framesOf } from "./repair-source.ts";

const segmentLevel = 16;

export interface EntriesPlan {
  readonly staged: readonly Staged[];
  /** Root of each sealed segment, in order. */
  readonly roots: readonly Hash[];
}

interface SealedState {
  readonly root: Hash;
  readonly lastLeafHash: Hash;
}

/** Verifies all entries up to the newest commit, with what the source has in place of what is damaged. "unverified". */
export async function planEntries(context: RepairContext): Promise<EntriesPlan> {
  const { commit, reader } = context;
  const edge = new RightEdge(context.crypto.sha256);
  const staged: Staged[] = [];
  const roots: Hash[] = [];
  let prev: Hash = genesisPrev();
  const tails = new Set((await reader.list("tail")).map(({ path }) => path));
  let first = 0;
  for (; first + segmentEntries <= commit.size; first += segmentEntries) {
    const isSealed = (await reader.byteLength(sealedPath(first))) !== undefined;
    if (!isSealed && tails.has(tailPath(first))) break;
    const state = await soundSegment(context, first, prev, staged);
    edge.appendSubtree(segmentLevel, state.root);
    roots.push(state.root);
    prev = state.lastLeafHash;
  }
  const isWhole = await planTail(context, edge, first, staged);
  if (isWhole) return { staged, roots };
  const what = staged.length === 0 ? "the log" : "what was found";
  throw new CairnError(
    "unverified",
    `${what} does not come to the root of the newest commit (${commit.size} entries), with what ${context.source.where} ` +
      "has; nothing was changed. Try another copy",
    { place: { log: reader.name } },
  );
}

/** The segment as it lies here, or else as the source has it. */
async function soundSegment(
  context: RepairContext,
  first: number,
  prev: Hash,
  staged: Staged[],
): Promise<SealedState> {
  const path = sealedPath(first);
  let damage: string;
  try {
    const own = await checkedSegment(context, path, first, prev);
    if (own !== undefined) return own;
    damage = "the file is gone";
  } catch (error) {
    if (!isCairnError(error)) throw error;
    damage = error.message;
  }
  const { source } = context;
  const copy = source.file(path);
  if (copy !== undefined) {
    const from = context.files.stage(path, (full) => copyFileSync(copy, full));
    chmodSync(`${context.location}/${from}`, 0o400);
    const state = await tried(() => checkedSegment(context, from, first, prev));
    if (state !== undefined) {
      staged.push({ path, damage, how: "copy", staged: from });
      return state;
    }
  }
  const from = await tried(() => remade(context, path, first, prev));
  if (from !== undefined) {
    const state = await tried(() => checkedSegment(context, from, first, prev));
    if (state !== undefined) {
      staged.push({ path, damage, how: "entries", staged: from });
      return state;
    }
  }
  throw new CairnError(
    "unverified",
    `${path} is damaged (${damage}), and ${source.where} has nothing in its place that verifies; nothing was ` +
      "changed. Try another copy",
    { place: { log: context.reader.name, path, seq: first } },
  );
}

/** What somebody else's bytes do not stand up to is as good as not there. */
async function tried<T>(work: () => Promise<T | undefined>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    if (isCairnError(error)) return undefined;
    throw error;
  }
}

async function checkedSegment(
  { location, crypto, vkeys, settings }: RepairContext,
  path: string,
  first: number,
  prev: Hash,
): Promise<SealedState | undefined> {
  return withFileBytes(location, path, "cached", async (file) => {
    const checked = await checkSegment({
      reader: file,
      path,
      byteLength: file.byteLength,
      crypto,
      vkeys,
      expected: {
        origin: settings.origin,
        first,
        prev,
      },
      // The leaf hashes come to the sealed root: these are the events that were scanned when they arrived.
      scanEvents: false,
    });
    if (!vkeys.every((vkey) => checked.verified.some((each) => each.vkey === vkey))) {
      throw new CairnError("unverified", `the seal of ${path} lacks a signature of the log`);
    }
    return { root: checked.root, lastLeafHash: checked.lastLeafHash };
  });
}

/** Makes a sealed file again from the source's entries, under the seal of the damaged one. Returns where it lies. */
async function remade(
  context: RepairContext,
  path: string,
  first: number,
  prev: Hash,
): Promise<string | undefined> {
  const { location, crypto, vkeys, settings, source, files } = context;
  const { sha256 } = crypto;
  const note = await withFileBytes(location, path, "cached", async (file) => {
    const segment = await SegmentReader.open({
      reader: file,
      path,
      byteLength: file.byteLength,
      sha256,
    });
    return Uint8Array.from(segment.note);
  });
  if (note === undefined) return undefined;
  const { seal } = await verifySeal(crypto, note, vkeys, settings.origin);
  const bundles: Uint8Array[] = [];
  let pieces: Uint8Array[] = [];
  const leafHashes = new Uint8Array(segmentEntries * 32);
  let count = 0;
  for await (const framed of source.entries(first, first + segmentEntries)) {
    leafHashes.set(hashLeaf(sha256, framed.subarray(2)), 32 * count++);
    pieces.push(framed);
    if (pieces.length < bundleEntries) continue;
    bundles.push(Buffer.concat(pieces));
    pieces = [];
  }
  if (count !== segmentEntries) return undefined;
  const level1 = new Uint8Array(frameCount * 32);
  for (let i = 0; i < frameCount; i++) {
    const tile = leafHashes.subarray(32 * bundleEntries * i, 32 * bundleEntries * (i + 1));
    level1.set(rangeRoot(sha256, tile), 32 * i);
  }
  if (!isSameBytes(rangeRoot(sha256, level1), seal.root)) return undefined;
  const { staged, object } = files.stageObject(path);
  await writeSegment({
    object,
    path,
    crypto,
    origin: settings.origin,
    first,
    prev,
    root: seal.root,
    hashes: {
      leafHashes,
      level1,
    },
    readEntries: (frame) => Promise.resolve(Uint8Array.from(bundles[frame]!)),
    compress: compressFrameHere,
    sign: (made) => {
      if (isSameBytes(made.fileHash, parseSeal(parseNote(note).text).fileHash)) {
        return Promise.resolve(note);
      }
      throw new CairnError(
        "unverified",
        `${path} cannot be made again byte for byte here: restore it from a copy of the file`,
      );
    },
  });
  return staged;
}

/** Whether all entries beyond the sealed ones come, with the source's help, to the committed root. */
async function planTail(
  context: RepairContext,
  edge: RightEdge,
  first: number,
  staged: Staged[],
): Promise<boolean> {
  const { commit } = context;
  const own = edge.clone();
  for await (const framed of ownEntries(context, first, commit.size)) append(context, own, framed);
  if (own.size === commit.size && isSameBytes(own.root(), commit.root)) return true;
  if (context.isRunning) return false;
  const mended = await mendedTail(context, edge, first);
  if (mended === undefined) return false;
  staged.push(...mended);
  return true;
}

function append({ crypto }: RepairContext, edge: RightEdge, framed: Uint8Array): void {
  edge.append(hashLeaf(crypto.sha256, framed.subarray(2)));
}

/** The entries of the tail files as they lie here, as far as their lengths make sense. */
async function* ownEntries(
  { location }: RepairContext,
  from: number,
  to: number,
): AsyncGenerator<Uint8Array> {
  for (let first = from; first < to; first += segmentEntries) {
    const count = Math.min(segmentEntries, to - first);
    const frames = await withFileBytes(location, tailPath(first), "cached", (file) => {
      const found: Uint8Array[] = [];
      for (const framed of framesOf(file)) {
        if (found.length === count) break;
        found.push(framed);
      }
      return found;
    });
    yield* frames ?? [];
    if (frames?.length !== count) return;
  }
}

/**
 * The source's entries as far as it has them, then the own ones that follow: staged as tail files if they come to the
 * committed root. Bytes beyond the committed entries stay as they are: nobody was promised them, and they are not ours
 * to judge.
 */
async function mendedTail(
  context: RepairContext,
  edge: RightEdge,
  from: number,
): Promise<Staged[] | undefined> {
  const { commit, source, location, files } = context;
  const staged: Staged[] = [];
  for (let first = from; first < commit.size; first += segmentEntries) {
    const path = tailPath(first);
    const end = Math.min(commit.size, first + segmentEntries);
    const pieces: Uint8Array[] = [];
    const take = (framed: Uint8Array): void => {
      pieces.push(framed);
      append(context, edge, framed);
    };
    for await (const framed of source.entries(first, end)) take(framed);
    const rest = await withFileBytes(location, path, "cached", (file) => {
      const bytes = file.at(0, file.byteLength);
      let at = pieces.reduce((sum, piece) => sum + piece.length, 0);
      while (edge.size < end && at + 2 <= bytes.length) {
        const length = 2 + bytes[at]! * 256 + bytes[at + 1]!;
        if (length === 2 || at + length > bytes.length) break;
        take(bytes.slice(at, at + length));
        at += length;
      }
      return { before: bytes, beyond: bytes.slice(at) };
    });
    if (edge.size !== end) return undefined;
    const content = Buffer.concat([...pieces, rest?.beyond ?? new Uint8Array(0)]);
    if (rest !== undefined && isSameBytes(rest.before, content)) continue;
    const damage = rest === undefined ? "the file is gone" : "entries are not what was committed";
    const from = files.stage(path, (full) => writeFileSync(full, content, { mode: 0o600 }));
    staged.push({ path, damage, how: "entries", staged: from });
  }
  return isSameBytes(edge.root(), commit.root) ? staged : undefined;
}
