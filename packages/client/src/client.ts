/**
 * The SDK's door: a client of one log of one server. `log()` hands an event over and promises its
 * receipt; the rest flushes, closes, tells how it goes, and reads.
 *
 * `log()` never throws and never blocks. Its promise may be ignored: each is marked as handled when
 * it is made, so that a rejection nobody awaits is no unhandledRejection; it reaches `onError`, as
 * every rejection does. Whoever awaits the promise gets the rejection as usual.
 */
import { CairnError, isCairnError, type CairnEvent, type Crypto } from "@cairnlog/core";
import { consoleAlarm, type KeepEvidence, type OnAlarm } from "./alarm.ts";
import { gzipBytesMinDefault } from "./attempt.ts";
import type { CheckpointClaim } from "./checkpoint-claim.ts";
import type { ClientMemory } from "./client-memory.ts";
import { EventIds } from "./event-id.ts";
import { renderEventLine, type EventLine } from "./event-line.ts";
import { consoleReporter, type OnError } from "./failure-report.ts";
import { systemClock, systemRandom, type Clock, type Random } from "./platform.ts";
import { PublishedLog } from "./published-log.ts";
import { Reading, type EntriesOptions, type LoggedEntry, type LogInfo } from "./reading.ts";
import { ReceiptWatch, type WatchCounts } from "./receipt-watch.ts";
import type { LoggedReceipt, ReceiptFields, ReceiptSource } from "./receipt.ts";
import { Sender, unsent, type SenderOptions } from "./sender.ts";
import { Transport, type Fetch } from "./transport.ts";
import { Trust } from "./trust.ts";

export interface CairnClientOptions {
  /** Where the server is: `https://audit.example.com`. */
  readonly url: string;
  /** The log's name. Default: `main`. */
  readonly log?: string;
  /** API key with the scope `write` for `log()`, `read` for reading. */
  readonly key?: string;
  /**
   * The log's verifier keys, which must reach you another way than from the server. With them the
   * checkpoint of every answer is verified before a promise resolves, and a log that goes back or
   * forks is noticed.
   */
  readonly vkeys?: readonly string[];
  /**
   * Whom you trust, as a C2SP tlog-policy: the log's keys, its witnesses, and which of them are a
   * quorum. Must reach you another way too. Its log keys count like `vkeys`.
   */
  readonly policy?: string;
  /**
   * How long a receipt may wait until the log has published what contains it, cosigned by the
   * policy's quorum, before an alarm is raised. Checked in the background where keys or a policy are
   * given. Default: 10,000 ms; `Infinity` for no such check.
   */
  readonly witnessedWithinMs?: number;
  /**
   * Hears when receipts do not become witnessed checkpoints, or the log contradicts itself. Default:
   * the console.
   */
  readonly onAlarm?: OnAlarm;
  /** Is given each alarm's signed checkpoints as JSON text, to be kept where they cannot be lost. */
  readonly keepEvidence?: KeepEvidence;
  /** Where the newest verified checkpoints survive a restart. Default: nowhere. */
  readonly memory?: ClientMemory;
  /** Most events in one request. Default: 500. */
  readonly batchEventsMax?: number;
  /** Most bytes in one request, before compression. Default: 4 MiB. */
  readonly batchBytesMax?: number;
  /** Most events that wait for their receipts. Default: 100,000. */
  readonly queueEventsMax?: number;
  /** Most bytes that wait. Default: 64 MiB. */
  readonly queueBytesMax?: number;
  /**
   * What `log()` does when the queue is full: reject with "overloaded" (the default), or take the
   * event all the same. `wait` is for callers who await each receipt, and so bound the queue by
   * their own number.
   */
  readonly whenFull?: "reject" | "wait";
  /**
   * How long an event may wait for company, in milliseconds. Default: 0, whatever is queued goes at
   * once.
   */
  readonly lingerMs?: number;
  /** Batches of at least so many bytes are zipped. Default: 32 KiB; `Infinity` for never. */
  readonly gzipBytesMin?: number;
  /** How long one request may take. Default: 30,000. */
  readonly requestTimeoutMs?: number;
  /**
   * For how long an event is tried before its promise rejects with "unavailable". Default: for
   * ever.
   */
  readonly retryForMs?: number;
  /** The first delay before a retry. It doubles up to `retryDelayMaxMs`. Default: 200. */
  readonly retryDelayMs?: number;
  /** Default: 30,000. A longer `Retry-After` is respected up to ten minutes. */
  readonly retryDelayMaxMs?: number;
  /**
   * How long a process that has nothing else to do stays for its queued events. Default: 30,000.
   */
  readonly exitFlushMs?: number;
  /**
   * Hears of each event that was not recorded, and once of each outage. Default: a line on the
   * console.
   */
  readonly onError?: OnError;
  readonly fetch?: Fetch;
  readonly clock?: Clock;
  readonly random?: Random;
  /** The cryptography that verifies. Default: the web's, loaded when it is needed first. */
  readonly loadCrypto?: () => Promise<Crypto>;
}

