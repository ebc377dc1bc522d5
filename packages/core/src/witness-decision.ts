/**
 * What a witness answers to `add-checkpoint` (C2SP tlog-witness), as pure functions, in the specification's order:
 *
 *     404  the origin is unknown                               \
 *     403  no trusted key signed, or a signature is wrong       |  `admitCheckpoint`, slow: signatures
 *     400  the old size is above the checkpoint's              /
 *     409  the old size is not the one that is held            \
 *     422  an empty tree without the empty root                 |  `decideAdmitted`, fast: hashes
 *     422  a proof that is not empty from size 0                |
 *     422  same size, other root                                |
 *     422  the proof does not verify                           /
 *     200
 *
 * (A body that does not parse is a 400 before all of these.) The two halves are apart because the second one must be
 * atomic with keeping the new state: the specification shows the race in which a witness forgets what it has signed.
 * Do not let anything else happen to the log's state between `decideAdmitted` and the moment it is durable, and let
 * no cosignature leave before that.
 */
import type { ParsedAddCheckpoint } from "./add-checkpoint.ts";
import { verifyCheckpointSignatures } from "./checkpoint.ts";
import type { Crypto } from "./crypto.ts";
import { base64 } from "./encoding.ts";
import { isCairnError } from "./errors.ts";
import { isSameBytes, type Hash, type Sha256 } from "./hash.ts";
import { emptyRoot } from "./merkle.ts";
import type { VerifiedSignature } from "./note.ts";
import { verifyConsistency } from "./proof.ts";
import type { Vkey } from "./vkey.ts";

/** The latest checkpoint of a log that the witness cosigned. */
export interface WitnessState {
  readonly size: number;
  readonly root: Hash;
}

/** A refusal that does not depend on the witness's state. */
export interface NotAdmitted {
  readonly status: 400 | 403 | 404;
  /** What is wrong and what to do; one sentence. */
  readonly reason: string;
}

/** A checkpoint that its log signed: cosigned if it continues what the witness holds. */
export interface Admitted {
  readonly status: 200;
  readonly request: ParsedAddCheckpoint;
  /** The log's keys that signed, each once. */
  readonly verified: readonly VerifiedSignature[];
}

export type WitnessRefusal =
  | {
      readonly status: 409;
      /** What the witness holds; 0 if it never cosigned a checkpoint of the log. */
      readonly size: number;
      readonly reason: string;
    }
  | {
      readonly status: 422;
      /**
       * "root" is the log's own proof against itself: it signed two roots for one size. The others may also be a
       * sender's mistake.
       */
      readonly because: "empty-root" | "proof" | "root";
      readonly reason: string;
    };

/** What the answer is, and with 200 what to make durable before it is given. */
export type WitnessDecision =
  { readonly status: 200; readonly state: WitnessState } | WitnessRefusal;

/**
 * The half that needs no state. `logKeys` are the keys that the witness trusts for the checkpoint's origin, undefined
 * where it does not know the origin.
 */
export async function admitCheckpoint(
  crypto: Crypto,
  request: ParsedAddCheckpoint,
  logKeys: readonly Vkey[] | undefined,
): Promise<Admitted | NotAdmitted> {
  const { note, parsed, oldSize } = request;
  if (logKeys === undefined) {
    const origin = JSON.stringify(parsed.origin.slice(0, 300));
    return { status: 404, reason: `the log ${origin} is not known to this witness` };
  }
  let verified: VerifiedSignature[];
  try {
    verified = await verifyCheckpointSignatures(crypto, note, parsed, logKeys);
  } catch (error) {
    if (!isCairnError(error, "unverified")) throw error;
    return { status: 403, reason: error.message };
  }
  if (oldSize > parsed.size) {
    const reason = `the old size, ${oldSize}, is above the checkpoint's, ${parsed.size}`;
    return { status: 400, reason };
  }
  return { status: 200, request, verified };
}

/** The half that must be atomic. `held` is undefined where no checkpoint of the log was ever cosigned. */
export function decideAdmitted(
  sha256: Sha256,
  admitted: Admitted,
  held: WitnessState | undefined,
): WitnessDecision {
  const { oldSize, proof, parsed } = admitted.request;
  const { size, root } = parsed;
  const heldSize = held?.size ?? 0;
  if (oldSize !== heldSize) {
    return {
      status: 409,
      size: heldSize,
      reason: `the old size is ${oldSize}, but this witness holds size ${heldSize}`,
    };
  }
  if (size === 0 && !isSameBytes(root, emptyRoot(sha256))) {
    return {
      status: 422,
      because: "empty-root",
      reason: `the root of an empty tree is not ${base64(root)}`,
    };
  }
  // `held` of size 0 has the empty root: it passed the check above when it came.
  if (oldSize === 0 || held === undefined) {
    if (proof.length === 0) return { status: 200, state: { size, root } };
    return { status: 422, because: "proof", reason: "a proof from old size 0 has no hashes" };
  }
  if (size === oldSize && !isSameBytes(root, held.root)) {
    const reason =
      `this witness holds root ${base64(held.root)} for size ${size}; the checkpoint says ` +
      `${base64(root)}. Both are signed by the log: keep them as evidence`;
    return { status: 422, because: "root", reason };
  }
  try {
    verifyConsistency(sha256, {
      size1: oldSize,
      root1: held.root,
      size2: size,
      root2: root,
      proof,
    });
  } catch (error) {
    if (!isCairnError(error, "unverified") && !isCairnError(error, "malformed")) throw error;
    return { status: 422, because: "proof", reason: error.message };
  }
  return { status: 200, state: { size, root } };
}

/** Both halves, for a caller that holds the log's state still meanwhile. */
export async function decideAddCheckpoint(
  crypto: Crypto,
  request: ParsedAddCheckpoint,
  logKeys: readonly Vkey[] | undefined,
  held: WitnessState | undefined,
): Promise<NotAdmitted | WitnessDecision> {
  const admitted = await admitCheckpoint(crypto, request, logKeys);
  return admitted.status === 200 ? decideAdmitted(crypto.sha256, admitted, held) : admitted;
}
