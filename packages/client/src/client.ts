/**
 * The SDK's door: a client of one log of one server. `log()` hands an event over and promises its
 * receipt; the rest flushes, closes, tells how it goes, and reads.
 *
 * `log()` never throws and never blocks. Its promise may be ignored: each is marked as handled when
 * it is made, so that a rejection nobody awaits is no unhandledRejection; it reaches `onError`, as
 * every rejection does. Whoever awaits the promise gets the rejection as usual.
 */
import {
  CairnError,
  isCairnError,
  type Crypto,
  type NamedBlob,
  type Sequence,
} from "@cairnlog/core";
import { Blobs, type BlobDescription } from "./blobs.ts";
import type { CheckpointClaim } from "./checkpoint-claim.ts";
import { openWatch, positive, sendingOptions, type CairnClientOptions } from "./client-options.ts";
import { currentContext, withContext, type CairnContext } from "./context.ts";
import type { EventDefinition, EventOf } from "./define-event.ts";
import { logDurably } from "./durable.ts";
import type {
  AnyLogOptions,
  As,
  DurableLogOptions,
  NoDefinition,
  SpooledLogOptions,
  SpooledPlace,
} from "./log-options.ts";
import { EventIds } from "./event-id.ts";
import { composeEvent, type EventInput } from "./event-input.ts";
import { renderEventLine, type EventDefaults, type EventLine } from "./event-line.ts";
import { consoleFirstUse, pinOnFirstUse } from "./first-use.ts";
import { Heartbeat } from "./heartbeat.ts";
import { openTelemetryTrace } from "./open-telemetry.ts";
import type { Outlet } from "./outlet.ts";
import type { Pinned } from "./pinned-keys.ts";
import { systemClock, systemRandom, type Clock } from "./platform.ts";
import { PublishedLog } from "./published-log.ts";
import { Reading, type EntriesOptions, type LoggedEntry, type LogInfo } from "./reading.ts";
import type { ReceiptWatch, WatchCounts } from "./receipt-watch.ts";
import type { LoggedReceipt, ReceiptFields, ReceiptSource } from "./receipt.ts";
import { Sender, type SenderOptions } from "./sender.ts";
import { SpoolSender } from "./spool-sender.ts";
import { Transport } from "./transport.ts";
import { Trust } from "./trust.ts";
import { workflowsOf, type Workflows } from "./workflows.ts";

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

const closeTimeoutMsDefault = 30_000;
const durableTimeoutMsDefault = 10_000;
const heartbeatMsDefault = 60_000;
const awaitedMaxDefault = 10_000;

export class CairnClient {
  readonly #options: CairnClientOptions;
  readonly #clock: Clock;
  readonly #ids: EventIds;
  readonly #definitions = new Map<unknown, EventDefinition>();
  readonly #transport: Transport;
  readonly #trust: Trust;
  readonly #sending: SenderOptions;
  readonly #outlet: Outlet;
  readonly #heartbeat: Heartbeat | undefined;
  readonly #reading: Reading;
  readonly #published: PublishedLog;
  readonly #blobs: Blobs;
  readonly #watch: ReceiptWatch | undefined;
  #closed: Promise<void> | undefined;
  /** Made once, and filled in for each event: nothing of it outlives the call. */
  readonly #defaults: EventDefaults & { now: number; as: EventDefinition | undefined };
  #nowMs = Number.NaN;
  #nowText = "";

  readonly identity: Workflows<Promise<LoggedReceipt>>["identity"];
  readonly api: Workflows<Promise<LoggedReceipt>>["api"];
  readonly database: Workflows<Promise<LoggedReceipt>>["database"];
  readonly deployment: Workflows<Promise<LoggedReceipt>>["deployment"];
  readonly change: Workflows<Promise<LoggedReceipt>>["change"];

