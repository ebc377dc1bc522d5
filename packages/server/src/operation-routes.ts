/**
 * What an operator asks: is it well, how is it doing, what does it offer, what does this error
 * mean.
 */
import type { FastifyInstance, FastifyReply } from "fastify";
import { CairnError, type CairnErrorCode } from "@cairnlog/core";
import { Type } from "typebox";
import type { ServerContext } from "./context.ts";
import {
  errorIndexPage,
  errorPage,
  isErrorCode,
  pageSecurityPolicy,
  type Page,
} from "./error-pages.ts";
import { answerOf, ErrorParams, problemResponse } from "./schemas.ts";

export function addOperationRoutes(app: FastifyInstance, context: ServerContext): void {
  const { access, logs, metrics, problems, stopping, isReady, companions } = context;

  // Open to all, so it tells what is wrong and not which log it is wrong with.
  const checkLogs = (passing: readonly CairnErrorCode[]): void => {
    for (const log of logs.list()) {
      const { failure } = log.status();
      if (failure === undefined || passing.includes(failure.code)) continue;
      throw new CairnError(failure.code, "a log can't append: see the server's log");
    }
  };
  const checkAlarms = (): void => {
    const alarm = logs.list().flatMap((log) => log.status().alarms)[0];
    if (alarm === undefined) return;
    throw new CairnError(alarm.code, "somebody must look at a log: see the server's log");
  };
  const checkCompanions = (): void => {
    if (companions.every((each) => each.trouble() === undefined)) return;
    throw new CairnError("unavailable", "a copier is not well: see the server's log");
  };
  const answerHealth = async (reply: FastifyReply, check: () => void): Promise<void> => {
    try {
      check();
    } catch (error) {
      return await problems.sendIll(reply, error);
    }
    return await reply.send({ status: "ok" });
  };

  app.get("/healthz", { schema: healthSchema }, (_request, reply) =>
    answerHealth(reply, () => {
      checkLogs([]);
      checkAlarms();
      checkCompanions();
    }),
  );

  app.get("/readyz", { schema: readySchema }, (_request, reply) =>
    answerHealth(reply, () => {
      if (stopping.aborted) throw new CairnError("unavailable", "the server is stopping");
      if (!isReady()) throw new CairnError("unavailable", "the server is still opening its logs");
      // While a disk is full everything can still be read, and recording goes on once there is room.
      checkLogs(["storage_full"]);
    }),
  );

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
  summary: "Are all logs open, and none of them has failed?",
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
