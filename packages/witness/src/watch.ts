/**
 * Looks at a log again and again, and says what it must not do: a monitor, and the inside of a mirror.
 *
 * There are two kinds of alarms. *Misbehaviour* is proven by what the log signed or served; it is said once, never
 * taken back, and the tree that was seen before stays the one that counts. A *condition* is a state that may pass:
 * nobody answers, the quorum is missing, cosignatures grow stale. It is said when it begins and when it ends.
 */
import { isCairnError, isQuorum, type CairnError, type Policy } from "@cairnlog/core";
import type { Follower, Look, Misbehaviour, SeenCheckpoint } from "./follower.ts";

export type ConditionCode =
  | "unreachable" // The log has not answered for a while.
  | "unwitnessed" // Its newest checkpoint has not the policy's quorum.
  | "stale" // The quorum's cosignatures are old: the log is stopped, gagged, or shows us an old state.
  | "refused"; // It answers, and refuses us.

/** What whoever watches is to hear. Plain JSON, one line of `alarms.ndjson` each. */
export interface WatchAlarm {
  /** RFC 3339, when it was noticed. */
  readonly at: string;
  /** `alarm`: look at it now. `over`: a condition that was said has ended. */
  readonly kind: "alarm" | "over";
  readonly code: Misbehaviour["code"] | ConditionCode;
  readonly log: string;
  readonly message: string;
  readonly seq?: number;
  readonly path?: string;
  /** Signed notes that prove it, verbatim. */
  readonly evidence?: readonly string[];
}

export interface WatchStatus {
  /** Entries that were verified. */
  readonly size: number;
  /** Milliseconds since 1970 of the last good look; undefined before the first. */
  readonly lookedAt: number | undefined;
  /** Seconds since 1970: a quorum had cosigned the newest checkpoint by then. Undefined if none is needed. */
  readonly cosignedAt: number | undefined;
  /** Witnesses of the policy that cosigned it. */
  readonly witnesses: readonly string[];
  /** The alarms that stand. */
  readonly alarms: readonly WatchAlarm["code"][];
}

export interface WatchOptions {
  readonly follower: Follower;
  readonly policy: Policy;
  /** For messages: the log's address. */
  readonly target: string;
  readonly intervalMs: number;
  /** A quorum whose cosignatures are older is stale. */
  readonly staleAfterMs: number;
  /** So long nobody need answer before it is an alarm. */
  readonly unreachableAfterMs: number;
  readonly now: () => number;
  /** Resolves after that time, or when the signal aborts. */
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
  /** Hears of each alarm, in order. The watch waits for it, and ends if it rejects: an unheard alarm is none. */
  readonly onAlarm: (alarm: WatchAlarm) => Promise<void>;
  readonly onLook?: (status: WatchStatus, entries: number) => void;
}

export class Watch {
  readonly #options: WatchOptions;
  readonly #standing = new Map<WatchAlarm["code"], string>();
  readonly #startedAt: number;
  #lookedAt: number | undefined;
  #seen: SeenCheckpoint | undefined;

  constructor(options: WatchOptions) {
    this.#options = options;
    this.#startedAt = options.now();
  }

