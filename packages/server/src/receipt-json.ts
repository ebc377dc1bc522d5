/**
 * What a writer gets back, as JSON text. Written by hand and all in ASCII: this is the hottest
 * answer of the server, its shape is small and fixed, and most of it (the note, the upper path of
 * the tree) is the same for all the events of one commit.
 */
import { hashByteLength, writeBase64, type Hash } from "@cairnlog/core";
import type { Appended, Log, SignedCheckpoint } from "@cairnlog/log";
import { problemDocument } from "./problem.ts";

export type ReceiptForm = "full" | "short";

/** The answer to one event that was recorded. */
export async function singleReceipt(
  log: Log,
  appended: Appended,
  form: ReceiptForm,
): Promise<string> {
  const proof = form === "full" ? proofMember(await appended.inclusionProof(0)) : "";
  const duplicate = appended.isDuplicate(0) ? ',"duplicate":true' : "";
  return (
    `{"origin":${originOf(log)},"seq":${appended.seq(0)},` +
    `"leafHash":"${hashText(appended.leafHash(0))}"${duplicate}${proof},` +
    `"checkpoint":${noteOf(appended.checkpoint)}}`
  );
}

/** What a receipt says about an entry that was recorded long ago, with the entry itself. */
export interface StoredReceipt {
  readonly seq: number;
  readonly leafHash: Hash;
  readonly proof: readonly Hash[];
  readonly checkpoint: SignedCheckpoint;
  readonly entry: string;
}

export function storedReceipt(log: Log, receipt: StoredReceipt): string {
  return (
    `{"origin":${originOf(log)},"seq":${receipt.seq},"leafHash":"${hashText(receipt.leafHash)}"` +
    `${proofMember(receipt.proof)},"checkpoint":${noteOf(receipt.checkpoint)},` +
    `"entry":${asciiJson(receipt.entry)}}`
  );
}

/** The answer to a batch of which something was recorded. */
export async function batchReceipt(appended: Appended, form: ReceiptForm): Promise<string> {
  let results = "";
  for (let i = 0; i < appended.count; i++) {
    if (i > 0) results += ",";
    const refusal = appended.refusal(i);
    if (refusal !== undefined) {
      results += `{"error":${asciiJson(problemDocument(refusal))}}`;
      continue;
    }
    results += `{"seq":${appended.seq(i)},"leafHash":"${hashText(appended.leafHash(i))}"`;
    if (appended.isDuplicate(i)) results += ',"duplicate":true';
    if (form === "full") results += proofMember(await appended.inclusionProof(i));
    results += "}";
  }
  const recorded = appended.count - appended.refused;
  const checkpoint = recorded > 0 ? `"checkpoint":${noteOf(appended.checkpoint)},` : "";
  return (
    `{"recorded":${recorded},"refused":${appended.refused},` +
    `${checkpoint}"results":[${results}]}`
  );
}

/** JSON text in ASCII, so that its length in characters is its length in bytes. */
export function asciiJson(value: unknown): string {
  return JSON.stringify(value).replace(
    /[^\0-\x7f]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** A tree of 2^53 leaves has proofs of 53 hashes; each takes two quotes and a comma more. */
const hashTextLength = Math.ceil(hashByteLength / 3) * 4;
const proofRoom = Buffer.alloc(64 * (hashTextLength + 3));
const quote = 0x22;
const comma = 0x2c;

export function hashText(hash: Hash): string {
  return proofRoom.toString("latin1", 0, writeBase64(hash, proofRoom, 0));
}

/**
 * All hashes are written into one room, of which one text is made: 1.1 µs for the 17 hashes of a
 * log of 100,000 entries, where a text of its own for each took 3.3 µs (Node 24).
 */
function proofMember(proof: readonly Hash[]): string {
  let at = 0;
  for (const hash of proof) {
    if (at > 0) proofRoom[at++] = comma;
    proofRoom[at++] = quote;
    at = writeBase64(hash, proofRoom, at);
    proofRoom[at++] = quote;
  }
  return `,"proof":[${proofRoom.toString("latin1", 0, at)}]`;
}

const notes = new WeakMap<SignedCheckpoint, string>();

function noteOf(checkpoint: SignedCheckpoint): string {
  let text = notes.get(checkpoint);
  if (text === undefined) {
    text = asciiJson(checkpoint.note);
    notes.set(checkpoint, text);
  }
  return text;
}

const origins = new WeakMap<Log, string>();

function originOf(log: Log): string {
  let text = origins.get(log);
  if (text === undefined) {
    text = asciiJson(log.origin);
    origins.set(log, text);
  }
  return text;
}
