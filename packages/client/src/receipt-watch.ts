/**
 * Watches what becomes of receipts. A receipt is the log's own word; it is worth more once the
 * checkpoint that it stands under is part of one that the log has published and witnesses have
 * cosigned. So while receipts wait for that, the published checkpoint is fetched once a second, and
 * held to their checkpoints and to the published one before it. Where it does not come in time, or
 * contradicts them, the application hears of it: that alarm is raised here, and not on the server,
 * because nobody on the server could keep it quiet.
 *
 * Not here: that an event is in the tree of its receipt's checkpoint, which `LoggedReceipt.full` and
 * `LoggedReceipt.witnessed` prove for one event at a time.
 *
 * Invariants: nothing is forgotten before it was found good or an alarm told of it; a passing alarm
 * is raised once until all is well again, a contradiction once for all; and what contradicts never
 * takes the place of what is remembered.
 */
import { CairnError, isCairnError } from "@cairnlog/core";
import { alarmOfConflict, formatAlarm } from "./alarm.ts";
import type { Alarm, AlarmCode, KeepEvidence, OnAlarm } from "./alarm.ts";
import {
  findFork,
  findRollback,
  type CheckpointClaim,
  type Conflict,
  type PublishedClaim,
} from "./checkpoint-claim.ts";
import { formatMemory, parseMemory, type ClientMemory } from "./client-memory.ts";
import type { Clock } from "./platform.ts";
import type { PublishedLog } from "./published-log.ts";
import type { Trust } from "./trust.ts";

export interface ReceiptWatchOptions {
  readonly clock: Clock;
  /** How long a receipt may wait, in milliseconds. */
  readonly withinMs: number;
  /** Must not throw. */
  readonly onAlarm: OnAlarm;
  readonly keepEvidence: KeepEvidence | undefined;
  readonly memory: ClientMemory | undefined;
}

export interface WatchCounts {
  /** Size of the newest published checkpoint that was found good. */
  readonly witnessedSize: number | undefined;
  /** Checkpoints of receipts that wait. */
  readonly waiting: number;
  /** What was raised and is not over. */
  readonly alarms: readonly AlarmCode[];
}

interface Waiting {
  readonly claim: CheckpointClaim;
  /** In time that has passed while this client was running. */
  readonly sinceMs: number;
}

const lookEveryMs = 1000;
/** After an alarm there is no hurry any more. */
const alarmedLookEveryMs = 30_000;
/** About 2 MiB of notes: more than a log gives out in the ten seconds that it has. */
const waitingMax = 4096;
/** Over as soon as a look finds all well. Two signed notes that contradict each other always will. */
const passingCodes = ["late", "unwitnessed"] as const;

export class ReceiptWatch {
  readonly #options: ReceiptWatchOptions;
  readonly #log: PublishedLog;
  readonly #trust: Trust;
  readonly #abort = new AbortController();
  /** Checkpoints of receipts, in the order they came in, each size once. */
  #waiting: Waiting[] = [];
  #witnessed: PublishedClaim | undefined;
  /** What the log showed last, whatever it was worth. */
  #shown: string | undefined;
  /** Why the last look did not do. */
  #failure: { readonly code: "late" | "unwitnessed"; readonly message: string } | undefined;
  readonly #raised = new Set<AlarmCode>();
  /** True from an alarm of the log's making until a look finds all well. */
  #isAlarmed = false;
  #looking: Promise<void> | undefined;
  #cancelTimer: (() => void) | undefined;
  /**
   * Time as the sum of delays that were waited for. A process that was frozen, or whose clock was
   * set, has not waited all that long: what it missed is no silence of the log.
   */
  #awakeMs = 0;
  #loaded: Promise<void> | undefined;
  #saved = "";
  /** Remembered by whoever trusts on first use; kept as they are. */
  #vkeys: readonly string[] | undefined;
  #saving: Promise<void> = Promise.resolve();
  #isStopped = false;

  constructor(options: ReceiptWatchOptions, log: PublishedLog, trust: Trust) {
    this.#options = options;
    this.#log = log;
    this.#trust = trust;
  }

