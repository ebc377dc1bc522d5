/**
 * What the log shows to everybody, and whether what it told this client is part of it: the
 * published checkpoint, and consistency proofs between it and the checkpoints of receipts.
 *
 * A proof for one checkpoint holds for every entry under it. So all the receipts of some seconds
 * are held to the published checkpoint in two requests, however many they are.
 */
import {
  CairnError,
  isCairnError,
  parseBase64,
  verifyConsistency,
  type Sha256,
} from "@cairnlog/core";
import {
  findFork,
  type CheckpointClaim,
  type Conflict,
  type PublishedClaim,
} from "./checkpoint-claim.ts";
import { isObject } from "./problem.ts";
import { parseJson, type Transport } from "./transport.ts";
import type { Trust } from "./trust.ts";

/** As many sizes as the server takes in one request (docs/spec/http.md). */
const sizesMax = 500;

export class PublishedLog {
  readonly #transport: Transport;
  readonly #trust: Trust;
  /** `/v1/logs/<name>` */
  readonly #path: string;

  constructor(transport: Transport, trust: Trust, path: string) {
    this.#transport = transport;
    this.#trust = trust;
    this.#path = path;
  }

  /** The published checkpoint as it came; nobody has looked at it yet. */
  async note(signal?: AbortSignal): Promise<string> {
    const path = `${this.#path}/checkpoint?kind=published`;
    return (await this.#transport.get(path, { signal })).text;
  }

  /** What a note is worth. "unverified" where no pinned key signed it. */
  verify(note: string): Promise<PublishedClaim> {
    return this.#trust.published(note);
  }

  /**
   * Holds checkpoints to the one that is shown: of two sizes, the larger tree must begin with the
   * smaller one. Undefined where all is well; rejects where the log gave no answer.
   */
  async findConflict(
    known: readonly CheckpointClaim[],
    shown: CheckpointClaim,
    signal?: AbortSignal,
  ): Promise<Conflict | undefined> {
    for (const each of known) {
      const fork = findFork(each, shown);
      if (fork !== undefined) return fork;
    }
    const { sha256 } = await this.#trust.crypto();
    const smaller = new Set(known.map(({ size }) => size).filter((size) => size < shown.size));
    const sizes = [...smaller].sort((a, b) => a - b);
    for (let i = 0; i < sizes.length; i += sizesMax) {
      const some = sizes.slice(i, i + sizesMax);
      const proofs = await this.#consistency(some, shown.size, signal);
      for (const older of known) {
        const proof = proofs.get(older.size);
        if (proof === undefined) continue;
        const conflict = disproof(sha256, older, shown, proof, { known: older, shown });
        if (conflict !== undefined) return conflict;
      }
    }
    for (const newer of known.filter(({ size }) => size > shown.size)) {
      const proofs = await this.#consistency([shown.size], newer.size, signal);
      const proof = proofs.get(shown.size)!;
      const conflict = disproof(sha256, shown, newer, proof, { known: newer, shown });
      if (conflict !== undefined) return conflict;
    }
    return undefined;
  }

  /** One proof for each of `sizes`, which ascend. What the proofs are worth is not looked at. */
  async #consistency(
    sizes: readonly number[],
    to: number,
    signal: AbortSignal | undefined,
  ): Promise<Map<number, readonly string[]>> {
    const path = `${this.#path}/consistency?from=${sizes.join(",")}&to=${to}`;
    const answer = parseJson((await this.#transport.get(path, { signal })).text);
    const list: unknown = isObject(answer) ? (answer["proofs"] ?? [answer]) : undefined;
    const found = new Map<number, readonly string[]>();
    for (const each of Array.isArray(list) ? (list as unknown[]) : []) {
      if (!isObject(each)) continue;
      const { from, proof } = each;
      if (typeof from === "number" && isTextList(proof)) found.set(from, proof);
    }
    if (sizes.every((size) => found.has(size))) return found;
    throw new CairnError("malformed", "the server's answer lacks consistency proofs");
  }
}

/** The conflict that it is if the log cannot prove that `older` is what `newer` begins with. */
function disproof(
  sha256: Sha256,
  older: CheckpointClaim,
  newer: CheckpointClaim,
  proof: readonly string[],
  pair: Pick<Conflict, "known" | "shown">,
): Conflict | undefined {
  try {
    verifyConsistency(sha256, {
      size1: older.size,
      root1: older.root,
      size2: newer.size,
      root2: newer.root,
      proof: proof.map(parseBase64),
    });
    return undefined;
  } catch (error) {
    if (!isCairnError(error)) throw error;
    const message =
      `the log ${newer.origin} signed a checkpoint of size ${older.size} and one of size ` +
      `${newer.size}, and cannot prove that the one continues the other: ${error.message}`;
    return { code: "inconsistent", message, ...pair, proof };
  }
}

function isTextList(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((each) => typeof each === "string");
}
