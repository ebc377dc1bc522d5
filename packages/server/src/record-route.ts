/**
 * `POST /v1/logs/{log}/events`, the server's hot path: its body is not parsed by the framework and
 * its answer is not serialised by it. A request in which all is as it should be takes the short way
 * past the framework altogether, which would cost it as much as reading the event does; the
 * framework gets all others, and says what is wrong with them.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { FastifyInstance } from "fastify";
import { CairnError, type HostCheck } from "@cairnlog/core";
import { Type } from "typebox";
import { logOf, principalOf } from "./access.ts";
import type { ServerContext } from "./context.ts";
import type { ReceiptForm } from "./receipt-json.ts";
import { recordPath, type Recorder } from "./recorder.ts";
import { LogParams, problemResponse, RecordQuery } from "./schemas.ts";

/** `app` is a context of its own: its body parsers are taken away. */
export function addRecordRoute(
  app: FastifyInstance,
  { access }: ServerContext,
  recorder: Recorder,
): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("*", (_request, _payload, done) => done(null));
  // The schema describes the route. Nothing of it is checked by the framework: the scanner does,
  // event by event.
  app.setValidatorCompiler(() => () => true);
  app.post(recordPath, { schema, onRequest: access.requires("write") }, (request, reply) => {
    const form = readForm(request.query as Record<string, unknown>);
    reply.hijack();
    return recorder.record(request.raw, reply.raw, logOf(request), principalOf(request), form);
  });
}

const plainUrl = /^\/v1\/logs\/([^/?%]+)\/events(?:\?receipt=(full|short))?$/;

/**
 * Takes a request if it may record and is in the plainest of shapes. It asks the same as the hooks
 * of the framework do; of what it does not take nothing has happened yet.
 */
export function takeShortWay(
  request: IncomingMessage,
  response: ServerResponse,
  { access, stopping }: ServerContext,
  hosts: HostCheck,
  recorder: Recorder,
): boolean {
  if (request.method !== "POST" || stopping.aborted) return false;
  const parts = plainUrl.exec(request.url!);
  if (parts === null) return false;
  const { headers, socket } = request;
  try {
    hosts.check(headers.host, socket.localAddress);
    const { log, principal } = access.admit(headers.authorization, "write", parts[1]);
    const form = parts[2] as ReceiptForm | undefined;
    void recorder.record(request, response, log!, principal, form);
    return true;
  } catch {
    return false;
  }
}

function readForm(query: Record<string, unknown>): ReceiptForm | undefined {
  let form: ReceiptForm | undefined;
  for (const [name, value] of Object.entries(query)) {
    if (name !== "receipt" || (value !== "full" && value !== "short")) {
      throw new CairnError(
        "usage",
        "the query may hold receipt=full or receipt=short, nothing else",
      );
    }
    form = value;
  }
  return form;
}

const json = (schema: object) => ({ content: { "application/json": { schema } } });
const schema = {
  summary: "Record events",
  description:
    "One JSON object, a JSON array, or one event a line. Content-Encoding may be gzip or zstd. " +
    "Nothing is recorded before the whole body has arrived; then each event stands for itself.",
  params: LogParams,
  querystring: RecordQuery,
  body: {
    content: {
      "application/json": {
        schema: Type.Union([Type.Ref("Event#"), Type.Array(Type.Ref("Event#"))]),
      },
      "application/x-ndjson": { schema: Type.String({ description: "One event a line." }) },
    },
  },
  response: {
    200: {
      description: "Recorded before (one object), or all recorded (a batch)",
      ...json(Type.Union([Type.Ref("Receipt#"), Type.Ref("BatchReceipt#")])),
    },
    201: { description: "Recorded (one object)", ...json(Type.Ref("Receipt#")) },
    207: { description: "Some of the batch were refused", ...json(Type.Ref("BatchReceipt#")) },
    422: {
      description: "The event, or each one of the batch, was refused",
      content: {
        "application/problem+json": { schema: Type.Ref("Problem#") },
        "application/json": { schema: Type.Ref("BatchReceipt#") },
      },
    },
    default: problemResponse,
  },
};