  get counts(): WatchCounts {
    return {
      witnessedSize: this.#witnessed?.size,
      waiting: this.#waiting.length,
      alarms: [...this.#raised],
    };
  }

  /** Takes up what was remembered; once, before the first receipt. */
  load(): Promise<void> {
    this.#loaded ??= this.#load();
    return this.#loaded;
  }

  /** A receipt was given under this checkpoint, which was verified and followed. */
  add(claim: CheckpointClaim): void {
    if (this.#isStopped || this.#waiting.at(-1)?.claim.size === claim.size) return;
    if (this.#witnessed?.size === claim.size) {
      const fork = findFork(this.#witnessed, claim);
      if (fork !== undefined) this.conflict(fork);
      return;
    }
    if (this.#waiting.length === waitingMax) {
      this.#raiseLate("More checkpoints of receipts wait than can be kept");
      this.#waiting.shift();
    }
    // The timer that runs was set before: its end is the moment from which time counts for this one.
    const sinceMs = this.#awakeMs + (this.#cancelTimer === undefined ? 0 : this.#lookEveryMs);
    this.#waiting.push({ claim, sinceMs });
    this.#schedule();
  }

  /** Raises the alarm for a contradiction, wherever it was found. */
  conflict(conflict: Conflict): void {
    this.#raise(alarmOfConflict(conflict, this.#options.clock.now()));
  }

  /**
   * The last looks, for at most `timeoutMs`; what waits still is told of. Then nothing is watched any
   * more, and nothing is left that keeps the process.
   */
  async close(timeoutMs: number): Promise<void> {
    const { clock, withinMs } = this.#options;
    this.#cancelTimer?.();
    let cancel = (): void => {};
    const over = new Promise<void>((resolve) => {
      const ms = Math.min(timeoutMs, withinMs);
      cancel = clock.after(ms, () => ((this.#isStopped = true), resolve()), { keepsAlive: true });
    });
    while (this.#waiting.length > 0 && !this.#isStopped) {
      await Promise.race([this.#look(), over]);
      if (this.#waiting.length === 0 || this.#isAlarmed) break;
      await Promise.race([this.#pause(), over]);
    }
    this.#isStopped = true;
    this.#cancelTimer?.();
    if (this.#waiting.length > 0 && !this.#isAlarmed) this.#raiseLate("The client was closed");
    this.#remember();
    await Promise.race([this.#saving, over]);
    cancel();
    this.#abort.abort(new CairnError("unavailable", "the client was closed"));
    this.#waiting = [];
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => {
      const { clock } = this.#options;
      this.#cancelTimer = clock.after(this.#lookEveryMs, resolve, { keepsAlive: true });
    });
  }

  #schedule(): void {
    const first = this.#waiting[0];
    if (first === undefined || this.#cancelTimer !== undefined || this.#isStopped) return;
    const { clock, withinMs } = this.#options;
    const leftMs = Math.max(0, first.sinceMs + withinMs - this.#awakeMs);
    const ms = this.#isAlarmed ? alarmedLookEveryMs : Math.min(this.#lookEveryMs, leftMs);
    this.#cancelTimer = clock.after(ms, () => {
      this.#cancelTimer = undefined;
      this.#awakeMs += ms;
      this.#tick();
    });
  }

  #tick(): void {
    if (this.#waiting.length === 0) return;
    this.#remember();
    if (this.#isOverdue) this.#raiseLate(`${this.#options.withinMs} ms have passed`);
    void this.#look();
    this.#schedule();
  }

  /** A shorter patience must still be enough for a look or two. */
  get #lookEveryMs(): number {
    return Math.min(lookEveryMs, this.#options.withinMs / 2);
  }

  get #isOverdue(): boolean {
    const first = this.#waiting[0];
    return first !== undefined && this.#awakeMs >= first.sinceMs + this.#options.withinMs;
  }

  /** One look at a time. Never rejects. */
  #look(): Promise<void> {
    this.#looking ??= this.#lookOnce().then(
      () => (this.#looking = undefined),
      (error: unknown) => {
        this.#looking = undefined;
        const message = isCairnError(error) ? error.message : `the client failed: ${String(error)}`;
        this.#failure = { code: "late", message };
      },
    ) as Promise<void>;
    return this.#looking;
  }

  async #lookOnce(): Promise<void> {
    const { signal } = this.#abort;
    const note = await this.#log.note(signal);
    this.#shown = note;
    const shown = await this.#log.verify(note);
    const before = this.#witnessed;
    const isWitnessed = shown.quorumFailure === undefined;
    const covered = this.#waiting.filter(({ claim }) => claim.size <= shown.size);
    const known = covered.map(({ claim }) => claim);
    if (before !== undefined && before.size > 0) known.push(before);
    // Without a quorum no proof is asked for. But two roots for one size are two, whoever cosigned.
    const held = isWitnessed ? known : known.filter(({ size }) => size === shown.size);
    const conflict =
      (before && findRollback(before, shown)) ??
      (await this.#log.findConflict(held, shown, signal));
    if (this.#isStopped) return;
    if (conflict !== undefined) return this.conflict(conflict);
    if (!isWitnessed) {
      this.#failure = { code: "unwitnessed", message: shown.quorumFailure };
      return;
    }
    this.#failure = undefined;
    this.#witnessed = shown;
    const good = new Set(covered);
    this.#waiting = this.#waiting.filter((each) => !good.has(each));
    this.#remember();
    if (!this.#isOverdue) this.#allWell();
  }

  #allWell(): void {
    for (const code of passingCodes) this.#raised.delete(code);
    if (!this.#isAlarmed) return;
    this.#isAlarmed = false;
    // The timer that runs is the slow one.
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    this.#schedule();
  }

  #raiseLate(when: string): void {
    const { code, message } = this.#failure ?? { code: "late", message: undefined };
    const [first] = this.#waiting;
    const { origin, size, note } = first!.claim;
    const why = message ?? this.#whyNot(size);
    this.#raise({
      code,
      message:
        `${when}, and the receipts of the log ${origin} up to size ${size} are under no published ` +
        `checkpoint that ${code === "late" ? "contains them" : "enough witnesses cosigned"}: ${why}`,
      origin,
      time: new Date(this.#options.clock.now()).toISOString(),
      known: note,
      shown: this.#shown,
      proof: undefined,
    });
  }

  #whyNot(size: number): string {
    const witnessed = this.#witnessed;
    if (witnessed === undefined || witnessed.size >= size) return "the log has shown none";
    return `the newest that it showed is of size ${witnessed.size}`;
  }

  #raise(alarm: Alarm): void {
    if (this.#raised.has(alarm.code)) return;
    this.#raised.add(alarm.code);
    if (alarm.code !== "memory") {
      this.#isAlarmed = true;
      void this.#keep(alarm);
    }
    this.#options.onAlarm(alarm);
  }

  async #keep(alarm: Alarm): Promise<void> {
    try {
      await this.#options.keepEvidence?.(formatAlarm(alarm), alarm);
    } catch (error) {
      this.#raiseMemory("the evidence of an alarm cannot be kept", error);
    }
  }

  async #load(): Promise<void> {
    const { memory } = this.#options;
    if (memory === undefined) return;
    try {
      const text = await memory.load();
      if (text === undefined || text === null) return;
      const { recorded, witnessed, vkeys } = parseMemory(text);
      this.#vkeys = vkeys;
      this.#saved = text;
      if (witnessed !== undefined) this.#witnessed = await this.#log.verify(witnessed);
      if (recorded === undefined) return;
      const claim = await this.#trust.checkpoint(recorded);
      this.#trust.resume(claim);
      this.add(claim);
    } catch (error) {
      const what =
        "what was remembered of the log cannot be read, so that a rollback before this start " +
        "would not be noticed";
      this.#raiseMemory(what, error);
    }
  }

  /** Keeps what is known now, if it is not kept yet. */
  #remember(): void {
    const { memory } = this.#options;
    if (memory === undefined) return;
    const [recorded, witnessed] = [this.#trust.newest?.note, this.#witnessed?.note];
    const text = formatMemory({ recorded, witnessed, vkeys: this.#vkeys });
    if (text === this.#saved) return;
    this.#saved = text;
    this.#saving = this.#saving
      .then(() => memory.save(text))
      .then(() => void this.#raised.delete("memory"))
      .catch((error: unknown) => this.#raiseMemory("the log's checkpoints cannot be kept", error));
  }

  #raiseMemory(what: string, error: unknown): void {
    const why = error instanceof Error ? error.message : String(error);
    this.#raise({
      code: "memory",
      message: `${what}: ${why}`,
      origin: this.#trust.origin ?? "",
      time: new Date(this.#options.clock.now()).toISOString(),
      known: this.#trust.newest?.note,
      shown: this.#witnessed?.note,
      proof: undefined,
    });
  }
}
