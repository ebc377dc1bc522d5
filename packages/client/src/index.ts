/** The SDK: events in, receipts out, over HTTP. Runs wherever there is `fetch`. */
export { CairnError, isCairnError, type CairnErrorCode, type CairnEvent } from "@cairnlog/core";
export { CairnClient, type CairnClientOptions, type ClientStatus } from "./client.ts";
export type { FailureReport, OnError } from "./failure-report.ts";
export type { Clock, Random } from "./platform.ts";
export type { EntriesOptions, LoggedEntry, LogInfo } from "./reading.ts";
export { LoggedReceipt, type ReceiptFields } from "./receipt.ts";
export type { Fetch } from "./transport.ts";
export type { CheckpointClaim, FullReceipt } from "./trust.ts";
