/**
 * A verification's report for people: the verdict first, then what it rests on, then what is wrong
 * and where.
 */
import { formatLogTime } from "@cairnlog/core";
import type { EvidenceReport, Finding, Report } from "@cairnlog/verify";
import type { Output, Style } from "./output.ts";
import { thousands } from "./progress-bar.ts";
import { safeText } from "./safe-text.ts";

const findingsShown = 20;
const verdicts: Readonly<Record<Report["verdict"], readonly [Style, string]>> = {
  verified: ["good", "VERIFIED"],
  consistent: ["good", "CONSISTENT"],
  failed: ["bad", "NOT VERIFIED"],
};

/** Of what holds its own keys. */
const signerUnknown = ["bad", "CONSISTENT, SIGNER UNKNOWN"] as const;

export async function printReport(output: Output, report: Report): Promise<void> {
  // One log in a data folder: the folder would only say it twice.
  const [only, ...others] = report.logs;
  if (only !== undefined && others.length === 0) return printReport(output, only);
  const isUnknown = report.verdict === "consistent" && !report.ok;
  const [style, word] = isUnknown ? signerUnknown : verdicts[report.verdict];
  await output.line(`${output.paint(style, word)}  ${safeText(report.target)} (${report.kind})`);
  await output.line(
    `  ${safeText(report.summary.replace(/^(Verified|Consistent|NOT VERIFIED)[:,] (signer unknown\. )?/, ""))}`,
  );
  for (const log of report.logs) {
    await output.line("");
    await printReport(output, log);
  }
  if (report.logs.length > 0) return;
  for (const [name, value] of factsOf(report)) {
    await output.line(`  ${output.paint("dim", name.padEnd(11))} ${safeText(value)}`);
  }
  await printFindings(output, "bad", "problem", report.problems);
  await printFindings(output, "dim", "note", report.notes);
}

function factsOf(report: Report): [string, string][] {
  const { origin, size, entriesChecked, filesChecked, root, firstTime, lastTime, keys } = report;
  const facts: [string, string][] = [];
  if (origin !== undefined) facts.push(["origin", origin]);
  if (size !== undefined) {
    facts.push([
      "entries",
      `${thousands(entriesChecked)} of ${thousands(size)} checked, in ${filesChecked === 1 ? "1 file" : `${filesChecked} files`}`,
    ]);
  }
  if (firstTime !== undefined && lastTime !== undefined)
    facts.push(["time", `${firstTime} to ${lastTime}`]);
  if (root !== undefined) facts.push(["root", root]);
  if (report.checkpointSize !== undefined)
    facts.push(["checkpoint", `of ${thousands(report.checkpointSize)} entries`]);
  for (const { name, timestamp } of report.witnesses ?? []) {
    const time = timestamp === undefined ? "" : `, ${formatLogTime(timestamp * 1000)}`;
    facts.push(["cosigned by", name + time]);
  }
  for (const { fingerprint } of keys) facts.push(["fingerprint", fingerprint]);
  if (report.evidence !== undefined) facts.push(...exportFacts(report.evidence));
  return facts;
}

function exportFacts(evidence: EvidenceReport): [string, string][] {
  const { seqs, who, why, time, query, isRecorded, recorded } = evidence;
  const proof = isRecorded ? `proven by entry ${recorded}` : "not proven: so says the file";
  return [
    ["seqs", seqs.length > 200 ? `${seqs.slice(0, 200)}…` : seqs],
    ["taken by", `${who}, ${time} (${proof})`],
    ["why", why],
    ["asked for", JSON.stringify(query)],
  ];
}

async function printFindings(
  output: Output,
  style: Style,
  name: string,
  findings: readonly Finding[],
): Promise<void> {
  for (const { message, seq, path, byte } of findings.slice(0, findingsShown)) {
    const place = [
      seq === undefined ? "" : `entry ${seq}`,
      path === undefined ? "" : path,
      byte === undefined ? "" : `byte ${byte}`,
    ].filter((part) => part !== "");
    const where = place.length === 0 ? "" : `${place.join(", ")}: `;
    await output.line(`  ${output.paint(style, name)} ${safeText(where + message)}`);
  }
  const more = findings.length - findingsShown;
  if (more > 0) await output.line(`  and ${thousands(more)} more: --json lists them all`);
}
