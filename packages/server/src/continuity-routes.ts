/** How complete what sources send is: their heartbeats come in here, and the report goes out. */
import { setImmediate as nextTurn } from "node:timers/promises";
import type { FastifyInstance } from "fastify";
import { CairnError, parseLogTime } from "@cairnlog/core";
import { Continuity, type ContinuityReport, type Log } from "@cairnlog/log";
import { Type, type Static } from "typebox";
import { logOf, principalOf } from "./access.ts";
import type { ServerContext } from "./context.ts";
import { LogParams, problemResponse } from "./schemas.ts";

const streamsPerHeartbeatMax = 1000;
/** Entries that one report reads: some seconds of work. */
const entriesPerReportMax = 2_000_000;
/** Others get their turn after so many. */
const entriesPerTurn = 256;
const dayMs = 86_400_000;

const HeartbeatBody = Type.Object(
  {
    streams: Type.Array(
      Type.Object(
        {
          stream: Type.String({ pattern: "^[A-Za-z0-9._:/-]{1,64}$" }),
          number: Type.Integer({
            minimum: 0,
            maximum: Number.MAX_SAFE_INTEGER,
            description: "The last number that was given to an event of the stream.",
          }),
        },
        { additionalProperties: false },
      ),
      { maxItems: streamsPerHeartbeatMax },
    ),
  },
  { additionalProperties: false },
);

const time = (description: string) => Type.Optional(Type.String({ description }));
const ContinuityQuery = Type.Object(
  {
    since: time("Entries committed from then on, RFC 3339 in UTC. Default: 24 hours ago."),
    until: time("Entries committed before this time. Default: now."),
    source: Type.Optional(Type.String({ pattern: "^[a-z0-9._/-]{1,64}$" })),
  },
  { additionalProperties: false },
);

export function addContinuityRoutes(app: FastifyInstance, { access }: ServerContext): void {
  app.post(
    "/v1/logs/:log/heartbeat",
    { schema: heartbeatSchema, onRequest: access.requires("write") },
    async (request, reply) => {
      const { streams } = request.body as Static<typeof HeartbeatBody>;
      await logOf(request).sources.heartbeat(principalOf(request).source, streams);
      return reply.code(204).send();
    },
  );

  app.get(
    "/v1/logs/:log/continuity",
    { schema: continuitySchema, onRequest: access.requires("read") },
    async (request) => {
      const { since, until, source } = request.query as Static<typeof ContinuityQuery>;
      const log = logOf(request);
      const sinceMs = since === undefined ? Date.now() - dayMs : timeOf(since, "since");
      const untilMs = until === undefined ? undefined : timeOf(until, "until");
      return await reportOn(log, sinceMs, untilMs, source);
    },
  );
}

async function reportOn(
  log: Log,
  sinceMs: number,
  untilMs: number | undefined,
  source: string | undefined,
): Promise<ContinuityReport> {
  const from = await log.seqAtTime(sinceMs);
  const to = untilMs === undefined ? log.status().size : await log.seqAtTime(untilMs);
  if (to - from > entriesPerReportMax) {
    throw new CairnError(
      "too_large",
      `${to - from} entries are in this period, and a report reads ${entriesPerReportMax} at most: ask for a shorter one`,
    );
  }
  const continuity = new Continuity(source);
  for await (const { seq, bytes } of log.entries(from, Math.max(from, to))) {
    continuity.add(bytes);
    if (seq % entriesPerTurn === 0) await nextTurn();
  }
  return continuity.report();
}

function timeOf(text: string, name: string): number {
  try {
    // Whole seconds are as good.
    return parseLogTime(text.length === 20 ? text.replace("Z", ".000Z") : text);
  } catch {
    throw new CairnError("usage", `${name} is not a time as 2026-11-23T05:00:00Z`);
  }
}

const heartbeatSchema = {
  summary: "Say how far a source has counted",
  description:
    "Tracked, and never an entry. A number that has not been recorded half a minute later is a gap, which is an entry. " +
    "Also a sign of life from a source that has nothing to record.",
  params: LogParams,
  body: HeartbeatBody,
  response: { 204: { description: "Noted" }, default: problemResponse },
};
const continuitySchema = {
  summary: "The continuity of sources over a period",
  description:
    "By source and stream: first and last entry, numbers, gaps, conflicts, clock steps, silences, refusals. Read from the " +
    "entries of the period, docs/continuity.md says how.",
  params: LogParams,
  querystring: ContinuityQuery,
  response: {
    200: {
      description: "The report",
      content: { "application/json": { schema: Type.Object({}) } },
    },
    default: problemResponse,
  },
};
