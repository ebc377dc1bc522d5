/**
 * The C2SP tlog-tiles interface. A tile never changes, so it may be kept for ever; a partial one is
 * served at any width that the durable tree has. Whether strangers may read, and whether a shared
 * cache may keep it, is a matter of the log being public.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { CairnError, isCairnError, parseTilePath, type TileName } from "@cairnlog/core";
import type { Log } from "@cairnlog/log";
import { logOf } from "./access.ts";
import { chooseEncoding, compress } from "./compression.ts";
import type { ServerContext } from "./context.ts";
import { answerOf, EntriesParams, LogParams, problemResponse, TileParams } from "./schemas.ts";

export function addTileRoutes(app: FastifyInstance, context: ServerContext): void {
  const onRequest = context.access.requiresTiles();

  app.get("/logs/:log/checkpoint", { schema: checkpointSchema, onRequest }, (request, reply) => {
    const { note } = logOf(request).publishedCheckpoint();
    return reply.type("text/plain; charset=utf-8").header("cache-control", "no-cache").send(note);
  });

  app.get("/logs/:log/tile/:level/*", { schema: tileSchema, onRequest }, async (request, reply) => {
    const log = logOf(request);
    const { level, index, width } = tileOf(request);
    if (level === "entries") throw noSuchTile(request);
    const bytes = await log.tile(level, index, width);
    if (bytes === undefined) throw noSuchTile(request);
    return keepForEver(reply, log).send(bytes);
  });

  app.get(
    "/logs/:log/tile/entries/*",
    { schema: entriesSchema, onRequest },
    async (request, reply) => {
      const log = logOf(request);
      const { index, width } = tileOf(request);
      const bundle = await log.entryBundle(index, width);
      if (bundle === undefined) throw noSuchTile(request);
      const accepted = chooseEncoding(request.headers["accept-encoding"]);
      const { bytes, encoding } = await compress(bundle, accepted);
      void keepForEver(reply, log).header("vary", "Accept-Encoding");
      if (encoding !== undefined) void reply.header("content-encoding", encoding);
      return reply.send(bytes);
    },
  );
}

/** Another spelling of a path names nothing. */
function tileOf(request: FastifyRequest): TileName {
  const { url } = request.raw;
  const path = url!.slice(url!.indexOf("/tile/") + 1).replace(/\?.*$/s, "");
  try {
    return parseTilePath(path);
  } catch (cause) {
    if (isCairnError(cause)) throw new CairnError("not_found", cause.message, { cause });
    throw cause;
  }
}

function noSuchTile(request: FastifyRequest): CairnError {
  return new CairnError(
    "not_found",
    `the log has no such tile yet: ${request.raw.url!.slice(0, 200)}`,
  );
}

function keepForEver(reply: FastifyReply, log: Log): FastifyReply {
  const who = log.isPublic ? "public" : "private";
  return reply
    .type("application/octet-stream")
    .header("cache-control", `${who}, max-age=31536000, immutable`);
}

const checkpointSchema = {
  summary: "The published checkpoint",
  params: LogParams,
  response: { 200: answerOf("A signed note", "text/plain"), default: problemResponse },
};
const tileSchema = {
  summary: "A tile of hashes",
  params: TileParams,
  response: {
    200: answerOf("Up to 256 hashes", "application/octet-stream"),
    default: problemResponse,
  },
};
const entriesSchema = {
  summary: "A bundle of entries",
  description: "Each is u16be length || entry.",
  params: EntriesParams,
  response: {
    200: answerOf("Up to 256 entries", "application/octet-stream"),
    default: problemResponse,
  },
};
