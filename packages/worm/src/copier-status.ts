/** What a copier says of itself: to a health check, to Prometheus, to whoever has to act. */

export type WormAlarmCode =
  /** Other bytes, or another root, than this log's are locked under a key of its own. */
  | "another_history"
  /** The bucket holds a signed checkpoint of more entries than this log has. */
  | "rolled_back"
  /** A delete marker, or a newer version, lies over a copy. The locked version below is still there. */
  | "covered"
  /** A blob that a sealed entry names is gone or damaged here: there is nothing to copy. */
  | "blob_lost"
  /** A copy is not locked as it was asked to be. */
  | "unlocked";

export interface WormAlarm {
  readonly code: WormAlarmCode;
  /** Key of the object, relative to the log's place. */
  readonly path: string;
  readonly message: string;
  /** Milliseconds since 1970. */
  readonly timeMs: number;
}

export interface WormStatus {
  /** The log's name, and where its copies lie. */
  readonly log: string;
  readonly place: string;
  /**
   * `starting`: what is there is being listed. `current`: all that can be copied is. `copying`: not all, so far without
   * trouble. `failing`: the last try failed, and another one follows. `refused`: the place holds another log, or
   * another history of this one; nothing more is put there.
   */
  readonly state: "starting" | "current" | "copying" | "failing" | "refused";
  /** Why, in a sentence, while `failing` or `refused`. */
  readonly failure: string | undefined;
  /** Entries in sealed files that are in the bucket, from the first one on without a gap. */
  readonly copiedSize: number;
  /** Durable entries that are in no copied file. A log's last 65,535 entries at most are not sealed yet. */
  readonly entriesBehind: number;
  /** Size of the newest checkpoint in the bucket. */
  readonly checkpointSize: number;
  /** Entries that no copied checkpoint covers. */
  readonly uncoveredEntries: number;
  /** Seconds since everything that could be copied was; 0 while that is so. */
  readonly secondsBehind: number;
  /** Since the copier began: objects and bytes that it put. */
  readonly objects: number;
  readonly bytes: number;
  readonly failures: number;
  /** The first ones; `alarmCount` counts all. They stay until the process ends: nothing puts them right. */
  readonly alarms: readonly WormAlarm[];
  readonly alarmCount: number;
}

/** A copier that is behind for longer is not well: a bucket that is only slow catches up sooner. */
export const secondsBehindMax = 300;

/** What to tell a health check; undefined while all is well. */
export function findWormTrouble(status: WormStatus): string | undefined {
  const { alarms, state, failure, secondsBehind, log } = status;
  const [alarm] = alarms;
  if (alarm !== undefined) return `write-once copies of ${log}: ${alarm.message}`;
  if (state === "refused") return `write-once copies of ${log}: ${failure}`;
  if (secondsBehind <= secondsBehindMax) return undefined;
  const why = failure === undefined ? "" : `: ${failure}`;
  return `write-once copies of ${log} are ${Math.floor(secondsBehind)} s behind${why}`;
}

/** Name, help and value of each figure, for whoever has a registry of metrics; the label is the log's name. */
export const wormGauges: readonly (readonly [
  name: string,
  help: string,
  read: (status: WormStatus) => number,
])[] = [
  ["cairn_worm_copied_size", "Entries in write-once copies.", (s) => s.copiedSize],
  ["cairn_worm_lag_entries", "Durable entries in no write-once copy.", (s) => s.entriesBehind],
  ["cairn_worm_lag_seconds", "Seconds since all that could be copied was.", (s) => s.secondsBehind],
  [
    "cairn_worm_uncovered_entries",
    "Entries that no copied checkpoint covers.",
    (s) => s.uncoveredEntries,
  ],
  ["cairn_worm_alarms", "Alarms about write-once copies.", (s) => s.alarmCount],
];

export const wormTotals: typeof wormGauges = [
  ["cairn_worm_objects_total", "Objects copied.", (s) => s.objects],
  ["cairn_worm_bytes_total", "Bytes copied.", (s) => s.bytes],
  ["cairn_worm_failures_total", "Attempts to copy that failed.", (s) => s.failures],
];
