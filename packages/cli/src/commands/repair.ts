/** `cairn repair`: puts right files in the place of damaged ones, from another copy, and only what verifies. */
import { resolve } from "node:path";
import type { RepairReport } from "@cairnlog/scrub";
import { CairnError } from "@cairnlog/core";
import type { CommandContext, CommandSpec } from "../command.ts";
import { findApiKey } from "../configuration.ts";
import type { Exit } from "../io.ts";
import { tilesAddress } from "../key-arguments.ts";
import type { Output } from "../output.ts";
import { asciiJson, safeText } from "../safe-text.ts";

export const repairCommand: CommandSpec = {
  name: "repair",
  parameters: [{ usage: "<folder>", about: "the log's folder, as cairn-data/main" }],
  summary: "restore damaged files of a log from a copy that verifies",
  description:
    "Looks for damage in all of the log, and restores what is damaged from another copy of its folder or from the tiles that a server or a mirror shows. " +
    "Only what comes to the root of the log's own newest commit is restored, and only byte for byte as it was; if the whole does not come to it, nothing is changed. " +
    "The damaged bytes are kept in the folder `damaged` of the log, and its next start records an entry. " +
    "A log that is being served is repaired too, but for its tail: stop it for that.",
  settings: ["log", "key", "keyFile"],
  options: [
    {
      flags: "--from <place>",
      about: "a copy of the log's folder, or an address with the log's tiles",
    },
  ],
  examples: [
    { line: "cairn repair cairn-data/main --from /mnt/copy/main", about: "from a copy" },
    {
      line: "cairn repair cairn-data/main --from https://mirror.example.com/",
      about: "from a mirror: the tail, and sealed files whose seal is whole",
    },
  ],
  run,
};

async function run({ io, output, config, options, parameters }: CommandContext): Promise<Exit> {
  const from = options.text("from");
  if (from === undefined) {
    throw new CairnError(
      "usage",
      "say with --from where the right bytes are: a folder or an address",
    );
  }
  const key = findApiKey(config);
  const isAddress = /^https?:\/\//i.test(from);
  const place = isAddress ? tilesAddress(from, config.values.log) : resolve(io.cwd, from);
  const { repairLog } = await import("@cairnlog/scrub");
  const folder = resolve(io.cwd, parameters[0] ?? "");
  const report = await repairLog(folder, place, key === undefined ? {} : { key });
  if (output.isJson) await output.line(asciiJson(report));
  else await print(output, report);
  return report.left.length === 0 ? 0 : 1;
}

async function print(output: Output, report: RepairReport): Promise<void> {
  const { restored, left, kept } = report;
  if (restored.length === 0 && left.length === 0) {
    await output.line("Nothing is damaged: nothing was changed.");
  }
  for (const { path, damage, how } of restored) {
    const from = { copy: "from the copy", entries: "from its entries", derived: "made again" }[how];
    await output.line(`restored  ${path}  ${from}  (${safeText(damage)})`);
  }
  for (const { path, why } of left) await output.line(`left      ${path}  ${safeText(why)}`);
  if (kept !== undefined) {
    await output.line(
      `The damaged bytes are in ${kept}. Run \`cairn verify\` to check all of the log.`,
    );
  }
}
