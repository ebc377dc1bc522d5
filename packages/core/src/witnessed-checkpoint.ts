/**
 * A checkpoint under a policy: which of the log's keys signed it, which witnesses cosigned it and when, and whether
 * those are a quorum.
 *
 * A witness's word never stands for the log's: without a signature by a key of the log itself nothing is verified, and
 * a log's key under the name of another log does not count. The reverse cannot happen either: no policy has one key in
 * both roles. Type 0x04 covers the whole text and type 0x06 names the origin, so that a cosignature that was moved to
 * another log's checkpoint does not match there.
 */
import type { Crypto } from "./crypto.ts";
import {
  parseCheckpoint,
  verifyCheckpointSignatures,
  type CheckpointOptions,
  type ParsedCheckpoint,
} from "./checkpoint.ts";
import { utf8 } from "./encoding.ts";
import { CairnError } from "./errors.ts";
import type { Hash } from "./hash.ts";
import { parseNote, type Note, type VerifiedSignature } from "./note.ts";
import { isQuorum, type Policy } from "./policy.ts";
import { verifyInclusion } from "./proof.ts";
import type { TlogProof } from "./tlog-proof.ts";
import type { Vkey } from "./vkey.ts";

/** A witness of the policy that cosigned. */
export interface WitnessCosignature {
  /** The witness's name in the policy. */
  readonly name: string;
  readonly vkey: Vkey;
  /** Its newest, in seconds since 1970; 0 where the witness makes no statement about time (type 0x06 only). */
  readonly timestamp: number;
}

export interface WitnessedCheckpoint {
  readonly checkpoint: ParsedCheckpoint;
  readonly note: Note;
  /** The log's own keys that signed; at least one. */
  readonly logKeys: readonly VerifiedSignature[];
  /** The witnesses whose cosignature counts, in the policy's order. */
  readonly witnesses: readonly WitnessCosignature[];
  /** Those whose cosignature is of a time that has not come yet. They do not count. */
  readonly ahead: readonly WitnessCosignature[];
  /** Whether `witnesses` are enough for the policy. Nothing is witnessed without it. */
  readonly isQuorum: boolean;
}

export interface WitnessedOptions extends CheckpointOptions {
  /** Seconds since 1970. With it, cosignatures of more than `clockSkewSecondsMax` later do not count. */
  readonly now?: number;
  /** The log that the checkpoint must be of. Without it: any log of the policy. */
  readonly origin?: string;
}

/** How far a witness's clock may be ahead of ours. */
export const clockSkewSecondsMax = 300;

/**
 * Checks a signed note that should be a checkpoint of a log of the policy. "unverified" if no key of that log signed,
 * or if a line names a key that is known, log's or witness's, and its signature does not match. Lines of unknown keys
 * are skipped. That the quorum is not there is no error: look at `isQuorum`.
 */
export async function verifyWitnessedCheckpoint(
  crypto: Crypto,
  bytes: Uint8Array,
  policy: Policy,
  options: WitnessedOptions = {},
): Promise<WitnessedCheckpoint> {
  const note = parseNote(bytes);
  const checkpoint = parseCheckpoint(note.text, options);
  const { origin } = checkpoint;
  const unverified = (why: string): CairnError =>
    new CairnError("unverified", `the checkpoint is of the log ${JSON.stringify(origin)}, ${why}`);
  if (options.origin !== undefined && origin !== options.origin) {
    throw unverified(`not of ${JSON.stringify(options.origin)}`);
  }
  const logVkeys = policy.logs.map((log) => log.vkey);
  if (!logVkeys.some((vkey) => vkey.name === origin)) {
    const origins = [...new Set(logVkeys.map((vkey) => vkey.name))].slice(0, 8);
    throw unverified(
      `and the policy has no key of that log; it has keys of ${JSON.stringify(origins)}. ` +
        "Check that file and policy belong together",
    );
  }
  const witnessOf = new Map(policy.witnesses.map((witness) => [witness.vkey, witness.name]));
  const all = await verifyCheckpointSignatures(crypto, note, checkpoint, [
    ...logVkeys,
    ...witnessOf.keys(),
  ]);
  const isLogKey = new Set(logVkeys.filter((vkey) => vkey.name === origin));
  const logKeys = all.filter(({ vkey }) => isLogKey.has(vkey));
  if (logKeys.length === 0) throw unverified("and none of that log's keys in the policy signed it");
  const latest = options.now === undefined ? Infinity : options.now + clockSkewSecondsMax;
  const witnesses: WitnessCosignature[] = [];
  const ahead: WitnessCosignature[] = [];
  for (const [vkey, name] of witnessOf) {
    const timestamp = all.find((signature) => signature.vkey === vkey)?.timestamp;
    if (timestamp === undefined) continue;
    (timestamp > latest ? ahead : witnesses).push({ name, vkey, timestamp });
  }
  return {
    checkpoint,
    note,
    logKeys,
    witnesses,
    ahead,
    isQuorum: isQuorum(
      policy,
      witnesses.map(({ name }) => name),
    ),
  };
}

/**
 * Checks that the entry with this leaf hash is in a log of the policy, by a tlog-proof whose checkpoint witnesses
 * cosigned: what a receipt becomes. "unverified" and "malformed" as above, and where the path does not lead to the
 * root. The proof's `extra` is not looked at, and the quorum is the caller's to ask for, as above.
 */
export async function verifyWitnessedProof(
  crypto: Crypto,
  proof: TlogProof,
  leafHash: Hash,
  policy: Policy,
  options: WitnessedOptions = {},
): Promise<WitnessedCheckpoint> {
  const bytes = utf8(proof.checkpoint);
  const witnessed = await verifyWitnessedCheckpoint(crypto, bytes, policy, options);
  const { size, root } = witnessed.checkpoint;
  verifyInclusion(crypto.sha256, {
    index: proof.index,
    size,
    leafHash,
    proof: proof.proof,
    root,
  });
  return witnessed;
}

/** Returns if the witnesses that cosigned are a quorum of the policy, else throws "unverified" and says who did. */
export function checkQuorum(policy: Policy, witnessed: WitnessedCheckpoint): void {
  if (witnessed.isQuorum) return;
  const { witnesses, ahead } = witnessed;
  const names = witnesses.map(({ name }) => name);
  throw new CairnError(
    "unverified",
    `the policy's quorum ${JSON.stringify(policy.quorum)} is not there: the checkpoint was cosigned by ` +
      `${names.length} of its ${policy.witnesses.length} witnesses` +
      (names.length > 0 ? `, ${JSON.stringify(names)}` : "") +
      (ahead.length > 0 ? `, and by ${ahead.length} at a time that has not come yet` : "") +
      ". Ask for a checkpoint that enough witnesses cosigned",
  );
}
