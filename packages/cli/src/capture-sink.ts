/**
 * Captured events into a log, wherever it is: blobs first, then the events, in bodies of bounded size. Resolves when
 * all of them are durable. While a server is away or busy it is asked again, for as long as nobody interrupts.
 */
import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { renderCaptured, type CapturedEvent } from "@cairnlog/capture";
import { CairnError, isCairnError } from "@cairnlog/core";
import type { CaptureSink } from "@cairnlog/postgres";
import type { LogSink } from "./log-view.ts";

export interface CaptureSinkOptions {
  readonly sink: LogSink;
  /** A log in this process that has failed stays so: only a server is asked again. */
  readonly isServer: boolean;
  readonly interrupted: AbortSignal;
  /** What goes on is said here: a server that is away, an id that names another event. */
  readonly warn: (text: string) => void;
  readonly onRecorded?: (count: number) => void;
}

const bodyBytesMax = 4 * 1024 * 1024;
const bodyEventsMax = 2000;
const firstWaitMs = 500;
const waitMsMax = 30_000;
const newline = Uint8Array.of(0x0a);

export function captureSink(options: CaptureSinkOptions): CaptureSink {
  return {
    async record(events) {
      let body: Uint8Array[] = [];
      let byteLength = 0;
      for (const event of events) {
        const bytes = await withBlobs(options, event);
        if (byteLength + bytes.length > bodyBytesMax || body.length >= 2 * bodyEventsMax) {
          await append(options, body);
          body = [];
          byteLength = 0;
        }
        body.push(bytes, newline);
        byteLength += bytes.length + 1;
      }
      if (body.length > 0) await append(options, body);
    },
  };
}

async function withBlobs(options: CaptureSinkOptions, event: CapturedEvent): Promise<Uint8Array> {
  const { bytes, blobs } = renderCaptured(event, (of) =>
    createHash("sha256").update(of).digest("hex"),
  );
  for (const { sha256, bytes: held } of blobs) {
    const blob = { sha256, byteLength: held.length };
    await untilTaken(options, () =>
      options.sink.putBlob({ name: blob, open: () => Readable.from([Buffer.from(held)]) }),
    );
  }
  return bytes;
}

async function append(options: CaptureSinkOptions, body: readonly Uint8Array[]): Promise<void> {
  const bytes = Buffer.concat(body);
  const { outcomes } = await untilTaken(options, () =>
    options.sink.append({ form: "lines", bytes }, "short"),
  );
  if (outcomes.length !== body.length / 2) {
    const message = `the log answered for ${outcomes.length} of ${body.length / 2} events`;
    throw new CairnError("unavailable", message);
  }
  for (const outcome of outcomes) {
    if (!("error" in outcome)) continue;
    // The log has recorded that somebody used this id before: it is told, and more cannot be done here.
    const { error } = outcome;
    if (error.code !== "conflict") throw error;
    options.warn(error.message);
  }
  options.onRecorded?.(outcomes.length);
}

async function untilTaken<T>(options: CaptureSinkOptions, work: () => Promise<T>): Promise<T> {
  const { isServer, interrupted, warn } = options;
  for (let waitMs = firstWaitMs; ; waitMs = Math.min(2 * waitMs, waitMsMax)) {
    try {
      return await work();
    } catch (error) {
      if (!isServer || !isPassing(error) || interrupted.aborted) throw error;
      warn(`${error.message}. Asking again in ${waitMs / 1000} s.`);
      await sleep(error.retryAfterMs ?? waitMs, undefined, { signal: interrupted }).catch(() => {});
      if (interrupted.aborted) throw error;
    }
  }
}

const passing = new Set(["unavailable", "overloaded", "storage_full", "timeout"]);

function isPassing(error: unknown): error is CairnError {
  return isCairnError(error) && passing.has(error.code);
}
