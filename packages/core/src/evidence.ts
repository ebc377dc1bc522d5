/**
 * Evidence files: a set of entries with all that is needed to check, alone, that a log holds them. What is verified,
 * and what the verdict means, is in `verify-evidence.ts`; `docs/spec/evidence.md` says both in words.
 *
 *     cairnlog/evidence/v1
 *     <header, one line of JSON>
 *     checkpoint <number of bytes>
 *     <signed note>
 *     proof <number of hashes>
 *     <base64 hash>            each on a line
 *     leaves
 *     <base64 leaf hash>       of each entry
 *     entries
 *     <entry>                  each on a line, by ascending seq
 *     end
 *
 * UTF-8, lines end in a newline. An entry is one JSON text without newlines, so the lines are the entries verbatim. All
 * that a reader needs to hold comes before the entries, so that those can be written and checked one by one. The leaf
 * hashes follow from the entries; they are there so that a reader can tell *which* entry was changed.
 *
 * The file has one spelling and its own end, so that no byte can be added or left out. It holds no compressed data.
 */
import { parseCheckpoint, type ParsedCheckpoint } from "./checkpoint.ts";
import { base64, parseBase64, parseDecimal, parseUtf8, utf8 } from "./encoding.ts";
import { entryByteLengthMax, leafHash, parseEntry, parseEntryHead, type Entry } from "./entry.ts";
import { CairnError, assert, isCairnError } from "./errors.ts";
import {
  evidenceHeaderBytesMax,
  formatEvidenceHeader,
  parseEvidenceHeader,
  type EvidenceExport,
  type EvidenceHeader,
} from "./evidence-header.ts";
import { hashByteLength, isSameBytes, type Hash, type Sha256 } from "./hash.ts";
import { EventScanner } from "./json.ts";
import type { NodeReader } from "./merkle.ts";
import { multiProof } from "./multi-proof.ts";
import { noteBytesMax, parseNote, type Note } from "./note.ts";

/** All that comes before the entries. */
export interface EvidenceFront {
  readonly header: EvidenceHeader;
  /** The signed note, as it is. */
  readonly checkpoint: string;
  /** The multi-proof of the entries. */
  readonly proof: readonly Hash[];
  readonly leafHashes: readonly Hash[];
}

export interface Evidence extends EvidenceFront {
  /** Verbatim, by ascending seq. */
  readonly entries: readonly Uint8Array[];
}

/** A file that was read: in its one spelling, each entry strictly parsed. Nothing of it is verified yet. */
export interface ParsedEvidence extends Evidence {
  readonly note: Note;
  readonly parsedCheckpoint: ParsedCheckpoint;
  /** `entries`, parsed; strictly ascending seqs below the checkpoint's size. */
  readonly parsed: readonly Entry[];
}

/** What `makeEvidence` puts together. */
export interface EvidenceParts {
  /** A signed note that covers all entries. */
  readonly checkpoint: string;
  /** By ascending seq, at least one. */
  readonly entries: readonly Uint8Array[];
  readonly keys: readonly string[];
  readonly export: EvidenceExport;
  readonly recorded?: number;
}

/** A file of more bytes is not read in one go. */
export const evidenceBytesMax = 1_073_741_824;
const firstLine = "cairnlog/evidence/v1";
const lastLine = "end\n";
/** base64 of 32 bytes, and a newline. */
const hashLineLength = 45;
/** Lines that are decoded or encoded in one go: many, for speed, but not all, for no string holds 2^30 characters. */
const hashesPerPiece = 65_536;

/**
 * Puts the evidence together: leaf hashes and one multi-proof. `read` is asked for the nodes that
 * `multiProofNodes(seqs, size)` lists.
 */
export function makeEvidence(sha256: Sha256, parts: EvidenceParts, read: NodeReader): Evidence {
  const { checkpoint, entries, keys, recorded } = parts;
  const { origin, size } = parseCheckpoint(parseNote(utf8(checkpoint)).text);
  const seqs = entries.map((entry) => parseEntryHead(entry).seq);
  const header: EvidenceHeader = {
    origin,
    size,
    count: entries.length,
    keys,
    export: parts.export,
    ...(recorded === undefined ? {} : { recorded }),
  };
  const proof = multiProof(sha256, seqs, size, read);
  const leafHashes = entries.map((entry) => leafHash(sha256, entry));
  return { header, checkpoint, proof, leafHashes, entries };
}

