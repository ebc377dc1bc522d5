/**
 * Two members of an event that the log itself acts upon, each in one spelling only.
 *
 *     "blobs":    [{"sha256":"<64 lower-case hex digits>","byteLength":48213,"mediaType":"application/json"}]
 *     "sequence": {"stream":"orders-7f3a","number":17}
 *
 * `blobs` names larger things by their hash; they must be durable before the event is. `sequence` is the source's own
 * count, from 1, without a gap, one count for each `stream`: what is missing from it was lost on the way.
 */
import { CairnError } from "./errors.ts";

export interface NamedBlob {
  /** SHA-256 of the blob's bytes in lower-case hex. */
  readonly sha256: string;
  readonly byteLength: number;
  /** RFC 6838, as in `application/json`. */
  readonly mediaType?: string;
  /** What it is to the event, as in `request` or `terminal`. */
  readonly role?: string;
}

export interface Sequence {
  /** Tells the counts of one source apart: a process, a spool, a partition. */
  readonly stream: string;
  /** From 1, one more with each event. */
  readonly number: number;
}

/** One event names at most so many. */
export const namedBlobsMax = 64;

const hexDigest = /^[0-9a-f]{64}$/;
const mediaType = /^[a-z0-9!#$&^_.+-]{1,64}\/[a-z0-9!#$&^_.+-]{1,64}(?:;[ -~]{1,128})?$/;
const word = /^[a-z0-9._-]{1,64}$/;
const streamName = /^[A-Za-z0-9._:/-]{1,64}$/;

/** Reads the value of `blobs`, which must be well-formed JSON. "invalid". */
export function parseBlobs(text: string): readonly NamedBlob[] {
  const list: unknown = JSON.parse(text);
  if (!Array.isArray(list) || list.length < 1 || list.length > namedBlobsMax) {
    throw refused("/blobs", `expected an array of 1 to ${namedBlobsMax} objects`);
  }
  return list.map((blob: unknown, i) => readBlob(blob, `/blobs/${i}`));
}

function readBlob(blob: unknown, pointer: string): NamedBlob {
  if (!isObject(blob)) throw refused(pointer, "expected an object with sha256 and byteLength");
  const { sha256, byteLength, mediaType: type, role, ...others } = blob;
  if (typeof sha256 !== "string" || !hexDigest.test(sha256)) {
    throw refused(`${pointer}/sha256`, "expected 64 lower-case hex digits");
  }
  if (!isCount(byteLength)) throw refused(`${pointer}/byteLength`, "expected a whole number");
  if (type !== undefined && (typeof type !== "string" || !mediaType.test(type))) {
    throw refused(`${pointer}/mediaType`, "expected a media type in lower case");
  }
  if (role !== undefined && (typeof role !== "string" || !word.test(role))) {
    throw refused(`${pointer}/role`, "expected a word in lower case");
  }
  const other = Object.keys(others)[0];
  if (other !== undefined) {
    throw refused(pointer, `unknown member ${JSON.stringify(other.slice(0, 40))}`);
  }
  return blob as unknown as NamedBlob;
}

/** Reads the value of `sequence`, which must be well-formed JSON. "invalid". */
export function parseSequence(text: string): Sequence {
  const value: unknown = JSON.parse(text);
  if (!isObject(value)) throw refused("/sequence", "expected an object with stream and number");
  const { stream, number, ...others } = value;
  if (typeof stream !== "string" || !streamName.test(stream)) {
    throw refused("/sequence/stream", "expected 1 to 64 of A-Z a-z 0-9 . _ : / -");
  }
  if (!isCount(number) || number < 1) {
    throw refused("/sequence/number", "expected a whole number from 1 to 2^53-1");
  }
  if (Object.keys(others).length > 0) {
    throw refused("/sequence", "expected stream and number, and nothing else");
  }
  return { stream, number };
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function refused(pointer: string, what: string): CairnError {
  return new CairnError("invalid", `${pointer}: ${what}. Correct it and send the event again.`, {
    place: { pointer },
  });
}
