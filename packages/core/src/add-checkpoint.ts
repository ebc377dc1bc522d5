/**
 * What a log and a witness say to each other in `add-checkpoint` (C2SP tlog-witness), byte for byte: the request's
 * body, and the bodies of the answers 200 and 409. What the witness decides is in `witness-decision.ts`.
 *
 *     old <size>
 *     <base64 hash>        none to 63: consistency proof from the old size to the checkpoint's
 *     <empty line>
 *     <checkpoint, a signed note>
 */
import type { Crypto } from "./crypto.ts";
import {
  parseCheckpoint,
  verifyCheckpointSignatures,
  type Checkpoint,
  type ParsedCheckpoint,
} from "./checkpoint.ts";
import { base64, parseBase64, parseDecimal, parseUtf8, utf8 } from "./encoding.ts";
import { CairnError } from "./errors.ts";
import { hashByteLength, type Hash } from "./hash.ts";
import {
  noteBytesMax,
  parseNote,
  signatureLine,
  type Note,
  type NoteSignature,
  type VerifiedSignature,
} from "./note.ts";
import { signatureTypes, type Vkey } from "./vkey.ts";

export interface AddCheckpointRequest {
  /** The size that the witness is thought to hold: 0 if unknown. */
  readonly oldSize: number;
  readonly proof: readonly Hash[];
  /** The signed note, as it is. */
  readonly checkpoint: string;
}

/** A request that was read, with what its note says. Nothing of it is verified yet. */
export interface ParsedAddCheckpoint extends AddCheckpointRequest {
  readonly note: Note;
  readonly parsed: ParsedCheckpoint;
}

/** Cosignatures in a witness's answer that match, as lines for the log's note and as what they say. */
export interface VerifiedCosignatures {
  readonly lines: readonly NoteSignature[];
  readonly verified: readonly VerifiedSignature[];
}

export const consistencyProofLinesMax = 63;
/** Room for a note of the largest size behind the longest proof. */
export const addCheckpointBytesMax = noteBytesMax + 64 * (consistencyProofLinesMax + 1);
/** The content type of a 409, whose body is the size that the witness holds. */
export const treeSizeMediaType = "text/x.tlog.size";

const oldStart = "old ";

/** The request's body. The reverse of `parseAddCheckpoint`. */
export function formatAddCheckpoint(request: AddCheckpointRequest): string {
  let text = `${oldStart}${request.oldSize}\n`;
  for (const hash of request.proof) text += `${base64(hash)}\n`;
  return `${text}\n${request.checkpoint}`;
}

/**
 * Reads a request's body. "malformed" for any other spelling, "too_large": both are a 400 for the sender. Checkpoints
 * of others' logs may have extension lines. Checks no signature and no hash.
 */
export function parseAddCheckpoint(bytes: Uint8Array): ParsedAddCheckpoint {
  if (bytes.length > addCheckpointBytesMax) {
    throw new CairnError(
      "too_large",
      `an add-checkpoint request has at most ${addCheckpointBytesMax} bytes, not ${bytes.length}`,
    );
  }
  const whole = parseUtf8(bytes);
  // Nothing before the checkpoint may hold an empty line, so the first one separates.
  const blank = whole.indexOf("\n\n");
  if (blank < 0) throw refuse("no empty line separates proof and checkpoint");
  const [oldLine, ...proofLines] = whole.slice(0, blank).split("\n");
  if (oldLine?.startsWith(oldStart) !== true) throw refuse("its first line is not `old <size>`");
  const oldSize = parseDecimal(oldLine.slice(oldStart.length), "old tree size");
  if (proofLines.length > consistencyProofLinesMax) {
    throw refuse(`it has ${proofLines.length} proof lines, more than ${consistencyProofLinesMax}`);
  }
  const proof = proofLines.map((line) => {
    const hash = parseBase64(line);
    if (hash.length !== hashByteLength) throw refuse(`a hash has ${hash.length} bytes, not 32`);
    return hash;
  });
  const checkpoint = whole.slice(blank + 2);
  const note = parseNote(utf8(checkpoint));
  const parsed = parseCheckpoint(note.text, { allowExtensions: true });
  const request = { oldSize, proof, checkpoint, note, parsed };
  if (formatAddCheckpoint(request) !== whole) throw refuse("it has another spelling");
  return request;
}

/** The body of a 200: signature lines of a note. */
export function formatCosignatureLines(lines: readonly NoteSignature[]): string {
  return lines.map((line) => signatureLine(line.name, line.keyId, line.signature)).join("");
}

/** Reads the body of a 200: one or more signature lines. "malformed" for any other spelling. */
export function parseCosignatureLines(bytes: Uint8Array): readonly NoteSignature[] {
  // The lines are those of a note, so they are read behind a text that is known.
  const text = "-\n";
  const prefix = utf8(`${text}\n`);
  const whole = new Uint8Array(prefix.length + bytes.length);
  whole.set(prefix);
  whole.set(bytes, prefix.length);
  const note = parseNote(whole);
  if (note.text !== text) {
    throw new CairnError("malformed", "a witness's answer has an empty line among its signatures");
  }
  return note.signatures;
}

/**
 * Checks a witness's answer for a checkpoint: which of its keys cosigned it, and the lines to add to the note. Lines
 * of unknown keys are left out. "unverified" if none of the keys signed, if a line by one of them does not match, or if
 * it has no timestamp.
 */
export async function verifyCosignatures(
  crypto: Crypto,
  noteText: string,
  signatures: readonly NoteSignature[],
  witnessKeys: readonly Vkey[],
): Promise<VerifiedCosignatures> {
  const checkpoint: Checkpoint = parseCheckpoint(noteText, { allowExtensions: true });
  const note = { text: noteText, signatures };
  const verified = await verifyCheckpointSignatures(crypto, note, checkpoint, witnessKeys);
  for (const { vkey, timestamp } of verified) {
    if (vkey.type === signatureTypes.ed25519) {
      throw new CairnError("usage", `${vkey.name}: a key of type 0x01 is not a witness's`);
    }
    if (timestamp === 0) {
      throw new CairnError(
        "unverified",
        `the cosignature of ${JSON.stringify(vkey.name)} has no timestamp, as a witness's must`,
      );
    }
  }
  const isSigner = new Set(verified.map(({ vkey }) => `${vkey.id} ${vkey.name}`));
  const lines = signatures.filter(({ keyId, name }) => isSigner.has(`${keyId} ${name}`));
  return { lines, verified };
}

/** The body of a 409. */
export function formatTreeSizeBody(size: number): string {
  return `${size}\n`;
}

/** Reads the body of a 409: the size that the witness holds. "malformed" for any other spelling. */
export function parseTreeSizeBody(bytes: Uint8Array): number {
  const text = bytes.length <= 32 ? parseUtf8(bytes) : "";
  if (!text.endsWith("\n")) {
    throw new CairnError("malformed", "a witness's conflict is not a tree size and a newline");
  }
  return parseDecimal(text.slice(0, -1), "tree size");
}

function refuse(why: string): CairnError {
  return new CairnError("malformed", `not an add-checkpoint request: ${why}`);
}
