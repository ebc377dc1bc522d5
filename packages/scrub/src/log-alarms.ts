/**
 * What becomes of damage that was found in one log: an entry `system.tamper`, an alarm in the log's status until the
 * damage is gone, a line for the operator, a message for the webhook; and where the log signs from what was changed,
 * the end of appending.
 *
 * The entry is recorded before the log stops: memory is right, and the entry makes what was found as lasting as
 * everything else. Damage is told once. When the file is sound again an entry `system.repaired` says so.
 */
import { CairnError, formatLogTime, isCairnError } from "@cairnlog/core";
import type { Clock, Log, LogWatcher, Scrubbing } from "@cairnlog/log";
import type { Found, WatchListener, PassReport } from "./log-watch.ts";

export interface LogAlarmsParts {
  readonly log: Pick<Log, "name" | "origin" | "tell" | "stop">;
  readonly clock: Clock;
  readonly bytesPerSecond: number;
  readonly isDirect: () => boolean | undefined;
  /** A line for whoever runs the process. */
  readonly say: (line: string) => void;
  /** Goes off this host. */
  readonly send: (type: string, data: object) => void;
}

/** How long an entry may take before the log is stopped all the same. */
const lastWordMs = 2000;
/** Who damages more places than this is told of the further ones by the status and the operator's lines alone. */
const entriesMax = 1000;

export class LogAlarms implements WatchListener, LogWatcher {
  readonly #parts: LogAlarmsParts;
  readonly #alarms = new Map<string, CairnError>();
  #entries = 0;
  #passes = 0;
  #lastPass: PassReport | undefined;
  /** Entries are told one after another. */
  #telling: Promise<void> = Promise.resolve();

  constructor(parts: LogAlarmsParts) {
    this.#parts = parts;
  }

  alarms(): readonly CairnError[] {
    return [...this.#alarms.values()];
  }

  scrubbing(): Scrubbing {
    const { bytesPerSecond, isDirect } = this.#parts;
    return {
      bytesPerSecond,
      isDirect: isDirect(),
      passes: this.#passes,
      lastPass: this.#lastPass,
    };
  }

  /** Resolves when all that was found is recorded, or could not be in time. */
  settled(): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.#parts.clock.setTimer(resolve, lastWordMs);
      void this.#telling.finally(() => {
        timer.cancel();
        resolve();
      });
    });
  }

  /** Nobody watches over the log any more: that is an alarm by itself. */
  ended(why: string): void {
    const { log, say } = this.#parts;
    const message = `nobody watches over the files of the log ${log.name} any more: ${why}`;
    this.#alarms.set(".", new CairnError("internal", message, { place: { log: log.name } }));
    say(`cairn: alarm: ${message}`);
    this.#parts.send("system.unwatched", { log: log.name, origin: log.origin, why });
  }

  damaged(found: Found): void {
    const { log, say } = this.#parts;
    const { damage } = found;
    const error = alarmOf(log.name, found);
    this.#alarms.set(damage.path, error);
    say(`cairn: alarm: ${error.message}`);
    const details = detailsOf(found);
    this.#parts.send("system.tamper", { log: log.name, origin: log.origin, ...details });
    this.#tell("system.tamper", "detect", details);
    if (damage.isVital) void this.#stop(error);
  }

  mended(path: string, atMs: number): void {
    if (!this.#alarms.delete(path)) return;
    const { log, say } = this.#parts;
    const at = formatLogTime(Math.floor(atMs));
    say(`cairn: ${path} of the log ${log.name} is sound again (${at})`);
    const details = { file: path, soundAt: at };
    this.#parts.send("system.repaired", { log: log.name, origin: log.origin, ...details });
    this.#tell("system.repaired", "mend", details);
  }

  passed(pass: PassReport): void {
    this.#passes++;
    this.#lastPass = pass;
  }

  /**
   * Records an event of the watch after those before it. What a log that has stopped can no longer record is said
   * only.
   */
  #tell(type: string, action: string, details: object): void {
    const { log, say } = this.#parts;
    if (this.#entries >= entriesMax) return;
    this.#entries++;
    this.#telling = this.#telling.then(async () => {
      try {
        await log.tell({ type, action, details });
      } catch (error) {
        if (!isCairnError(error)) throw error;
        say(`cairn: that could not be recorded in the log ${log.name}: ${error.message}`);
      }
    });
  }

  async #stop(error: CairnError): Promise<void> {
    const { log, clock } = this.#parts;
    const timer = clock.setTimer(() => log.stop(error), lastWordMs);
    await this.#telling;
    timer.cancel();
    log.stop(error);
  }
}

/** What the entry and the webhook say. */
function detailsOf({ damage, lastGoodMs, foundMs, by }: Found): object {
  const { path, seq, byte, what, expected, found, isVital } = damage;
  return {
    file: path,
    ...(seq === undefined ? {} : { seq }),
    ...(byte === undefined ? {} : { byte }),
    what,
    ...(expected === undefined ? {} : { expected }),
    ...(found === undefined ? {} : { found }),
    lastGood: lastGoodMs === undefined ? null : formatLogTime(Math.floor(lastGoodMs)),
    foundAt: formatLogTime(Math.floor(foundMs)),
    by,
    stopsAppending: isVital,
  };
}

function alarmOf(name: string, { damage, lastGoodMs, foundMs }: Found): CairnError {
  const { path, seq, byte, what, isVital } = damage;
  const at = byte === undefined ? "" : ` at byte ${byte}`;
  const entry = seq === undefined ? "" : `, entry ${seq}`;
  const since =
    lastGoodMs === undefined
      ? "it was never good in this process"
      : `good at ${timeOf(lastGoodMs)}`;
  const then = isVital
    ? "The log signs from it and takes no more events"
    : "Appending goes on; what is damaged is not served";
  return new CairnError(
    "tampered",
    `${path} of the log ${name} was changed${at}${entry}: ${what} (${since}, found at ${timeOf(foundMs)}). ${then}. ` +
      "Keep the file as evidence; `cairn repair` restores it from a mirror or copy that verifies",
    {
      place: {
        log: name,
        path,
        ...(seq === undefined ? {} : { seq }),
        ...(byte === undefined ? {} : { byte }),
      },
    },
  );
}

function timeOf(ms: number): string {
  return formatLogTime(Math.floor(ms));
}
