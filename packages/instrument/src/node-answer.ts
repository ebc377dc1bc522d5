/**
 * The end of an answer on Node's HTTP server, on which Express, Fastify and Hono stand there: its
 * `close` comes once, after the last byte was handed to the system, or when the connection broke.
 */
import type { Answer } from "./request-record.ts";

/** What is used of `http.ServerResponse`. */
export interface NodeResponse {
  readonly statusCode: number;
  readonly headersSent: boolean;
  readonly writableFinished: boolean;
  getHeader(name: string): unknown;
  once(event: "close", listener: () => void): unknown;
}

/** Calls back when it is over. What was given to `writeHead` alone, only the framework knows. */
export function onceAnswered(
  response: NodeResponse,
  then: (answer: Answer) => void,
  header: (name: string) => unknown = (name) => response.getHeader(name),
): void {
  response.once("close", () => {
    const isAborted = !response.writableFinished;
    then({
      status: response.headersSent ? response.statusCode : undefined,
      isAborted,
      header,
    });
  });
}
