/**
 * A small log with one witness, and evidence about it, for the tests of evidence. Ed25519 only, so that every byte can
 * be made again.
 */
import { nodeCrypto, signerFromSeed } from "@cairnlog/crypto";
import { signCheckpoint } from "./checkpoint.ts";
import { cosignCheckpoint, cosigner } from "./cosign.ts";
import { utf8 } from "./encoding.ts";
import { genesisPrev } from "./entry-head.ts";
import { entryByteLengthMax, leafHash, writeEntry } from "./entry.ts";
import type { EvidenceExport } from "./evidence-header.ts";
import { makeEvidence, type Evidence, type EvidenceParts } from "./evidence.ts";
import type { Hash } from "./hash.ts";
import { formatNote, noteSigner, parseNote, type NoteSigner } from "./note.ts";
import { parsePolicy, type Policy } from "./policy.ts";
import { SegmentTree } from "./segment-tree.ts";
import { TreeAt } from "./tree-at.ts";
import { formatVkey } from "./vkey.ts";

const { sha256 } = nodeCrypto;

export const testOrigin = "log.example/vectors";
export const testTime = 1_795_410_060;

const seed = (byte: number): Uint8Array => new Uint8Array(32).fill(byte);
export const logSigner = noteSigner(sha256, testOrigin, signerFromSeed("ed25519", seed(1)));
export const witness = cosigner(sha256, "witness.example/w1", signerFromSeed("ed25519", seed(3)));
export const policyText = `log ${formatVkey(logSigner.vkey)}\nwitness w1 ${formatVkey(witness.vkey)}\nquorum w1\n`;
export const policy: Policy = parsePolicy(sha256, utf8(policyText));

export const testExport: EvidenceExport = {
  who: "auditor@example.com",
  why: 'case 17: "who read the orders?"',
  time: "2026-11-23T05:00:10.000Z",
  query: { types: ["database.query"], from: 2, to: 7 },
};

/** Entries and their tree. Entry `size - 1` records `testExport`. */
export interface TestLog {
  readonly entries: readonly Uint8Array[];
  readonly tree: SegmentTree;
  root(size: number): Hash;
}

/** What a log of ours would never do. */
export interface Misdeeds {
  /** `prev` of entry 0. */
  readonly genesis?: Hash;
  /** The second at which an entry was committed. */
  readonly secondOf?: (seq: number) => number;
}

/** A chained log. `change` may replace an event, as one who rewrites a log does. */
export function testLog(
  size: number,
  change: (seq: number, event: string) => string = (_, event) => event,
  { genesis = genesisPrev(), secondOf = (seq) => Math.floor(seq / 2) % 60 }: Misdeeds = {},
): TestLog {
  const entries: Uint8Array[] = [];
  const tree = new SegmentTree(sha256);
  let prev = genesis;
  const out = new Uint8Array(entryByteLengthMax);
  for (let seq = 0; seq < size; seq++) {
    const isLast = seq === size - 1;
    const event = isLast
      ? `{"type":"system.exported","actor":{"id":"cairn"},"action":"export","details":${JSON.stringify({ export: testExport })}}`
      : `{"id":"${seq}","type":"database.query","actor":{"id":"user${seq % 3}"},"action":"SELECT"}`;
    const bytes = utf8(change(seq, event));
    const salt = sha256(utf8(`salt ${seq}`)).slice(0, 18);
    const time = `2026-11-23T05:00:${String(secondOf(seq)).padStart(2, "0")}.123Z`;
    const head = { seq, prev, salt, time, source: isLast ? "cairn" : "api" };
    const entry = out.slice(0, writeEntry(out, 0, head, bytes, 0, bytes.length));
    prev = leafHash(sha256, entry);
    entries.push(entry);
    tree.append(prev);
  }
  const read = (level: number, index: number): Hash => tree.node(level, index);
  return { entries, tree, root: (at) => new TreeAt(sha256, at, read).root() };
}

export interface NoteOptions {
  readonly origin?: string;
  readonly signers?: readonly NoteSigner[];
  readonly cosigners?: readonly NoteSigner[];
}

/** The cosigned checkpoint of a log's first `size` entries. */
export async function testNote(
  log: TestLog,
  size: number,
  options: NoteOptions = {},
): Promise<string> {
  const { origin = testOrigin, signers = [logSigner], cosigners = [witness] } = options;
  const note = parseNote(
    utf8(await signCheckpoint(signers, { origin, size, root: log.root(size) })),
  );
  const lines = await cosignCheckpoint(cosigners, note.text, testTime);
  return formatNote(note.text, [...note.signatures, ...lines]);
}

/** Evidence of some entries of a log. */
export function testEvidence(
  log: TestLog,
  checkpoint: string,
  seqs: readonly number[],
  change: Partial<EvidenceParts> = {},
): Evidence {
  const parts: EvidenceParts = {
    checkpoint,
    entries: seqs.map((seq) => log.entries[seq]!),
    keys: [formatVkey(logSigner.vkey)],
    export: testExport,
    recorded: log.entries.length - 1,
    ...change,
  };
  return makeEvidence(sha256, parts, (level, index) => log.tree.node(level, index));
}
