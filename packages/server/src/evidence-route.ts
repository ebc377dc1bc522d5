/**
 * `POST /v1/logs/{log}/evidence`: a set of entries as one file that proves itself (docs/spec/evidence.md). Who took it
 * is the alias of the key, and taking it is itself an entry: so this is a POST, although it only reads.
 *
 * An export is held in memory while it is sent, and searching costs time. So one is made at a time, and for nobody who
 * has gone.
 */
import { Readable } from "node:stream";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { CairnError } from "@cairnlog/core";
import {
  exportEvidence,
  parseSeqRange,
  type EvidenceSelection,
  type ExportedEvidence,
} from "@cairnlog/log";
import { logOf, principalOf } from "./access.ts";
import type { ServerContext } from "./context.ts";
import { timeOf } from "./range-route.ts";
import { answerOf, EvidenceBody, LogParams, problemResponse } from "./schemas.ts";

const mediaType = "application/vnd.cairnlog.evidence";
const pieceBytes = 64 * 1024;
const retryAfterMs = 5000;

export function addEvidenceRoute(app: FastifyInstance, context: ServerContext): void {
  const { access, limits, stopping } = context;
  const place = new OnePlace();
  const onRequest = access.requires("read");
  app.post("/v1/logs/:log/evidence", { schema, onRequest }, async (request, reply) => {
    const log = logOf(request);
    const { why, ...asked } = request.body as EvidenceBody;
    const selection = selectionOf(asked);
    const gone = place.take(request, reply);
    const exported = await exportEvidence(log, {
      selection,
      who: principalOf(request).source,
      why,
      nowMs: Date.now(),
      countMax: limits.evidenceEntriesMax,
      entryBytesMax: limits.evidenceBytesMax,
      signal: AbortSignal.any([gone, stopping]),
    }).catch((error: unknown) => {
      if (stopping.aborted) throw new CairnError("unavailable", "the server is stopping");
      throw error;
    });
    return reply
      .type(mediaType)
      .header("cache-control", "no-store")
      .header("content-disposition", `attachment; filename="${nameOf(log.name, exported)}"`)
      .send(Readable.from(gathered(exported.pieces), { objectMode: false }));
  });
}

/** Room for one export, until its last byte has left or its client has gone. */
class OnePlace {
  #isTaken = false;

  /** "overloaded" while it is taken. The signal aborts when the client has gone. */
  take(request: FastifyRequest, reply: FastifyReply): AbortSignal {
    const gone = new CairnError("timeout", "the client has gone: nothing was exported");
    if (request.raw.socket.destroyed || reply.raw.closed) throw gone;
    if (this.#isTaken) {
      const message = "another export is under way, and one is made at a time";
      throw new CairnError("overloaded", message, { retryAfterMs });
    }
    this.#isTaken = true;
    const controller = new AbortController();
    reply.raw.once("close", () => {
      this.#isTaken = false;
      controller.abort(gone);
    });
    return controller.signal;
  }
}

function selectionOf(asked: Omit<EvidenceBody, "why">): EvidenceSelection {
  const { seqs, types, actors, since, until } = asked;
  return {
    ...(seqs === undefined ? {} : { seqs: seqs.map(parseSeqRange) }),
    ...(types === undefined ? {} : { types }),
    ...(actors === undefined ? {} : { actors }),
    ...(since === undefined ? {} : { sinceMs: timeOf(since, "since") }),
    ...(until === undefined ? {} : { untilMs: timeOf(until, "until") }),
  };
}

/** `main-42.evidence`: the log, and the entry that records the export. */
function nameOf(log: string, { header }: ExportedEvidence): string {
  return `${log}-${header.recorded}.evidence`;
}

/** Entries are small: they leave by the thousand. */
function* gathered(pieces: Iterable<Uint8Array>): Generator<Uint8Array, void> {
  let held: Uint8Array[] = [];
  let byteLength = 0;
  for (const piece of pieces) {
    held.push(piece);
    byteLength += piece.length;
    if (byteLength < pieceBytes) continue;
    yield Buffer.concat(held, byteLength);
    held = [];
    byteLength = 0;
  }
  if (byteLength > 0) yield Buffer.concat(held, byteLength);
}

const schema = {
  summary: "Entries as one file that proves them",
  description:
    "What is given must all hold; of a list, any one. The export is recorded as an entry, which is in the file.",
  params: LogParams,
  body: EvidenceBody,
  response: { 200: answerOf("An evidence file", mediaType), default: problemResponse },
};
