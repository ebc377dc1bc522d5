/**
 * Errors on their way back: a problem document (RFC 9457) of the server becomes the CairnError that
 * it was made from, with its code and place. Whatever else answers (a proxy, a load balancer) gets
 * the code that fits its status.
 */
import { CairnError, errorTable, type CairnErrorCode, type ErrorPlace } from "@cairnlog/core";

/** The error in `document`, which came with `status`. `what` says what was being tried. */
export function problemError(
  document: unknown,
  status: number,
  what: string,
  retryAfterMs?: number,
): CairnError {
  const problem = isObject(document) ? document : {};
  const code = isCode(problem["code"]) ? problem["code"] : codeOfStatus(status);
  const told = problem["detail"] ?? problem["title"];
  const detail = typeof told === "string" ? told : `the server answered ${status}`;
  return new CairnError(code, `${what}: ${detail}`, {
    place: placeOf(problem),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  });
}

function placeOf(problem: Record<string, unknown>): ErrorPlace {
  const { log, seq, path, byte, pointer } = problem;
  return {
    ...(typeof log === "string" ? { log } : {}),
    ...(typeof seq === "number" ? { seq } : {}),
    ...(typeof path === "string" ? { path } : {}),
    ...(typeof byte === "number" ? { byte } : {}),
    ...(typeof pointer === "string" ? { pointer } : {}),
  };
}

function isCode(code: unknown): code is CairnErrorCode {
  return typeof code === "string" && Object.hasOwn(errorTable, code);
}

function codeOfStatus(status: number): CairnErrorCode {
  if (status >= 500) return status === 507 ? "storage_full" : "unavailable";
  for (const [code, meaning] of Object.entries(errorTable)) {
    if (meaning.status === status) return code as CairnErrorCode;
  }
  return "usage";
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
