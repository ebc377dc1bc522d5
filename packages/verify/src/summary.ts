/** The verdict in words. */
import type { Report } from "./report.ts";

type Unsummed = Omit<Report, "summary">;

export function summaryOfLog(report: Unsummed): string {
  const { problems, size, entriesChecked } = report;
  const [first] = problems;
  if (first !== undefined) {
    const count = problems.length === 1 ? "1 problem" : `${problems.length} problems`;
    return `NOT VERIFIED, ${count}; the first: ${placeText(first)}${first.message}`;
  }
  const entries = `all ${size ?? entriesChecked} entries`;
  if (report.verdict === "verified") {
    return `Verified: ${entries}, their chain, their tree and its signatures, under the keys that were given.`;
  }
  return (
    `Consistent: ${entries}, their chain, their tree and its signatures agree. The keys came from the log itself: ` +
    "compare the fingerprint with one that reached you another way."
  );
}

export function summaryOfFile(report: Unsummed, proven: string): string {
  const [first] = report.problems;
  if (first !== undefined) return `NOT VERIFIED: ${placeText(first)}${first.message}`;
  if (report.verdict === "verified") return `Verified: ${proven}.`;
  return report.kind === "evidence" ? `Consistent, ${proven}.` : `Consistent: ${proven}.`;
}

/** One report over those of a data folder's logs. */
export function summaryOfLogs(target: string, logs: readonly Report[]): Report {
  const bad = logs.filter(({ ok }) => !ok);
  const isOk = bad.length === 0;
  const isVerified = isOk && logs.every(({ verdict }) => verdict === "verified");
  const sum = (count: (log: Report) => number): number =>
    logs.reduce((total, log) => total + count(log), 0);
  const summary = isOk
    ? `${logs.length} logs, each ${isVerified ? "verified" : "consistent"}.`
    : `NOT VERIFIED: ${bad.length} of ${logs.length} logs; the first is ${bad[0]!.target}.`;
  return {
    ok: isOk,
    verdict: isVerified ? "verified" : isOk ? "consistent" : "failed",
    kind: "data folder",
    target,
    summary,
    keys: [],
    entriesChecked: sum((log) => log.entriesChecked),
    filesChecked: sum((log) => log.filesChecked),
    problems: logs.flatMap((log) => log.problems),
    notes: [],
    logs,
  };
}

function placeText(finding: { readonly path?: string; readonly byte?: number }): string {
  if (finding.path === undefined) return "";
  return `${finding.path}${finding.byte === undefined ? "" : `, byte ${finding.byte}`}: `;
}
