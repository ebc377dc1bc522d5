/**
 * Events out of a body that arrives in pieces. Lines are read as they come, so that a long body
 * does not stop the other requests for long; JSON is kept until its end, because only then it is
 * known to be whole.
 *
 * Nothing here touches a log. What is kept is charged to the request's share of the body budget
 * before it is held.
 */
import { CairnError } from "@cairnlog/core";
import { cutJsonArray, EventBatch } from "@cairnlog/log";
import type { BodyHold } from "./body-budget.ts";
import type { BodyFormat } from "./body-format.ts";
import type { Limits } from "./limits.ts";

export interface ReceivedEvents {
  readonly batch: EventBatch;
  /** True if the body was one JSON object: it gets an answer of its own shape. */
  readonly isSingle: boolean;
}

/** Where the pieces of a body go. */
export interface BodySink<T> {
  /** `chunk` stays the caller's, and unchanged. */
  write(chunk: Uint8Array): void;
  /** The body is whole. */
  finish(): T;
}

export type EventSink = BodySink<ReceivedEvents>;

export function openEventSink(format: BodyFormat, limits: Limits, hold: BodyHold): EventSink {
  // A decoder may keep a window of what it has put out, so compressed bodies are charged twice.
  const chargeFactor = format.encoding === "identity" ? 1 : 2;
  const charge = (bytes: number): void => hold.take(bytes * chargeFactor);
  return format.type === "json"
    ? new JsonSink(format, limits, charge)
    : new LineSink(limits, charge);
}

type Charge = (bytes: number) => void;

const stagingBytes = 64 * 1024;

class JsonSink implements EventSink {
  readonly #limits: Limits;
  readonly #charge: Charge;
  readonly #wholeBytes: number | undefined;
  #bytes: Uint8Array = new Uint8Array(0);
  #length = 0;

  constructor(format: BodyFormat, limits: Limits, charge: Charge) {
    this.#limits = limits;
    this.#charge = charge;
    this.#wholeBytes = format.encoding === "identity" ? format.declaredBytes : undefined;
  }

  write(chunk: Uint8Array): void {
    const length = this.#length + chunk.length;
    if (length > this.#limits.jsonBytesMax) {
      throw tooLarge(`a JSON body has at most ${this.#limits.jsonBytesMax} bytes: send lines`);
    }
    if (chunk.length === this.#wholeBytes) {
      // Nearly every single event arrives in one piece: that piece is used as it is.
      this.#charge(length);
      this.#bytes = chunk;
    } else {
      this.#bytes = roomFor(this.#bytes, this.#length, length, this.#charge);
      this.#bytes.set(chunk, this.#length);
    }
    this.#length = length;
  }

  finish(): ReceivedEvents {
    const bytes = this.#bytes.subarray(0, this.#length);
    return firstToken(bytes) === 0x5b
      ? { batch: readArray(bytes, this.#limits), isSingle: false }
      : { batch: readObject(bytes), isSingle: true };
  }
}

class LineSink implements EventSink {
  readonly #limits: Limits;
  readonly #charge: Charge;
  // Its `bytes` are the staging area: an event that is compacted moves the batch to a copy of its
  // own.
  readonly #batch: EventBatch = new EventBatch(new Uint8Array(0), 64);
  #length = 0;
  #lineStart = 0;
  #isSkipping = false;

  constructor(limits: Limits, charge: Charge) {
    this.#limits = limits;
    this.#charge = charge;
  }

  write(chunk: Uint8Array): void {
    let from = 0;
    if (this.#isSkipping) {
      from = chunk.indexOf(0x0a) + 1;
      if (from === 0) return;
      this.#isSkipping = false;
    }
    const base = this.#length - from;
    this.#append(chunk.subarray(from));
    for (;;) {
      const newline = chunk.indexOf(0x0a, from);
      if (newline < 0) break;
      this.#line(base + newline);
      from = newline + 1;
      this.#lineStart = base + from;
    }
    if (this.#length - this.#lineStart > this.#limits.lineBytesMax) {
      this.#refuseLongLine();
      this.#length = this.#lineStart;
      this.#isSkipping = true;
    }
  }

  finish(): ReceivedEvents {
    if (!this.#isSkipping) this.#line(this.#length);
    return { batch: this.#batch, isSingle: false };
  }

  #append(part: Uint8Array): void {
    const length = this.#length + part.length;
    this.#batch.bytes = roomFor(this.#batch.bytes, this.#length, length, this.#charge);
    this.#batch.bytes.set(part, this.#length);
    this.#length = length;
  }

  #line(lineEnd: number): void {
    const { bytes } = this.#batch;
    const start = this.#lineStart;
    const end = lineEnd > start && bytes[lineEnd - 1] === 0x0d ? lineEnd - 1 : lineEnd;
    if (isBlank(bytes, start, end)) return;
    if (end - start > this.#limits.lineBytesMax) return this.#refuseLongLine();
    this.#batch.add(start, end);
    checkCounts(this.#batch, this.#limits);
  }

  #refuseLongLine(): void {
    this.#batch.refuse(tooLarge(`a line has at most ${this.#limits.lineBytesMax} bytes`));
    checkCounts(this.#batch, this.#limits);
  }
}

function readObject(bytes: Uint8Array): EventBatch {
  const batch = new EventBatch(bytes, 1);
  batch.add(0, bytes.length);
  return batch;
}

function readArray(bytes: Uint8Array, limits: Limits): EventBatch {
  const batch = new EventBatch(bytes, 64);
  cutJsonArray(bytes, (start, end) => {
    batch.add(start, end);
    checkCounts(batch, limits);
  });
  return batch;
}

/**
 * A few bytes make an event that is refused, and its refusal takes a thousand: so these are counted
 * as well.
 */
function checkCounts(batch: EventBatch, limits: Limits): void {
  if (batch.count > limits.eventsPerRequestMax) {
    throw tooLarge(`a request has at most ${limits.eventsPerRequestMax} events`);
  }
  if (batch.refusals.size > limits.refusalsPerRequestMax) {
    const [first] = batch.refusals;
    const [i, { code, message, place }] = first!;
    throw new CairnError(
      code,
      `more than ${limits.refusalsPerRequestMax} events can't be recorded, so none was; ` +
        `the first is event ${i}: ${message}`,
      { place },
    );
  }
}

/** `bytes`, or a larger array that begins with its first `used` ones. */
export function roomFor(
  bytes: Uint8Array,
  used: number,
  needed: number,
  charge: Charge,
): Uint8Array {
  if (needed <= bytes.length) return bytes;
  const capacity = Math.max(needed, Math.min(stagingBytes, needed * 4), bytes.length * 2);
  charge(capacity - bytes.length);
  const larger = new Uint8Array(capacity);
  larger.set(bytes.subarray(0, used));
  return larger;
}

function firstToken(bytes: Uint8Array): number | undefined {
  let at = 0;
  while (bytes[at] === 0x20 || bytes[at] === 0x0a || bytes[at] === 0x0d || bytes[at] === 0x09) at++;
  return bytes[at];
}

function isBlank(bytes: Uint8Array, start: number, end: number): boolean {
  for (let i = start; i < end; i++) if (bytes[i] !== 0x20 && bytes[i] !== 0x09) return false;
  return true;
}

function tooLarge(message: string): CairnError {
  return new CairnError("too_large", message);
}