  status(): WatchStatus {
    const seen = this.#seen;
    return {
      size: seen?.checkpoint.size ?? 0,
      lookedAt: this.#lookedAt,
      cosignedAt: seen && quorumTime(this.#options.policy, seen),
      witnesses: seen?.witnesses.map(({ name }) => name) ?? [],
      alarms: [...this.#standing.keys()],
    };
  }

  /** Looks until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        await this.lookOnce();
      } catch (error) {
        if (signal.aborted) return;
        throw error;
      }
      await this.#options.sleep(this.#options.intervalMs, signal);
    }
  }

  /** One look, with its alarms. */
  async lookOnce(): Promise<WatchStatus> {
    const { follower, now, onLook } = this.#options;
    let look: Look;
    try {
      look = await follower.look();
    } catch (error) {
      if (!isCairnError(error)) throw error;
      await this.#unanswered(error);
      return this.status();
    }
    await this.#over("unreachable", "it answers again");
    await this.#over("refused", "it answers again");
    if (look.kind === "misbehaviour") await this.#misbehaved(look.misbehaviour);
    else if (look.kind === "unwitnessed") {
      const { size } = look.seen.checkpoint;
      const who = look.seen.witnesses.map(({ name }) => name).join(", ") || "none";
      const what = `its checkpoint of ${size} entries has not the policy's quorum (cosigned by: ${who})`;
      await this.#raise("unwitnessed", what, { evidence: [look.seen.text] });
    } else {
      await this.#over("unwitnessed", "the quorum is there again");
      this.#seen = look.seen;
      this.#lookedAt = now();
    }
    await this.#checkFreshness();
    onLook?.(this.status(), look.kind === "seen" ? look.entries : 0);
    return this.status();
  }

  async #unanswered(error: CairnError): Promise<void> {
    const passing = error.code === "unavailable";
    if (!passing && !["not_found", "forbidden", "unauthenticated"].includes(error.code))
      throw error;
    if (!passing) await this.#raise("refused", error.message);
    const { now, unreachableAfterMs } = this.#options;
    const silentMs = now() - (this.#lookedAt ?? this.#startedAt);
    if (passing && silentMs >= unreachableAfterMs) await this.#raise("unreachable", error.message);
    await this.#checkFreshness();
  }

  async #misbehaved({ code, message, place, evidence }: Misbehaviour): Promise<void> {
    const { seq, path } = place;
    await this.#raise(code, message, {
      ...(seq === undefined ? {} : { seq }),
      ...(path === undefined ? {} : { path }),
      evidence,
    });
  }

  async #checkFreshness(): Promise<void> {
    const { policy, staleAfterMs, now } = this.#options;
    const cosignedAt = this.#seen && quorumTime(policy, this.#seen);
    if (cosignedAt === undefined) return;
    const ageMs = now() - cosignedAt * 1000;
    if (ageMs <= staleAfterMs) return this.#over("stale", "its cosignatures are fresh again");
    const what = `the newest quorum of cosignatures is ${Math.round(ageMs / 1000)} s old`;
    await this.#raise("stale", `${what}: the log stands still, or shows an old state`);
  }

  async #raise(
    code: WatchAlarm["code"],
    message: string,
    more: Pick<WatchAlarm, "seq" | "path" | "evidence"> = {},
  ): Promise<void> {
    // What is proven anew by other signed notes is said anew; a condition is said once while it stands. So is what
    // anybody on the way could send, without a key: else he could fill the disk with alarms.
    const what = (more.evidence ?? []).join("\n");
    const isOnce = isCondition(code) || code === "checkpoint" || code === "missing";
    if (this.#standing.has(code) && (isOnce || this.#standing.get(code) === what)) return;
    this.#standing.set(code, what);
    await this.#tell("alarm", code, message, more);
  }

  async #over(code: ConditionCode, message: string): Promise<void> {
    if (this.#standing.delete(code)) await this.#tell("over", code, message, {});
  }

  async #tell(
    kind: WatchAlarm["kind"],
    code: WatchAlarm["code"],
    message: string,
    more: Pick<WatchAlarm, "seq" | "path" | "evidence">,
  ): Promise<void> {
    const { now, target, onAlarm } = this.#options;
    const at = new Date(now()).toISOString();
    await onAlarm({ at, kind, code, log: target, message, ...more });
  }
}

function isCondition(code: WatchAlarm["code"]): code is ConditionCode {
  return code === "unreachable" || code === "unwitnessed" || code === "stale" || code === "refused";
}

/**
 * The latest time by which a quorum had cosigned, in seconds since 1970. Undefined where the policy asks for no
 * witnesses, or where they make no statement about time.
 */
export function quorumTime(policy: Policy, { witnesses }: SeenCheckpoint): number | undefined {
  if (isQuorum(policy, [])) return undefined;
  const newestFirst = witnesses
    .filter(({ timestamp }) => timestamp > 0)
    .toSorted((a, b) => b.timestamp - a.timestamp);
  const names: string[] = [];
  for (const { name, timestamp } of newestFirst) {
    names.push(name);
    if (isQuorum(policy, names)) return timestamp;
  }
  return undefined;
}
