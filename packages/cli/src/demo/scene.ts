/**
 * A scene of the tour: what an attacker does, who notices it and how fast, what is left to show to others, and what
 * nobody notices. A scene plays itself on a real log; what happens is told to the `Act` as it happens, which keeps the
 * time and remembers all of it, for the screen, for `--json` and for the tests.
 *
 * Nothing here is staged: each time was measured, each sentence of a watcher is its own.
 */
import { performance } from "node:perf_hooks";
import { isCairnError, type CairnError, type CairnErrorCode } from "@cairnlog/core";
import type { Stage } from "./stage.ts";

/**
 * `noticed`: it was seen, as it must be. `missed`: it must be seen, and was not. `silent`: it is not seen, and our
 * documents say so. `told`: it was not tried here. `mended`: what the attack did was undone.
 */
export type Outcome = "noticed" | "missed" | "silent" | "told" | "mended";

export interface Observation {
  /** Who looked: `the scrubber`. */
  readonly by: string;
  readonly outcome: Outcome;
  /** From the attack, for those who watch all the time; for those who are asked, how long the answer took. */
  readonly ms?: number;
  /** What it said, on one line. Hostile parts are not escaped. */
  readonly said: string;
}

export interface LeftEvidence {
  /** Relative to the tour's folder. */
  readonly path: string;
  /** A line or two of it. */
  readonly excerpt: readonly string[];
}

/** What happened, in order. */
export type Happening =
  | { readonly kind: "attack"; readonly text: string }
  | ({ readonly kind: "observation" } & Observation)
  | ({ readonly kind: "evidence" } & LeftEvidence)
  | { readonly kind: "limit"; readonly text: string };

export interface Scene {
  readonly title: string;
  play(act: Act, stage: Stage): Promise<void>;
}

export interface SceneResult {
  readonly scene: number;
  readonly title: string;
  readonly happenings: readonly Happening[];
  /** Whether everything was noticed that should be. */
  readonly ok: boolean;
}

/** An attack went unseen where it must not. */
export class NotNoticed extends Error {
  override readonly name = "NotNoticed";
}

/** Longer than this nobody is waited for: then it counts as not noticed. */
const patienceMs = 30_000;

export class Act {
  readonly happenings: Happening[] = [];
  readonly signal: AbortSignal;
  readonly #onHappening: (happening: Happening) => Promise<void>;
  readonly #deferred: (() => unknown)[] = [];
  #struckAt = 0;

  constructor(signal: AbortSignal, onHappening: (happening: Happening) => Promise<void>) {
    this.signal = signal;
    this.#onHappening = onHappening;
  }

  get ok(): boolean {
    return !this.happenings.some(
      (each) => each.kind === "observation" && each.outcome === "missed",
    );
  }

  /** What the attacker does next, said before it is done. */
  async attack(text: string): Promise<void> {
    await this.#happens({ kind: "attack", text });
    this.strike();
  }

  /** Those who watch all the time are timed from here. */
  strike(): void {
    this.#struckAt = performance.now();
  }

  /** One who watches all the time must speak up by itself. */
  async watches(by: string, speaks: Promise<string>): Promise<void> {
    await this.#observe(by, () => speaks, this.#struckAt);
  }

  /** One who is asked must find something. */
  async finds(by: string, look: () => Promise<string>): Promise<void> {
    await this.#observe(by, look, performance.now());
  }

  /** Somebody undoes what the attacker did. */
  async mends(by: string, work: () => Promise<string>): Promise<void> {
    await this.#observe(by, work, performance.now(), "mended");
  }

  /** One who is asked finds nothing wrong, and our documents say so; it rejects with a `CairnError` where it does. */
  async isBlind(by: string, look: () => Promise<string>): Promise<void> {
    const begunAt = performance.now();
    let outcome: Outcome = "silent";
    const said = await this.#waitFor(look()).catch((error: unknown) => {
      if (!isCairnError(error)) throw error;
      // It sees more than we promise.
      outcome = "noticed";
      return error.message;
    });
    const ms = performance.now() - begunAt;
    await this.#happens({ kind: "observation", by, outcome, ms, said });
  }

  /** What would be noticed, where the tour cannot try it. */
  async tells(by: string, said: string): Promise<void> {
    await this.#happens({ kind: "observation", by, outcome: "told", said });
  }

  /** What had to be there is not, evidence for instance. */
  async misses(by: string, said: string): Promise<void> {
    await this.#happens({ kind: "observation", by, outcome: "missed", said });
  }

  async leaves(path: string, excerpt: readonly string[]): Promise<void> {
    await this.#happens({ kind: "evidence", path, excerpt });
  }

  async limit(text: string): Promise<void> {
    await this.#happens({ kind: "limit", text });
  }

  /** Runs when the scene is over, however it ends, the last one first. */
  defer(clean: () => unknown): void {
    this.#deferred.push(clean);
  }

  async end(): Promise<void> {
    for (let clean = this.#deferred.pop(); clean !== undefined; clean = this.#deferred.pop()) {
      // What is left of an attacked log need not close well.
      await Promise.resolve(clean()).catch((error: unknown) => {
        if (!isCairnError(error)) throw error;
      });
    }
  }

  async #observe(
    by: string,
    look: () => Promise<string>,
    sinceMs: number,
    good: "noticed" | "mended" = "noticed",
  ): Promise<void> {
    let outcome: Outcome = good;
    let said: string;
    try {
      said = await this.#waitFor(look());
    } catch (error) {
      if (!(error instanceof NotNoticed)) throw error;
      [outcome, said] = ["missed", error.message];
    }
    const ms = performance.now() - sinceMs;
    await this.#happens({ kind: "observation", by, outcome, ms, said });
  }

  async #waitFor(work: Promise<string>): Promise<string> {
    const { promise: ended, reject } = Promise.withResolvers<never>();
    const onAbort = (): void => reject(this.signal.reason);
    this.signal.addEventListener("abort", onAbort, { once: true });
    const timer = setTimeout(
      () => reject(new NotNoticed(`nothing was noticed within ${patienceMs / 1000} s`)),
      patienceMs,
    );
    try {
      this.signal.throwIfAborted();
      return await Promise.race([work, ended]);
    } finally {
      clearTimeout(timer);
      this.signal.removeEventListener("abort", onAbort);
    }
  }

  async #happens(happening: Happening): Promise<void> {
    this.signal.throwIfAborted();
    this.happenings.push(happening);
    await this.#onHappening(happening);
    this.signal.throwIfAborted();
  }
}

/** The refusal that must come; another error is thrown on. */
export async function refusalOf(
  work: Promise<unknown>,
  ...codes: readonly CairnErrorCode[]
): Promise<CairnError> {
  try {
    await work;
  } catch (error) {
    if (isCairnError(error) && codes.includes(error.code)) return error;
    throw error;
  }
  throw new NotNoticed("it was taken for good");
}
