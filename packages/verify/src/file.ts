/**
 * Verifies what fits in one's hand: a tlog-proof, a receipt, a signed checkpoint or seal. The log's keys come from
 * outside; without them such a file proves nothing, because nobody says whose signature it bears.
 */
import {
  base64,
  CairnError,
  type Checkpoint,
  type Crypto,
  type Hash,
  hashLeaf,
  isCairnError,
  isSameBytes,
  parseCheckpoint,
  parseEntry,
  parseNote,
  parseTlogProof,
  parseUtf8,
  plainJsonText,
  receiptFromJson,
  utf8,
  verifyCheckpoint,
  verifyInclusion,
  verifySeal,
  type Vkey,
} from "@cairnlog/core";
import { nodeCrypto } from "@cairnlog/crypto";
import { reportKeys } from "./keys.ts";
import {
  Findings,
  verdictOf,
  type FindingCode,
  type Report,
  type TargetKind,
  type WitnessReport,
} from "./report.ts";
import { summaryOfFile } from "./summary.ts";
import { checkWitnesses, refuseQuorum, trustedKeys, type TrustOptions } from "./trust.ts";

export interface FileOptions extends TrustOptions {
  /** The entry that the proof or receipt is of, where the file does not hold it. */
  readonly entry?: Uint8Array;
  /** What to call the file in the report. */
  readonly name?: string;
  readonly crypto?: Crypto;
}

/** Larger files are none of these. */
export const proofByteLengthMax = 1_048_576;
const proofBegin = "c2sp.org/tlog-proof@";
const sealBegin = "cairnlog/seal/";

/** What a proof or receipt says, whichever form it had. */
interface Claim {
  readonly seq: number;
  readonly proof: readonly Hash[];
  readonly checkpoint: string;
  readonly leafHash: Hash | undefined;
  readonly entry: Uint8Array | undefined;
  /** The origin that a receipt names; undefined for a proof, which leaves that to its checkpoint. */
  readonly origin: string | undefined;
}

/** The options, and the keys of logs that follow from them. */
type Trust = FileOptions & { readonly trusted: readonly Vkey[] };

interface Proven {
  readonly what: string;
  readonly fields: Partial<Report>;
}

/** Verifies the bytes of a file. Whatever is wrong is in the report; "malformed" for keys that are none. */
export async function verifyFile(bytes: Uint8Array, options: FileOptions = {}): Promise<Report> {
  const { crypto = nodeCrypto, name = "file" } = options;
  const vkeys = trustedKeys(crypto, options);
  const findings = new Findings();
  const kind = kindOf(bytes);
  const code: FindingCode = kind === "checkpoint" ? "checkpoint" : "proof";
  const trust = { ...options, trusted: vkeys };
  let proven: Proven | undefined;
  try {
    if (kind === "checkpoint") proven = await checkNote(bytes, trust, crypto, findings);
    else {
      const claim = kind === "proof" ? claimOfProof(bytes) : claimOfReceipt(bytes);
      proven = await checkClaim(claim, trust, crypto, findings);
    }
  } catch (error) {
    if (!isCairnError(error)) throw error;
    findings.caught(error, vkeys.length === 0 && error.code === "unverified" ? "keys" : code);
  }
  const problems = findings.problems();
  const isOk = problems.length === 0;
  const report = {
    ok: isOk,
    verdict: verdictOf(isOk, true),
    kind,
    target: name,
    keys: reportKeys(crypto, vkeys),
    entriesChecked: 0,
    filesChecked: 1,
    ...proven?.fields,
    problems,
    notes: findings.notes(),
    logs: [],
  };
  return { ...report, summary: summaryOfFile(report, proven?.what ?? "") };
}

function kindOf(bytes: Uint8Array): TargetKind {
  const begin = String.fromCharCode(...bytes.subarray(0, 64)).trimStart();
  if (begin.startsWith(proofBegin)) return "proof";
  return begin.startsWith("{") ? "receipt" : "checkpoint";
}

function claimOfProof(bytes: Uint8Array): Claim {
  const { extra, index, proof, checkpoint } = parseTlogProof(bytes);
  const rest = { leafHash: undefined, entry: extra, origin: undefined };
  return { seq: index, proof, checkpoint, ...rest };
}

/** A receipt as the SDK keeps it, or as the server answers: with the entry beside it, or a word about a duplicate. */
function claimOfReceipt(bytes: Uint8Array): Claim {
  const refuse = (why: string): CairnError => new CairnError("malformed", `not a receipt: ${why}`);
  if (bytes.length > proofByteLengthMax) throw refuse(`it has ${bytes.length} bytes`);
  const text = parseUtf8(bytes);
  let members: Readonly<Record<string, unknown>>;
  try {
    members = JSON.parse(text) as Readonly<Record<string, unknown>>;
  } catch {
    throw refuse("it is not JSON");
  }
  // Refuses repeated names, of which JSON.parse keeps the last, and whatever else has two readings.
  if (plainJsonText(text) !== JSON.stringify(members)) throw refuse("it has another spelling");
  const { entry, duplicate, ...rest } = members;
  if (duplicate !== undefined && typeof duplicate !== "boolean") throw refuse("`duplicate` is odd");
  if (entry !== undefined && typeof entry !== "string") throw refuse("`entry` is not text");
  const { seq, proof, checkpoint, leafHash, origin } = receiptFromJson(rest);
  const bytesOfEntry = entry === undefined ? undefined : utf8(entry);
  return { seq, proof, checkpoint, leafHash, entry: bytesOfEntry, origin };
}

