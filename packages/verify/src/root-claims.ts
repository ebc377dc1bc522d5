/**
 * Everything that says "the tree of this size has this root": commit records, the published checkpoint, a note that
 * the user brought. Each is compared when the tree has grown to its size.
 */
import { base64, isSameBytes, type ErrorPlace, type Hash } from "@cairnlog/core";
import type { FindingCode, Findings } from "./report.ts";

export interface RootClaim {
  readonly size: number;
  readonly root: Hash;
  /** Who claims it: "commit record 7". */
  readonly what: string;
  readonly code: FindingCode;
  readonly place: ErrorPlace;
}

export class RootClaims {
  readonly #findings: Findings;
  /** By size: a bucket may hold a claim for each minute of years. */
  readonly #claims = new Map<number, RootClaim[]>();
  /** The largest size whose root was the claimed one. */
  #lastGood = 0;

  constructor(findings: Findings) {
    this.#findings = findings;
  }

  add(claim: RootClaim): void {
    const same = this.#claims.get(claim.size);
    if (same === undefined) this.#claims.set(claim.size, [claim]);
    else same.push(claim);
  }

  /** Sizes above `from` up to and with `to` that still wait, ascending, each once. */
  waiting(from: number, to: number): number[] {
    const sizes = [...this.#claims.keys()].filter((size) => size > from && size <= to);
    return sizes.sort((a, b) => a - b);
  }

  isWaiting(size: number): boolean {
    return this.#claims.has(size);
  }

  /** The tree of `size` has `root`, as recomputed from the entries. */
  settle(size: number, root: Hash): void {
    const due = this.#claims.get(size);
    if (due === undefined) return;
    this.#claims.delete(size);
    let isGood = true;
    for (const claim of due) {
      if (isSameBytes(claim.root, root)) continue;
      isGood = false;
      const { what, code, place } = claim;
      const from = this.#lastGood;
      const where = from === 0 ? "" : `; entries before ${from} are as another record has them`;
      this.#findings.problem(
        code === "checkpoint" ? code : "root",
        `the ${size} entries that are here hash to the root ${base64(root)}, and ${what} says ` +
          `${base64(claim.root)}: entries were changed, or it was${where}`,
        { ...place, ...(size > from ? { seq: from } : {}) },
      );
    }
    if (isGood) this.#lastGood = size;
  }

  /** What could not be compared, after damage stopped the hashing. */
  finish(): void {
    if (this.#claims.size === 0) return;
    let from = Infinity;
    for (const size of this.#claims.keys()) from = Math.min(from, size);
    this.#findings.note("root", `roots of size ${from} and above could not be recomputed`);
    this.#claims.clear();
  }
}
