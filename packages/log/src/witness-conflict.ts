/**
 * What a witness said that cannot be true of this log: that it holds another root, or a larger tree, than ours.
 *
 * A claim is only the witness's word: a witness may be broken, or lie. It is *proven* where the witness also shows a
 * checkpoint under this log's own key that our tree contradicts: then two histories were signed with that key, or this
 * one was rolled back (docs/decisions/0012-what-a-witness-may-stop.md).
 */
import {
  base64,
  CairnError,
  hex,
  isCairnError,
  isSameBytes,
  parseUtf8,
  utf8,
  verifyCheckpoint,
  type Crypto,
  type Hash,
  type Vkey,
} from "@cairnlog/core";
import type { LogStore } from "@cairnlog/store";

/** What the witness claims to hold. */
export type ConflictClaim =
  /** Another root at `size`, which is one of ours. */
  | { readonly kind: "other-root"; readonly size: number }
  /** A tree of `size`, which is more than we have. */
  | { readonly kind: "larger-tree"; readonly size: number };

export interface WitnessConflict {
  readonly witness: string;
  readonly url: string;
  readonly claim: ConflictClaim;
  /** Entries that were durable here when it was claimed. */
  readonly ourSize: number;
  /** The request, as it was sent, and the answer, as it came. */
  readonly sent: Uint8Array;
  readonly status: number;
  readonly answer: Uint8Array;
  /** The checkpoint that the witness serves, as it came; undefined where it shows none. */
  readonly served: Uint8Array | undefined;
  /** What the served checkpoint proves, in words; undefined where it proves nothing. */
  readonly proof: string | undefined;
}

/** What a served checkpoint is compared with. */
export interface OwnTree {
  readonly origin: string;
  readonly vkeys: readonly Vkey[];
  readonly crypto: Crypto;
  /** Entries that are durable now. */
  readonly durableSize: () => number;
  readonly root: (size: number) => Promise<Hash>;
}

/** In words, what a checkpoint under our own key says against our tree; undefined if it says nothing against it. */
export async function findProof(served: Uint8Array, tree: OwnTree): Promise<string | undefined> {
  const { origin, vkeys, crypto } = tree;
  let size: number;
  let root: Hash;
  try {
    ({ size, root } = (await verifyCheckpoint(crypto, served, vkeys, origin)).checkpoint);
  } catch (error) {
    // Not signed by us: anybody can write such a thing.
    if (isCairnError(error)) return undefined;
    throw error;
  }
  const ourSize = tree.durableSize();
  if (size > ourSize) {
    return `it shows a checkpoint of ${size} entries under this log's own key, and this log has ${ourSize}`;
  }
  if (isSameBytes(await tree.root(size), root)) return undefined;
  return `it shows a checkpoint of ${size} entries under this log's own key with the root ${base64(root)}, which is not ours`;
}

/** The error that says it. While running, a mere claim is an alarm; at the start it is reason enough not to start. */
export function conflictError(logName: string, conflict: WitnessConflict): CairnError {
  const { witness, claim, ourSize, proof } = conflict;
  const what =
    claim.kind === "larger-tree"
      ? `the witness ${witness} holds ${claim.size} entries of the log ${logName}, and the log itself has ${ourSize}: ` +
        "it was rolled back, or another copy of it runs elsewhere"
      : `the witness ${witness} holds another root of the log ${logName} at size ${claim.size} than the log itself: ` +
        "its history was rewritten, or signed in two ways";
  return new CairnError(
    "tampered",
    `${what}${proof === undefined ? "" : `; ${proof}`}. Keep the log's folder as evidence and compare it with a mirror, ` +
      "a copy or receipts; go on from one that verifies, or begin a successor with `cairn init --succeeds`. If it is the " +
      "witness that is wrong, take it out of the policy",
    { place: { log: logName } },
  );
}

const evidenceFolder = "evidence";
/** More than this says nothing new, and a lying witness must not fill the disk. */
const evidenceFilesMax = 16;

export interface KeptEvidence {
  readonly path: string;
  /** SHA-256 of the file, hex. */
  readonly sha256: string;
}

/** Keeps all of it in the log's folder, durably, for ever. Undefined where enough is kept already. */
export async function keepEvidence(
  store: LogStore,
  crypto: Crypto,
  conflict: WitnessConflict,
  timeMs: number,
): Promise<KeptEvidence | undefined> {
  const { witness, url, claim, ourSize, status, sent, answer, served, proof } = conflict;
  const members = {
    format: "cairn-witness-conflict/1",
    log: store.name,
    witness,
    url,
    time: new Date(timeMs).toISOString(),
    claim,
    ourSize,
    proof: proof ?? null,
    request: base64(sent),
    status,
    answer: base64(answer),
    served: served === undefined ? null : base64(served),
  };
  const bytes = utf8(`${JSON.stringify(members, undefined, 2)}\n`);
  const taken = new Set((await store.list(evidenceFolder)).map(({ path }) => path));
  for (let i = 1; i <= evidenceFilesMax; i++) {
    const path = `${evidenceFolder}/witness-conflict-${i}.json`;
    if (taken.has(path)) continue;
    await store.put(path, bytes);
    return { path, sha256: hex(crypto.sha256(bytes)) };
  }
  return undefined;
}

/** What a witness said, for a message: short, and safe to print. */
export function shownAnswer(answer: Uint8Array): string {
  let text: string;
  try {
    text = parseUtf8(answer);
  } catch {
    return `${answer.length} bytes that are no text`;
  }
  const line = text.trim().split("\n", 1)[0]!.slice(0, 120);
  return line === "" ? "no text" : JSON.stringify(line);
}
