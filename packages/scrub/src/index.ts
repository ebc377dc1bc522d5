/** Re-verifies every byte at rest, watches the files, and repairs from what verifies. */
export { LogAlarms, type LogAlarmsParts } from "./log-alarms.ts";
export {
  LogWatch,
  type Found,
  type LogWatchParts,
  type PassReport,
  type WatchListener,
} from "./log-watch.ts";
export type { Damage } from "./damage.ts";
export { repairLog, type RepairOptions, type RepairReport } from "./repair.ts";
export type { RestoredFile } from "./repair-context.ts";
export { folderSource } from "./repair-folder.ts";
export type { RepairSource } from "./repair-source.ts";
export { tilesSource } from "./repair-tiles.ts";
export { restingLog, type RestingLog } from "./resting-log.ts";
export { defaultScrubBytesPerSecond, Scrubber, type ScrubberOptions } from "./scrubber.ts";
export { parseSecret, signWebhook, Webhook, type Post, type WebhookOptions } from "./webhook.ts";
