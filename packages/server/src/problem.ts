/**
 * Failures as the client sees them: RFC 9457 problem documents, all from the one error table.
 *
 * What the log and the parsers say is written for the sender and is passed on. Anything else that
 * goes wrong is "internal": its message may say things about our insides, so it goes to the
 * server's own log alone.
 */
import { CairnError, errorTable, isCairnError, type CairnErrorCode } from "@cairnlog/core";

export const problemType = "application/problem+json";

/** A problem on its way out. */
export interface Problem {
  readonly status: number;
  readonly code: CairnErrorCode;
  /** The document, JSON. */
  readonly text: string;
  /** Seconds; where trying again is worth it. */
  readonly retryAfter: number | undefined;
}

/** How long to wait where the error does not say it itself. Not listed: waiting does not help. */
const retryAfterSeconds: Partial<Record<CairnErrorCode, number>> = {
  overloaded: 1,
  unavailable: 2,
  storage_full: 30,
};

/**
 * `status` overrides the table's, for the few answers of HTTP itself that have no code of their
 * own.
 */
export function problemOf(error: CairnError, status?: number): Problem {
  const document = problemDocument(error, status);
  const fallback = retryAfterSeconds[error.code];
  return {
    status: document.status,
    code: error.code,
    text: JSON.stringify(document),
    retryAfter:
      error.retryAfterMs === undefined
        ? fallback
        : Math.max(1, Math.ceil(error.retryAfterMs / 1000)),
  };
}

export interface ProblemDocument {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: CairnErrorCode;
}

/** Also stands in the results of a batch, for one event. */
export function problemDocument(error: CairnError, status?: number): ProblemDocument {
  const meaning = errorTable[error.code];
  return {
    type: `/errors/${error.code}`,
    title: meaning.title,
    status: status ?? meaning.status,
    detail: error.message,
    code: error.code,
    ...error.place,
  };
}

/**
 * Whatever was thrown, as an error that may be shown. The framework's own are recognised by their
 * status.
 */
export function presentable(error: unknown): CairnError {
  if (isCairnError(error)) return error;
  const { code, statusCode, message } = frameworkError(error);
  const cause = { cause: error };
  if (code === "FST_ERR_VALIDATION") return new CairnError("usage", message, cause);
  if (statusCode === 413) return new CairnError("too_large", "the body is too large", cause);
  if (statusCode === 415) return new CairnError("unsupported_media", unsupportedType, cause);
  if (statusCode === 408) return new CairnError("timeout", "the request took too long", cause);
  if (statusCode >= 400 && statusCode < 500) {
    return new CairnError("malformed", `the request cannot be read: ${message}`, cause);
  }
  return new CairnError("internal", "the server failed in a way that it did not expect", cause);
}

export const unsupportedType =
  "the Content-Type is none of application/json and application/x-ndjson, as UTF-8";

function frameworkError(error: unknown): { code: string; statusCode: number; message: string } {
  const told = error instanceof Error ? error : new Error("not an error");
  return {
    code: "code" in told && typeof told.code === "string" ? told.code : "",
    statusCode: "statusCode" in told && typeof told.statusCode === "number" ? told.statusCode : 500,
    message: told.message,
  };
}
