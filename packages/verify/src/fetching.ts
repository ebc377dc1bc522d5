/**
 * Fetches from a server that may be hostile, slow or busy: each answer is read up to a limit and no further, each
 * request ends in time, being busy is waited for a few times and no more. Redirects are refused, because a key that
 * was meant for one server must not go to another.
 */
import { createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { CairnError, parseDecimal } from "@cairnlog/core";

export type Fetch = (url: string, init: RequestInit) => Promise<Response>;

export interface FetcherOptions {
  /** An API key, sent as a bearer token. */
  readonly key?: string;
  readonly fetch?: Fetch;
  readonly signal?: AbortSignal;
  /** For one request and its answer. Default 30 s. */
  readonly timeoutMs?: number;
  /** How often a request is made until the server is taken for silent; default 6, over some 12 s. */
  readonly attempts?: number;
}

const attemptsDefault = 6;
const backoffMs = 200;
const waitMaxMs = 10_000;
const timeoutDefaultMs = 30_000;
const retried = new Set([408, 429, 500, 502, 503, 504]);

export class Fetcher {
  readonly #base: string;
  readonly #options: FetcherOptions;
  readonly #fetch: Fetch;

  /** `base` ends in a slash. */
  constructor(base: string, options: FetcherOptions) {
    this.#base = base;
    this.#options = options;
    this.#fetch = options.fetch ?? ((url, init) => fetch(url, init));
  }

  /**
   * The bytes at `path`: at most `byteLengthMax`, after any content encoding was undone. "not_found", "forbidden",
   * "unauthenticated", "unavailable", "too_large"; the signal's reason when aborted.
   */
  get(path: string, byteLengthMax: number): Promise<Uint8Array> {
    return this.#retrying(path, (response) => readUpTo(response, byteLengthMax, path));
  }

  /** SHA-256 (hex) and length of the bytes at `path`, which are not held. Fails as `get` does. */
  digest(
    path: string,
    byteLengthMax: number,
  ): Promise<{ readonly sha256: string; readonly byteLength: number }> {
    return this.#retrying(path, async (response) => {
      const hash = createHash("sha256");
      let byteLength = 0;
      for await (const piece of piecesUpTo(response, byteLengthMax, path)) {
        byteLength += piece.length;
        hash.update(piece);
      }
      return { sha256: hash.digest("hex"), byteLength };
    });
  }

  async #retrying<T>(path: string, read: (response: Response) => Promise<T>): Promise<T> {
    const { signal, attempts = attemptsDefault } = this.#options;
    let last: CairnError | undefined;
    for (let attempt = 0; attempt < attempts; attempt++) {
      signal?.throwIfAborted();
      if (last !== undefined) {
        const wait = last.retryAfterMs ?? backoffMs * 2 ** attempt;
        await sleep(Math.min(wait, waitMaxMs), undefined, signal === undefined ? {} : { signal });
      }
      try {
        return await this.#once(path, read);
      } catch (error) {
        signal?.throwIfAborted();
        if (!(error instanceof CairnError)) last = unreachable(path, error);
        else if (error.code === "unavailable") last = error;
        else throw error;
      }
    }
    throw last ?? unreachable(path, undefined);
  }

  async #once<T>(path: string, read: (response: Response) => Promise<T>): Promise<T> {
    const { key, signal, timeoutMs = timeoutDefaultMs } = this.#options;
    const inTime = AbortSignal.timeout(timeoutMs);
    const response = await this.#fetch(this.#base + path, {
      redirect: "error",
      headers: key === undefined ? {} : { authorization: `Bearer ${key}` },
      signal: signal === undefined ? inTime : AbortSignal.any([signal, inTime]),
    });
    if (response.status !== 200) {
      await response.body?.cancel();
      throw refused(response, path);
    }
    return read(response);
  }
}

async function readUpTo(
  response: Response,
  byteLengthMax: number,
  path: string,
): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  let byteLength = 0;
  for await (const piece of piecesUpTo(response, byteLengthMax, path)) {
    pieces.push(piece);
    byteLength += piece.length;
  }
  const bytes = new Uint8Array(byteLength);
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}

async function* piecesUpTo(
  response: Response,
  byteLengthMax: number,
  path: string,
): AsyncGenerator<Uint8Array, void> {
  const reader = (response.body as ReadableStream<Uint8Array> | null)?.getReader();
  if (reader === undefined) return;
  let byteLength = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    byteLength += value.length;
    if (byteLength > byteLengthMax) {
      await reader.cancel();
      const what = `${path} is longer than ${byteLengthMax} bytes, which it can't be`;
      throw new CairnError("too_large", what, { place: { path } });
    }
    yield value;
  }
}

function refused(response: Response, path: string): CairnError {
  const { status } = response;
  const place = { path };
  if (retried.has(status)) {
    const text = response.headers.get("retry-after") ?? "";
    const seconds = /^(?:0|[1-9][0-9]{0,5})$/.test(text) ? parseDecimal(text, "delay") : undefined;
    return new CairnError("unavailable", `the server answers ${status} for ${path}`, {
      place,
      ...(seconds === undefined ? {} : { retryAfterMs: seconds * 1e3 }),
    });
  }
  if (status === 401) {
    return new CairnError("unauthenticated", `${path} needs an API key`, { place });
  }
  if (status === 403) return new CairnError("forbidden", `the key may not read ${path}`, { place });
  return new CairnError("not_found", `the server answers ${status} for ${path}`, { place });
}

function unreachable(path: string, cause: unknown): CairnError {
  const reason =
    cause instanceof Error ? ((cause.cause as Error | undefined) ?? cause).message : "";
  return new CairnError("unavailable", `cannot fetch ${path}: ${reason}`, {
    cause,
    place: { path },
  });
}
