/**
 * One HTTP request to the server, and its answer or a CairnError. Knows addresses, the key, time
 * limits and problem documents; knows nothing of batches, and tries nothing twice.
 */
import { CairnError } from "@cairnlog/core";
import { findRetryAfterMs, noAnswer } from "./backoff.ts";
import type { Clock } from "./platform.ts";
import { problemError } from "./problem.ts";

export type Fetch = (url: string, init: RequestInit) => Promise<Response>;

export interface TransportOptions {
  /** Where the server is: `https://audit.example.com`. A path in front of `/v1` may follow. */
  readonly url: string;
  /** API key. */
  readonly key?: string;
  readonly fetch: Fetch;
  readonly clock: Clock;
  readonly timeoutMs: number;
}

export interface Request {
  readonly method?: "GET" | "POST" | "PUT";
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array<ArrayBuffer>;
  readonly signal?: AbortSignal | undefined;
  /** Added to the time limit: for requests that the server is asked to hold. */
  readonly waitMs?: number;
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

export class Transport {
  readonly #base: string;
  readonly #options: TransportOptions;

  constructor(options: TransportOptions) {
    this.#base = parseBase(options.url);
    if (options.key !== undefined && !/^[\x21-\x7e]+$/.test(options.key)) {
      throw new CairnError("usage", "the API key holds characters that no key has");
    }
    this.#options = options;
  }

  /**
   * Sends; resolves with whatever came back, whole. Rejects with "unavailable" when nothing whole
   * came.
   */
  async send(path: string, request: Request = {}): Promise<Answer> {
    const limit = new TimeLimit(this.#options, request);
    try {
      return await whole(await this.#fetch(path, request, limit));
    } catch (error) {
      throw noAnswer(error, `${this.#base} is not available`);
    } finally {
      limit.stop();
    }
  }

  /** Like `send`, and rejects with the server's own error unless the status is 200. */
  async get(path: string, request: Request = {}): Promise<Answer> {
    const answer = await this.send(path, request);
    if (answer.status !== 200) throw this.errorOf(answer, `GET ${path}`);
    return answer;
  }

  /** The error that an answer means. `what` begins its message. */
  errorOf(answer: Answer, what: string): CairnError {
    const { status, headers } = answer;
    if (status >= 300 && status < 400) {
      const to = headers.get("location") ?? "another place";
      return new CairnError("usage", `${what}: the server points to ${to}; give that as url`);
    }
    const retryAfter = findRetryAfterMs(headers.get("retry-after"), this.#options.clock.now());
    return problemError(parseProblem(answer), status, what, retryAfter);
  }

  /** The body of a 200 answer, piece by piece. The time limit is for each piece. */
  async *stream(path: string, request: Request = {}): AsyncGenerator<Uint8Array, Headers> {
    const limit = new TimeLimit(this.#options, request);
    let reader: ReadableStreamDefaultReader<Uint8Array> | undefined;
    try {
      const response = await this.#fetch(path, request, limit);
      if (response.status !== 200) {
        throw this.errorOf(await whole(response), `GET ${path}`);
      }
      reader = response.body?.getReader();
      for (;;) {
        limit.restart();
        const piece = await reader?.read();
        if (piece?.value === undefined) return response.headers;
        limit.stop();
        yield piece.value;
      }
    } catch (error) {
      if (error instanceof CairnError) throw error;
      throw noAnswer(error, `${this.#base} is not available`);
    } finally {
      limit.stop();
      // Whoever stops reading early lets go of the connection too.
      await reader?.cancel().catch(() => {});
    }
  }

  async #fetch(path: string, request: Request, limit: TimeLimit): Promise<Response> {
    const { fetch, key } = this.#options;
    return await fetch(this.#base + path, {
      method: request.method ?? "GET",
      headers: { ...request.headers, ...(key === undefined ? {} : bearer(key)) },
      ...(request.body === undefined ? {} : { body: request.body }),
      // A redirect would turn a POST into a GET, or carry events to somebody else.
      redirect: "manual",
      signal: limit.signal,
    });
  }
}

/** Ends a request that takes too long, or that its caller has given up. */
class TimeLimit {
  readonly #abort = new AbortController();
  readonly #clock: Clock;
  readonly #ms: number;
  readonly #given: AbortSignal | undefined;
  readonly #follow = (): void => this.#abort.abort(this.#given?.reason);
  #cancel = (): void => {};

  constructor(options: TransportOptions, request: Request) {
    this.#clock = options.clock;
    this.#ms = options.timeoutMs + (request.waitMs ?? 0);
    this.#given = request.signal;
    this.restart();
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  restart(): void {
    this.stop();
    const late = (): void => this.#abort.abort(new Error(`no answer within ${this.#ms} ms`));
    this.#cancel = this.#clock.after(this.#ms, late);
    if (this.#given?.aborted === true) this.#follow();
    this.#given?.addEventListener("abort", this.#follow);
  }

  stop(): void {
    this.#cancel();
    this.#given?.removeEventListener("abort", this.#follow);
  }
}

async function whole(response: Response): Promise<Answer> {
  return { status: response.status, headers: response.headers, text: await response.text() };
}

function bearer(key: string): Record<string, string> {
  return { authorization: `Bearer ${key}` };
}

function parseBase(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol !== "http:" && url?.protocol !== "https:") {
    throw new CairnError("usage", `not an http(s) address: ${JSON.stringify(text.slice(0, 80))}`);
  }
  if (url.username !== "" || url.password !== "" || url.search !== "" || url.hash !== "") {
    throw new CairnError(
      "usage",
      "the address must have no user, query or fragment; pass the API key as `key`",
    );
  }
  return url.origin + url.pathname.replace(/\/+$/, "");
}

function parseProblem(answer: Answer): unknown {
  if (!isJson(answer)) return undefined;
  try {
    return JSON.parse(answer.text);
  } catch {
    return undefined;
  }
}

/** The JSON value of a good answer. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new CairnError("malformed", "the server's answer is not JSON", { cause });
  }
}

/** True for `application/json` and `application/problem+json`, whatever parameters follow. */
export function isJson(answer: Answer): boolean {
  const type = answer.headers.get("content-type") ?? "";
  return /^application\/(problem\+)?json\s*(;|$)/i.test(type);
}
