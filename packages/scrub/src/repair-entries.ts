/** Which entries of a log are damaged, and what they are restored from: sealed files, then the tail, then one root. */
import { writeFileSync } from "node:fs";
import {
  CairnError,
  genesisPrev,
  hashLeaf,
  isCairnError,
  isSameBytes,
  RightEdge,
  type Hash,
} from "@cairnlog/core";
import { checkSegment, sealedPath, segmentEntries, tailPath } from "@cairnlog/store";
import { withFileBytes } from "./file-bytes.ts";
import type { RepairContext, Staged } from "./repair-context.ts";
import { framesOf } from "./repair-folder.ts";
import { remadeSegment } from "./repair-remade.ts";

const segmentLevel = 16;
const pieceByteLength = 1024 * 1024;
/** The source may have the right bytes: nobody knows. */
const unanswered: ReadonlySet<string> = new Set(["unavailable", "unauthenticated", "forbidden"]);

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
  const copy = await copied(context, path);
  const reasons: string[] = [];
  if (copy !== undefined) {
    const state = await tried(reasons, () => checkedSegment(context, copy, first, prev));
    if (state !== undefined) {
      staged.push({ path, damage, how: "copy", staged: copy });
      return state;
    }
  }
  const remade = await tried(reasons, () => remadeSegment(context, path, first, prev));
  if (remade !== undefined) {
    const { staged: from, hasItsSeal } = remade;
    const state = await tried(reasons, () => checkedSegment(context, from, first, prev));
    if (state !== undefined) {
      staged.push({ path, damage, how: hasItsSeal ? "entries" : "resealed", staged: from });
      return state;
    }
  }
  const why = reasons.length === 0 ? "" : ` (${reasons.join("; ")})`;
  throw new CairnError(
    "unverified",
    `${path} is damaged (${damage}), and ${source.where} has nothing in its place that verifies${why}; nothing was ` +
      "changed. Try another copy",
    { place: { log: context.reader.name, path, seq: first } },
  );
}

/** What somebody else's bytes do not stand up to is as good as not there; that nobody answered is another matter. */
async function tried<T>(
  reasons: string[],
  work: () => Promise<T | undefined>,
): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    if (!isCairnError(error) || unanswered.has(error.code)) throw error;
    reasons.push(error.message);
    return undefined;
  }
}

/** The source's file as it is, staged here; undefined where the source keeps none. */
async function copied({ source, files }: RepairContext, path: string): Promise<string | undefined> {
  const byteLength = await source.files?.byteLength(path);
  if (source.files === undefined || byteLength === undefined) return undefined;
  const { staged, object } = files.stageObject(path);
  try {
    for (let at = 0; at < byteLength; at += pieceByteLength) {
      const piece = await source.files.read(path, at, Math.min(pieceByteLength, byteLength - at));
      if (piece === undefined) break;
      await object.write(piece);
    }
    await object.finish();
  } finally {
    await object.abandon();
  }
  return staged;
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
    const frames = await withFileBytes(location, tailPath(first), "cached", async (file) => {
      const found: Uint8Array[] = [];
      for await (const framed of framesOf((offset, length) => file.at(offset, length))) {
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
