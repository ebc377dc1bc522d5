/**
 * `GET /v1/logs/{log}/events`: a range of entries, one a line. The bounds are settled before the
 * first byte is sent, so `Cairn-Next` can say where to go on; the entries then flow as fast as the
 * reader takes them.
 */
import { pipeline, Readable } from "node:stream";
import type { FastifyInstance, FastifyRequest } from "fastify";
import { CairnError, isCairnError, parseDecimal, parseLogTime } from "@cairnlog/core";
import type { Log } from "@cairnlog/log";
import { logOf } from "./access.ts";
import { chooseEncoding, openCompressor } from "./compression.ts";
import type { ServerContext } from "./context.ts";
import type { Limits } from "./limits.ts";
import { answerOf, LogParams, problemResponse, RangeQuery } from "./schemas.ts";

const pieceBytes = 64 * 1024;

export function addRangeRoute(app: FastifyInstance, context: ServerContext): void {
  const { access, limits, stopping } = context;
  const onRequest = access.requires("read");
  app.get("/v1/logs/:log/events", { schema, onRequest }, async (request, reply) => {
    const log = logOf(request);
    const query = request.query as RangeQuery;
    const asked = await readRange(log, query, limits);
    if (asked.waitMs > 0) await waitFor(log, asked.from, asked.waitMs, request, stopping);
    const { from, to } = await settle(log, query, asked);
    const encoding = chooseEncoding(request.headers["accept-encoding"]);
    void reply
      .type("application/x-ndjson; charset=utf-8")
      .header("cairn-next", String(to))
      .header("vary", "Accept-Encoding");
    const lines = Readable.from(linesOf(log, from, to), { objectMode: false });
    if (encoding === undefined || from === to) return reply.send(lines);
    void reply.header("content-encoding", encoding);
    // An error travels to the compressor, and there it breaks off the answer.
    return reply.send(pipeline(lines, openCompressor(encoding), () => {}));
  });
}

interface AskedRange {
  readonly from: number;
  readonly to: number;
  readonly limit: number;
  readonly waitMs: number;
}

async function readRange(log: Log, query: RangeQuery, limits: Limits): Promise<AskedRange> {
  const number = (text: string | undefined, fallback: number): number =>
    text === undefined ? fallback : parseDecimal(text, "number");
  const { size } = log.status();
  const limit = number(query.limit, limits.rangeEntriesMax);
  if (limit < 1 || limit > limits.rangeEntriesMax) {
    throw new CairnError("usage", `limit must be 1 to ${limits.rangeEntriesMax}`);
  }
  const wait = number(query.wait, 0);
  if (wait > limits.waitSecondsMax) {
    throw new CairnError("usage", `wait is at most ${limits.waitSecondsMax} seconds`);
  }
  let from = number(query.from, 0);
  if (query.since !== undefined) {
    from = Math.max(from, await log.seqAtTime(timeOf(query.since, "since")));
  }
  const to = number(query.to, Infinity);
  if (from > to && query.since === undefined) {
    throw new CairnError("usage", `from is ${from}, beyond to, which is ${to}`);
  }
  if (from > size) {
    throw new CairnError("not_found", `the log has ${size} entries: none is at ${from} yet`);
  }
  // There is nothing to wait for where the first entry is there, or is not asked for.
  return { from, to, limit, waitMs: from < size || from >= to ? 0 : wait * 1000 };
}

/** Both ends of what is sent, `to` exclusive: only entries that are durable now. */
async function settle(log: Log, query: RangeQuery, asked: AskedRange): Promise<AskedRange> {
  const { from } = asked;
  let to = Math.min(asked.to, log.status().size, from + asked.limit);
  if (query.until !== undefined) {
    to = Math.min(to, await log.seqAtTime(timeOf(query.until, "until")));
  }
  return { ...asked, to: Math.max(from, to) };
}

/**
 * Resolves when entry `seq` is there, the time is over, the reader has gone, or the server stops.
 */
async function waitFor(
  log: Log,
  seq: number,
  waitMs: number,
  request: FastifyRequest,
  stopping: AbortSignal,
): Promise<void> {
  const gone = new AbortController();
  const onClose = (): void => gone.abort();
  const { socket } = request.raw;
  socket.once("close", onClose);
  try {
    await log.waitBeyond(
      seq,
      AbortSignal.any([AbortSignal.timeout(waitMs), gone.signal, stopping]),
    );
  } finally {
    socket.off("close", onClose);
  }
}

async function* linesOf(log: Log, from: number, to: number): AsyncGenerator<Uint8Array, void> {
  let piece: Uint8Array[] = [];
  let byteLength = 0;
  for await (const { bytes } of log.entries(from, to)) {
    piece.push(bytes, newline);
    byteLength += bytes.length + 1;
    if (byteLength < pieceBytes) continue;
    yield Buffer.concat(piece, byteLength);
    piece = [];
    byteLength = 0;
  }
  if (byteLength > 0) yield Buffer.concat(piece, byteLength);
}

const newline = Uint8Array.of(0x0a);

/** RFC 3339 in UTC, with milliseconds or without. */
export function timeOf(text: string, name: string): number {
  const isWhole = /^[^.]{19}Z$/.test(text);
  try {
    return parseLogTime(isWhole ? `${text.slice(0, -1)}.000Z` : text);
  } catch (cause) {
    if (!isCairnError(cause)) throw cause;
    throw new CairnError("usage", `${name}: ${cause.message}`, { cause });
  }
}

const schema = {
  summary: "Entries of a range, one a line",
  description:
    "`Cairn-Next` is the seq to go on from. An answer that breaks off must be asked for again.",
  params: LogParams,
  querystring: RangeQuery,
  response: { 200: answerOf("Entries", "application/x-ndjson"), default: problemResponse },
};
