/** What was recorded, and the proofs of it. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { CairnError, formatTlogProof, parseDecimal, parseUtf8 } from "@cairnlog/core";
import type { Log } from "@cairnlog/log";
import { Type, type Static } from "typebox";
import { logOf } from "./access.ts";
import type { ServerContext } from "./context.ts";
import { hashText, storedReceipt } from "./receipt-json.ts";
import {
  answerOf,
  ConsistencyAnswer,
  ConsistencyQuery,
  EventParams,
  LogParams,
  problemResponse,
} from "./schemas.ts";

const jsonType = "application/json; charset=utf-8";
const textType = "text/plain; charset=utf-8";

export function addEntryRoutes(app: FastifyInstance, context: ServerContext): void {
  const onRequest = context.access.requires("read");

  app.get(
    "/v1/logs/:log/events/:seq",
    { schema: entrySchema, onRequest },
    async (request, reply) => {
      const entry = await logOf(request).entry(seqOf(request));
      return reply.type(jsonType).send(entry.bytes);
    },
  );

  app.get("/v1/logs/:log/events/:seq/proof", { schema: proofSchema, onRequest }, sendProof);

  app.get(
    "/v1/logs/:log/consistency",
    { schema: consistencySchema, onRequest },
    async (request) => {
      const log = logOf(request);
      const query = request.query as Static<typeof ConsistencyQuery>;
      const { size } = log.status();
      const from = parseDecimal(query.from, "tree size");
      const to = query.to === undefined ? size : parseDecimal(query.to, "tree size");
      if (from < 1 || from > to) {
        throw new CairnError("usage", `from must be 1 to ${to}, not ${from}`);
      }
      if (to > size) throw new CairnError("not_found", `the log has ${size} entries, not ${to}`);
      const proof = await log.consistencyProof(from, to);
      return { from, to, proof: proof.map(hashText) };
    },
  );

  app.get(
    "/v1/logs/:log/checkpoint",
    { schema: checkpointSchema, onRequest },
    async (request, reply) => {
      const { note } = await logOf(request).durableCheckpoint();
      return reply.type(textType).header("cache-control", "no-store").send(note);
    },
  );
}

async function sendProof(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const log = logOf(request);
  const seq = seqOf(request);
  void reply.header("vary", "Accept");
  if (request.headers.accept?.includes("application/json") === true) {
    return reply.type(jsonType).send(await jsonProof(log, seq));
  }
  const { bytes } = await log.entry(seq);
  const { size, note } = await log.durableCheckpoint();
  const proof = await log.inclusionProof(seq, size);
  const text = formatTlogProof({ extra: bytes, index: seq, proof, checkpoint: note });
  return reply.type(textType).send(text);
}

async function jsonProof(log: Log, seq: number): Promise<string> {
  const { bytes } = await log.entry(seq);
  const checkpoint = await log.durableCheckpoint();
  const leafHash = await log.leafHash(seq);
  const proof = await log.inclusionProof(seq, checkpoint.size);
  return storedReceipt(log, { seq, leafHash, proof, checkpoint, entry: parseUtf8(bytes) });
}

function seqOf(request: FastifyRequest): number {
  return parseDecimal((request.params as Static<typeof EventParams>).seq, "sequence number");
}

const entrySchema = {
  summary: "One entry, byte for byte",
  params: EventParams,
  response: { 200: answerOf("The entry", "application/json"), default: problemResponse },
};
const proofSchema = {
  summary: "An entry with its proof",
  description: "A C2SP tlog-proof, with the entry as `extra`; or, asked for JSON, a receipt.",
  params: EventParams,
  response: {
    200: {
      description: "The proof",
      content: {
        "text/plain": { schema: Type.String() },
        "application/json": { schema: Type.Ref("StoredReceipt#") },
      },
    },
    default: problemResponse,
  },
};
const consistencySchema = {
  summary: "A proof that one tree begins with another",
  params: LogParams,
  querystring: ConsistencyQuery,
  response: { 200: ConsistencyAnswer, default: problemResponse },
};
const checkpointSchema = {
  summary: "The newest durable checkpoint",
  params: LogParams,
  response: { 200: answerOf("A signed note", "text/plain"), default: problemResponse },
};
