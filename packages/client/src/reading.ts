/**
 * Reading a log over HTTP: single entries, ranges, proofs, checkpoints. Each is one attempt:
 * whoever reads can ask again. Entries are read strictly, and ranges must be without a gap; that
 * they are the log's is only proven by a proof (`proof`, `LoggedReceipt.full`), or by `cairn
 * verify` for all of them.
 */
import {
  CairnError,
  entryByteLengthMax,
  parseDecimal,
  parseEntryHead,
  parseUtf8,
  utf8,
} from "@cairnlog/core";
import type { CheckpointClaim, Conflict } from "./checkpoint-claim.ts";
import { isObject } from "./problem.ts";
import type { PublishedLog } from "./published-log.ts";
import { parseJson, type Transport } from "./transport.ts";
import {
  conflictError,
  type FullReceipt,
  type ReceiptExpectation,
  type Trust,
  type WitnessedProof,
} from "./trust.ts";

export interface LoggedEntry {
  readonly seq: number;
  /** When the log committed it: RFC 3339 in UTC, 24 characters. */
  readonly time: string;
  /** The log's alias for whoever sent it. */
  readonly source: string;
  /** The event's JSON text, as it was sent. */
  readonly event: string;
  /** The whole entry, byte for byte as hashed. */
  readonly bytes: Uint8Array;
}

export interface EntriesOptions {
  /** First seq. Defaults to 0, or to where `since` leads. */
  readonly from?: number;
  /** The seq to stop before. Defaults to the end of the log. */
  readonly to?: number;
  /** RFC 3339: entries committed at this time or later. */
  readonly since?: string;
  /** RFC 3339: entries committed before this time. */
  readonly until?: string;
  /** At most so many entries. */
  readonly limit?: number;
  /**
   * Seconds, at most 60, that each request waits at the end of the log for new entries. With it the
   * entries go on for ever, until `to` or `limit` is reached or `signal` aborts.
   */
  readonly wait?: number;
  readonly signal?: AbortSignal;
}

export interface LogInfo {
  readonly name: string;
  readonly origin: string;
  readonly vkeys: readonly string[];
  readonly public: boolean;
  readonly size: number;
  readonly sealedSize: number;
  readonly publishedSize: number;
}

/** A checkpoint is published each second, and then waits for its witnesses. */
const witnessedWaitSeconds = 10;

export class Reading {
  readonly #transport: Transport;
  readonly #trust: Trust;
  /** `/v1/logs/<name>` */
  readonly #path: string;

  constructor(transport: Transport, trust: Trust, path: string) {
    this.#transport = transport;
    this.#trust = trust;
    this.#path = path;
  }

  async info(): Promise<LogInfo> {
    const { text } = await this.#transport.get(this.#path);
    const info = parseJson(text);
    if (!isLogInfo(info)) throw new CairnError("malformed", "the log's description is incomplete");
    return info;
  }

  async get(seq: number): Promise<LoggedEntry> {
    const { text } = await this.#transport.get(`${this.#path}/events/${checkSeq(seq)}`);
    return readEntry(utf8(text), seq);
  }

  /** C2SP tlog-proof with the entry in it, as text; verified if keys are pinned. */
  async proof(seq: number): Promise<string> {
    const { text } = await this.#transport.get(`${this.#path}/events/${checkSeq(seq)}/proof`, {
      headers: { accept: "text/plain" },
    });
    await this.#trust.tlogProof(text, seq);
    return text;
  }

  async checkpoint(): Promise<CheckpointClaim> {
    const { text } = await this.#transport.get(`${this.#path}/checkpoint`);
    return await this.#trust.checkpoint(text);
  }

  async receipt(expected: ReceiptExpectation): Promise<FullReceipt> {
    const { text } = await this.#transport.get(`${this.#path}/events/${expected.seq}/proof`, {
      headers: { accept: "application/json" },
    });
    return await this.#trust.receipt(parseJson(text), expected);
  }

  /**
   * The proof that a receipt has become, held to the checkpoint that it was given under. `onConflict`
   * hears where the two contradict each other, before this rejects.
   */
  async witnessed(
    expected: ReceiptExpectation,
    receiptCheckpoint: string,
    log: PublishedLog,
    onConflict: (conflict: Conflict) => void,
  ): Promise<WitnessedProof> {
    const { seq } = expected;
    // Without keys this says so before anything is fetched.
    const known = await this.#trust.pinnedCheckpoint(receiptCheckpoint);
    const { text } = await this.#transport.get(
      `${this.#path}/events/${seq}/proof?checkpoint=published&wait=${witnessedWaitSeconds}`,
      { headers: { accept: "text/plain" }, waitMs: witnessedWaitSeconds * 1000 },
    );
    const shown = await this.#trust.witnessedProof(text, expected);
    const conflict = await log.findConflict([known], shown);
    if (conflict !== undefined) {
      onConflict(conflict);
      throw conflictError(conflict);
    }
    const { origin, size, note: checkpoint, witnesses } = shown;
    return { origin, seq, text, size, checkpoint, witnesses };
  }

  async *entries(options: EntriesOptions): AsyncGenerator<LoggedEntry, void> {
    const { to, since, wait, signal } = options;
    let from = options.from;
    let left = options.limit ?? Number.POSITIVE_INFINITY;
    for (;;) {
      // Where `since` leads is asked once; from there on the place is known.
      const rest = { ...options, from, since: from === undefined ? since : undefined, left };
      const page = readPage(this.#transport, `${this.#path}/events?${queryOf(rest)}`, options);
      let count = 0;
      try {
        for (;;) {
          const step = await nextUnlessAborted(page, signal);
          if (step === undefined) return;
          if (step.done === true) {
            from = nextOf(step.value, from);
            break;
          }
          const entry = readEntry(step.value, from);
          from = entry.seq + 1;
          count++;
          yield entry;
        }
      } finally {
        // A reader that stops early, or finds an entry wrong, lets go of the request.
        await page.return(new Headers());
      }
      left -= count;
      if (left <= 0 || (to !== undefined && (from ?? 0) >= to)) return;
      if (count === 0 && wait === undefined) return;
    }
  }
}

