/**
 * Signed notes (C2SP signed-note): a text, a blank line, and one or more lines
 * `— <name> <base64(key ID || signature)>`.
 *
 * A parsed note is not yet trusted: its text must be ignored until `verifySignatures` returned. What a signature
 * covers depends on its key's type and on what the text is, so checkpoints and seals bring their own `MessageOf`;
 * a plain note knows type 0x01 only.
 *
 * Every byte string has at most one reading here: a note that would be printed differently is refused.
 */
import { keySizes, type Crypto, type Signer } from "./crypto.ts";
import { parseTimestampedSignature } from "./cosignature.ts";
import { base64, parseBase64, parseUtf8, utf8 } from "./encoding.ts";
import { CairnError, assert, isCairnError } from "./errors.ts";
import { isSameBytes, type Sha256 } from "./hash.ts";
import {
  algorithmOf,
  formatKeyId,
  isKeyName,
  makeVkey,
  signatureTypes,
  type Vkey,
} from "./vkey.ts";

export interface NoteSignature {
  readonly name: string;
  /** Unsigned big-endian integer, as in `Vkey.id`. */
  readonly keyId: number;
  /** What follows the key ID; for types 0x04 and 0x06 it begins with the timestamp. */
  readonly signature: Uint8Array;
}

export interface Note {
  /** Ends in a newline. */
  readonly text: string;
  readonly signatures: readonly NoteSignature[];
}

/** One key that signed. A key that signed several times is one of these, with its newest timestamp. */
export interface VerifiedSignature {
  readonly vkey: Vkey;
  /** Seconds since 1970; 0 where the signer says nothing about time; undefined for type 0x01, which has none. */
  readonly timestamp: number | undefined;
}

/**
 * The message that a key signs for a note, or undefined where keys of its type do not sign notes of this kind.
 * `timestamp` is 0 for type 0x01.
 */
export type MessageOf = (vkey: Vkey, timestamp: number) => Uint8Array | undefined;

/** A private key together with the name under which it signs. */
export interface NoteSigner {
  readonly vkey: Vkey;
  readonly signer: Signer;
}

export const noteSignaturesMax = 64;
/** Room for 64 ML-DSA-44 signatures under names of 255 bytes, and a text. */
export const noteBytesMax = 262_144;

const lineStart = "— ";

/** Reads a note. "malformed" with the byte where it stops being one, "too_large" above `noteBytesMax`. */
export function parseNote(bytes: Uint8Array): Note {
  if (bytes.length > noteBytesMax) {
    throw new CairnError(
      "too_large",
      `a note has at most ${noteBytesMax} bytes, not ${bytes.length}`,
    );
  }
  checkControls(bytes);
  const whole = parseUtf8(bytes);
  const refuse = (index: number, why: string): CairnError =>
    new CairnError("malformed", `not a signed note: ${why}`, {
      place: { byte: utf8(whole.slice(0, index)).length },
    });
  // The last empty line separates; the text itself may hold empty lines.
  const blank = whole.lastIndexOf("\n\n");
  if (blank < 0) throw refuse(whole.length, "no blank line separates text and signatures");
  const text = whole.slice(0, blank + 1);
  if (!whole.endsWith("\n")) throw refuse(whole.length, "the last line does not end in a newline");
  const signatures: NoteSignature[] = [];
  for (let at = blank + 2; at < whole.length;) {
    const end = whole.indexOf("\n", at);
    if (signatures.length === noteSignaturesMax) {
      throw refuse(at, `it has more than ${noteSignaturesMax} signature lines`);
    }
    signatures.push(parseSignatureLine(whole.slice(at, end), (why) => refuse(at, why)));
    at = end + 1;
  }
  if (signatures.length === 0) throw refuse(whole.length, "it has no signature line");
  if (formatNote(text, signatures) !== whole) throw refuse(0, "it has another spelling");
  return { text, signatures };
}

/** The note's text form. The reverse of `parseNote`. */
export function formatNote(text: string, signatures: readonly NoteSignature[]): string {
  let note = text + "\n";
  for (const line of signatures) note += signatureLine(line.name, line.keyId, line.signature);
  return note;
}

/** The keys whose private halves sign under `name`: type 0x01 for Ed25519, 0x06 for ML-DSA-44. */
export function noteSigner(sha256: Sha256, name: string, signer: Signer): NoteSigner {
  const type =
    signer.algorithm === "ed25519" ? signatureTypes.ed25519 : signatureTypes.mlDsa44Cosignature;
  return { vkey: makeVkey(sha256, { name, type, publicKey: signer.publicKey }), signer };
}

/** Signs a text that is neither checkpoint nor seal. Ed25519 keys only: no other type signs plain notes. */
export async function signNote(signers: readonly NoteSigner[], text: string): Promise<string> {
  checkNoteText(text);
  const message = utf8(text);
  let note = text + "\n";
  assert(signers.length > 0, "a note has at least one signature");
  for (const { vkey, signer } of signers) {
    assert(vkey.type === signatureTypes.ed25519, "only Ed25519 keys of type 0x01 sign plain notes");
    note += signatureLine(vkey.name, vkey.id, await signer.sign(message));
  }
  return note;
}

/**
 * Checks a plain note: which of `vkeys` signed it. "unverified" where a known key's signature does not match, or no
 * known key signed. Cosignature keys (types 0x04 and 0x06) sign checkpoints and seals, so theirs never match here.
 */
