/**
 * Verifies an evidence file (docs/spec/evidence.md) and says what is in it. Keys and policy come from outside. Without
 * them the best that can be said is "consistent, signer unknown", which proves nothing: anybody can make such a file.
 */
import {
  isCairnError,
  verifyEvidence,
  type Crypto,
  type EvidenceVerdict,
  base64,
} from "@cairnlog/core";
import { nodeCrypto } from "@cairnlog/crypto";
import { evidenceInPage } from "./evidence-page.ts";
import { reportKeys } from "./keys.ts";
import { Findings, type EvidenceReport, type Report } from "./report.ts";
import { summaryOfFile } from "./summary.ts";
import { reportWitness, trustedPolicy, type TrustOptions } from "./trust.ts";

export interface EvidenceFileOptions extends TrustOptions {
  /** What to call the file in the report. */
  readonly name?: string;
  /** Whether the bytes are a page with the evidence file in it. */
  readonly isPage?: boolean;
  readonly crypto?: Crypto;
}

/** How an evidence file begins, whatever its version. */
export const evidenceBegin = "cairnlog/evidence/v";

/**
 * Verifies the bytes of an evidence file, or of a page that holds one. Whatever is wrong is in the report; it is `ok`
 * only if it is verified.
 */
export async function verifyEvidenceFile(
  bytes: Uint8Array,
  options: EvidenceFileOptions = {},
): Promise<Report> {
  const { crypto = nodeCrypto, name = "file", now } = options;
  const policy = trustedPolicy(crypto, options);
  const findings = new Findings();
  let found: EvidenceVerdict | undefined;
  try {
    if (options.isPage === true) {
      findings.note("proof", "what the page shows was not looked at, only the evidence in it");
    }
    const evidence = options.isPage === true ? evidenceInPage(bytes) : bytes;
    found = await verifyEvidence(crypto, evidence, policy, now === undefined ? {} : { now });
    if (!found.isExportRecorded) {
      findings.note(
        "proof",
        "who exported the file, why and when is not proven: its entry is not in the file",
      );
    }
  } catch (error) {
    if (!isCairnError(error)) throw error;
    findings.caught(error, error.place.seq === undefined ? "proof" : "entry");
  }
  const problems = findings.problems();
  const report = {
    ok: found?.verdict === "verified",
    verdict: found?.verdict ?? ("failed" as const),
    kind: "evidence" as const,
    target: name,
    keys: reportKeys(
      crypto,
      found?.signers.map(({ vkey }) => vkey) ?? policy?.logs.map(({ vkey }) => vkey) ?? [],
    ),
    entriesChecked: 0,
    filesChecked: 1,
    ...(found === undefined ? {} : fieldsOf(found)),
    problems,
    notes: findings.notes(),
    logs: [],
  };
  return { ...report, summary: summaryOfFile(report, found === undefined ? "" : whatOf(found)) };
}

function fieldsOf({ evidence, witnesses, isExportRecorded }: EvidenceVerdict): Partial<Report> {
  const { header, parsed, parsedCheckpoint, checkpoint } = evidence;
  const { origin, size, recorded } = header;
  const told: EvidenceReport = {
    ...header.export,
    isRecorded: isExportRecorded,
    ...(recorded === undefined ? {} : { recorded }),
    seqs: rangesOf(parsed.map(({ seq }) => seq)),
  };
  return {
    origin,
    size,
    root: base64(parsedCheckpoint.root),
    checkpoint,
    checkpointSize: size,
    entriesChecked: parsed.length,
    firstTime: parsed[0]!.time,
    lastTime: parsed.at(-1)!.time,
    witnesses: witnesses.map(reportWitness),
    evidence: told,
  };
}

function whatOf({ verdict, evidence, signers, witnesses }: EvidenceVerdict): string {
  const { origin, size } = evidence.header;
  const count = evidence.entries.length === 1 ? "the entry is" : "the entries are";
  const what = `${count} in the log ${origin}, under a checkpoint of size ${size}`;
  if (verdict === "verified") {
    const names = witnesses.map(({ name }) => name).join(", ");
    const by = names === "" ? "" : ` and these witnesses cosigned: ${names}`;
    return `${what} that the given keys signed${by}`;
  }
  const signed = signers.length === 0 ? "no key signed that was looked at" : "its own key signed";
  return (
    `signer unknown. If the key is the log's, ${what}; ${signed}. Anybody can make such a file: compare the ` +
    "fingerprint with one that reached you another way, then give the key with --vkey, or a policy with --policy"
  );
}

/** `5-10, 12` */
function rangesOf(seqs: readonly number[]): string {
  const texts: string[] = [];
  for (let i = 0; i < seqs.length;) {
    const first = seqs[i]!;
    let last = first;
    for (i++; seqs[i] === last + 1; i++) last++;
    texts.push(first === last ? String(first) : `${first}-${last}`);
  }
  return texts.join(",");
}