async function checkClaim(
  claim: Claim,
  trust: Trust,
  crypto: Crypto,
  findings: Findings,
): Promise<Proven> {
  const { seq, proof, checkpoint } = claim;
  const given = trust.entry;
  if (given !== undefined && claim.entry !== undefined && !isSameBytes(given, claim.entry)) {
    throw new CairnError("unverified", "the file holds another entry than the given one");
  }
  const entry = given ?? claim.entry;
  const leafHash = entry === undefined ? claim.leafHash : hashLeaf(crypto.sha256, entry);
  if (leafHash === undefined) {
    throw new CairnError("unverified", "the file does not hold the entry: give it as well");
  }
  if (claim.leafHash !== undefined && !isSameBytes(leafHash, claim.leafHash)) {
    throw new CairnError("unverified", "the entry does not have the leaf hash of the receipt");
  }
  const time = entry === undefined ? undefined : timeOfEntry(entry, seq, findings);
  const signed = await checkSigned(utf8(checkpoint), trust, crypto, claim.origin, findings);
  const { size, root, origin } = signed.checkpoint;
  verifyInclusion(crypto.sha256, { index: seq, size, leafHash, proof, root });
  if (entry === undefined) {
    findings.note(
      "proof",
      `the entry itself was not at hand: only its hash is proven to be entry ${seq}`,
    );
  }
  return {
    what: `entry ${seq} is in the log ${origin}, under a checkpoint of size ${size} that the given keys signed`,
    fields: {
      origin,
      size,
      root: base64(root),
      checkpoint,
      checkpointSize: size,
      entriesChecked: 1,
      ...witnessesOf(signed),
      ...(time === undefined
        ? {}
        : {
            firstTime: time,
            lastTime: time,
          }),
    },
  };
}

/** An entry of ours says its place itself. Other logs' entries are only hashed. */
function timeOfEntry(entry: Uint8Array, seq: number, findings: Findings): string | undefined {
  try {
    const parsed = parseEntry(entry);
    if (parsed.seq !== seq) {
      findings.problem("order", `the entry says it is entry ${parsed.seq}, not ${seq}`, { seq });
    }
    return parsed.time;
  } catch (error) {
    if (!isCairnError(error)) throw error;
    findings.note("entry", "the entry is not one of Cairn's: only its hash was checked", { seq });
    return undefined;
  }
}

interface Signed {
  readonly checkpoint: Checkpoint;
  readonly witnesses: readonly WitnessReport[];
}

async function checkSigned(
  note: Uint8Array,
  trust: Trust,
  crypto: Crypto,
  named: string | undefined,
  findings: Findings,
): Promise<Signed> {
  const vkeys = trust.trusted;
  const claimed = parseCheckpoint(parseNote(note).text, { allowExtensions: true });
  if (vkeys.length === 0) {
    throw new CairnError(
      "unverified",
      `nothing says whose signature this is: give the key of the log ${JSON.stringify(claimed.origin)}`,
    );
  }
  if (named !== undefined && named !== claimed.origin) {
    throw new CairnError("unverified", "the receipt names another log than its checkpoint");
  }
  const meant = vkeys.filter((vkey) => vkey.name === claimed.origin);
  if (meant.length === 0) {
    throw new CairnError(
      "unverified",
      `it is of the log ${JSON.stringify(claimed.origin)}, and none of the given keys is`,
    );
  }
  const options = { allowExtensions: true };
  const checked = await verifyCheckpoint(crypto, note, meant, claimed.origin, options);
  const witnesses = await checkWitnesses(crypto, note, trust, findings);
  const others = checked.note.signatures.length - checked.verified.length;
  if (others > 0 && trust.policy === undefined) {
    findings.note("checkpoint", `${others} signatures under the checkpoint are of no given key`);
  }
  return { checkpoint: checked.checkpoint, witnesses };
}

async function checkNote(
  bytes: Uint8Array,
  trust: Trust,
  crypto: Crypto,
  findings: Findings,
): Promise<Proven> {
  const { text } = parseNote(bytes);
  if (text.startsWith(sealBegin)) {
    const origin = text.split("\n")[1] ?? "";
    refuseQuorum(trust, "seals", findings);
    const { seal } = await verifySeal(crypto, bytes, trust.trusted, origin);
    const last = seal.first + seal.count - 1;
    const what = `the seal of entries ${seal.first} to ${last} of the log ${origin}; its file was not looked at`;
    return { what, fields: { origin, firstTime: seal.firstTime, lastTime: seal.lastTime } };
  }
  const signed = await checkSigned(bytes, trust, crypto, undefined, findings);
  const { origin, size, root } = signed.checkpoint;
  return {
    what: `the log ${origin} signed size ${size} and this root; no entry was looked at`,
    fields: {
      origin,
      size,
      root: base64(root),
      checkpoint: parseUtf8(bytes),
      checkpointSize: size,
      ...witnessesOf(signed),
    },
  };
}

function witnessesOf({ witnesses }: Signed): Partial<Report> {
  return witnesses.length === 0 ? {} : { witnesses };
}
