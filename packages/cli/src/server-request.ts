/**
 * One request to a server, and its answer: a problem document becomes the error that it was made
 * from.
 */
import { Readable } from "node:stream";
import { CairnError, errorTable, type CairnErrorCode, type ErrorPlace } from "@cairnlog/core";

export interface ServerTarget {
  readonly url: string;
  readonly key: string | undefined;
}

export interface ServerRequest {
  readonly path: string;
  readonly method?: "GET" | "POST" | "PUT";
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | Readable;
  readonly signal?: AbortSignal;
  /** For the whole answer; default two minutes. */
  readonly timeoutMs?: number;
  /** Statuses besides 2xx whose body is an answer and not a problem. */
  readonly alsoGood?: readonly number[];
}

const timeoutDefaultMs = 120_000;

/** The body of a good answer, as text. */
export async function request(target: ServerTarget, asked: ServerRequest): Promise<string> {
  const response = await sendRequest(target, asked);
  return readText(target, asked, response);
}

/** A good answer, whose body is still to be read. */
export async function sendRequest(target: ServerTarget, asked: ServerRequest): Promise<Response> {
  const { path, method = "GET", headers = {}, body, signal, alsoGood = [] } = asked;
  const { timeoutMs = timeoutDefaultMs } = asked;
  const signals = [AbortSignal.timeout(timeoutMs), ...(signal === undefined ? [] : [signal])];
  let response: Response;
  try {
    response = await fetch(target.url + path, {
      method,
      headers: {
        ...headers,
        ...(target.key === undefined ? {} : { authorization: `Bearer ${target.key}` }),
      },
      ...bodyOf(body),
      // A redirect would turn a POST into a GET, or carry the key to somebody else.
      redirect: "manual",
      signal: AbortSignal.any(signals),
    });
  } catch (cause) {
    throw noAnswer(target, asked, cause);
  }
  if (response.ok || alsoGood.includes(response.status)) return response;
  const text = await readText(target, asked, response);
  throw problemError(findJson(text), response, target.url + path);
}

function bodyOf(body: ServerRequest["body"]): RequestInit {
  if (body === undefined) return {};
  if (body instanceof Uint8Array) return { body };
  // A stream is sent as it is read; `fetch` asks that this be said.
  return { body: Readable.toWeb(body), duplex: "half" };
}

async function readText(
  target: ServerTarget,
  asked: ServerRequest,
  response: Response,
): Promise<string> {
  try {
    return await response.text();
  } catch (cause) {
    throw noAnswer(target, asked, cause);
  }
}

function noAnswer({ url }: ServerTarget, asked: ServerRequest, cause: unknown): CairnError {
  const { timeoutMs = timeoutDefaultMs } = asked;
  const why = reasonOf(cause, timeoutMs);
  return new CairnError("unavailable", `${url} does not answer: ${why}`, { cause });
}

/** A member of a batch's answer, or a whole one. */
export function errorOfProblem(
  document: unknown,
  status: number,
  what: string,
  retryAfterMs?: number,
): CairnError {
  const problem = isObject(document) ? document : {};
  const { code, detail, title } = problem;
  const told = [detail, title].find((each) => typeof each === "string");
  return new CairnError(
    isCode(code) ? code : codeOfStatus(status),
    what + (told ?? `the server answered ${status}`),
    {
      place: placeOf(problem),
      ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    },
  );
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function parseAnswer(text: string): Readonly<Record<string, unknown>> {
  const value = findJson(text);
  if (isObject(value)) return value;
  throw new CairnError(
    "unavailable",
    "the server's answer is not a JSON object: is this a Cairn server?",
  );
}

function problemError(document: unknown, response: Response, url: string): CairnError {
  const seconds = response.headers.get("retry-after") ?? "";
  const retryAfterMs = /^[0-9]{1,5}$/.test(seconds)
    ? Number.parseInt(seconds, 10) * 1000
    : undefined;
  const shown = url.replace(/\?.*$/, "");
  return errorOfProblem(document, response.status, `${shown}: `, retryAfterMs);
}

function findJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

function isCode(code: unknown): code is CairnErrorCode {
  return typeof code === "string" && Object.hasOwn(errorTable, code);
}

function codeOfStatus(status: number): CairnErrorCode {
  if (status >= 500) return "unavailable";
  const found = Object.entries(errorTable).find(([, meaning]) => meaning.status === status);
  return (found?.[0] as CairnErrorCode | undefined) ?? "unavailable";
}

function placeOf({ log, seq, path, byte, pointer }: Readonly<Record<string, unknown>>): ErrorPlace {
  return {
    ...(typeof log === "string" ? { log } : {}),
    ...(typeof seq === "number" ? { seq } : {}),
    ...(typeof path === "string" ? { path } : {}),
    ...(typeof byte === "number" ? { byte } : {}),
    ...(typeof pointer === "string" ? { pointer } : {}),
  };
}

/** `fetch failed` says nothing; its cause does. */
function reasonOf(error: unknown, timeoutMs: number): string {
  if (!(error instanceof Error)) return String(error);
  if (error.name === "TimeoutError") return `nothing came within ${timeoutMs / 1000} s`;
  const { cause } = error;
  if (cause instanceof AggregateError && cause.errors.length > 0) {
    return reasonOf(cause.errors[0], timeoutMs);
  }
  return cause instanceof Error ? cause.message : error.message;
}