/** The file's bytes. The reverse of `parseEvidence`. */
export function formatEvidence(evidence: Evidence): Uint8Array {
  const pieces = [...evidencePieces(evidence, evidence.entries)];
  const bytes = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}

/**
 * The file's bytes, piece by piece, for those who do not hold all entries at once: a front, each entry, an end. The
 * leaf hashes come from the tree then.
 */
export function* evidencePieces(
  front: EvidenceFront,
  entries: Iterable<Uint8Array>,
): Generator<Uint8Array, void> {
  const { header, checkpoint, proof, leafHashes } = front;
  assert(leafHashes.length === header.count, "there is a leaf hash for each entry");
  const noteLength = utf8(checkpoint).length;
  const headerLine = formatEvidenceHeader(header);
  yield utf8(`${firstLine}\n${headerLine}\ncheckpoint ${noteLength}\n${checkpoint}`);
  yield utf8(`proof ${proof.length}\n`);
  yield* hashPieces(proof);
  yield utf8("leaves\n");
  yield* hashPieces(leafHashes);
  yield utf8("entries\n");
  let count = 0;
  for (const entry of entries) {
    const line = new Uint8Array(entry.length + 1);
    line.set(entry);
    line[entry.length] = 0x0a;
    count++;
    yield line;
  }
  assert(count === header.count, "the header counts the entries");
  yield utf8(lastLine);
}

/**
 * Reads a file. "malformed" for any other spelling, with the byte; "unsupported_version" for a later format,
 * "too_large" above `evidenceBytesMax`. Checks no signature and no hash. Entries are views of `bytes`.
 */
export function parseEvidence(bytes: Uint8Array): ParsedEvidence {
  if (bytes.length > evidenceBytesMax) {
    throw new CairnError(
      "too_large",
      `evidence has at most ${evidenceBytesMax} bytes, not ${bytes.length}`,
    );
  }
  const reader = new SectionReader(bytes);
  const name = reader.line(64);
  if (name !== firstLine) {
    if (/^cairnlog\/evidence\/v[1-9][0-9]{0,5}$/.test(name)) {
      throw new CairnError(
        "unsupported_version",
        `the evidence has the format ${name}; known is ${firstLine}`,
      );
    }
    throw reader.refuse(`its first line is not ${firstLine}`, 0);
  }
  const header = parseEvidenceHeader(reader.line(evidenceHeaderBytesMax));
  const checkpoint = reader.bytes(reader.counted("checkpoint", noteBytesMax));
  const note = parseNote(checkpoint);
  const parsedCheckpoint = parseCheckpoint(note.text);
  if (parsedCheckpoint.origin !== header.origin || parsedCheckpoint.size !== header.size) {
    throw reader.refuse("header and checkpoint name another origin or size", 0);
  }
  // No tree of 2^53 leaves has a longer proof.
  const proof = reader.hashes(reader.counted("proof", 53 * header.count));
  reader.label("leaves");
  const leafHashes = reader.hashes(header.count);
  reader.label("entries");
  const entries: Uint8Array[] = [];
  const parsed: Entry[] = [];
  const scanner = new EventScanner();
  let before = -1;
  for (let i = 0; i < header.count; i++) {
    const at = reader.at;
    const bytesOfEntry = reader.lineBytes(entryByteLengthMax);
    const entry = readEntry(bytesOfEntry, at, `entry ${i + 1} of ${header.count}`, scanner);
    if (entry.seq <= before || entry.seq >= header.size) {
      const bounds = `it should be above ${before} and below the size ${header.size}`;
      throw reader.refuse(`entry ${i + 1} has seq ${entry.seq}, but ${bounds}`, at, entry.seq);
    }
    before = entry.seq;
    entries.push(bytesOfEntry);
    parsed.push(entry);
  }
  reader.label(lastLine.slice(0, -1));
  if (reader.at !== bytes.length) throw reader.refuse("bytes follow its end", reader.at);
  const text = parseUtf8(checkpoint);
  return {
    header,
    checkpoint: text,
    proof,
    leafHashes,
    entries,
    note,
    parsedCheckpoint,
    parsed,
  };
}

