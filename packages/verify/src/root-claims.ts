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
  #claims: RootClaim[] = [];
  /** The largest size whose root was the claimed one. */
  #lastGood = 0;

  constructor(findings: Findings) {
    this.#findings = findings;
  }

  add(claim: RootClaim): void {
    this.#claims.push(claim);
  }

  /** Sizes above `from` up to and with `to` that still wait, ascending, each once. */
  waiting(from: number, to: number): number[] {
    const sizes = this.#claims.map(({ size }) => size).filter((size) => size > from && size <= to);
    return [...new Set(sizes)].sort((a, b) => a - b);
  }

  isWaiting(size: number): boolean {
    return this.#claims.some((claim) => claim.size === size);
  }

  /** The tree of `size` has `root`, as recomputed from the entries. */
  settle(size: number, root: Hash): void {
    const due = this.#claims.filter((claim) => claim.size === size);
    if (due.length === 0) return;
    this.#claims = this.#claims.filter((claim) => claim.size !== size);
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
    if (this.#claims.length === 0) return;
    const sizes = [...new Set(this.#claims.map(({ size }) => size))];
    const from = Math.min(...sizes);
    this.#findings.note("root", `roots of size ${from} and above could not be recomputed`);
    this.#claims = [];
  }
}