export interface ClientStatus {
  /** Events whose fate is not known yet, those under way among them, and their bytes. */
  readonly queuedEvents: number;
  readonly queuedBytes: number;
  /**
   * Events that have a receipt, and events that got an error instead. There is no third way to
   * leave the queue.
   */
  readonly recordedEvents: number;
  readonly rejectedEvents: number;
  /** Since when no attempt has succeeded. Undefined while all is well. */
  readonly failingSince: Date | undefined;
  /** Of the last attempt, while failing. */
  readonly lastError: CairnError | undefined;
  /** How the receipts are doing; undefined where nobody watches them. */
  readonly watch: WatchCounts | undefined;
}

const witnessedWithinMsDefault = 10_000;
const closeTimeoutMsDefault = 30_000;

export class CairnClient {
  readonly #clock: Clock;
  readonly #ids: EventIds;
  readonly #sender: Sender;
  readonly #reading: Reading;
  readonly #published: PublishedLog;
  readonly #watch: ReceiptWatch | undefined;
  #closed: Promise<void> | undefined;

  /** Throws "usage" for options that cannot work. Opens no connection. */
  constructor(options: CairnClientOptions) {
    const clock = options.clock ?? systemClock;
    const random = options.random ?? systemRandom;
    const transport = new Transport({
      url: options.url,
      ...(options.key === undefined ? {} : { key: options.key }),
      fetch: options.fetch ?? ((url, init) => globalThis.fetch(url, init)),
      clock,
      timeoutMs: positive("requestTimeoutMs", options.requestTimeoutMs ?? 30_000),
    });
    const trust = new Trust({
      vkeys: options.vkeys ?? [],
      policy: options.policy,
      loadCrypto: options.loadCrypto ?? loadWebCrypto,
      onLoad: async () => this.#watch?.load(),
      onConflict: (conflict) => this.#watch?.conflict(conflict),
    });
    const path = `/v1/logs/${encodeURIComponent(options.log ?? "main")}`;
    this.#clock = clock;
    this.#ids = new EventIds(random);
    this.#reading = new Reading(transport, trust, path);
    this.#published = new PublishedLog(transport, trust, path);
    this.#watch = openWatch(options, clock, this.#published, trust);
    const senderOptions = {
      ...sendingOptions(options, `${path}/events?receipt=short`, clock, random),
      onCheckpoint: (claim: CheckpointClaim) => this.#watch?.add(claim),
      receiptSource: (fields: ReceiptFields, event: string) => this.#sourceOf(fields, event),
    };
    this.#sender = new Sender(senderOptions, transport, trust);
  }

  /**
   * Hands an event over. Resolves with its receipt once it is durable in the log; rejects with the
   * reason why it is not recorded ("invalid", "overloaded", "conflict", "forbidden", …). The event
   * is read before `log` returns.
   */
  log(event: CairnEvent): Promise<LoggedReceipt> {
    const promise = new Promise<LoggedReceipt>((resolve, reject) => {
      try {
        if (this.#closed !== undefined) throw new CairnError("usage", "the client was closed");
        const line = this.#render(event);
        this.#sender.push({ line, sinceMs: this.#clock.now(), resolve, reject });
      } catch (error) {
        this.#sender.reject({ reject }, asCairnError(error));
      }
    });
    promise.catch(() => {});
    return promise;
  }

  /** Resolves when every event handed over until now has its receipt or its error. */
  async flush(): Promise<void> {
    await this.#sender.flush();
  }

  /**
   * Takes no more events, and flushes. What is left after `timeoutMs` (30 s) is rejected with
   * "unavailable", and then `close` rejects too. Receipts that wait to be published are waited for
   * too, within that time; an alarm tells of what is not. Call it when a signal ends the process:
   * signals are not caught by the client.
   */
  close(options: { readonly timeoutMs?: number } = {}): Promise<void> {
    this.#closed ??= this.#close(options.timeoutMs ?? closeTimeoutMsDefault);
    return this.#closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  status(): ClientStatus {
    const { failingSinceMs, ...counts } = this.#sender.counts;
    const failingSince = failingSinceMs === undefined ? undefined : new Date(failingSinceMs);
    return { ...counts, failingSince, watch: this.#watch?.counts };
  }

  /** The log's description. */
  info(): Promise<LogInfo> {
    return this.#reading.info();
  }

  /** One entry. "not_found" if the log does not have it. */
  get(seq: number): Promise<LoggedEntry> {
    return this.#reading.get(seq);
  }

  /** Entries in order, without a gap. */
  entries(options: EntriesOptions = {}): AsyncGenerator<LoggedEntry, void> {
    return this.#reading.entries(options);
  }

  /** C2SP tlog-proof of an entry, with the entry in it; verified if keys are pinned. */
  proof(seq: number): Promise<string> {
    return this.#reading.proof(seq);
  }

  /** The newest durable checkpoint; verified if keys are pinned. */
  checkpoint(): Promise<CheckpointClaim> {
    return this.#reading.checkpoint();
  }

  #render(event: CairnEvent): EventLine {
    const now = this.#clock.now();
    return renderEventLine(event, {
      id: () => this.#ids.next(now),
      time: () => new Date(now).toISOString(),
    });
  }

  #sourceOf({ seq, leafHash, checkpoint }: ReceiptFields, event: string): ReceiptSource {
    const expected = { seq, leafHash, event };
    return {
      full: () => this.#reading.receipt(expected),
      witnessed: () =>
        this.#reading.witnessed(expected, checkpoint, this.#published, (conflict) =>
          this.#watch?.conflict(conflict),
        ),
    };
  }

  async #close(timeoutMs: number): Promise<void> {
    const closesAtMs = this.#clock.now() + timeoutMs;
    const giveUp = (): void => {
      const { queuedEvents, lastError } = this.#sender.counts;
      late = new CairnError(
        "unavailable",
        `closed with ${queuedEvents} events that are not known to be recorded`,
        { cause: lastError },
      );
      this.#sender.stop(unsent("the client was closed", lastError));
    };
    let late: CairnError | undefined;
    const cancel = this.#clock.after(timeoutMs, giveUp, { keepsAlive: true });
    await this.#sender.flush();
    cancel();
    await this.#watch?.close(Math.max(0, closesAtMs - this.#clock.now()));
    if (late !== undefined) throw late;
  }
}

