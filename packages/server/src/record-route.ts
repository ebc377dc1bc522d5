/**
 * `POST /v1/logs/{log}/events`: records events. The server's hot path, and the reason why its body
 * is not parsed by the framework and its answer is not serialised by it: bytes come in, the strict
 * scanner looks at them once, the log commits them, and a line of JSON goes back.
 */
import type { FastifyInstance, FastifyReply } from "fastify";
import { CairnError, errorTable } from "@cairnlog/core";
import type { Log } from "@cairnlog/log";
import { Type } from "typebox";
import { logOf, principalOf } from "./access.ts";
import type { ServerContext } from "./context.ts";
import { receiveEvents } from "./event-body.ts";
import type { ReceivedEvents } from "./event-sink.ts";
import type { Metrics } from "./metrics.ts";
import { asciiJson, batchReceipt, singleReceipt, type ReceiptForm } from "./receipt-json.ts";
import { presentable, problemDocument } from "./problem.ts";
import { LogParams, problemResponse, RecordQuery } from "./schemas.ts";

const path = "/v1/logs/:log/events";

/** `app` is a context of its own: its body parsers are taken away. */
export function addRecordRoute(app: FastifyInstance, context: ServerContext): void {
  const { access, limits, budget, metrics, stopping } = context;
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("*", (_request, _payload, done) => done(null));
  // The schema describes the route. Nothing of it is checked by the framework: the scanner does,
  // event by event.
  app.setValidatorCompiler(() => () => true);
  const onRequest = access.requires("write");
  const measure = (status: number, startedAt: number): void => {
    const seconds = (performance.now() - startedAt) / 1000;
    metrics.requests.observe({ method: "POST", route: path, status }, seconds);
  };
  app.post(path, { schema, onRequest }, async (request, reply) => {
    const startedAt = performance.now();
    const log = logOf(request);
    const hold = budget.open();
    try {
      const form = readForm(request.query as Record<string, unknown>);
      const received = await receiveEvents(request.raw, limits, hold);
      const answer = await record(log, principalOf(request).source, received, form, metrics);
      send(reply, answer, stopping.aborted);
      measure(answer.status, startedAt);
    } catch (error) {
      measure(errorTable[presentable(error).code].status, startedAt);
      throw error;
    } finally {
      hold.release();
    }
  });
}

interface Answer {
  readonly status: number;
  /** ASCII. */
  readonly text: string;
}

async function record(
  log: Log,
  source: string,
  received: ReceivedEvents,
  form: ReceiptForm | undefined,
  metrics: Metrics,
): Promise<Answer> {
  const { batch, isSingle } = received;
  if (batch.accepted === 0) return nothingAccepted(log, received, metrics);
  const appended = await log.append(batch, source);
  if (isSingle) {
    const refusal = appended.refusal(0);
    if (refusal !== undefined) {
      metrics.refused(log, refusal.code);
      throw refusal;
    }
    const text = await singleReceipt(log, appended, form ?? "full");
    return { status: appended.isDuplicate(0) ? 200 : 201, text };
  }
  for (let i = 0; appended.refused > 0 && i < appended.count; i++) {
    const refusal = appended.refusal(i);
    if (refusal !== undefined) metrics.refused(log, refusal.code);
  }
  const status = appended.refused === 0 ? 200 : appended.refused < appended.count ? 207 : 422;
  return { status, text: await batchReceipt(appended, form ?? "short") };
}

/** The log is not asked to record nothing. */
function nothingAccepted(log: Log, received: ReceivedEvents, metrics: Metrics): Answer {
  const { refusals, count } = received.batch;
  for (const refusal of refusals.values()) {
    metrics.refused(log, refusal.code);
    if (received.isSingle) throw refusal;
  }
  const results = Array.from(refusals.values(), (error) => ({ error: problemDocument(error) }));
  const text = asciiJson({ recorded: 0, refused: count, results });
  return { status: count === 0 ? 200 : 422, text };
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

function send(reply: FastifyReply, answer: Answer, isStopping: boolean): void {
  reply.hijack();
  const { raw } = reply;
  const headers = {
    "content-type": "application/json; charset=utf-8",
    "content-length": answer.text.length,
    "x-content-type-options": "nosniff",
  };
  raw.writeHead(answer.status, isStopping ? { ...headers, connection: "close" } : headers);
  raw.end(answer.text, "latin1");
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
