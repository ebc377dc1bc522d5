/** Those who remember from outside. Stands on core and store; knows nothing of how a log is written. */
export { readCosignerNames, type CosignerNames } from "./cosigner-keys.ts";
export { openLogList, type AddedLog, type LogList, type LogListing } from "./log-list.ts";
export type { RateLimit } from "./rate-limit.ts";
export {
  defaultRateLimit,
  Witness,
  type WitnessAnswer,
  type WitnessClock,
  type WitnessOptions,
} from "./witness.ts";
export {
  defaultWitnessLimits,
  WitnessServer,
  type WitnessLimits,
  type WitnessServerOptions,
} from "./witness-server.ts";
export type { Evidence, EvidenceKind } from "./witness-state.ts";
export { keysOnFirstUse } from "./first-use.ts";
export { checkpointOf, type FollowState } from "./follow-state.ts";
export {
  Follower,
  type FollowMemory,
  type FollowSink,
  type Look,
  type Misbehaviour,
  type TileSource,
} from "./follower.ts";
export { FollowFile, MirrorFiles } from "./mirror-files.ts";
export { openMirrorTiles } from "./mirror-source.ts";
export { createMetricsServer, type MetricsServerOptions } from "./metrics-server.ts";
export { createMirrorServer } from "./mirror-server.ts";
export type { ReadingServer } from "./reading-server.ts";
export {
  quorumTime,
  Watch,
  type WatchAlarm,
  type WatchOptions,
  type WatchStatus,
} from "./watch.ts";
export { watchRegistry } from "./watch-metrics.ts";
