/**
 * The attacker's tools. With root and the log's keys one can write any history that one likes, whole, chained and
 * signed: all of Cairn's own formats are public. What one cannot do is to make others forget.
 *
 * For logs whose entries are all in one tail file.
 */
import {
  chmodSync,
  closeSync,
  openSync,
  readFileSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import {
  assert,
  CairnError,
  entryByteLengthMax,
  hashLeaf,
  noteSigner,
  parseEntry,
  parseEntryBundle,
  RightEdge,
  signCheckpoint,
  writeEntry,
  type NoteSigner,
} from "@cairnlog/core";
import { nodeCrypto, signerFromPem } from "@cairnlog/crypto";
import {
  commitSlotByteLength,
  commitSlotCount,
  encodeCommitSlot,
  readCommitRing,
  tailPath,
  type Commit,
} from "@cairnlog/store";

const { sha256 } = nodeCrypto;
const tail = tailPath(0);

/** A log as it lies on the disk. */
export interface StolenLog {
  readonly folder: string;
  readonly origin: string;
  readonly entries: readonly Uint8Array[];
  /** Newest first. */
  readonly commits: readonly Commit[];
  /** Under the log's real keys. */
  readonly signers: readonly NoteSigner[];
}

export function stealLog(folder: string, origin: string): StolenLog {
  const commits = readCommitRing(readFileSync(join(folder, "commits")));
  const [newest] = commits;
  assert(newest?.tailFirst === 0, "all entries of the log are in its first tail file");
  const bytes = new Uint8Array(readFileSync(join(folder, tail))).subarray(0, newest.tailOffset);
  const entries = parseEntryBundle(bytes).map(({ begin, end }) => bytes.slice(begin, end));
  const signers = ["ed25519", "ml-dsa-44"].map((name) =>
    noteSigner(
      sha256,
      origin,
      signerFromPem(readFileSync(join(folder, `keys/${name}.pem`), "utf8")),
    ),
  );
  return { folder, origin, entries, commits, signers };
}

/** Seq of the first entry whose event holds `text`. */
export function findEntry(entries: readonly Uint8Array[], text: string): number {
  const seq = entries.findIndex((entry) => Buffer.from(entry).includes(text));
  if (seq < 0) throw new CairnError("not_found", `no entry holds ${JSON.stringify(text)}`);
  return seq;
}

/** The entries with `from` changed into `to`, and all that follow chained anew. */
export function rewriteEntries(
  entries: readonly Uint8Array[],
  change: (seq: number, event: string) => string,
): Uint8Array[] {
  const out = new Uint8Array(entryByteLengthMax);
  let prev: Uint8Array = new Uint8Array(32);
  return entries.map((bytes, seq) => {
    const entry = parseEntry(bytes);
    const event = Buffer.from(change(seq, Buffer.from(entry.event).toString()));
    const rewritten = out.slice(0, writeEntry(out, 0, { ...entry, prev }, event, 0, event.length));
    prev = hashLeaf(sha256, rewritten);
    return rewritten;
  });
}

export function rootOf(entries: readonly Uint8Array[]): Uint8Array {
  const edge = new RightEdge(sha256);
  for (const entry of entries) edge.append(hashLeaf(sha256, entry));
  return edge.root();
}

/** The checkpoint of these entries under the log's real keys. */
export function signEntries(
  { origin, signers }: StolenLog,
  entries: readonly Uint8Array[],
): Promise<string> {
  return signCheckpoint(signers, { origin, size: entries.length, root: rootOf(entries) });
}

/** Makes the folder that of a log which has these entries and never had others. */
export async function replaceHistory(
  log: StolenLog,
  entries: readonly Uint8Array[],
): Promise<string> {
  const { folder } = log;
  const bytes = new Uint8Array(statSync(join(folder, tail)).size);
  const offsets = [0];
  for (const entry of entries) {
    const at = offsets.at(-1)!;
    new DataView(bytes.buffer).setUint16(at, entry.length);
    bytes.set(entry, at + 2);
    offsets.push(at + 2 + entry.length);
  }
  const ring = ringOf(log, entries, offsets);
  const checkpoint = await signEntries(log, entries);
  overwrite(join(folder, tail), bytes);
  overwrite(join(folder, "commits"), ring);
  overwrite(join(folder, "checkpoint"), checkpoint);
  return checkpoint;
}

/** Commit records that lead to these entries, as far as there were some on the way: numbered without a gap. */
function ringOf(
  { commits }: StolenLog,
  entries: readonly Uint8Array[],
  offsets: readonly number[],
): Uint8Array {
  const ring = new Uint8Array(commitSlotByteLength * commitSlotCount);
  const kept = commits.filter(({ size }) => size < entries.length);
  const number = (kept[0]?.number ?? 0) + 1;
  for (const record of [...kept, { number, size: entries.length }]) {
    const { size } = record;
    const [root, tailOffset] = [rootOf(entries.slice(0, size)), offsets[size]!];
    const slot = encodeCommitSlot({ number: record.number, size, root, tailFirst: 0, tailOffset });
    ring.set(slot, (record.number % commitSlotCount) * commitSlotByteLength);
  }
  return ring;
}

/** Other content in the same file, whatever its mode. */
export function overwrite(path: string, content: string | Uint8Array): void {
  chmodSync(path, 0o600);
  writeFileSync(path, content);
}

/** Writes over some bytes of a file in place, whatever its mode. */
export function patch(path: string, offset: number, bytes: Uint8Array): void {
  chmodSync(path, 0o600);
  const file = openSync(path, "r+");
  try {
    writeSync(file, bytes, 0, bytes.length, offset);
  } finally {
    closeSync(file);
  }
}
