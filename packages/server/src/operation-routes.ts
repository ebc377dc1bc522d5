/**
 * What an operator asks: is it well, how is it doing, what does it offer, what does this error
 * mean.
 */
import type { FastifyInstance, FastifyReply } from "fastify";
import { CairnError } from "@cairnlog/core";
import { Type } from "typebox";
import type { ServerContext } from "./context.ts";
import {
  errorIndexPage,
  errorPage,
  isErrorCode,
  pageSecurityPolicy,
  type Page,
} from "./error-pages.ts";
import { sendProblem } from "./problem-answer.ts";
import { answerOf, ErrorParams, problemResponse } from "./schemas.ts";

export function addOperationRoutes(app: FastifyInstance, context: ServerContext): void {
  const { access, logs, metrics, stopping, isReady } = context;

  // Open to all, so it tells what is wrong and not which log it is wrong with.
  app.get("/healthz", { schema: healthSchema }, async (request, reply) => {
    for (const log of logs.list()) {
      const { failure } = log.status();
      if (failure === undefined) continue;
      const error = new CairnError(failure.code, "a log can't append: see the server's log");
      return await sendProblem(request, reply, error, metrics, { status: 503 });
    }
    return await reply.send({ status: "ok" });
  });

  app.get("/readyz", { schema: readySchema }, async (_request, reply) => {
    if (stopping.aborted) throw new CairnError("unavailable", "the server is stopping");
    if (!isReady()) throw new CairnError("unavailable", "the server is still opening its logs");
    return await reply.send({ status: "ok" });
  });

  app.get(
    "/metrics",
    { schema: metricsSchema, onRequest: access.requires("operate") },
    async (request, reply) => {
      access.checkCoversAll(request);
      return reply.type(metrics.registry.contentType).send(await metrics.text());
    },
  );

  app.get(
    "/openapi.json",
    { schema: openapiSchema, onRequest: access.requires("any") },
    (_request, reply) => reply.type("application/json; charset=utf-8").send(openapiText(app)),
  );

  app.get("/errors", { schema: errorsSchema }, (request, reply) =>
    sendPage(reply, errorIndexPage(request.headers.accept)),
  );

  app.get("/errors/:code", { schema: errorSchema }, (request, reply) => {
    const { code } = request.params as { code: string };
    if (!isErrorCode(code)) throw new CairnError("not_found", "there is no such error code");
    return sendPage(reply, errorPage(code, request.headers.accept));
  });
}

const openapiTexts = new WeakMap<FastifyInstance, string>();

function openapiText(app: FastifyInstance): string {
  let text = openapiTexts.get(app);
  if (text === undefined) {
    text = JSON.stringify(app.swagger());
    openapiTexts.set(app, text);
  }
  return text;
}

function sendPage(reply: FastifyReply, page: Page): FastifyReply {
  return reply
    .type(page.type)
    .header("vary", "Accept")
    .header("content-security-policy", pageSecurityPolicy)
    .send(page.text);
}

const status = Type.Object({ status: Type.Literal("ok") });
const open = { security: [] };
const healthSchema = {
  summary: "Is the process well?",
  ...open,
  response: { 200: status, default: problemResponse },
};
const readySchema = {
  summary: "Are all logs open?",
  ...open,
  response: { 200: status, default: problemResponse },
};
const metricsSchema = {
  summary: "Metrics for Prometheus",
  description: "Takes a key for all logs.",
  response: { 200: answerOf("Metrics", "text/plain"), default: problemResponse },
};
const openapiSchema = {
  summary: "This document",
  response: { 200: answerOf("OpenAPI 3.1", "application/json"), default: problemResponse },
};
const pages = answerOf(
  "What it means and what to do",
  "text/html",
  "application/json",
  "text/plain",
);
const errorsSchema = { summary: "All errors", ...open, response: { 200: pages } };
const errorSchema = {
  summary: "What an error means and what to do",
  ...open,
  params: ErrorParams,
  response: { 200: pages, default: problemResponse },
};
