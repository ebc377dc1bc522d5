/** PostgreSQL: its audit lines and its changes, as events. */
export { captureChanges, type ChangeCaptureOptions } from "./change-capture.ts";
export type { ChangeSetup } from "./change-setup.ts";
export { captureLogFolder, type LogCaptureOptions } from "./log-capture.ts";
export type { CaptureSink } from "./sink.ts";
export { whoSql } from "./who-sql.ts";
