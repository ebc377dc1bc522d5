/** Checkpoints as the client saw them, and what two of them say against each other. */
import { isSameBytes, type Hash } from "@cairnlog/core";

export interface CheckpointClaim {
  readonly origin: string;
  /** Entries in the tree. */
  readonly size: number;
  readonly root: Hash;
  /** The signed note, verbatim. */
  readonly note: string;
  /** True if a pinned key signed it. */
  readonly isVerified: boolean;
}

/** A witness of the policy that cosigned a checkpoint. */
export interface Cosigner {
  /** As the policy calls it. */
  readonly name: string;
  /** By the witness's clock, in seconds since 1970; 0 where its signature says nothing of time. */
  readonly timestamp: number;
}

/** A published checkpoint under a policy. */
export interface PublishedClaim extends CheckpointClaim {
  readonly witnesses: readonly Cosigner[];
  /** Why the witnesses are not enough for the policy; undefined where they are. */
  readonly quorumFailure: string | undefined;
}

/** Two checkpoints, both signed by the log, that cannot both be true. */
export interface Conflict {
  readonly code: "fork" | "rollback" | "inconsistent";
  readonly message: string;
  /** What a receipt stands under, or what the log showed before. */
  readonly known: CheckpointClaim;
  readonly shown: CheckpointClaim;
  /** With "inconsistent": the proof that came and proves nothing, base64. */
  readonly proof?: readonly string[];
}

/** Two roots for one size: nothing more is needed to prove it. */
export function findFork(known: CheckpointClaim, shown: CheckpointClaim): Conflict | undefined {
  if (known.size !== shown.size || isSameBytes(known.root, shown.root)) return undefined;
  const message =
    `the log ${shown.origin} was rolled back or forked: it signed a checkpoint of size ` +
    `${known.size} before, and another of size ${shown.size} now`;
  return { code: "fork", message, known, shown };
}

/** The log shows less than it did. Only for checkpoints of one kind, in the order they came in. */
export function findRollback(known: CheckpointClaim, shown: CheckpointClaim): Conflict | undefined {
  if (shown.size >= known.size) return undefined;
  const message =
    `the log ${shown.origin} was rolled back or forked: it signed a checkpoint of size ` +
    `${known.size} before, and shows one of size ${shown.size} now`;
  return { code: "rollback", message, known, shown };
}
