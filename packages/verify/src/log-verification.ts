/**
 * What the verifications of a whole log share, however they get at its bytes: the keys, the findings, the checkpoint
 * that the user brought, and the report at the end.
 */
import {
  base64,
  isCairnError,
  utf8,
  verifyCheckpoint,
  type Crypto,
  type Vkey,
} from "@cairnlog/core";
import { reportKeys } from "./keys.ts";
import { Findings, verdictOf, type Report, type TargetKind, type WitnessReport } from "./report.ts";
import { RootClaims } from "./root-claims.ts";
import { summaryOfLog } from "./summary.ts";

/** What a verification came to know; undefined where it did not get so far. */
export interface LogFacts {
  readonly origin: string | undefined;
  readonly newest: { readonly size: number; readonly root: Uint8Array } | undefined;
  readonly published: { readonly note: string; readonly size: number } | undefined;
  readonly firstTime: string | undefined;
  readonly lastTime: string | undefined;
  readonly entriesChecked: number;
  readonly filesChecked: number;
}

export class LogVerification {
  readonly kind: TargetKind;
  readonly target: string;
  readonly crypto: Crypto;
  /** Keys from outside. */
  readonly pinned: readonly Vkey[];
  /** The log's keys: among the pinned ones, or as it names them itself. Set once they are known. */
  own: readonly Vkey[] = [];
  /** Witnesses of the policy that cosigned the published checkpoint. */
  witnesses: readonly WitnessReport[] = [];
  readonly findings = new Findings();
  readonly claims = new RootClaims(this.findings);

  constructor(kind: TargetKind, target: string, crypto: Crypto, pinned: readonly Vkey[]) {
    this.kind = kind;
    this.target = target;
    this.crypto = crypto;
    this.pinned = pinned;
  }

  /**
   * Claims the root of a checkpoint from outside. Any one of the log's keys is enough on it: receipts carry one
   * signature. `isBeyond` is asked whether the log has less than it says, and tells that.
   */
  async claimGiven(
    given: string | undefined,
    origin: string,
    isBeyond: (size: number, what: string) => boolean,
  ): Promise<void> {
    if (given === undefined) return;
    const what = "the given checkpoint";
    try {
      const options = { allowExtensions: true };
      const { crypto, own } = this;
      const { checkpoint } = await verifyCheckpoint(crypto, utf8(given), own, origin, options);
      const { size, root } = checkpoint;
      if (isBeyond(size, what)) return;
      this.claims.add({ size, root, what, code: "checkpoint", place: {} });
    } catch (error) {
      if (!isCairnError(error)) throw error;
      this.findings.problem("checkpoint", `${what} is not of this log: ${error.message}`);
    }
  }

  report(facts: LogFacts): Report {
    const { origin, newest, published, firstTime, lastTime } = facts;
    const { entriesChecked, filesChecked } = facts;
    const problems = this.findings.problems();
    const isOk = problems.length === 0;
    const report = {
      ok: isOk,
      verdict: verdictOf(isOk, this.pinned.length > 0),
      kind: this.kind,
      target: this.target,
      ...(origin === undefined ? {} : { origin }),
      keys: reportKeys(this.crypto, this.own),
      ...(newest === undefined ? {} : { size: newest.size, root: base64(newest.root) }),
      entriesChecked,
      filesChecked,
      ...(published && { checkpoint: published.note, checkpointSize: published.size }),
      ...(firstTime === undefined ? {} : { firstTime }),
      ...(lastTime === undefined ? {} : { lastTime }),
      ...(this.witnesses.length === 0 ? {} : { witnesses: this.witnesses }),
      problems,
      notes: this.findings.notes(),
      logs: [],
    };
    return { ...report, summary: summaryOfLog(report) };
  }
}
