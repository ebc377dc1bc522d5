/** Sends problem documents: the one way in which a request fails, whoever noticed it. */
import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { FastifyBaseLogger, FastifyReply, FastifyRequest } from "fastify";
import { CairnError } from "@cairnlog/core";
import { FailureLog } from "./failure-log.ts";
import type { Metrics } from "./metrics.ts";
import type { RefusalNotes } from "./refusal-notes.ts";
import { presentable, problemOf, problemType, type Problem } from "./problem.ts";

// What a refused client may still send on, so that it gets to read the answer. Then the connection
// is cut.
const drainBytesMax = 4 * 1024 * 1024;

export class ProblemAnswers {
  readonly #metrics: Metrics;
  readonly #refusals: RefusalNotes;
  readonly #failures = new FailureLog();

  constructor(metrics: Metrics, refusals: RefusalNotes) {
    this.#metrics = metrics;
    this.#refusals = refusals;
  }

  /** Answers with what went wrong; a failure of ours also goes to the server's log. */
  async send(request: FastifyRequest, reply: FastifyReply, error: unknown): Promise<void> {
    const shown = presentable(error);
    const problem = problemOf(shown);
    if (problem.status >= 500) {
      this.#failures.write(request.log, shown, request.method, request.routeOptions.url);
    }
    const { log } = (request.params ?? {}) as { readonly log?: string };
    this.#refusals.note(request.auditLog ?? log, request.principal, shown);
    drain(request.raw);
    await this.#reply(reply, problem);
  }

  /** Says that something is wrong, which the request had no part in. */
  async sendIll(reply: FastifyReply, error: unknown): Promise<void> {
    await this.#reply(reply, problemOf(presentable(error), 503));
  }

  async #reply(reply: FastifyReply, problem: Problem): Promise<void> {
    this.#metrics.problem(problem.code);
    void reply.code(problem.status).headers(headersOf(problem));
    // As bytes, because to a text the framework would add a charset, which this type does not have.
    await reply.send(Buffer.from(problem.text));
  }

  /** Like `send`, where the framework has no part in the request. */
  answer(
    request: IncomingMessage,
    response: ServerResponse,
    error: CairnError,
    surroundings: Surroundings,
  ): void {
    const problem = problemOf(error);
    this.note(request, error, surroundings);
    const body = Buffer.from(problem.text);
    const length = { "content-length": body.length };
    const headers = { ...headersOf(problem), ...surroundings.headers, ...length };
    response.writeHead(problem.status, headers);
    response.end(body);
  }

  /** All of `answer` but the answer, where another protocol than ours has one of its own. */
  note(request: IncomingMessage, error: CairnError, { logger, route }: Surroundings): void {
    const problem = problemOf(error);
    this.#metrics.problem(problem.code);
    if (problem.status >= 500) this.#failures.write(logger, error, request.method, route);
    drain(request);
  }
}

interface Surroundings {
  readonly logger: FastifyBaseLogger;
  readonly route: string;
  /** Besides those of the problem. */
  readonly headers: OutgoingHttpHeaders;
}

function headersOf(problem: Problem): OutgoingHttpHeaders {
  return {
    "content-type": problemType,
    "x-content-type-options": "nosniff",
    "cache-control": "no-store",
    ...(problem.retryAfter === undefined ? {} : { "retry-after": String(problem.retryAfter) }),
    ...(problem.code === "unauthenticated" ? { "www-authenticate": "Bearer" } : {}),
  };
}

function drain(request: IncomingMessage): void {
  if (request.complete) return;
  let bytes = 0;
  request.on("data", (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > drainBytesMax) request.destroy();
  });
}

/**
 * What the HTTP parser could not make a request of, or what did not arrive in time. There is no
 * request yet.
 */
export function answerClientError(error: Error, socket: Socket): void {
  if (!socket.writable || hasBegunToAnswer(socket)) {
    socket.destroy();
    return;
  }
  const problem = problemOf(clientError(error));
  socket.end(
    `HTTP/1.1 ${statusLine(problem)}\r\ncontent-type: ${problemType}\r\nconnection: close\r\n` +
      `content-length: ${Buffer.byteLength(problem.text)}\r\n\r\n${problem.text}`,
  );
}

function clientError(error: Error): CairnError {
  const code = "code" in error ? error.code : undefined;
  if (code === "ERR_HTTP_REQUEST_TIMEOUT") {
    return new CairnError("timeout", "the request did not arrive in time");
  }
  if (code === "HPE_HEADER_OVERFLOW") {
    return new CairnError("too_large", "the request's head is too large");
  }
  return new CairnError("malformed", "this is not HTTP/1.1");
}

function statusLine({ status }: Problem): string {
  return status === 408
    ? "408 Request Timeout"
    : status === 413
      ? "413 Too Large"
      : "400 Bad Request";
}

/** Part of an answer is on its way: anything more would look like the rest of it. */
function hasBegunToAnswer(socket: Socket): boolean {
  const message = (socket as { _httpMessage?: { headersSent?: boolean } | null })._httpMessage;
  return message?.headersSent === true;
}
