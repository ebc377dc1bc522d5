/**
 * `cairn proof --witnessed`: what a receipt has become. The proof of an entry under the published
 * checkpoint, checked before it is handed out: the entry, its place, the log's signature, the quorum
 * of witnesses; and where an older receipt is at hand, that both are of one history.
 *
 * Where they are not, both signed checkpoints are kept in a file, whatever else happens: together
 * they prove it to anybody who has the log's key.
 */
import { writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { formatAlarm, type Alarm } from "@cairnlog/client";
import {
  CairnError,
  checkQuorum,
  hashLeaf,
  isCairnError,
  isSameBytes,
  parseBase64,
  parseCheckpoint,
  parseEntryHead,
  parseNote,
  parseTlogProof,
  utf8,
  verifyConsistency,
  verifyWitnessedCheckpoint,
  verifyWitnessedProof,
  type Hash,
  type Policy,
  type WitnessedCheckpoint,
} from "@cairnlog/core";
import { nodeCrypto } from "@cairnlog/crypto";
import { parseCount, type CommandContext } from "./command.ts";
import { givenPolicy, policyOfVkeys, readArgument } from "./key-arguments.ts";
import { parseKeptReceipt, verifyKeptReceipt } from "./kept-receipt.ts";
import type { KeptReceipt, KnownCheckpoint } from "./kept-receipt.ts";
import type { LogView } from "./log-view.ts";
import { safeText } from "./safe-text.ts";

const { sha256 } = nodeCrypto;

/** The tlog-proof of what `target` names: a seq, or a file with a receipt. */
export async function witnessedProof(
  context: CommandContext,
  view: LogView,
  target: string,
): Promise<string> {
  const kept = await naming(target, () => findReceipt(context, target));
  const seq = kept?.seq ?? parseCount(target, "seq");
  const origin = kept === undefined ? (await view.describe()).origin : originOf(kept.checkpoint);
  const policy = await findPolicy(context, view);
  const vkeys = policy.logs.map(({ vkey }) => vkey).filter(({ name }) => name === origin);
  const known =
    kept && (await naming(target, () => verifyKeptReceipt(nodeCrypto, kept, vkeys, origin)));
  const holder = { context, view, seq };
  if (known !== undefined) await checkStillThere(holder, known, policy);

  const text = await view.publishedProof(seq);
  const proof = parseTlogProof(utf8(text));
  const { extra, index } = proof;
  const place = { place: { seq } };
  if (extra === undefined || index !== seq || parseEntryHead(extra).seq !== seq) {
    throw new CairnError("unverified", `the proof is not one of entry ${seq}`, place);
  }
  const leafHash = hashLeaf(sha256, extra);
  const witnessed = await verifyWitnessedProof(nodeCrypto, proof, leafHash, policy, { origin });
  const { size, root } = witnessed.checkpoint;
  const shown = { origin, size, root, note: proof.checkpoint };
  if (known !== undefined) await holdTogether(holder, known, shown);
  if (kept !== undefined && !isSameBytes(kept.leafHash, leafHash)) {
    throw new CairnError(
      "unverified",
      `entry ${seq} is not the one that the receipt is for`,
      place,
    );
  }
  checkQuorum(policy, witnessed);
  describe(context, witnessed, known);
  return text;
}

interface Holder {
  readonly context: CommandContext;
  readonly view: LogView;
  readonly seq: number;
}

/** The file's receipt; undefined where the target is a seq. */
function findReceipt({ io }: CommandContext, target: string): KeptReceipt | undefined {
  if (/^[0-9]+$/.test(target)) return undefined;
  return parseKeptReceipt(nodeCrypto, readArgument(io.cwd, target, "receipt"));
}

/** Errors about the receipt name its file. */
async function naming<T>(path: string, read: () => T | Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (!isCairnError(error)) throw error;
    const { code, message, place } = error;
    throw new CairnError(code, message, { cause: error, place: { ...place, path } });
  }
}

/** The user's policy and keys; else the keys that the log itself names, which say nothing of who it is. */
async function findPolicy({ io, output, options }: CommandContext, view: LogView): Promise<Policy> {
  const given = givenPolicy(io.cwd, options);
  if (given !== undefined) return given;
  output.note(
    "Neither --policy nor --vkey: the keys are those that the log itself names, and no witness is asked for.",
  );
  return policyOfVkeys((await view.describe()).vkeys);
}