export async function verifyNote(
  crypto: Crypto,
  bytes: Uint8Array,
  vkeys: readonly Vkey[],
): Promise<{ note: Note; verified: VerifiedSignature[] }> {
  const note = parseNote(bytes);
  const message = utf8(note.text);
  const verified = await verifySignatures(crypto, note, vkeys, (vkey) =>
    vkey.type === signatureTypes.ed25519 ? message : undefined,
  );
  return { note, verified };
}

/**
 * Checks every signature by a known key; lines of unknown keys are skipped, as the specification demands. Resolves to
 * the keys that signed, each once. "unverified" if one known key's signature does not match, whatever the others do,
 * or if no known key signed. "usage" if two different keys share name and ID, so that a line could be of either.
 */
export async function verifySignatures(
  crypto: Crypto,
  note: Note,
  vkeys: readonly Vkey[],
  messageOf: MessageOf,
): Promise<VerifiedSignature[]> {
  const known = knownKeys(vkeys);
  const verified = new Map<Vkey, VerifiedSignature>();
  for (const line of note.signatures) {
    const vkey = known.get(keyOf(line.name, line.keyId));
    if (vkey === undefined) continue;
    const timestamp = await verifyLine(crypto, line, vkey, messageOf);
    const before = verified.get(vkey)?.timestamp ?? 0;
    if (!verified.has(vkey) || (timestamp ?? 0) > before) verified.set(vkey, { vkey, timestamp });
  }
  if (verified.size === 0) {
    const names = [...new Set(note.signatures.map((line) => line.name))].slice(0, 8);
    throw new CairnError(
      "unverified",
      `none of the ${vkeys.length} known keys signed the note; it names ${JSON.stringify(names)}. ` +
        "Check that the keys are those of this log",
    );
  }
  return [...verified.values()];
}

/** One line of a note, with its newline. */
export function signatureLine(name: string, keyId: number, signature: Uint8Array): string {
  const blob = new Uint8Array(4 + signature.length);
  new DataView(blob.buffer).setUint32(0, keyId);
  blob.set(signature, 4);
  return `${lineStart}${name} ${base64(blob)}\n`;
}

async function verifyLine(
  crypto: Crypto,
  line: NoteSignature,
  vkey: Vkey,
  messageOf: MessageOf,
): Promise<number | undefined> {
  const refuse = (why: string): CairnError =>
    new CairnError(
      "unverified",
      `the signature of ${JSON.stringify(vkey.name)}, key ${formatKeyId(vkey.id)}, ${why}`,
    );
  let timestamp: number | undefined;
  let signature = line.signature;
  if (vkey.type !== signatureTypes.ed25519) {
    try {
      ({ timestamp, signature } = parseTimestampedSignature(line.signature));
    } catch (error) {
      if (isCairnError(error, "malformed")) throw refuse(`cannot match: ${error.message}`);
      throw error;
    }
  }
  const algorithm = algorithmOf(vkey.type);
  if (signature.length !== keySizes[algorithm].signature) throw refuse("has the wrong length");
  const message = messageOf(vkey, timestamp ?? 0);
  if (message === undefined) throw refuse("is of a type that does not sign such notes");
  if (!(await crypto.verify(algorithm, vkey.publicKey, message, signature))) {
    throw refuse("does not match: the note was changed, or another key signed it");
  }
  return timestamp;
}

function knownKeys(vkeys: readonly Vkey[]): Map<string, Vkey> {
  const known = new Map<string, Vkey>();
  for (const vkey of vkeys) {
    const key = keyOf(vkey.name, vkey.id);
    const before = known.get(key);
    if (before === undefined) known.set(key, vkey);
    else if (before.type !== vkey.type || !isSameBytes(before.publicKey, vkey.publicKey)) {
      throw new CairnError(
        "usage",
        `two different keys are both ${vkey.name}+${formatKeyId(vkey.id)}; remove one of them`,
      );
    }
  }
  return known;
}

function keyOf(name: string, id: number): string {
  return `${id} ${name}`;
}

function parseSignatureLine(line: string, refuse: (why: string) => CairnError): NoteSignature {
  if (!line.startsWith(lineStart)) {
    throw refuse("a signature line begins with an em dash and a space");
  }
  const nameEnd = line.indexOf(" ", lineStart.length);
  if (nameEnd < 0) throw refuse("a signature line has a key name, a space and base64");
  const name = line.slice(lineStart.length, nameEnd);
  if (!isKeyName(name)) throw refuse(`${JSON.stringify(name.slice(0, 80))} is not a key name`);
  const blob = parseBase64(line.slice(nameEnd + 1));
  if (blob.length <= 4) throw refuse("a signature has more than the 4 bytes of the key ID");
  return { name, keyId: new DataView(blob.buffer).getUint32(0), signature: blob.slice(4) };
}

/** Refuses a text that could not be a note's. A lone surrogate would be signed as U+FFFD, so it is refused too. */
function checkNoteText(text: string): void {
  if (!text.endsWith("\n") || !text.isWellFormed()) {
    throw new CairnError("malformed", "a note's text is well-formed and ends in a newline");
  }
  checkControls(utf8(text));
}

function checkControls(bytes: Uint8Array): void {
  const at = bytes.findIndex((byte) => byte < 0x20 && byte !== 0x0a);
  if (at < 0) return;
  throw new CairnError(
    "malformed",
    `not a signed note: byte 0x${bytes[at]!.toString(16).padStart(2, "0")} is a control character ` +
      "(a carriage return means that line ends were converted; copy the file unchanged)",
    { place: { byte: at } },
  );
}
