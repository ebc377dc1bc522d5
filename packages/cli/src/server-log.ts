/**
 * A log behind a server. Events leave as they are, byte for byte; entries are read through the SDK.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { CairnClient } from "@cairnlog/client";
import { CairnError, formatLogTime, isCairnError } from "@cairnlog/core";
import type { BlobFile } from "./blob-file.ts";
import type {
  Answer,
  ConsistencyProof,
  EntryRange,
  EventBody,
  LogDescription,
  LogSink,
  LogView,
  Outcome,
  Recorded,
  ShownEntry,
} from "./log-view.ts";
import {
  errorOfProblem,
  isObject,
  parseAnswer,
  request,
  sendRequest,
  type ServerTarget,
} from "./server-request.ts";

// How often an overloaded server is asked again: nothing was recorded, so that asking again is
// safe.
const attemptsMax = 8;
const defaultRetryMs = 1000;
const waitSeconds = 30;
// A checkpoint is published each second, and then waits for its witnesses.
const publishedWaitSeconds = 10;
// A blob may be large, and the line slow.
const blobTimeoutMs = 600_000;

export class ServerLog implements LogView, LogSink {
  readonly place: string;
  readonly #target: ServerTarget;
  readonly #name: string;
  readonly #client: CairnClient;
  readonly #interrupted: AbortSignal;

  constructor(target: ServerTarget, name: string, interrupted: AbortSignal) {
    this.place = target.url;
    this.#target = target;
    this.#name = name;
    this.#interrupted = interrupted;
    const { url, key } = target;
    this.#client = new CairnClient({ url, log: name, ...(key === undefined ? {} : { key }) });
  }

  async describe(): Promise<LogDescription> {
    return readDescription(parseAnswer(await this.#get("")));
  }

  entry(seq: number): Promise<ShownEntry> {
    return this.#client.get(seq);
  }

  async *entries(range: EntryRange): AsyncGenerator<ShownEntry, void> {
    const { from, to, sinceMs, untilMs, limit, follow, signal } = range;
    yield* this.#client.entries({
      ...(from === undefined ? {} : { from }),
      ...(to === undefined ? {} : { to }),
      ...(sinceMs === undefined ? {} : { since: formatLogTime(sinceMs) }),
      ...(untilMs === undefined ? {} : { until: formatLogTime(untilMs) }),
      ...(limit === undefined ? {} : { limit }),
      ...(follow ? { wait: waitSeconds } : {}),
      signal,
    });
  }

  proof(seq: number): Promise<string> {
    return this.#client.proof(seq);
  }

  async receipt(seq: number): Promise<string> {
    const text = await this.#get(`/events/${seq}/proof`, { accept: "application/json" });
    // The server writes ASCII; a receipt has one spelling.
    return JSON.stringify(parseAnswer(text));
  }

  async consistency(from: number, to: number | undefined): Promise<ConsistencyProof> {
    const until = to === undefined ? "" : `&to=${to}`;
    const answer = parseAnswer(await this.#get(`/consistency?from=${from}${until}`));
    const { proof } = answer;
    if (answer["from"] !== from || typeof answer["to"] !== "number" || !isTextList(proof)) {
      throw new CairnError("unavailable", "the server's answer is not a consistency proof");
    }
    return { from, to: answer["to"], proof };
  }

  async *blob(sha256: string): AsyncGenerator<Uint8Array, void> {
    const asked = { path: `${this.#path}/blobs/${sha256}`, timeoutMs: blobTimeoutMs };
    const { body } = await sendRequest(this.#target, asked);
    try {
      if (body !== null) yield* body as unknown as AsyncIterable<Uint8Array>;
    } catch (cause) {
      const message = `the answer broke off: what came of the blob ${sha256} is not all of it`;
      throw new CairnError("unavailable", message, { cause });
    }
  }

  putBlob({ name, open }: BlobFile): Promise<void> {
    return this.#whenNotBusy(async () => {
      await request(this.#target, {
        method: "PUT",
        path: `${this.#path}/blobs/${name.sha256}`,
        headers: { "content-type": "application/octet-stream" },
        body: open(),
        timeoutMs: blobTimeoutMs,
      });
    });
  }

  publishedCheckpoint(): Promise<string> {
    return this.#get("/checkpoint?kind=published");
  }

  publishedProof(seq: number): Promise<string> {
    const query = `checkpoint=published&wait=${publishedWaitSeconds}`;
    return this.#get(`/events/${seq}/proof?${query}`, { accept: "text/plain" });
  }

  async append(body: EventBody, receipt: "full" | "short"): Promise<Answer> {
    const type = body.form === "lines" ? "application/x-ndjson" : "application/json";
    try {
      const text = await this.#whenNotBusy(() =>
        request(this.#target, {
          method: "POST",
          path: `${this.#path}/events?receipt=${receipt}`,
          headers: { "content-type": type },
          body: body.bytes,
          // All of a batch refused: the answer still says why, event by event.
          ...(body.form === "one" ? {} : { alsoGood: [422] }),
        }),
      );
      return readAnswer(parseAnswer(text), body.form);
    } catch (error) {
      if (body.form === "one" && isCairnError(error) && isAboutTheEvent(error)) {
        return { outcomes: [{ error }], origin: "", checkpoint: undefined };
      }
      throw error;
    }
  }

  async #whenNotBusy<T>(work: () => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await work();
      } catch (error) {
        if (!isCairnError(error, "overloaded") || attempt === attemptsMax) throw error;
        await sleep(error.retryAfterMs ?? defaultRetryMs, undefined, { signal: this.#interrupted });
      }
    }
  }

  close(): Promise<void> {
    return this.#client.close();
  }

  get #path(): string {
    return `/v1/logs/${encodeURIComponent(this.#name)}`;
  }

  #get(path: string, headers: Readonly<Record<string, string>> = {}): Promise<string> {
    return request(this.#target, { path: this.#path + path, headers });
  }
}

/** The logs that the key covers. */
export async function listServerLogs(target: ServerTarget): Promise<LogDescription[]> {
  const { logs } = parseAnswer(await request(target, { path: "/v1/logs" }));
  if (!Array.isArray(logs))
    throw new CairnError("unavailable", "the server's answer lists no logs");
  return logs.map((each) => readDescription(isObject(each) ? each : {}));
}

