/** `cairn repair`: puts right files in the place of damaged ones, from another copy, and only what verifies. */
import { basename, resolve } from "node:path";
import type { RepairReport } from "@cairnlog/scrub";
import { CairnError } from "@cairnlog/core";
import type { CommandContext, CommandSpec } from "../command.ts";
import { findApiKey } from "../configuration.ts";
import type { Exit } from "../io.ts";
import type { Output } from "../output.ts";
import { openRepairFrom } from "../repair-from.ts";
import { asciiJson, safeText } from "../safe-text.ts";

export const repairCommand: CommandSpec = {
  name: "repair",
  parameters: [{ usage: "<folder>", about: "the log's folder, as cairn-data/main" }],
  summary: "restore damaged files of a log from a copy that verifies",
  description:
    "Looks for damage in all of the log, and restores what is damaged from another copy of its folder, from its write-once copies in a bucket, " +
    "or from its tiles: a server's, a mirror's, a mirror's folder, or any folder in the layout of tlog-tiles. " +
    "Only what comes to the root of the log's own newest commit is restored, every entry byte for byte as it was; if the whole does not come to it, nothing is changed. " +
    "The damaged bytes are kept in the folder `damaged` of the log, and its next start records an entry. " +
    "A log that is being served is repaired too, but for its tail: stop it for that.",
  settings: ["log", "key", "keyFile", "s3Endpoint", "s3Region", "s3PathStyle"],
  options: [
    {
      flags: "--from <place>",
      about:
        "a copy of the log's folder, a bucket (s3://…), an address or a folder with the log's tiles",
    },
  ],
  examples: [
    { line: "cairn repair cairn-data/main --from /mnt/copy/main", about: "from a copy" },
    {
      line: "cairn repair cairn-data/main --from https://mirror.example.com/",
      about:
        "from a mirror: the tail, and sealed files, whose seals are made anew where they are lost",
    },
    {
      line: "cairn repair cairn-data/main --from s3://example-audit/logs",
      about: "from the write-once copies: sealed files, and the checkpoint",
    },
  ],
  run,
};

async function run(context: CommandContext): Promise<Exit> {
  const { io, output, config, options, parameters } = context;
  const from = options.text("from");
  if (from === undefined) {
    throw new CairnError(
      "usage",
      "say with --from where the right bytes are: a folder, a bucket or an address",
    );
  }
  const key = findApiKey(config);
  const { repairLog } = await import("@cairnlog/scrub");
  const folder = resolve(io.cwd, parameters[0] ?? "");
  const place = await openRepairFrom(context, from, basename(folder));
  let report: RepairReport;
  try {
    report = await repairLog(folder, place.from, key === undefined ? {} : { key });
  } finally {
    place.close();
  }
  if (output.isJson) await output.line(asciiJson(report));
  else await print(output, report);
  return report.left.length === 0 ? 0 : 1;
}

const howShown = {
  copy: "from the copy",
  entries: "from its entries",
  resealed: "from its entries, sealed anew",
  derived: "made again",
} as const;

async function print(output: Output, report: RepairReport): Promise<void> {
  const { restored, left, kept } = report;
  if (restored.length === 0 && left.length === 0) {
    await output.line("Nothing is damaged: nothing was changed.");
  }
  for (const { path, damage, how } of restored) {
    await output.line(`restored  ${path}  ${howShown[how]}  (${safeText(damage)})`);
  }
  for (const { path, why } of left) await output.line(`left      ${path}  ${safeText(why)}`);
  if (kept !== undefined) {
    await output.line(
      `The damaged bytes are in ${kept}. Run \`cairn verify\` to check all of the log.`,
    );
  }
}
