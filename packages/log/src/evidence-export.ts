/**
 * Takes evidence out of a log: the entries of a selection, with one proof, under the published checkpoint that its
 * witnesses cosigned. The export is itself an entry of the log, which goes into the file: who took what, why and when
 * is then as certain as the rest.
 */
import {
  CairnError,
  evidenceBytesMax,
  evidenceEntriesMax,
  evidencePieces,
  exportEventType,
  formatEvidenceHeader,
  formatLogTime,
  isSameExport,
  parseEntry,
  parseUtf8,
  utf8,
  type EvidenceExport,
  type EvidenceHeader,
} from "@cairnlog/core";
import { nodeCrypto } from "@cairnlog/crypto";
import {
  queryOf,
  selectEntries,
  type EvidenceSelection,
  type OnScan,
} from "./evidence-selection.ts";
import type { Log } from "./log.ts";
import { systemSource } from "./system-events.ts";

export interface EvidenceRequest {
  readonly selection: EvidenceSelection;
  /** Who asks: a person, or the alias of an API key. */
  readonly who: string;
  /** Why: a case, a question. */
  readonly why: string;
  /** Milliseconds since 1970. */
  readonly nowMs: number;
  /** More entries than this are refused; default 100,000. */
  readonly countMax?: number;
  /** Entries of more bytes than this, together, are refused; default 256 MiB. They are held in memory. */
  readonly entryBytesMax?: number;
  readonly signal?: AbortSignal;
  /** How far the search is, where entries have to be read for it. */
  readonly onScan?: OnScan;
}

export interface ExportedEvidence {
  readonly header: EvidenceHeader;
  /** The bytes of the file, in pieces. */
  readonly pieces: Iterable<Uint8Array>;
}

const countDefault = 100_000;
const entryBytesDefault = 268_435_456;
/** Proof, leaf hashes and what stands before them, for as many entries as there may be. */
const otherBytesMax = 134_217_728;
/** Of the export as an event's details, well below what an event may have. */
const exportBytesMax = 60_000;

/**
 * Rejects with "not_found" where nothing matches; "usage", "malformed" or "too_large" for too many entries, and for a
 * reason that the file could not hold. What comes after that is recorded, file or not: "too_large" for too many bytes,
 * "unavailable" where no quorum of the log's witnesses cosigns, "unverified" where an entry is damaged.
 */
export async function exportEvidence(
  log: Log,
  request: EvidenceRequest,
): Promise<ExportedEvidence> {
  const { selection, who, why, nowMs, signal } = request;
  const entryBytesMax = Math.min(
    request.entryBytesMax ?? entryBytesDefault,
    evidenceBytesMax - otherBytesMax,
  );
  const countMax = Math.min(request.countMax ?? countDefault, evidenceEntriesMax - 1);
  const { size } = log.status();
  const taken: EvidenceExport = {
    who,
    why,
    time: formatLogTime(nowMs),
    query: queryOf(nodeCrypto.sha256, selection),
  };
  const { origin, vkeys: keys } = log;
  checkHeader({ origin, size: Math.max(size, 1), count: 1, keys, export: taken, recorded: size });
  const seqs = await selectEntries(log, selection, size, countMax, request);
  if (seqs.length === 0) throw new CairnError("not_found", "no entry matches: nothing to export");
  signal?.throwIfAborted();
  const details = { export: taken, entries: seqs.length };
  await log.tell({ type: exportEventType, action: "export", details });
  const recorded = await findRecord(log, taken, size);
  const checkpoint = await log.publish();
  const { entries, leafHashes, proof } = await log.prove(
    [...seqs, recorded],
    checkpoint,
    entryBytesMax,
  );
  const header: EvidenceHeader = {
    origin,
    size: checkpoint.size,
    count: entries.length,
    keys,
    export: taken,
    recorded,
  };
  const front = { header, checkpoint: checkpoint.note, proof, leafHashes };
  return { header, pieces: evidencePieces(front, entries) };
}

/** Before anything is recorded: what was asked for must fit into an entry, and into the file's header. */
function checkHeader(header: EvidenceHeader): void {
  formatEvidenceHeader(header);
  const byteLength = utf8(JSON.stringify(header.export)).length;
  if (byteLength > exportBytesMax) {
    throw new CairnError(
      "too_large",
      `who, why and what is asked for have ${byteLength} bytes, more than ${exportBytesMax}: say it shorter`,
    );
  }
}

/** Where the log has recorded the export: one of the entries since `from`. */
async function findRecord(log: Log, taken: EvidenceExport, from: number): Promise<number> {
  for await (const { seq, bytes } of log.entries(from, log.status().size)) {
    const { source, event } = parseEntry(bytes);
    if (source !== systemSource) continue;
    const { type, details } = JSON.parse(parseUtf8(event)) as {
      readonly type: string;
      readonly details?: { readonly export?: unknown };
    };
    if (type === exportEventType && isSameExport(details?.export, taken)) return seq;
  }
  throw new CairnError("unavailable", "the export could not be recorded, so nothing was exported");
}
