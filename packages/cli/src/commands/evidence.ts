/** `cairn evidence`: takes a set of entries out of a log, as one file that proves itself. */
import { resolve } from "node:path";
import { CairnError, hex, parseNote, utf8 } from "@cairnlog/core";
import { nodeCrypto } from "@cairnlog/crypto";
import { parseSeqRange, type EvidenceSelection } from "@cairnlog/log";
import type { Report } from "@cairnlog/verify";
import type { CommandContext, CommandSpec } from "../command.ts";
import type { Exit } from "../io.ts";
import { chooseTarget } from "../open-target.ts";
import { thousands } from "../progress-bar.ts";
import { asciiJson, safeText } from "../safe-text.ts";
import { checkOutFile, writeOutFile } from "./evidence-file.ts";
import { exportFromFolder, exportFromServer, type AskedEvidence } from "./evidence-source.ts";

export const evidenceCommand: CommandSpec = {
  name: "evidence",
  summary: "take entries out as one file that proves them",
  description:
    "Writes one file that proves a set of entries to somebody who has nothing but the file, `cairn verify`, and keys that reached them another way. " +
    "Taking it is itself an entry of the log, which is in the file: who, why and when are as certain as the rest. " +
    "What is given must all hold; of a repeated flag, any one. With --html it is a page for any browser, which holds the file, shows it and checks it again.",
  settings: ["data", "url", "log", "key", "keyFile", "witnessPolicy"],
  options: [
    { flags: "--out <path>", about: "where to write it" },
    { flags: "--why <text>", about: "the case, or the question; recorded" },
    {
      flags: "--who <name>",
      about:
        "who takes it; recorded (default: the user's name; a server knows it from the API key)",
    },
    {
      flags: "--seq <ranges>",
      about: "entries, as 12 or 5-10 or 5-10,12; both ends count",
      isList: true,
    },
    {
      flags: "--type <type>",
      about: "a type, as database.query, or database.* for all of a workflow; may be repeated",
      isList: true,
    },
    { flags: "--actor <id>", about: "the id of an actor; may be repeated", isList: true },
    { flags: "--since <time>", about: "committed at or after this time" },
    { flags: "--until <time>", about: "committed before this time" },
    { flags: "--html", about: "write a page for browsers, with the evidence in it" },
    { flags: "--force", about: "replace a file that is there" },
  ],
  examples: [
    {
      line: 'cairn evidence --out case-17.evidence --actor alice@example.com --since 2026-11-01 --why "case 17"',
      about: "what one actor did since a day",
    },
    {
      line: 'cairn evidence --out orders.html --html --type database.* --seq 5-10,12 --why "audit 2026" --url https://audit.example.com --key-file reader.key',
      about: "from a server, as a page",
    },
  ],
  run,
};

async function run(context: CommandContext): Promise<Exit> {
  const { io, options, config } = context;
  const asked = askedFor(context);
  const given = options.text("out");
  if (given === undefined) throw usage("say with --out where to write it");
  const [out, isForced] = [resolve(io.cwd, given), options.has("force")];
  checkOutFile(out, isForced);
  const target = chooseTarget(config);
  let bytes: Uint8Array;
  try {
    bytes =
      target.kind === "server"
        ? await exportFromServer(context, target, asked)
        : await exportFromFolder(context, target.folder, asked);
  } catch (error) {
    if (!io.interrupted.aborted) throw error;
    throw interrupted(error);
  }
  const report = await checkOwn(bytes, given);
  // The page first: one that cannot be made leaves no file.
  const content = options.has("html") ? await pageOf(bytes) : bytes;
  if (io.interrupted.aborted) throw interrupted(io.interrupted.reason);
  writeOutFile(out, isForced, content);
  await print(context, given, report, bytes);
  return 0;
}