export async function createServerLog(
  target: ServerTarget,
  log: { readonly name: string; readonly origin: string | undefined; readonly public: boolean },
): Promise<LogDescription> {
  const { name, origin } = log;
  const body = { name, ...(origin === undefined ? {} : { origin }), public: log.public };
  const text = await request(target, {
    method: "POST",
    path: "/v1/logs",
    headers: { "content-type": "application/json" },
    body: new TextEncoder().encode(JSON.stringify(body)),
  });
  return readDescription(parseAnswer(text));
}

function readDescription(answer: Readonly<Record<string, unknown>>): LogDescription {
  const { name, origin, vkeys, size } = answer;
  const isWhole =
    typeof name === "string" &&
    typeof origin === "string" &&
    typeof size === "number" &&
    isTextList(vkeys);
  if (!isWhole)
    throw new CairnError("unavailable", "the server's description of the log is incomplete");
  return { name, origin, vkeys, size, public: answer["public"] === true };
}

const aboutTheEvent: ReadonlySet<string> = new Set([
  "malformed",
  "invalid",
  "private_unsupported",
  "blob_missing",
  "conflict",
  "too_large",
]);

function isAboutTheEvent({ code }: CairnError): boolean {
  return aboutTheEvent.has(code);
}

function readAnswer(answer: Readonly<Record<string, unknown>>, form: EventBody["form"]): Answer {
  const { origin, checkpoint, results } = answer;
  if (form === "one") {
    return {
      outcomes: [readOutcome(answer)],
      origin: String(origin),
      checkpoint: String(checkpoint),
    };
  }
  if (!Array.isArray(results)) {
    // A 422 for the body as a whole, not for its events.
    throw errorOfProblem(answer, 422, "");
  }
  const note = typeof checkpoint === "string" ? checkpoint : undefined;
  return {
    outcomes: results.map((each) => readOutcome(isObject(each) ? each : {})),
    origin: note?.split("\n", 1)[0] ?? "",
    checkpoint: note,
  };
}

function readOutcome(result: Readonly<Record<string, unknown>>): Outcome {
  const { seq, leafHash, duplicate, proof, error } = result;
  if (error !== undefined) return { error: errorOfProblem(error, 422, "") };
  if (typeof seq !== "number" || typeof leafHash !== "string") {
    throw new CairnError(
      "unavailable",
      "the server's answer lacks a receipt: was this a Cairn server?",
    );
  }
  const recorded: Recorded = { seq, leafHash, duplicate: duplicate === true };
  return isTextList(proof) ? { ...recorded, proof } : recorded;
}

function isTextList(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((each) => typeof each === "string");
}
