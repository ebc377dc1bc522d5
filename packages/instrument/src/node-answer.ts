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

/** Calls back when it is over. */
export function onceAnswered(response: NodeResponse, then: (answer: Answer) => void): void {
  response.once("close", () => {
    const isAborted = !response.writableFinished;
    then({
      status: response.headersSent ? response.statusCode : undefined,
      isAborted,
      header: (name) => response.getHeader(name),
    });
  });
}
