/** Verifies one sealed file by itself: 65,536 entries, their hashes and their seal. */
import { basename, dirname } from "node:path";
import { base64, isCairnError, type Crypto } from "@cairnlog/core";
import { nodeCrypto } from "@cairnlog/crypto";
import { checkSegment, segmentEntries } from "@cairnlog/store";
import { checkPinned, reportKeys } from "./keys.ts";
import { Findings, verdictOf, type Report } from "./report.ts";
import { DirectFiles } from "./segment-job.ts";
import { summaryOfFile } from "./summary.ts";
import { refuseQuorum, trustedKeys, type TrustOptions } from "./trust.ts";

export interface SealedFileOptions extends TrustOptions {
  readonly onProgress?: (progress: {
    readonly target: string;
    readonly entriesDone: number;
    readonly entriesTotal: number;
  }) => void;
  readonly signal?: AbortSignal;
  readonly crypto?: Crypto;
}

/** How a sealed file begins, whatever its version. */
export const sealedFileBegin = "cairn-sealed-v";

export async function verifySealedFile(
  path: string,
  byteLength: number,
  options: SealedFileOptions = {},
): Promise<Report> {
  const { crypto = nodeCrypto, onProgress, signal } = options;
  const vkeys = trustedKeys(crypto, options);
  const findings = new Findings();
  refuseQuorum(options, "seals", findings);
  const files = new DirectFiles(dirname(path));
  let fields: Partial<Report> = {};
  let what = "";
  try {
    const { seal, verified } = await checkSegment({
      reader: files,
      path: basename(path),
      byteLength,
      crypto,
      ...(vkeys.length === 0 ? {} : { vkeys }),
      onProgress: (entriesDone) => {
        signal?.throwIfAborted();
        onProgress?.({
          target: path,
          entriesDone,
          entriesTotal: segmentEntries,
        });
      },
    });
    const own = verified.map(({ vkey }) => vkey);
    checkPinned(vkeys, own, seal.origin, findings);
    if (vkeys.length === 0) {
      findings.note("keys", "no key was given: the seal's signature was not checked");
    }
    const { origin, first, root, firstTime, lastTime } = seal;
    const last = first + segmentEntries - 1;
    what = `entries ${first} to ${last} of the log ${origin} are as they were sealed`;
    fields = { origin, firstTime, lastTime, root: base64(root), entriesChecked: segmentEntries };
  } catch (error) {
    if (!isCairnError(error)) throw error;
    findings.caught(error, "sealed");
  } finally {
    files.close();
  }
  const problems = findings.problems();
  const isOk = problems.length === 0;
  const report = {
    ok: isOk,
    verdict: verdictOf(isOk, vkeys.length > 0),
    kind: "sealed file" as const,
    target: path,
    keys: reportKeys(crypto, vkeys),
    entriesChecked: 0,
    filesChecked: 1,
    ...fields,
    problems,
    notes: findings.notes(),
    logs: [],
  };
  return { ...report, summary: summaryOfFile(report, what) };
}
