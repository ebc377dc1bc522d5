/** The SDK: events in, receipts out, over HTTP. Runs wherever there is `fetch`. */
export {
  CairnError,
  isCairnError,
  type CairnErrorCode,
  type CairnEvent,
  type NamedBlob,
} from "@cairnlog/core";
export {
  formatAlarm,
  type Alarm,
  type AlarmCode,
  type KeepEvidence,
  type OnAlarm,
} from "./alarm.ts";
export type { BlobDescription } from "./blobs.ts";
export type { CheckpointClaim, Cosigner } from "./checkpoint-claim.ts";
export { CairnClient, type ClientStatus } from "./client.ts";
export type { As, DurableLogOptions, SpooledLogOptions, SpooledPlace } from "./log-options.ts";
export type { CairnClientOptions } from "./client-options.ts";
export type { ClientMemory } from "./client-memory.ts";
export {
  currentContext,
  provideContextStorage,
  withContext,
  type CairnContext,
  type ContextStorage,
} from "./context.ts";
export {
  defineEvent,
  type EventDefinition,
  type EventOf,
  type EventSchema,
  type JsonSchemaFault,
  type JsonSchemaValidator,
  type StandardSchema,
} from "./define-event.ts";
export type { EventInput } from "./event-input.ts";
export type { FailureReport, OnError } from "./failure-report.ts";
export type { FirstUse, OnFirstUse } from "./first-use.ts";
export { openTelemetryTrace, type FindTrace } from "./open-telemetry.ts";
export type { Clock, Random } from "./platform.ts";
export type { EntriesOptions, LoggedEntry, LogInfo } from "./reading.ts";
export type { WatchCounts } from "./receipt-watch.ts";
export { LoggedReceipt, type ReceiptFields } from "./receipt.ts";
export type { Spool, SpooledEvent, SpoolStream } from "./spool.ts";
export type { OnReceipt } from "./spool-sender.ts";
export type { Fetch } from "./transport.ts";
export type { FullReceipt, WitnessedProof } from "./trust.ts";
export type {
  ApiCall,
  Change,
  Common,
  DatabaseQuery,
  Deployment,
  Login,
  Outcome,
  Target,
  Workflows,
} from "./workflows.ts";
