/** The writer: group commit, recovery, sealing, publishing; and reading what it wrote. */
export { systemClock, type Clock, type Timer } from "./clock.ts";
export type { LogOptions } from "./assemble.ts";
export { EventBatch, readEvent, readNdjson } from "./event-batch.ts";
export { readSettings, type LogSettings } from "./identity.ts";
export { cutJsonArray, readJsonArray } from "./json-array.ts";
export type {
  Appended,
  CommitTiming,
  Log,
  LogCounters,
  LogStatus,
  SignedCheckpoint,
  StoredEntry,
} from "./log.ts";
export { createLog, openLog, type NewLog, type OpenOptions } from "./open-log.ts";
export { receiptOf, record, toBatch } from "./record.ts";
export type { Succession } from "./system-events.ts";
export type { WriterLimits } from "./writer-parts.ts";
