/**
 * What a server writes to its own log about its failures. While a disk is full every request fails
 * in the same way, and a line for each would fill the disk that is meant to be emptied: so the same
 * failure is told once in ten seconds, with how often it happened since it was told last.
 */
import type { FastifyBaseLogger } from "fastify";
import type { CairnError } from "@cairnlog/core";

const everyMs = 10_000;
/** More kinds of failures than that are not told apart. */
const kindsMax = 100;

export class FailureLog {
  /** By code, message and cause. */
  readonly #told = new Map<string, { readonly atMs: number; since: number }>();

  /** Neither a header nor a body is logged: they hold keys and events. */
  write(
    logger: FastifyBaseLogger,
    error: CairnError,
    method: string | undefined,
    route: string | undefined,
    nowMs = performance.now(),
  ): void {
    const { code, place, message } = error;
    const cause = code === "internal" ? error.cause : undefined;
    const kind = `${code} ${message} ${String(cause)}`;
    const told = this.#told.get(kind);
    if (told !== undefined && nowMs - told.atMs < everyMs) {
      told.since++;
      return;
    }
    if (told === undefined && this.#told.size >= kindsMax) this.#told.clear();
    this.#told.set(kind, { atMs: nowMs, since: 0 });
    const again = told === undefined || told.since === 0 ? {} : { sinceLast: told.since };
    const stack = cause instanceof Error ? cause.stack : undefined;
    logger.error({ code, place, method, route, ...again, stack }, message);
  }
}
