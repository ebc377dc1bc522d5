/**
 * The request of the optional `sign-subtree` (C2SP tlog-witness), byte for byte: a witness is asked to sign a part of a
 * tree that it has cosigned as a whole. The answer has the form of `parseCosignatureLines`.
 *
 *     subtree <start> <end>
 *     <base64 hash of the subtree>
 *     <base64 hash>        none to 63: subtree consistency proof to the checkpoint
 *     <empty line>
 *     <checkpoint, a note that the witness cosigned>
 *
 * Which ranges are subtrees says draft-ietf-plants-merkle-tree-certs-03, section 4.1. Not here: checking the proof
 * (section 4.4 there).
 */
import { addCheckpointBytesMax, consistencyProofLinesMax } from "./add-checkpoint.ts";
import { parseCheckpoint, type ParsedCheckpoint } from "./checkpoint.ts";
import { base64, parseBase64, parseDecimal, parseUtf8, utf8 } from "./encoding.ts";
import { CairnError } from "./errors.ts";
import { hashByteLength, type Hash } from "./hash.ts";
import { parseNote, type Note } from "./note.ts";

export interface SignSubtreeRequest {
  readonly start: number;
  /** Exclusive. */
  readonly end: number;
  readonly hash: Hash;
  readonly proof: readonly Hash[];
  /** The signed note, as it is. */
  readonly checkpoint: string;
}

/** A request that was read: [start, end) is a subtree of a tree of the checkpoint's size. Nothing is verified yet. */
export interface ParsedSignSubtree extends SignSubtreeRequest {
  readonly note: Note;
  readonly parsed: ParsedCheckpoint;
}

/** True if [start, end) is a subtree: `start` is a multiple of the smallest power of two not below the width. */
export function isSubtree(start: number, end: number): boolean {
  if (!Number.isSafeInteger(start) || !Number.isSafeInteger(end)) return false;
  if (start < 0 || start >= end) return false;
  let span = 1;
  while (span < end - start) span *= 2;
  return start % span === 0;
}

/** The request's body. The reverse of `parseSignSubtree`. */
export function formatSignSubtree(request: SignSubtreeRequest): string {
  let text = `subtree ${request.start} ${request.end}\n${base64(request.hash)}\n`;
  for (const hash of request.proof) text += `${base64(hash)}\n`;
  return `${text}\n${request.checkpoint}`;
}

/** Reads a request's body. "malformed" and "too_large" are a 400 for the sender. */
export function parseSignSubtree(bytes: Uint8Array): ParsedSignSubtree {
  if (bytes.length > addCheckpointBytesMax) {
    throw new CairnError("too_large", `the request has more than ${addCheckpointBytesMax} bytes`);
  }
  const whole = parseUtf8(bytes);
  const blank = whole.indexOf("\n\n");
  if (blank < 0) throw refuse("no empty line separates proof and checkpoint");
  const [range, hashLine, ...proofLines] = whole.slice(0, blank).split("\n");
  const [label, startText, endText] = range!.split(" ");
  if (label !== "subtree" || startText === undefined || endText === undefined) {
    throw refuse("its first line is not `subtree <start> <end>`");
  }
  const start = parseDecimal(startText, "start of a subtree");
  const end = parseDecimal(endText, "end of a subtree");
  if (hashLine === undefined) throw refuse("it has no hash of the subtree");
  if (proofLines.length > consistencyProofLinesMax) {
    throw refuse(`it has ${proofLines.length} proof lines, more than ${consistencyProofLinesMax}`);
  }
  const checkpoint = whole.slice(blank + 2);
  const note = parseNote(utf8(checkpoint));
  const parsed = parseCheckpoint(note.text, { allowExtensions: true });
  if (!isSubtree(start, end) || end > parsed.size) {
    throw refuse(`entries ${start} to ${end} are no subtree of a tree of size ${parsed.size}`);
  }
  const proof = proofLines.map(parseHash);
  const request = { start, end, hash: parseHash(hashLine), proof, checkpoint, note, parsed };
  if (formatSignSubtree(request) !== whole) throw refuse("it has another spelling");
  return request;
}

function parseHash(line: string): Hash {
  const hash = parseBase64(line);
  if (hash.length !== hashByteLength) throw refuse(`a hash has ${hash.length} bytes, not 32`);
  return hash;
}

function refuse(why: string): CairnError {
  return new CairnError("malformed", `not a sign-subtree request: ${why}`);
}
