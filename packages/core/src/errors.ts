/**
 * The one error type that crosses packages, and the one table that says what each code means.
 *
 * A code is public API: added, never renamed. `errorTable` maps each to an HTTP status, an exit status of the
 * command, a title and what the reader can do; the server's `/errors/<code>` pages, the problem documents, the
 * command's exit status and `docs/errors.md` are all made from it.
 */

/** Exit statuses of the command: 0 good, 1 not proven, 2 usage, 3 unavailable. */
export type ExitStatus = 1 | 2 | 3;

export interface ErrorMeaning {
  /** HTTP status (RFC 9110) that the server answers with. */
  readonly status: number;
  readonly exit: ExitStatus;
  /** What happened, in a few words. */
  readonly title: string;
  /** What to do about it, in a sentence or two. */
  readonly todo: string;
}

function meaning(status: number, exit: ExitStatus, title: string, todo: string): ErrorMeaning {
  return { status, exit, title, todo };
}

export const errorTable = {
  malformed: meaning(
    400,
    2,
    "The bytes do not parse",
    "Correct the input at the place that the message names. Sending the same bytes again cannot help.",
  ),
  usage: meaning(
    400,
    2,
    "A parameter is missing or wrong",
    "See /openapi.json, or `cairn help <command>`, for what is accepted.",
  ),
  unauthenticated: meaning(
    401,
    3,
    "An API key is needed",
    "Send `Authorization: Bearer <key>`. Create a key with `cairn keys create`.",
  ),
  forbidden: meaning(
    403,
    3,
    "This API key may not do that",
    "Use a key whose logs and scopes cover the request; `cairn keys list` shows them.",
  ),
  not_found: meaning(
    404,
    3,
    "There is no such thing",
    "Check the log's name and the sequence number; `cairn logs list` shows the logs.",
  ),
  method_not_allowed: meaning(
    405,
    2,
    "This path does not take the method",
    "Use one of the methods that the Allow header names; /openapi.json lists all paths.",
  ),
  timeout: meaning(
    408,
    3,
    "The request did not arrive in time",
    "Send it again, with the same event ids: what had arrived was not recorded.",
  ),
  conflict: meaning(
    409,
    3,
    "Something else is already there",
    "An event id names one event for ever: give a different event a different id.",
  ),
  too_large: meaning(
    413,
    2,
    "It is larger than the limit",
    "Split a batch into several requests. One event holds at most 64,000 bytes.",
  ),
  unsupported_media: meaning(
    415,
    2,
    "The content type or encoding is not supported",
    "Send application/json or application/x-ndjson; identity, gzip or zstd.",
  ),
  misdirected: meaning(
    421,
    2,
    "The Host header names another server",
    "Use a host name that the server was told with `--host-name`.",
  ),
  invalid: meaning(
    422,
    2,
    "The event does not have the right shape",
    "Correct the field that the message names; docs/spec/event.md has the shape.",
  ),
  private_unsupported: meaning(
    422,
    2,
    "Private values cannot be recorded yet",
    "Remove `private` from the event: without a vault, personal data would become immutable.",
  ),
  blob_missing: meaning(
    422,
    2,
    "A blob that the event names is not there",
    "Put the blob first (`PUT /v1/logs/{log}/blobs/{sha256}`), then send the event again.",
  ),
  blob_mismatch: meaning(
    422,
    2,
    "The bytes are not those that the hash names",
    "Hash the bytes again (SHA-256) and send them whole: nothing of them was kept.",
  ),
  overloaded: meaning(
    429,
    3,
    "The log is taking as much as it can",
    "Wait as long as Retry-After says, then send the same events again. Nothing was recorded.",
  ),
  unverified: meaning(
    500,
    1,
    "A hash or a signature does not match",
    "Run `cairn verify` to find the damage. Restore from a mirror or copy that still verifies.",
  ),
  internal: meaning(
    500,
    3,
    "Something went wrong inside",
    "Send the same events again, with the same ids. If it stays, report it with the server's log.",
  ),
  unsupported_version: meaning(
    500,
    3,
    "A file was written in a newer format",
    "Upgrade Cairn to a release that knows this format.",
  ),
  unavailable: meaning(
    503,
    3,
    "Not available right now",
    "Safe to try again with the same event ids.",
  ),
  locked: meaning(
    503,
    3,
    "Another process holds the log",
    "Talk to that process over HTTP, or stop it first. A log has one writer.",
  ),
  tampered: meaning(
    503,
    1,
    "Recorded data was changed or lost",
    "Keep the files as evidence. Go on from a mirror or copy that verifies, or start a successor with `cairn init --succeeds`.",
  ),
  storage_full: meaning(
    507,
    3,
    "The disk is full",
    "Free some room on the disk. Then send the same events again: none of them was recorded.",
  ),
} as const satisfies Record<string, ErrorMeaning>;

export type CairnErrorCode = keyof typeof errorTable;

/** Where it happened, as far as it is known. Each field is shown to the user. */
export interface ErrorPlace {
  /** The log's name. */
  readonly log?: string;
  readonly seq?: number;
  /** A file's path, relative to the log's folder where it lies in one. */
  readonly path?: string;
  /** Offset in bytes, from the start of the file, body, line or event that the message names. */
  readonly byte?: number;
  /** JSON pointer (RFC 6901) into the event. */
  readonly pointer?: string;
}

export interface CairnErrorOptions extends ErrorOptions {
  readonly place?: ErrorPlace;
  /** With `overloaded` and `unavailable`: when trying again is worth it, in milliseconds. */
  readonly retryAfterMs?: number;
}

export class CairnError extends Error {
  override readonly name = "CairnError";
  readonly code: CairnErrorCode;
  readonly place: ErrorPlace;
  readonly retryAfterMs: number | undefined;

  constructor(code: CairnErrorCode, message: string, options: CairnErrorOptions = {}) {
    super(message, options);
    this.code = code;
    this.place = options.place ?? {};
    this.retryAfterMs = options.retryAfterMs;
  }
}

/** Narrows a caught value, optionally to one code. */
export function isCairnError(error: unknown, code?: CairnErrorCode): error is CairnError {
  return error instanceof CairnError && (code === undefined || error.code === code);
}

/**
 * A broken invariant is our own bug: this is not a CairnError, nobody catches it, and the process stops rather
 * than sign something false.
 */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Error(`invariant broken: ${message}`);
}