/**
 * Undefined once the caller has aborted: that is how one who follows a log comes to an end, no
 * error.
 */
async function nextUnlessAborted<T, R>(
  steps: AsyncGenerator<T, R>,
  signal: AbortSignal | undefined,
): Promise<IteratorResult<T, R> | undefined> {
  try {
    const step = await steps.next();
    return signal?.aborted === true ? undefined : step;
  } catch (error) {
    if (signal?.aborted === true) return undefined;
    throw error;
  }
}

type QueryParts = Omit<EntriesOptions, "from" | "since"> & {
  readonly from: number | undefined;
  readonly since: string | undefined;
  readonly left: number;
};

function queryOf(parts: QueryParts): string {
  const { from, to, since, until, wait, left } = parts;
  const query = new URLSearchParams();
  if (from !== undefined) query.set("from", String(checkSeq(from)));
  if (to !== undefined) query.set("to", String(checkSeq(to)));
  if (since !== undefined) query.set("since", since);
  if (until !== undefined) query.set("until", until);
  if (Number.isFinite(left)) query.set("limit", String(Math.min(checkSeq(left), 10_000)));
  if (wait !== undefined) query.set("wait", String(wait));
  return query.toString();
}

/** The lines of one answer. Returns its headers. */
async function* readPage(
  transport: Transport,
  path: string,
  options: Pick<EntriesOptions, "wait" | "signal">,
): AsyncGenerator<Uint8Array, Headers> {
  const { wait, signal } = options;
  const body = transport.stream(path, { signal, waitMs: (wait ?? 0) * 1000 });
  let held = new Uint8Array(0);
  try {
    for (;;) {
      const step = await body.next();
      if (step.done === true) {
        if (held.length > 0) throw new CairnError("unavailable", "the answer ends within an entry");
        return step.value;
      }
      const piece = concat(held, step.value);
      let start = 0;
      for (let end = piece.indexOf(0x0a); end >= 0; end = piece.indexOf(0x0a, start)) {
        yield piece.slice(start, end);
        start = end + 1;
      }
      held = piece.slice(start);
      if (held.length > entryByteLengthMax) {
        throw new CairnError("malformed", "the answer has a line longer than any entry");
      }
    }
  } finally {
    await body.return(new Headers());
  }
}

function concat(a: Uint8Array, b: Uint8Array): Uint8Array {
  if (a.length === 0) return b;
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}

function readEntry(bytes: Uint8Array, expected: number | undefined): LoggedEntry {
  const { seq, time, source, event } = parseEntryHead(bytes);
  if (expected !== undefined && seq !== expected) {
    throw new CairnError("unverified", `the server gave entry ${seq} in the place of ${expected}`, {
      place: { seq: expected },
    });
  }
  return { seq, time, source, event: parseUtf8(event), bytes };
}

function nextOf(headers: Headers, from: number | undefined): number | undefined {
  const text = headers.get("cairn-next");
  if (text === null) return from;
  const next = parseDecimal(text, "Cairn-Next");
  if (from !== undefined && next < from) {
    throw new CairnError("malformed", `Cairn-Next is ${next}, though entry ${from - 1} was given`);
  }
  return next;
}

function checkSeq(seq: number): number {
  if (Number.isSafeInteger(seq) && seq >= 0) return seq;
  throw new CairnError("usage", `not a sequence number: ${seq}`);
}

function isLogInfo(info: unknown): info is LogInfo {
  if (!isObject(info)) return false;
  const { name, origin, vkeys, size } = info;
  const areKeys = Array.isArray(vkeys) && vkeys.every((vkey) => typeof vkey === "string");
  return (
    typeof name === "string" && typeof origin === "string" && areKeys && typeof size === "number"
  );
}
