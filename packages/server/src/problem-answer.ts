/** Sends problem documents: the one way in which a request fails, whoever noticed it. */
import type { Socket } from "node:net";
import type { FastifyReply, FastifyRequest } from "fastify";
import { CairnError } from "@cairnlog/core";
import type { Metrics } from "./metrics.ts";
import { presentable, problemOf, problemType, type Problem } from "./problem.ts";

// What a refused client may still send on, so that it gets to read the answer. Then the connection
// is cut.
const drainBytesMax = 4 * 1024 * 1024;

export interface ProblemOptions {
  /** Overrides the table's. */
  readonly status?: number;
}

/** Answers with what went wrong; a failure of ours also goes to the server's log. */
export async function sendProblem(
  request: FastifyRequest,
  reply: FastifyReply,
  error: unknown,
  metrics: Metrics,
  options: ProblemOptions = {},
): Promise<void> {
  const shown = presentable(error);
  const problem = problemOf(shown, options.status);
  metrics.problems.inc({ code: problem.code });
  if (problem.status >= 500) logFailure(request, shown);
  drain(request);
  void reply
    .code(problem.status)
    .header("content-type", problemType)
    .header("x-content-type-options", "nosniff")
    .header("cache-control", "no-store");
  if (problem.retryAfter !== undefined) void reply.header("retry-after", problem.retryAfter);
  if (problem.code === "unauthenticated") void reply.header("www-authenticate", "Bearer");
  // As bytes, because to a text the framework would add a charset, which this type does not have.
  await reply.send(Buffer.from(problem.text));
}

/** Neither a header nor a body is logged: they hold keys and events. */
function logFailure(request: FastifyRequest, error: CairnError): void {
  const cause = error.code === "internal" ? error.cause : undefined;
  request.log.error(
    {
      code: error.code,
      place: error.place,
      method: request.method,
      route: request.routeOptions.url,
      stack: cause instanceof Error ? cause.stack : undefined,
    },
    error.message,
  );
}

function drain(request: FastifyRequest): void {
  const { raw } = request;
  if (raw.complete) return;
  let bytes = 0;
  raw.on("data", (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > drainBytesMax) raw.destroy();
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