/** Undefined where nothing could be verified, or nobody wants it. */
function openWatch(
  options: CairnClientOptions,
  clock: Clock,
  log: PublishedLog,
  trust: Trust,
): ReceiptWatch | undefined {
  const { keepEvidence, memory } = options;
  const withinMs = positive(
    "witnessedWithinMs",
    options.witnessedWithinMs ?? witnessedWithinMsDefault,
  );
  if (trust.origin === undefined || withinMs === Number.POSITIVE_INFINITY) {
    if (memory === undefined) return undefined;
    throw new CairnError("usage", "`memory` needs `policy` or `vkeys`, and a `witnessedWithinMs`");
  }
  const onAlarm = contained(options.onAlarm ?? consoleAlarm((text) => console.error(text)));
  return new ReceiptWatch({ clock, withinMs, onAlarm, keepEvidence, memory }, log, trust);
}

function sendingOptions(
  options: CairnClientOptions,
  path: string,
  clock: Clock,
  random: Random,
): Omit<SenderOptions, "onCheckpoint" | "receiptSource"> {
  const word = new Uint8Array(4);
  return {
    path,
    batchEventsMax: positive("batchEventsMax", options.batchEventsMax ?? 500),
    batchBytesMax: positive("batchBytesMax", options.batchBytesMax ?? 4 * 1024 * 1024),
    queue: {
      eventsMax: positive("queueEventsMax", options.queueEventsMax ?? 100_000),
      bytesMax: positive("queueBytesMax", options.queueBytesMax ?? 64 * 1024 * 1024),
      whenFull: options.whenFull ?? "reject",
    },
    lingerMs: options.lingerMs ?? 0,
    gzipBytesMin: options.gzipBytesMin ?? gzipBytesMinDefault,
    backoff: {
      firstMs: positive("retryDelayMs", options.retryDelayMs ?? 200),
      maxMs: positive("retryDelayMaxMs", options.retryDelayMaxMs ?? 30_000),
    },
    retryForMs: options.retryForMs ?? Number.POSITIVE_INFINITY,
    exitFlushMs: options.exitFlushMs ?? 30_000,
    clock,
    chance: () => {
      random(word);
      return new DataView(word.buffer).getUint32(0) / 2 ** 32;
    },
    onError: contained(options.onError ?? defaultReporter(clock)),
  };
}

function defaultReporter(clock: Clock): OnError {
  return consoleReporter(
    () => clock.now(),
    (line) => console.error(line),
  );
}

/**
 * A listener that throws must not stop the client; its error goes where errors of event listeners
 * go.
 */
function contained<T extends unknown[]>(listener: (...given: T) => void): (...given: T) => void {
  return (...given) => {
    try {
      listener(...given);
    } catch (thrown) {
      queueMicrotask(() => {
        throw thrown;
      });
    }
  };
}

function positive(name: string, value: number): number {
  if (value > 0) return value;
  throw new CairnError("usage", `${name} must be more than 0, not ${value}`);
}

function asCairnError(error: unknown): CairnError {
  if (isCairnError(error)) return error;
  // A getter or `toJSON` of the event threw.
  return new CairnError("invalid", `the event cannot be read: ${String(error)}`, { cause: error });
}

async function loadWebCrypto(): Promise<Crypto> {
  return (await import("@cairnlog/crypto/web")).webCrypto;
}