  /** Throws "usage" for options that cannot work. Opens no connection. */
  constructor(options: CairnClientOptions) {
    const clock = options.clock ?? systemClock;
    const random = options.random ?? systemRandom;
    const path = `/v1/logs/${encodeURIComponent(options.log ?? "main")}`;
    this.#options = options;
    this.#clock = clock;
    this.#ids = new EventIds(random);
    for (const each of options.events ?? []) this.#definitions.set(each.type, each);
    this.#transport = new Transport({
      url: options.url,
      ...(options.key === undefined ? {} : { key: options.key }),
      fetch: options.fetch ?? ((url, init) => globalThis.fetch(url, init)),
      clock,
      timeoutMs: positive("requestTimeoutMs", options.requestTimeoutMs ?? 30_000),
    });
    const loadCrypto = options.loadCrypto ?? loadWebCrypto;
    this.#trust = new Trust({
      vkeys: options.vkeys ?? [],
      policy: options.policy,
      firstUse: this.#firstUse(options),
      loadCrypto,
      onLoad: async () => this.#watch?.load(),
      onConflict: (conflict) => this.#watch?.conflict(conflict),
    });
    this.#reading = new Reading(this.#transport, this.#trust, path);
    this.#published = new PublishedLog(this.#transport, this.#trust, path);
    this.#watch = openWatch(options, clock, this.#published, this.#trust, say);
    this.#sending = {
      ...sendingOptions(options, `${path}/events?receipt=short`, clock, random, say),
      onCheckpoint: (claim: CheckpointClaim) => this.#watch?.add(claim),
      receiptSource: this.#receiptSource(),
      stream: options.sequence === true ? `run:${this.#ids.next(clock.now())}` : undefined,
    };
    this.#outlet = this.#openOutlet();
    this.#heartbeat = this.#openHeartbeat(`${path}/heartbeat`);
    this.#blobs = new Blobs(this.#transport, `${path}/blobs`, { ...this.#sending, loadCrypto });
    this.#defaults = {
      now: 0,
      as: undefined,
      sequence: undefined,
      compose: (plain) => this.#compose(plain, this.#defaults.as),
      id: () => this.#ids.next(this.#defaults.now),
      time: () => this.#timeText(this.#defaults.now),
    };
    const workflows = workflowsOf((event) => this.log(event));
    this.identity = workflows.identity;
    this.api = workflows.api;
    this.database = workflows.database;
    this.deployment = workflows.deployment;
    this.change = workflows.change;
  }

  /**
   * Hands an event over. Resolves with its receipt once it is durable in the log; rejects with the
   * reason why it is not recorded ("invalid", "overloaded", "conflict", "forbidden", …). The event
   * is read before `log` returns. What it does not say itself of actor, trace and details comes from
   * the context.
   *
   * `{ durable: true }`: resolves only with a receipt of the server, asked for at once and within
   * `timeoutMs`. `{ spooled: true }`: resolves once the event is in the spool.
   */
  log(
    event: EventInput,
    options?: NoDefinition | (NoDefinition & DurableLogOptions),
  ): Promise<LoggedReceipt>;
  log(event: EventInput, options: NoDefinition & SpooledLogOptions): Promise<SpooledPlace>;
  log<Definition extends EventDefinition>(
    event: EventOf<Definition>,
    options: As<Definition> & SpooledLogOptions,
  ): Promise<SpooledPlace>;
  log<Definition extends EventDefinition>(
    event: EventOf<Definition>,
    options: As<Definition> | (As<Definition> & DurableLogOptions),
  ): Promise<LoggedReceipt>;
  log(event: object, options: AnyLogOptions = {}): Promise<LoggedReceipt | SpooledPlace> {
    const promise =
      options.durable === true ? this.#logDurably(event, options) : this.#enqueue(event, options);
    promise.catch(ignore);
    return promise;
  }

  /**
   * Runs `run` and whatever it brings about in this context: each `log()` in it fills in what its
   * event does not say. The same as `withContext`.
   */
  with<T>(context: CairnContext, run: () => T): T {
    return withContext(context, run);
  }

  /**
   * Puts a larger thing into the log, before the event that lists what this resolves with under
   * `blobs`. Tried again like an event. A server takes 64 MiB, if it was not told otherwise.
   */
  putBlob(bytes: Uint8Array, description: BlobDescription = {}): Promise<NamedBlob> {
    return this.#blobs.put(bytes, description);
  }

  /** The blob with that SHA-256 (hex), checked. "not_found", "unverified". */
  getBlob(sha256: string): Promise<Uint8Array> {
    return this.#blobs.get(sha256);
  }

  /** Resolves when every event handed over until now has its receipt or its error. */
  async flush(): Promise<void> {
    await this.#outlet.flush();
  }

  /**
   * Takes no more events, and flushes. What is left after `timeoutMs` (30 s) is rejected with
   * "unavailable", and then `close` rejects too. Receipts that wait to be published are waited for
   * too, within that time; an alarm tells of what is not. Call it when a signal ends the process:
   * signals are not caught by the client. With a spool, what a log that does not answer has not got
   * yet stays there, and nobody waits for it.
   */
  close(options: { readonly timeoutMs?: number } = {}): Promise<void> {
    this.#closed ??= this.#close(options.timeoutMs ?? closeTimeoutMsDefault);
    return this.#closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  status(): ClientStatus {
    const { failingSinceMs, ...counts } = this.#outlet.counts;
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

  #enqueue(event: object, options: AnyLogOptions): Promise<LoggedReceipt | SpooledPlace> {
    return new Promise((resolve, reject) => {
      try {
        if (this.#closed !== undefined) throw new CairnError("usage", "the client was closed");
        const now = this.#clock.now();
        const line = this.#render(event, now, options.as, this.#outlet.nextSequence);
        const pending = { line, sinceMs: now, resolve, reject };
        if (options.spooled !== true) return this.#outlet.push(pending);
        if (this.#options.spool === undefined) {
          throw new CairnError("usage", "`spooled` needs a client with a `spool`");
        }
        const onSpooled = (place: Sequence): void => resolve({ ...place, eventId: line.id });
        this.#outlet.push({ ...pending, onSpooled });
      } catch (error) {
        this.#outlet.reject({ reject }, asCairnError(error));
      }
    });
  }

  async #logDurably(event: object, options: AnyLogOptions): Promise<LoggedReceipt> {
    const { timeoutMs = durableTimeoutMsDefault, verify = this.#trust.isPinned } = options;
    try {
      if (this.#closed !== undefined) throw new CairnError("usage", "the client was closed");
      const line = this.#render(event, this.#clock.now(), options.as, undefined);
      const durable = { ...this.#sending, timeoutMs, isVerified: verify };
      return await logDurably(line, durable, this.#transport, this.#trust);
    } catch (error) {
      const failed = asCairnError(error);
      this.#outlet.reject({ reject() {} }, failed);
      throw failed;
    }
  }

  #render(
    event: object,
    now: number,
    as: EventDefinition | undefined,
    sequence: Sequence | undefined,
  ): EventLine {
    const defaults = this.#defaults;
    defaults.now = now;
    defaults.as = as;
    defaults.sequence = sequence;
    return renderEventLine(event, defaults);
  }

  #compose(plain: Readonly<Record<string, unknown>>, as: EventDefinition | undefined): object {
    const context = currentContext();
    const isTraced = plain["trace"] !== undefined || context?.trace !== undefined;
    const { findTrace = openTelemetryTrace } = this.#options;
    const trace = isTraced ? undefined : findTrace();
    const definition = as ?? this.#definitions.get(plain["type"]);
    return composeEvent(plain, { context, trace, definition });
  }

  /** Many events are of one millisecond, and writing a time costs 0.5 µs. */
  #timeText(now: number): string {
    if (now !== this.#nowMs) {
      this.#nowMs = now;
      this.#nowText = new Date(now).toISOString();
    }
    return this.#nowText;
  }

  #openOutlet(): Outlet {
    const { spool, onReceipt, queueEventsMax } = this.#options;
    if (spool === undefined) return new Sender(this.#sending, this.#transport, this.#trust);
    const awaitedMax = positive("queueEventsMax", queueEventsMax ?? awaitedMaxDefault);
    const options = { ...this.#sending, spool, onReceipt, awaitedMax };
    return new SpoolSender(options, this.#transport, this.#trust);
  }

  #openHeartbeat(path: string): Heartbeat | undefined {
    if (this.#outlet.nextSequence === undefined) return undefined;
    const everyMs = positive("heartbeatMs", this.#options.heartbeatMs ?? heartbeatMsDefault);
    const idleAt = (): Sequence | undefined => this.#outlet.idleAt;
    return new Heartbeat({ path, everyMs, clock: this.#clock, idleAt }, this.#transport);
  }

  #firstUse(options: CairnClientOptions): (() => Promise<Pinned>) | undefined {
    const { trustOnFirstUse, vkeys = [], policy, memory } = options;
    if (trustOnFirstUse !== true) return undefined;
    if (memory === undefined || vkeys.length > 0 || policy !== undefined) {
      throw new CairnError(
        "usage",
        "`trustOnFirstUse` needs a `memory` to keep the keys in, and no `vkeys` or `policy`",
      );
    }
    const onFirstUse = options.onFirstUse ?? consoleFirstUse(say);
    return () => pinOnFirstUse({ memory, onFirstUse, info: () => this.#reading.info() });
  }

  #receiptSource(): ReceiptSource {
    const expected = ({ seq, leafHash }: ReceiptFields, event: string) => ({
      seq,
      leafHash,
      event,
    });
    return {
      full: (receipt, event) => this.#reading.receipt(expected(receipt, event)),
      witnessed: (receipt, event) =>
        this.#reading.witnessed(
          expected(receipt, event),
          receipt.checkpoint,
          this.#published,
          (conflict) => this.#watch?.conflict(conflict),
        ),
    };
  }

  async #close(timeoutMs: number): Promise<void> {
    const closesAtMs = this.#clock.now() + timeoutMs;
    this.#heartbeat?.stop();
    const stopBlobs = (): void =>
      this.#blobs.stop(new CairnError("unavailable", "the client was closed"));
    const cancel = this.#clock.after(timeoutMs, stopBlobs, { keepsAlive: true });
    const [sent] = await Promise.allSettled([this.#outlet.close(timeoutMs), this.#blobs.close()]);
    cancel();
    await this.#watch?.close(Math.max(0, closesAtMs - this.#clock.now()));
    if (sent.status === "rejected") throw sent.reason;
  }
}

function ignore(): void {}

function say(text: string): void {
  console.error(text);
}

function asCairnError(error: unknown): CairnError {
  if (isCairnError(error)) return error;
  // A getter or `toJSON` of the event threw.
  return new CairnError("invalid", `the event cannot be read: ${String(error)}`, { cause: error });
}

async function loadWebCrypto(): Promise<Crypto> {
  return (await import("@cairnlog/crypto/web")).webCrypto;
}
