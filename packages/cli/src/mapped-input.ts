/**
 * `tail -F app.log | cairn append - --map FILE`: each line becomes an event. A line that is no JSON is a record with
 * one member, `line`: a log in plain text is recorded as well.
 *
 * Ctrl-C reaches `tail` too. What it had written by then is still read and recorded, before this ends.
 */
import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import {
  eventOfRecord,
  parseForeignJson,
  renderCaptured,
  wellFormed,
  type Json,
  type Mapping,
} from "@cairnlog/capture";
import { isCairnError } from "@cairnlog/core";
import { readLineBodies, type InputBody } from "./event-input.ts";
import type { LogSink } from "./log-view.ts";

/** After Ctrl-C: how long to wait for one more piece, and for all of them. */
const quietMs = 250;
const lastMs = 5000;

/** The lines of `input` as bodies of events. `actor` is who acted where the mapping finds nobody. */
export async function* mappedBodies(
  input: AsyncIterable<unknown>,
  name: string,
  mapping: Mapping,
  sink: Pick<LogSink, "putBlob">,
  actor: string,
): AsyncGenerator<InputBody, void> {
  for await (const body of readLineBodies(input, name)) {
    const events: Uint8Array[] = [];
    let i = 0;
    for (const line of linesOf(body.bytes)) {
      const event = eventOfRecord(mapping, recordOf(line), actor);
      const { bytes, blobs } = renderCaptured({ event }, sha256);
      // What is too large for an entry lies in a blob, which must be there first.
      for (const blob of blobs) {
        const named = { sha256: blob.sha256, byteLength: blob.bytes.length };
        await sink.putBlob({ name: named, open: () => Readable.from([Buffer.from(blob.bytes)]) });
      }
      events.push(bytes, newline);
      i++;
    }
    if (i > 0) yield { ...body, bytes: Buffer.concat(events) };
  }
}

/** What `input` still brings after `interrupted`, until it is quiet for a moment. */
export async function* untilQuiet(
  input: AsyncIterable<unknown>,
  interrupted: AbortSignal,
): AsyncGenerator<unknown, void> {
  const pieces = input[Symbol.asyncIterator]();
  let endMs = Infinity;
  for (;;) {
    const next = pieces.next();
    let piece = await unlessAborted(next, interrupted);
    if (piece === undefined) {
      endMs = Math.min(endMs, performance.now() + lastMs);
      piece = await Promise.race([next, delayed(Math.min(quietMs, endMs - performance.now()))]);
    }
    if (piece === undefined) {
      // Nobody waits for it any more; that it fails when the stream is destroyed is no news.
      next.catch(() => {});
      return;
    }
    if (piece.done === true) return;
    yield piece.value;
  }
}

/** Undefined as soon as `signal` aborts. It holds nothing of `next` afterwards, for pipes live long. */
function unlessAborted<T>(next: Promise<T>, signal: AbortSignal): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => resolve(undefined);
    if (signal.aborted) return onAbort();
    signal.addEventListener("abort", onAbort, { once: true });
    next.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
  });
}

function delayed(ms: number): Promise<undefined> {
  return new Promise((resolve) => {
    setTimeout(() => resolve(undefined), Math.max(0, ms)).unref();
  });
}

const newline = Uint8Array.of(0x0a);

function* linesOf(bytes: Uint8Array): Generator<Uint8Array, void> {
  for (let start = 0; start < bytes.length;) {
    const end = bytes.indexOf(0x0a, start);
    yield bytes.subarray(start, end < 0 ? bytes.length : end);
    start = end < 0 ? bytes.length : end + 1;
  }
}

function recordOf(line: Uint8Array): Json {
  try {
    return parseForeignJson(line).value;
  } catch (error) {
    if (!isCairnError(error, "malformed")) throw error;
    const text = new TextDecoder().decode(line).replace(/\r$/, "");
    return { line: wellFormed(text) };
  }
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