function askedFor({ io, options, config }: CommandContext): AskedEvidence {
  const why = options.text("why");
  if (why === undefined) throw usage("say with --why what it is for: the log records it");
  const isServer = chooseTarget(config).kind === "server";
  const who = options.text("who");
  if (isServer && who !== undefined) {
    throw usage("--who is for a data folder: a server knows who asks from the API key");
  }
  const user = [io.env["USER"], io.env["LOGNAME"], io.env["USERNAME"]].find(
    (name) => name !== undefined && name !== "",
  );
  if (!isServer && (who ?? user) === undefined) throw usage("say with --who who takes it");
  return { why, who: who ?? user ?? "", selection: selectionOf(options, io.now()) };
}

function selectionOf(options: CommandContext["options"], nowMs: number): EvidenceSelection {
  const seqs = options.list("seq").flatMap((text) => text.split(",").map(parseSeqRange));
  const [types, actors] = [options.list("type"), options.list("actor")];
  const [sinceMs, untilMs] = [options.time("since", nowMs), options.time("until", nowMs)];
  return {
    ...(seqs.length === 0 ? {} : { seqs }),
    ...(types.length === 0 ? {} : { types }),
    ...(actors.length === 0 ? {} : { actors }),
    ...(sinceMs === undefined ? {} : { sinceMs }),
    ...(untilMs === undefined ? {} : { untilMs }),
  };
}

async function pageOf(bytes: Uint8Array): Promise<Uint8Array> {
  const { evidencePage } = await import("@cairnlog/page");
  return evidencePage(bytes);
}

/** Reads what was made as its receiver will: a file that does not prove itself is never written. */
async function checkOwn(bytes: Uint8Array, name: string): Promise<Report> {
  const { verifyEvidenceFile } = await import("@cairnlog/verify");
  const report = await verifyEvidenceFile(bytes, { name });
  if (report.verdict !== "failed") return report;
  const why = report.problems[0]!.message;
  throw new CairnError(
    "unverified",
    `what came is no evidence, and was not written: ${why}. Try again`,
  );
}

async function print(
  { output }: CommandContext,
  out: string,
  report: Report,
  bytes: Uint8Array,
): Promise<void> {
  const { origin = "", checkpointSize = 0, entriesChecked, firstTime, lastTime } = report;
  const { evidence } = report;
  const witnesses = cosignersOf(report);
  const sha256 = hex(nodeCrypto.sha256(bytes));
  if (output.isJson) {
    const facts = { origin, entries: entriesChecked, checkpointSize, firstTime, lastTime };
    await output.line(asciiJson({ out, ...facts, witnesses, ...evidence, sha256 }));
    return;
  }
  const { who, why, time, recorded, seqs } = evidence!;
  await output.line(`Wrote ${out}: ${thousands(entriesChecked)} entries of ${safeText(origin)}`);
  const shownSeqs = seqs.length > 200 ? `${seqs.slice(0, 200)}…` : seqs;
  for (const [name, value] of [
    ["entries", shownSeqs],
    ["time", `${firstTime} to ${lastTime}`],
    ["checkpoint", `of ${thousands(checkpointSize)} entries`],
    ["cosigned by", witnesses.length === 0 ? "nobody" : witnesses.join(", ")],
    ["taken by", `${who}, ${time}`],
    ["why", why],
    ["recorded", `as entry ${recorded}`],
    ["SHA-256", sha256],
  ] as const) {
    await output.line(`  ${output.paint("dim", name.padEnd(11))} ${safeText(value)}`);
  }
  output.note(`Check it with: cairn verify ${out} --vkey <the log's verifier key>, or --policy`);
}

/** Names under the checkpoint that are not the log's. Whose they are is for the receiver's policy to say. */
function cosignersOf({ checkpoint, origin }: Report): string[] {
  const { signatures } = parseNote(utf8(checkpoint ?? ""));
  return [...new Set(signatures.map(({ name }) => name))].filter((name) => name !== origin);
}

function interrupted(cause: unknown): CairnError {
  return new CairnError("unavailable", "interrupted: nothing was written", { cause });
}

function usage(message: string): CairnError {
  return new CairnError("usage", message);
}
