/** The writer: group commit, recovery, sealing, publishing; and reading what it wrote. */
export type { AtRest, LogWatcher, OwnEvent, RestingTail, Scrubbing } from "./at-rest.ts";
export { systemClock, type Clock, type Timer } from "./clock.ts";
export type { LogOptions } from "./assemble.ts";
export { exportEvidence, type EvidenceRequest, type ExportedEvidence } from "./evidence-export.ts";
export {
  parseSeqRange,
  type EvidenceSelection,
  type OnScan,
  type SeqRange,
} from "./evidence-selection.ts";
export { EventBatch, readEvent, readNdjson } from "./event-batch.ts";
export { readSettings, type LogSettings } from "./identity.ts";
export { cutJsonArray, readJsonArray } from "./json-array.ts";
export type {
  Appended,
  CommitTiming,
  Log,
  LogCounters,
  LogStatus,
  PutBlob,
  SignedCheckpoint,
  StoredBlob,
  StoredEntry,
} from "./log.ts";
export { createLog, openLog, type NewLog, type OpenOptions } from "./open-log.ts";
export type { ProvenEntries } from "./proven-entries.ts";
export { receiptOf, record, toBatch } from "./record.ts";
export {
  Continuity,
  type ContinuityReport,
  type SourceContinuity,
  type StreamContinuity,
} from "./sources/continuity.ts";
export type { Heartbeat, LogSources, RefusedRequest, StreamStatus } from "./sources/log-sources.ts";
export type { Succession } from "./system-events.ts";
export type { WitnessHealth, WitnessState } from "./witness-client.ts";
export type { WitnessRequest, WitnessResponse, WitnessTransport } from "./witness-transport.ts";
export type { WitnessOptions } from "./witnessing.ts";
export type { WriterLimits } from "./writer-parts.ts";
