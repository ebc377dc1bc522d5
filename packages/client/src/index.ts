/** The SDK: events in, receipts out, over HTTP. Runs wherever there is `fetch`. */
export { CairnError, isCairnError, type CairnErrorCode, type CairnEvent } from "@cairnlog/core";
export {
  formatAlarm,
  type Alarm,
  type AlarmCode,
  type KeepEvidence,
  type OnAlarm,
} from "./alarm.ts";
export type { CheckpointClaim, Cosigner } from "./checkpoint-claim.ts";
export { CairnClient, type CairnClientOptions, type ClientStatus } from "./client.ts";
export type { ClientMemory } from "./client-memory.ts";
export type { FailureReport, OnError } from "./failure-report.ts";
export type { Clock, Random } from "./platform.ts";
export type { EntriesOptions, LoggedEntry, LogInfo } from "./reading.ts";
export type { WatchCounts } from "./receipt-watch.ts";
export { LoggedReceipt, type ReceiptFields } from "./receipt.ts";
export type { Fetch } from "./transport.ts";
export type { FullReceipt, WitnessedProof } from "./trust.ts";
