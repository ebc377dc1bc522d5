/**
 * `/v1/logs/{log}/blobs/{sha256}`: larger things that belong to events, put before the event that names them.
 *
 * A body goes to the medium as it arrives, and is never held whole; the next piece is read when the one before is
 * written. What comes back was sent by strangers: it leaves as bytes to be saved, and no browser runs it.
 */
import { Readable } from "node:stream";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { CairnError, isCairnError, parseDecimal } from "@cairnlog/core";
import type { StoredBlob } from "@cairnlog/log";
import { Type } from "typebox";
import { logOf } from "./access.ts";
import type { ServerContext } from "./context.ts";
import { answerOf, BlobParams, problemResponse } from "./schemas.ts";

const path = "/v1/logs/:log/blobs/:sha256";
/** What a body that streams through holds at a time: a piece that is written, and one that has come meanwhile. */
const streamingBytes = 256 * 1024;

/** `app` is a context of its own: its body parsers are taken away. */
export function addBlobRoutes(app: FastifyInstance, context: ServerContext): void {
  const { access, budget, metrics } = context;
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("*", (_request, _payload, done) => done(null));

  app.put(
    path,
    { schema: putSchema, onRequest: access.requires("write") },
    async (request, reply) => {
      const log = logOf(request);
      const { sha256 } = request.params as BlobParams;
      const declared = declaredBytes(request);
      const hold = budget.open();
      try {
        hold.take(streamingBytes);
        const put = await log.putBlobStream(sha256, piecesOf(request), declared);
        if (put.isNew) metrics.blobPut(log, put.byteLength);
        const { byteLength } = put;
        return await reply.code(put.isNew ? 201 : 200).send({ sha256, byteLength });
      } finally {
        hold.release();
      }
    },
  );

  const onRequest = access.requires("read");
  const reading = { schema: getSchema, onRequest, exposeHeadRoute: false };
  app.get(path, reading, async (request, reply) => {
    const { sha256 } = request.params as BlobParams;
    const blob = await logOf(request).readBlob(sha256);
    describe(reply, sha256, blob.byteLength);
    if (isKnown(request, sha256)) return reply.code(304).send();
    return reply.send(Readable.from(await begun(blob), { objectMode: false }));
  });

  app.head(path, { schema: headSchema, onRequest }, async (request, reply) => {
    const { sha256 } = request.params as BlobParams;
    const log = logOf(request);
    const byteLength = await log.blobByteLength(sha256);
    if (byteLength === undefined) {
      throw new CairnError("not_found", `the log ${log.name} has no blob ${sha256}`);
    }
    describe(reply, sha256, byteLength);
    return reply.code(isKnown(request, sha256) ? 304 : 200).send();
  });
}

/** The hash is of what is sent: nothing is decompressed on the way. */
function declaredBytes({ headers }: FastifyRequest): number | undefined {
  const encoding = headers["content-encoding"];
  if (encoding !== undefined && encoding !== "identity") {
    throw new CairnError("unsupported_media", "a blob is sent as it is, without Content-Encoding");
  }
  const length = headers["content-length"];
  return length === undefined ? undefined : parseDecimal(length, "Content-Length");
}

/** The connection outlives a refusal, so that the client gets to read it. */
async function* piecesOf({ raw }: FastifyRequest): AsyncGenerator<Uint8Array, void> {
  try {
    yield* raw.iterator({ destroyOnReturn: false });
  } catch (cause) {
    if (isCairnError(cause)) throw cause;
    const message = "the request broke off before its body had arrived: nothing of it was kept";
    throw new CairnError("timeout", message, { cause });
  }
}

/** A name has one content for ever. Whatever that is, a browser saves it and runs none of it. */
function describe(reply: FastifyReply, sha256: string, byteLength: number): void {
  void reply
    .type("application/octet-stream")
    .header("content-length", byteLength)
    .header("content-disposition", `attachment; filename="${sha256}"`)
    .header("content-security-policy", "sandbox; default-src 'none'")
    .header("cross-origin-resource-policy", "same-origin")
    .header("cache-control", "private, max-age=31536000, immutable")
    .header("etag", `"${sha256}"`);
}

function isKnown({ headers }: FastifyRequest, sha256: string): boolean {
  const tags = headers["if-none-match"]?.split(",").map((tag) => tag.trim().replace(/^W\//, ""));
  return tags?.includes(`"${sha256}"`) ?? false;
}

/** With the first piece in hand: what is wrong with a small blob is known before anything of the answer is sent. */
async function begun({ chunks }: StoredBlob): Promise<AsyncGenerator<Uint8Array, void>> {
  const first = await chunks.next();
  return (async function* () {
    if (first.done === true) return;
    yield first.value;
    yield* chunks;
  })();
}

const answer = Type.Object({
  sha256: Type.String({ description: "Lower-case hex." }),
  byteLength: Type.Integer({ minimum: 0 }),
});
const json = (description: string) => ({
  description,
  content: { "application/json": { schema: answer } },
});
const putSchema = {
  summary: "Put a blob",
  description:
    "The bytes whose SHA-256 is in the path. Durable when it is answered; an event can name it from then on. " +
    "Chunked transfer is taken as well. Nothing of a body with another hash, or that breaks off, is kept.",
  params: BlobParams,
  body: { content: { "application/octet-stream": { schema: Type.Unknown() } } },
  response: {
    200: json("It was there already"),
    201: json("It is there now"),
    default: problemResponse,
  },
};
const known = { description: "The client has it: its `If-None-Match` names it" };
const getSchema = {
  summary: "A blob",
  description:
    "Its hash is checked while it is sent: of a damaged one, the answer breaks off before its end.",
  params: BlobParams,
  response: {
    200: answerOf("The bytes", "application/octet-stream"),
    304: known,
    default: problemResponse,
  },
};
const headSchema = {
  summary: "Whether a blob is there, and how long it is",
  params: BlobParams,
  response: { 200: { description: "It is there" }, 304: known, default: problemResponse },
};
