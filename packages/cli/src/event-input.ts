/**
 * Events from a file or standard input, cut into bodies of bounded size: NDJSON streams through in
 * batches; a JSON array or one JSON object that spans lines is read whole. Nothing is parsed here:
 * the log's strict reader judges each event.
 */
import { createReadStream } from "node:fs";
import type { Readable } from "node:stream";
import { CairnError } from "@cairnlog/core";
import type { EventBody } from "./log-view.ts";

export interface InputBody extends EventBody {
  /** For messages: `line 7`, by the event's place in the body. */
  readonly nameOf: (i: number) => string;
}

const batchBytes = 1024 * 1024;
const batchLines = 1000;
const wholeBytesMax = 16 * 1024 * 1024;
const lineBytesMax = 256 * 1024;
const newline = 0x0a;

/** The stream of a file, or of standard input for `-`. */
export function openInput(file: string, path: string, stdin: Readable): Readable {
  return file === "-" ? stdin : createReadStream(path);
}

/** Cuts `input` into bodies. `name` is what messages call it. */
export async function* readBodies(input: Readable, name: string): AsyncGenerator<InputBody, void> {
  const pieces = piecesOf(input, name);
  const head = await readHead(pieces);
  if (head.isWhole) {
    yield await readWhole(head.bytes, pieces, name);
    return;
  }
  yield* readLines(head.bytes, pieces, name);
}

/** The same of input that is one event a line, whatever its first line looks like. */
export function readLineBodies(
  input: AsyncIterable<unknown>,
  name: string,
): AsyncGenerator<InputBody, void> {
  return readLines(new Uint8Array(0), piecesOf(input, name), name);
}

async function* piecesOf(
  input: AsyncIterable<unknown>,
  name: string,
): AsyncGenerator<Uint8Array, void> {
  try {
    for await (const piece of input) {
      yield typeof piece === "string" ? new TextEncoder().encode(piece) : (piece as Uint8Array);
    }
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new CairnError("usage", `${name} cannot be read: ${why}`, {
      cause,
      place: { path: name },
    });
  }
}

/**
 * The first line decides. `[` begins an array. A line that begins an object and does not end it
 * begins one object that spans lines. All else is one event a line.
 */
async function readHead(
  pieces: AsyncGenerator<Uint8Array, void>,
): Promise<{ bytes: Uint8Array; isWhole: boolean }> {
  let bytes: Uint8Array = new Uint8Array(0);
  for (;;) {
    const start = bytes.findIndex((byte) => !isWhiteSpace(byte));
    const end = start < 0 ? -1 : bytes.indexOf(newline, start);
    if (start >= 0 && bytes[start] === 0x5b) return { bytes, isWhole: true };
    if (end >= 0 || bytes.length > lineBytesMax) {
      const line = trimmed(bytes.subarray(Math.max(0, start), end < 0 ? bytes.length : end));
      return { bytes, isWhole: end >= 0 && line[0] === 0x7b && line.at(-1) !== 0x7d };
    }
    const next = await pieces.next();
    if (next.done === true) return { bytes, isWhole: false };
    bytes = joined([bytes, next.value]);
  }
}

async function readWhole(
  head: Uint8Array,
  pieces: AsyncGenerator<Uint8Array, void>,
  name: string,
): Promise<InputBody> {
  const parts = [head];
  let byteLength = head.length;
  for await (const piece of pieces) {
    parts.push(piece);
    byteLength += piece.length;
    if (byteLength <= wholeBytesMax) continue;
    throw new CairnError(
      "too_large",
      `${name}: a JSON array or object has at most 16 MiB. Send one event a line`,
      {
        place: { path: name, byte: wholeBytesMax },
      },
    );
  }
  const bytes = joined(parts);
  const isArray = bytes[bytes.findIndex((byte) => !isWhiteSpace(byte))] === 0x5b;
  if (isArray) return { form: "array", bytes, nameOf: (i) => `event ${i + 1}` };
  return { form: "one", bytes: trimmed(bytes), nameOf: () => "the event" };
}

async function* readLines(
  head: Uint8Array,
  pieces: AsyncGenerator<Uint8Array, void>,
  name: string,
): AsyncGenerator<InputBody, void> {
  const batch = new LineBatch();
  let rest: Uint8Array = new Uint8Array(0);
  let line = 0;
  let piece: Uint8Array | undefined = head;
  while (piece !== undefined) {
    const bytes: Uint8Array = rest.length === 0 ? piece : joined([rest, piece]);
    let start = 0;
    for (let end = bytes.indexOf(newline); end >= 0; end = bytes.indexOf(newline, start)) {
      batch.add(bytes.subarray(start, end), ++line);
      start = end + 1;
      if (batch.isFull) yield batch.take();
    }
    rest = bytes.slice(start);
    if (rest.length > lineBytesMax) {
      throw new CairnError("too_large", `${name}, line ${line + 1}: a line has at most 256 KiB`, {
        place: { path: name },
      });
    }
    // What has come is sent before more is waited for, so that `tail -f x | cairn append` lags
    // behind nothing.
    if (!batch.isEmpty) yield batch.take();
    const next: IteratorResult<Uint8Array, void> = await pieces.next();
    piece = next.done === true ? undefined : next.value;
  }
  batch.add(rest, ++line);
  if (!batch.isEmpty) yield batch.take();
}

/**
 * Lines that go together. Blank ones are left out, as the log does, so that events and lines stay
 * in step.
 */
class LineBatch {
  #lines: Uint8Array[] = [];
  #numbers: number[] = [];
  #byteLength = 0;

  get isEmpty(): boolean {
    return this.#numbers.length === 0;
  }

  get isFull(): boolean {
    return this.#numbers.length >= batchLines || this.#byteLength >= batchBytes;
  }

  add(line: Uint8Array, number: number): void {
    if (trimmed(line).length === 0) return;
    this.#lines.push(line, Uint8Array.of(newline));
    this.#numbers.push(number);
    this.#byteLength += line.length + 1;
  }

  take(): InputBody {
    const numbers = this.#numbers;
    const body: InputBody = {
      form: "lines",
      bytes: joined(this.#lines),
      nameOf: (i) => `line ${numbers[i]}`,
    };
    this.#lines = [];
    this.#numbers = [];
    this.#byteLength = 0;
    return body;
  }
}

function trimmed(bytes: Uint8Array): Uint8Array {
  let start = 0;
  let end = bytes.length;
  while (start < end && isWhiteSpace(bytes[start]!)) start++;
  while (end > start && isWhiteSpace(bytes[end - 1]!)) end--;
  return bytes.subarray(start, end);
}

function isWhiteSpace(byte: number): boolean {
  return byte === 0x20 || byte === 0x09 || byte === 0x0a || byte === 0x0d;
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  return parts.length === 1 ? parts[0]! : Buffer.concat(parts);
}