/** A log that has fewer entries than it once signed was rolled back: there is no proof to wait for. */
async function checkStillThere(
  holder: Holder,
  known: KnownCheckpoint,
  policy: Policy,
): Promise<void> {
  const { size: sizeNow } = await holder.view.describe();
  if (sizeNow >= known.size) return;
  const note = await holder.view.publishedCheckpoint();
  const { origin } = known;
  const { checkpoint } = await verifyWitnessedCheckpoint(nodeCrypto, utf8(note), policy, {
    origin,
  });
  const { size, root } = checkpoint;
  const message = `the log ${origin} signed a checkpoint of size ${known.size}, and says now that it has ${sizeNow} entries`;
  raise(holder, { code: "rollback", message }, known, { origin, size, root, note });
}

/** Of two sizes the larger tree must begin with the smaller one. */
async function holdTogether(
  holder: Holder,
  known: KnownCheckpoint,
  shown: KnownCheckpoint,
): Promise<void> {
  if (known.size === shown.size) {
    if (isSameBytes(known.root, shown.root)) return;
    const message = `the log ${known.origin} signed two roots for size ${known.size}`;
    raise(holder, { code: "fork", message }, known, shown);
  }
  const [older, newer] = known.size < shown.size ? [known, shown] : [shown, known];
  const { proof } = await holder.view.consistency(older.size, newer.size);
  try {
    verifyConsistency(sha256, {
      size1: older.size,
      root1: older.root,
      size2: newer.size,
      root2: newer.root,
      proof: proof.map((hash): Hash => parseBase64(hash)),
    });
  } catch (error) {
    if (!isCairnError(error)) throw error;
    const message = `the log ${known.origin} cannot prove that its checkpoint of size ${newer.size} continues the one of size ${older.size}: ${error.message}`;
    raise(holder, { code: "inconsistent", message, proof }, known, shown);
  }
}

/** Keeps both notes, then says so as loudly as a command can. */
function raise(
  { context, seq }: Holder,
  found: Pick<Alarm, "code" | "message"> & { readonly proof?: readonly string[] },
  known: KnownCheckpoint,
  shown: KnownCheckpoint,
): never {
  const { io, output } = context;
  const evidence = formatAlarm({
    ...found,
    proof: found.proof,
    origin: known.origin,
    time: new Date(io.now()).toISOString(),
    known: known.note,
    shown: shown.note,
  });
  const path = keep(context, seq, evidence);
  output.note(output.paint("bad", "ALARM: THE LOG CONTRADICTS A CHECKPOINT THAT IT SIGNED"));
  const where = path === undefined ? `Keep this:\n${evidence}` : `Both are in ${path}: keep it`;
  throw new CairnError("tampered", `${found.message}. Two signed checkpoints prove it. ${where}`, {
    place: { seq, ...(path === undefined ? {} : { path }) },
  });
}

/** More files than that of one entry say nothing new. */
const filesMax = 100;

/** Under a name that is free. Undefined where it cannot be written. */
function keep({ io, config }: CommandContext, seq: number, evidence: string): string | undefined {
  for (let i = 1; i <= filesMax; i++) {
    const path = `${config.values.log}-${seq}-alarm${i === 1 ? "" : `-${i}`}.json`;
    try {
      writeFileSync(resolve(io.cwd, path), evidence, { flag: "wx" });
      return path;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") return undefined;
    }
  }
  return undefined;
}

function describe(
  { output }: CommandContext,
  { checkpoint, witnesses, logKeys }: WitnessedCheckpoint,
  known: KnownCheckpoint | undefined,
): void {
  const names = witnesses.map(({ name }) => safeText(name)).join(", ");
  output.note(
    `Verified under the published checkpoint of size ${checkpoint.size}: ${logKeys.length} signatures of the log, ` +
      (names === "" ? "no witness asked for" : `cosigned by ${names}`) +
      (known === undefined ? "." : `; it continues the receipt's, of size ${known.size}.`),
  );
}

function originOf(note: string): string {
  return parseCheckpoint(parseNote(utf8(note)).text).origin;
}
