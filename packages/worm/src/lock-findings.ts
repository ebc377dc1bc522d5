/**
 * Whether copies are as write-once as they should be: under a lock in compliance mode that has not ended, with nothing
 * laid over them. Of each kind of trouble the first few are named and the others counted, for there may be millions.
 */
import type { Findings } from "@cairnlog/verify";
import type { Lock } from "./bucket.ts";
import type { KeyVersions } from "./versions.ts";

const namedMax = 10;

const kinds = {
  deleted: "a delete marker lies over the locked copy: somebody deleted it",
  rewritten: "a newer version lies over the locked copy: somebody wrote it again",
  gone: "only a delete marker is there, and no version below it",
  unlocked: "the copy is not locked in compliance mode, or its lock may not be seen",
  ended: "the copy's lock has ended: nothing keeps it from being deleted",
} as const;

type Kind = keyof typeof kinds;

export class LockFindings {
  readonly #findings: Findings;
  readonly #nowMs: number;
  readonly #counts = new Map<Kind, number>();
  /** The first moment at which a lock that was seen ends. */
  #endsMs = Infinity;

  constructor(findings: Findings, nowMs: number) {
    this.#findings = findings;
    this.#nowMs = nowMs;
  }

  /** What lies over and under the locked version of a key. */
  seeVersions({ key, oldest, newer, deleteMarkers }: KeyVersions): void {
    if (oldest === undefined) this.#report("gone", key);
    else if (deleteMarkers > 0) this.#report("deleted", key);
    if (newer > 0) this.#report("rewritten", key);
  }

  seeLock(key: string, { mode, untilMs }: Lock): void {
    if (mode !== "COMPLIANCE" || untilMs === undefined) this.#report("unlocked", key);
    else if (untilMs <= this.#nowMs) this.#report("ended", key);
    else this.#endsMs = Math.min(this.#endsMs, untilMs);
  }

  finish(): void {
    for (const [kind, count] of this.#counts) {
      const more = count - namedMax;
      if (more > 0) this.#findings.problem(codeOf(kind), `${more} more: ${kinds[kind]}`);
    }
    if (this.#endsMs === Infinity) return;
    const date = new Date(this.#endsMs).toISOString();
    this.#findings.note("lock", `the first of the locks ends at ${date}`);
  }

  #report(kind: Kind, path: string): void {
    const count = (this.#counts.get(kind) ?? 0) + 1;
    this.#counts.set(kind, count);
    if (count <= namedMax) this.#findings.problem(codeOf(kind), kinds[kind], { path });
  }
}

function codeOf(kind: Kind): "lock" | "versions" {
  return kind === "unlocked" || kind === "ended" ? "lock" : "versions";
}
