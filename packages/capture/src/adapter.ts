/**
 * What an adapter is: a pure function from what a sender put on the wire to events, with what somebody must know to
 * plug that sender in. It has no clock, no state, no network; sockets, files, keys and commits are the server's.
 *
 * Words: a *sender* is a system that somebody already runs (GitHub, a Kubernetes API server); a *source* is one such
 * sender as this log knows it, with a name, a kind (the adapter) and secrets; a *delivery* is one request of it.
 *
 * What must hold, for every adapter (`fixtures.test.ts` asks it of all of them):
 * - An event kind that the adapter does not know becomes an event too, whole under `details`, never nothing.
 * - What was authenticated is checked over the raw bytes, before anything is parsed, in constant time.
 * - The same delivery gives the same events, with the same ids: the sender's own event id, where it has one.
 * - Damaged input throws "malformed", a forged one "unauthenticated": then nothing of the delivery is recorded.
 */
import type { CairnEvent } from "@cairnlog/core";

/** One request of a sender, decompressed. */
export interface Delivery {
  readonly method: string;
  /** What follows the source's address: "" or "/v1/logs". */
  readonly path: string;
  readonly query: URLSearchParams;
  /** Names in lower case. A header that came several times is joined by ", ". */
  readonly headers: Readonly<Record<string, string | undefined>>;
  /** The very bytes that the sender signs. */
  readonly body: Uint8Array;
}

/** A source as its adapter sees it. */
export interface SourceSettings {
  readonly name: string;
  /** What proves the sender. Any of them may be used, so that one can be replaced without a gap. At least one. */
  readonly secrets: readonly string[];
  /** Answers to the adapter's own questions, by name. */
  readonly options: Readonly<Record<string, string>>;
}

/** Something larger than an event may be, or raw bytes that must stay checkable. Becomes a blob of the log. */
export interface CapturedBlob {
  readonly bytes: Uint8Array;
  readonly mediaType: string;
  /** What it is to the event: `original`, `terminal`, `diff` … */
  readonly role: string;
}

export interface CapturedEvent {
  readonly event: CairnEvent;
  /** Durable before the event is; `renderCaptured` writes their names into it. */
  readonly blobs?: readonly CapturedBlob[];
}

export interface Answer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Bytes where the protocol's answers are no text. */
  readonly body?: string | Uint8Array;
}

export interface Captured {
  /** In the order in which they happened, as far as the sender tells. */
  readonly events: readonly CapturedEvent[];
  /**
   * The very same events, rendered already, one a line: for adapters of senders that are so fast that rendering and
   * reading event by event would be what limits. Only where no event has blobs or is too large for an entry. Where it
   * is there, it is what gets recorded.
   */
  readonly ndjson?: Uint8Array;
  /** Records of the delivery that could not be read while others could, with what was wrong. Most often none. */
  readonly refused?: readonly string[];
  /**
   * What the sender is told once all events are durable. Default: 200 and `{}`. A challenge is a delivery without
   * events and with an answer.
   */
  readonly answer?: Answer;
  /**
   * What the sender is told instead where its protocol can say that a part was refused: `refused` above, and what the
   * log refused (an id that names another event). Without it, what the log refuses is an error of the whole delivery.
   */
  answerRefused?(refused: readonly string[]): Answer;
}

/** One kind of event of a sender: a row of the table in the docs, checked against the fixture of the same name. */
export interface KnownKind {
  /** The sender's own name for it. A fixture `<kind>.json` shows one (`/` and `:` become `-`). */
  readonly kind: string;
  /** The event's `type`. */
  readonly type: string;
  /** Where the adapter finds them in the delivery, in words or as JSON pointers: "/sender/login". */
  readonly actor: string;
  readonly action: string;
  readonly targets: string;
  readonly outcome: string;
}

export interface Question {
  /** Key in `SourceSettings.options`: `[a-z][a-zA-Z0-9]*`. */
  readonly name: string;
  readonly text: string;
  readonly default?: string;
  readonly pattern?: RegExp;
}

/** What `cairn sources add <kind>` asks and prints. */
export interface Setup {
  readonly questions: readonly Question[];
  /**
   * How the secret is made: random in base64url, or given by the sender and asked for, or none of its own (a bearer
   * token of ours).
   */
  readonly secret: "random" | "given" | "token";
  /** Markdown: where to click and what to paste. */
  instructions(paste: Paste, options: Readonly<Record<string, string>>): string;
}

export interface Paste {
  /** The address that the sender must be given. */
  readonly url: string;
  readonly secret: string;
  readonly source: string;
}

export interface Adapter {
  /** `github`: what stands in `cairn sources add github`. `[a-z][a-z0-9-]*` */
  readonly kind: string;
  readonly title: string;
  /** Which versions of the sender, which published schema: with its source. */
  readonly basis: string;
  readonly known: readonly KnownKind[];
  readonly setup: Setup;
  /**
   * Throws "unauthenticated" unless one of the source's secrets proves this delivery. `nowMs` bounds the age of signed
   * deliveries where the scheme signs a time.
   */
  authenticate(delivery: Delivery, source: SourceSettings, nowMs: number): void;
  /** Throws "malformed", "unsupported_media" or "too_large". Called after `authenticate`. */
  capture(delivery: Delivery, source: SourceSettings): Captured;
  /**
   * How this sender's protocol is told what went wrong, where a problem document with the error's own status would not
   * do. "overloaded" and "unavailable" must come out as what the protocol calls "again, later". `headers` are those of
   * the request: nothing else of it may have arrived.
   */
  answerError?(error: ErrorForSender, headers: Delivery["headers"]): Answer;
}

export interface ErrorForSender {
  readonly code: string;
  readonly status: number;
  readonly message: string;
  readonly retryAfterSeconds?: number;
}
