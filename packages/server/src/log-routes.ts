/** Logs as such: creating, listing, describing them. */
import type { FastifyInstance } from "fastify";
import type { Log } from "@cairnlog/log";
import { Type, type Static } from "typebox";
import { logOf, principalOf } from "./access.ts";
import type { ServerContext } from "./context.ts";
import {
  type LogDescription,
  LogList,
  LogParams,
  NewLogBody,
  problemResponse,
  WitnessList,
} from "./schemas.ts";

export function addLogRoutes(app: FastifyInstance, context: ServerContext): void {
  const { access, logs, metrics } = context;
  app.post(
    "/v1/logs",
    { schema: createSchema, onRequest: access.requires("operate") },
    async (request, reply) => {
      const body = request.body as Static<typeof NewLogBody>;
      access.checkCovers(request, body.name);
      const log = await logs.create(body);
      metrics.watch();
      void reply.code(201).header("location", `/v1/logs/${log.name}`);
      return describe(log);
    },
  );

  app.get("/v1/logs", { schema: listSchema, onRequest: access.requires("any") }, (request) => {
    const principal = principalOf(request);
    const covered = logs.list().filter((log) => principal.covers(log.name));
    return Promise.resolve({ logs: covered.map(describe) });
  });

  app.get("/v1/logs/:log", { schema: getSchema, onRequest: access.requires("any") }, (request) =>
    Promise.resolve(describe(logOf(request))),
  );

  app.get(
    "/v1/logs/:log/witnesses",
    { schema: witnessesSchema, onRequest: access.requires("read") },
    (request) => Promise.resolve(describeWitnesses(logOf(request))),
  );
}

function describe(log: Log): Static<typeof LogDescription> {
  const { size, sealedSize, publishedSize } = log.status();
  return {
    name: log.name,
    origin: log.origin,
    vkeys: [...log.vkeys],
    public: log.isPublic,
    size,
    sealedSize,
    publishedSize,
  };
}

function describeWitnesses(log: Log): Static<typeof WitnessList> {
  const { publishedSize, quorumFailure, alarms, witnesses } = log.status();
  return {
    publishedSize,
    ...(quorumFailure === undefined ? {} : { quorumFailure: quorumFailure.message }),
    alarms: alarms.map(({ message }) => message),
    witnesses: witnesses.map(({ name, url, state, size, timestamp, error }) => ({
      name,
      url,
      state,
      ...(size === undefined ? {} : { size }),
      ...(timestamp === undefined ? {} : { timestamp }),
      ...(error === undefined ? {} : { error }),
    })),
  };
}

const description = Type.Ref("LogDescription#");
const createSchema = {
  summary: "Create a log",
  body: NewLogBody,
  response: { 201: description, default: problemResponse },
};
const listSchema = {
  summary: "Describe the logs that the key covers",
  response: { 200: LogList, default: problemResponse },
};
const getSchema = {
  summary: "Describe a log",
  params: LogParams,
  response: { 200: description, default: problemResponse },
};
const witnessesSchema = {
  summary: "How a log's witnesses are doing",
  params: LogParams,
  response: { 200: WitnessList, default: problemResponse },
};
