/** What was recorded, and the proofs of it. */
import { setTimeout as sleep } from "node:timers/promises";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { CairnError, formatTlogProof, parseDecimal, parseUtf8 } from "@cairnlog/core";
import type { Log, SignedCheckpoint } from "@cairnlog/log";
import { Type, type Static } from "typebox";
import { logOf } from "./access.ts";
import type { ServerContext } from "./context.ts";
import { hashText, storedReceipt } from "./receipt-json.ts";
import {
  answerOf,
  CheckpointQuery,
  ConsistencyAnswer,
  ConsistencyQuery,
  consistencySizesMax,
  EventParams,
  LogParams,
  problemResponse,
  ProofQuery,
} from "./schemas.ts";

const jsonType = "application/json; charset=utf-8";
const textType = "text/plain; charset=utf-8";
/** How often somebody who waits is looked after. The published checkpoint moves once a second. */
const pollMs = 50;

export function addEntryRoutes(app: FastifyInstance, context: ServerContext): void {
  const onRequest = context.access.requires("read");
  // Checkpoints and the proofs between them are hashes and sizes. Whoever may only write gets them
  // too: a source must be able to find out what became of its receipts.
  const anyKey = { onRequest: context.access.requires("any") };

  app.get(
    "/v1/logs/:log/events/:seq",
    { schema: entrySchema, onRequest },
    async (request, reply) => {
      const entry = await logOf(request).entry(seqOf(request));
      return reply.type(jsonType).send(entry.bytes);
    },
  );

  app.get("/v1/logs/:log/events/:seq/proof", { schema: proofSchema, onRequest }, (request, reply) =>
    sendProof(request, reply, context),
  );

  app.get("/v1/logs/:log/consistency", { schema: consistencySchema, ...anyKey }, (request) =>
    consistencyOf(logOf(request), request.query as Static<typeof ConsistencyQuery>),
  );

  app.get(
    "/v1/logs/:log/checkpoint",
    { schema: checkpointSchema, ...anyKey },
    async (request, reply) => {
      const log = logOf(request);
      const { kind } = request.query as Static<typeof CheckpointQuery>;
      const { note } =
        kind === "published" ? log.publishedCheckpoint() : await log.durableCheckpoint();
      return reply.type(textType).header("cache-control", "no-store").send(note);
    },
  );
}

async function sendProof(
  request: FastifyRequest,
  reply: FastifyReply,
  context: ServerContext,
): Promise<FastifyReply> {
  const log = logOf(request);
  const seq = seqOf(request);
  const { bytes } = await log.entry(seq);
  const checkpoint = await checkpointFor(log, seq, request, context);
  const proof = await log.inclusionProof(seq, checkpoint.size);
  void reply.header("vary", "Accept");
  if (request.headers.accept?.includes("application/json") === true) {
    const leafHash = await log.leafHash(seq);
    const entry = parseUtf8(bytes);
    return reply
      .type(jsonType)
      .send(storedReceipt(log, { seq, leafHash, proof, checkpoint, entry }));
  }
  const { note } = checkpoint;
  return reply
    .type(textType)
    .send(formatTlogProof({ extra: bytes, index: seq, proof, checkpoint: note }));
}

/** The checkpoint that was asked for, once it covers the entry. */
async function checkpointFor(
  log: Log,
  seq: number,
  request: FastifyRequest,
  { limits, stopping }: ServerContext,
): Promise<SignedCheckpoint> {
  const { checkpoint, wait } = request.query as Static<typeof ProofQuery>;
  const waitSeconds = wait === undefined ? 0 : parseDecimal(wait, "number");
  if (waitSeconds > limits.waitSecondsMax) {
    throw new CairnError("usage", `wait is at most ${limits.waitSecondsMax} seconds`);
  }
  if (checkpoint === "published") {
    return publishedAbove(log, seq, waitSeconds * 1000, whileAsked(request, stopping));
  }
  if (wait === undefined) return log.durableCheckpoint();
  throw new CairnError("usage", "wait goes with checkpoint=published: nothing else is waited for");
}

/**
 * The published checkpoint, as soon as it covers entry `seq`. "unavailable", with a time to come
 * back, where it does not within `waitMs`.
 */
async function publishedAbove(
  log: Log,
  seq: number,
  waitMs: number,
  isAsked: () => boolean,
): Promise<SignedCheckpoint> {
  const giveUpAtMs = performance.now() + waitMs;
  for (;;) {
    const published = log.publishedCheckpoint();
    if (published.size > seq) return published;
    const leftMs = giveUpAtMs - performance.now();
    if (leftMs <= 0 || !isAsked()) {
      // The same words each time: they also go to the server's log, where they are summed up.
      throw new CairnError(
        "unavailable",
        "the entry is recorded, but not under the published checkpoint yet: ask again",
        { place: { log: log.name, seq }, retryAfterMs: 1000 },
      );
    }
    await sleep(Math.min(pollMs, leftMs));
  }
}

/** False once whoever asked has gone, or the server stops. */
function whileAsked({ raw }: FastifyRequest, stopping: AbortSignal): () => boolean {
  return () => !raw.socket.destroyed && !stopping.aborted;
}

async function consistencyOf(
  log: Log,
  query: Static<typeof ConsistencyQuery>,
): Promise<Static<typeof ConsistencyAnswer>> {
  const { size } = log.status();
  const sizes = query.from.split(",").map((text) => parseDecimal(text, "tree size"));
  const to = query.to === undefined ? size : parseDecimal(query.to, "tree size");
  if (sizes.length > consistencySizesMax) {
    throw new CairnError("usage", `from names at most ${consistencySizesMax} sizes`);
  }
  for (const [i, from] of sizes.entries()) {
    if (from < 1 || from > to) {
      throw new CairnError("usage", `from must be 1 to ${to}, not ${from}`);
    }
    if (i > 0 && from <= sizes[i - 1]!) {
      throw new CairnError("usage", `the sizes in from must ascend, and ${from} does not`);
    }
  }
  if (to > size) throw new CairnError("not_found", `the log has ${size} entries, not ${to}`);
  const proofs: { from: number; proof: string[] }[] = [];
  for (const from of sizes) {
    proofs.push({ from, proof: (await log.consistencyProof(from, to)).map(hashText) });
  }
  const [only, ...others] = proofs;
  return others.length === 0 ? { to, ...only } : { to, proofs };
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
  description:
    "A C2SP tlog-proof, with the entry as `extra`; or, asked for JSON, a receipt. Under the published checkpoint it is what a receipt becomes.",
  params: EventParams,
  querystring: ProofQuery,
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
  summary: "The newest durable checkpoint, or the published one",
  params: LogParams,
  querystring: CheckpointQuery,
  response: { 200: answerOf("A signed note", "text/plain"), default: problemResponse },
};
