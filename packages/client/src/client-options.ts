/** What a client is given, with the defaults, as what its parts need. */
import { CairnError, type Crypto } from "@cairnlog/core";
import { consoleAlarm, type KeepEvidence, type OnAlarm } from "./alarm.ts";
import { gzipBytesMinDefault } from "./attempt.ts";
import type { ClientMemory } from "./client-memory.ts";
import type { EventDefinition } from "./define-event.ts";
import { consoleReporter, type OnError } from "./failure-report.ts";
import type { OnFirstUse } from "./first-use.ts";
import type { FindTrace } from "./open-telemetry.ts";
import type { Clock, Random } from "./platform.ts";
import type { PublishedLog } from "./published-log.ts";
import { ReceiptWatch } from "./receipt-watch.ts";
import type { SenderOptions } from "./sender.ts";
import type { OnReceipt } from "./spool-sender.ts";
import type { Spool } from "./spool.ts";
import type { Fetch } from "./transport.ts";
import type { Trust } from "./trust.ts";

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
  /**
   * Without `vkeys` and `policy`: the keys that the server names at the first use are remembered in
   * `memory`, and from then on only what they signed is believed. Needs a key with the scope `read`
   * that first time.
   */
  readonly trustOnFirstUse?: boolean;
  /** Hears of the keys that were met first, to have them compared. Default: a line on the console. */
  readonly onFirstUse?: OnFirstUse;
  /**
   * Where events wait on disk, so that they outlive this process: `openSpool` of `@cairnlog/spool`.
   * Closed with the client.
   */
  readonly spool?: Spool;
  /** Is given the receipts of spooled events that no promise waits for. */
  readonly onReceipt?: OnReceipt;
  /**
   * True to number the events of this client's life, so that the log notices what is missing. With a
   * spool they always are, for ever. Default: false.
   */
  readonly sequence?: boolean;
  /** How often the log is told of the count while there is nothing else to tell. Default: 60,000. */
  readonly heartbeatMs?: number;
  /** What events of these types must be like; checked before they are queued. */
  readonly events?: readonly EventDefinition[];
  /** Finds the trace that is active. Default: OpenTelemetry's, where its API is in use. */
  readonly findTrace?: FindTrace;
  /** Most events in one request. Default: 500. */
  readonly batchEventsMax?: number;
  /** Most bytes in one request, before compression. Default: 4 MiB. */
  readonly batchBytesMax?: number;
  /**
   * Most events that wait for their receipts. Default: 100,000. With a spool: most promises that do,
   * and 10,000.
   */
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
   * ever. With a spool the event stays in it all the same.
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

/** Says what nobody listens for: the console. */
export type Say = (text: string) => void;

const witnessedWithinMsDefault = 10_000;

/** Undefined where nothing could be verified, or nobody wants it. */
export function openWatch(
  options: CairnClientOptions,
  clock: Clock,
  log: PublishedLog,
  trust: Trust,
  say: Say,
): ReceiptWatch | undefined {
  const { keepEvidence, memory } = options;
  const withinMs = positive(
    "witnessedWithinMs",
    options.witnessedWithinMs ?? witnessedWithinMsDefault,
  );
  if (!trust.isPinned || withinMs === Number.POSITIVE_INFINITY) {
    if (memory === undefined) return undefined;
    throw new CairnError(
      "usage",
      "`memory` needs `policy`, `vkeys` or `trustOnFirstUse`, and a `witnessedWithinMs`",
    );
  }
  const onAlarm = contained(options.onAlarm ?? consoleAlarm(say));
  return new ReceiptWatch({ clock, withinMs, onAlarm, keepEvidence, memory }, log, trust);
}

export function sendingOptions(
  options: CairnClientOptions,
  path: string,
  clock: Clock,
  random: Random,
  say: Say,
): Omit<SenderOptions, "onCheckpoint" | "receiptSource" | "stream"> {
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
    onError: contained(options.onError ?? defaultReporter(clock, say)),
  };
}

function defaultReporter(clock: Clock, say: Say): OnError {
  return consoleReporter(() => clock.now(), say);
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

export function positive(name: string, value: number): number {
  if (value > 0) return value;
  throw new CairnError("usage", `${name} must be more than 0, not ${value}`);
}