/** Walks over the lines of a file. Each refusal names the byte. */
class SectionReader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get at(): number {
    return this.#at;
  }

  refuse(why: string, byte: number, seq?: number): CairnError {
    const place = seq === undefined ? { byte } : { byte, seq };
    return new CairnError("malformed", `not an evidence file: ${why} (byte ${byte})`, { place });
  }

  /** The bytes of the next line, without its newline. */
  lineBytes(lengthMax: number): Uint8Array {
    const start = this.#at;
    // Looks no further than the line may reach, so that a file without newlines costs nothing.
    const window = this.#bytes.subarray(start, start + lengthMax + 1);
    const length = window.indexOf(0x0a);
    if (length < 0) {
      if (start + window.length === this.#bytes.length) throw this.#cut();
      throw this.refuse(`a line has more than ${lengthMax} bytes`, start);
    }
    this.#at = start + length + 1;
    return window.subarray(0, length);
  }

  line(lengthMax: number): string {
    return parseUtf8(this.lineBytes(lengthMax));
  }

  label(expected: string): void {
    const start = this.#at;
    const wanted = utf8(`${expected}\n`);
    if (!isSameBytes(this.bytes(wanted.length), wanted)) {
      throw this.refuse(`the line "${expected}" is missing`, start);
    }
  }

  /** A line `<label> <number>`. */
  counted(label: string, max: number): number {
    const start = this.#at;
    const line = this.line(label.length + 17);
    if (!line.startsWith(`${label} `)) throw this.refuse(`no line "${label} <number>"`, start);
    const count = parseDecimal(line.slice(label.length + 1), `number after "${label}"`);
    if (count > max) throw this.refuse(`${label} ${count} is above the limit, ${max}`, start);
    return count;
  }

  bytes(length: number): Uint8Array {
    if (this.#at + length > this.#bytes.length) throw this.#cut();
    const start = this.#at;
    this.#at += length;
    return this.#bytes.subarray(start, this.#at);
  }

  /** Lines of one base64 hash each. */
  hashes(count: number): Hash[] {
    const hashes: Hash[] = [];
    while (hashes.length < count) {
      const start = this.#at;
      const lines = Math.min(count - hashes.length, hashesPerPiece);
      const text = parseUtf8(this.bytes(lines * hashLineLength));
      for (let from = 0; from < lines * hashLineLength; from += hashLineLength) {
        const line = text.slice(from, from + hashLineLength);
        const hash = findHash(line);
        if (hash === undefined) throw this.refuse("a line does not hold one hash", start + from);
        hashes.push(hash);
      }
    }
    return hashes;
  }

  #cut(): CairnError {
    return this.refuse("it ends too early; the file was cut, copy it again", this.#bytes.length);
  }
}

function readEntry(line: Uint8Array, at: number, which: string, scanner: EventScanner): Entry {
  try {
    return parseEntry(line, scanner);
  } catch (error) {
    if (!isCairnError(error)) throw error;
    const byte = at + (error.place.byte ?? 0);
    // The seq as it is written, if that much can be read: a hint for people.
    const start = String.fromCharCode(...line.subarray(0, 32));
    const digits = /^\{"seq":(0|[1-9][0-9]{0,15}),/.exec(start)?.[1];
    const seq = digits === undefined ? {} : { seq: parseDecimal(digits, "seq") };
    const named = digits === undefined ? which : `${which}, seq ${digits}`;
    throw new CairnError("malformed", `evidence, ${named} (byte ${byte}): ${error.message}`, {
      cause: error,
      place: { byte, ...seq },
    });
  }
}

/** The hash in a line, with its newline; undefined where it is none in its one spelling. */
function findHash(line: string): Hash | undefined {
  if (!line.endsWith("\n")) return undefined;
  try {
    const hash = parseBase64(line.slice(0, -1));
    return hash.length === hashByteLength ? hash : undefined;
  } catch (error) {
    if (isCairnError(error, "malformed")) return undefined;
    throw error;
  }
}

function* hashPieces(hashes: readonly Hash[]): Generator<Uint8Array, void> {
  for (let from = 0; from < hashes.length; from += hashesPerPiece) {
    const piece = hashes.slice(from, from + hashesPerPiece);
    yield utf8(piece.map((hash) => `${base64(hash)}\n`).join(""));
  }
}
