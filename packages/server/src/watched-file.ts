/**
 * What a running server knows from a file that commands replace: looked at each second, and at once when something is
 * asked for that is not in it. A file that cannot be read is an error, not what it said before: who may do what is
 * never decided by the past.
 */
import { readFileSync, statSync } from "node:fs";
import { CairnError } from "@cairnlog/core";
import type { Clock } from "@cairnlog/log";

const checkEveryMs = 1000;

export class WatchedFile<T> {
  readonly #path: string;
  readonly #what: string;
  readonly #parse: (text: string | undefined) => T;
  readonly #clock: Pick<Clock, "monotonic">;
  #held: T | undefined;
  #seen: string | undefined;
  #nextCheck = -Infinity;

  /** `parse` gets undefined where there is no file. `what` names the content in messages: "its API keys". */
  constructor(
    path: string,
    what: string,
    clock: Pick<Clock, "monotonic">,
    parse: (text: string | undefined) => T,
  ) {
    this.#path = path;
    this.#what = what;
    this.#clock = clock;
    this.#parse = parse;
  }

  /** Not older than a second. "unavailable" where the file cannot be read. */
  get(): T {
    return this.#held === undefined || this.#clock.monotonic() >= this.#nextCheck
      ? this.getNow()
      : this.#held;
  }

  /** The same, as it is right now. */
  getNow(): T {
    try {
      const stat = statSync(this.#path, { bigint: true, throwIfNoEntry: false });
      const seen = stat === undefined ? "none" : `${stat.ino} ${stat.size} ${stat.mtimeNs}`;
      if (seen !== this.#seen || this.#held === undefined) {
        // The file is replaced, never changed in place: what is read is not older than what was seen.
        this.#held = this.#parse(stat === undefined ? undefined : readFileSync(this.#path, "utf8"));
        this.#seen = seen;
      }
    } catch (cause) {
      this.#held = undefined;
      this.#seen = undefined;
      throw new CairnError("unavailable", `the server cannot read ${this.#what}`, { cause });
    }
    this.#nextCheck = this.#clock.monotonic() + checkEveryMs;
    return this.#held;
  }
}
