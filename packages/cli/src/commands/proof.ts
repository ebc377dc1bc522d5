/**
 * `cairn proof`: what proves an entry, or that a log only grew, to whoever has its verifier keys.
 */
import { writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { CairnError } from "@cairnlog/core";
import { parseCount, type CommandContext, type CommandSpec } from "../command.ts";
import { openView } from "../open-target.ts";
import { asciiJson, asciiJsonText, safeLines } from "../safe-text.ts";
import { witnessedProof } from "../witnessed-proof.ts";

export const proofCommand: CommandSpec = {
  name: "proof",
  parameters: [
    { usage: "[seq]", about: "the entry to prove; with --witnessed also a file with its receipt" },
  ],
  summary: "prove an entry, or that the log only grew",
  description:
    "Prints a proof of one entry as a C2SP tlog-proof, with the entry in it: keep it, `cairn verify` checks it without the log. " +
    "With --json it is a receipt. With --consistency it proves that the log of size A is the beginning of the log of size B. " +
    "With --witnessed it upgrades a receipt: the proof is under the published checkpoint, with its witnesses' cosignatures, checked under --policy and held to the receipt's own checkpoint. " +
    "Where the log contradicts that one, both are kept in a file as evidence, and the exit status is 1.",
  settings: ["data", "url", "log", "key", "keyFile"],
  options: [
    {
      flags: "--witnessed",
      about: "prove it under the published checkpoint, of which there may be a receipt in a file",
    },
    {
      flags: "--policy <path>",
      about: "with --witnessed: a tlog-policy, the log's keys, its witnesses, their quorum",
    },
    {
      flags: "--vkey <key>",
      about:
        "with --witnessed: a verifier key of the log, or a file with one a line; may be repeated",
      isList: true,
    },
    { flags: "--out <path>", about: "write it to a file, which must not exist yet" },
    {
      flags: "--consistency <size...>",
      about: "two sizes of the log; the second one defaults to its size now",
    },
  ],
  examples: [
    { line: "cairn proof 42 --out 42.tlog-proof", about: "keep a proof of entry 42" },
    { line: "cairn proof 42 --json", about: "the same as a receipt" },
    {
      line: "cairn proof --witnessed receipt.json --policy main.policy --out 42.tlog-proof",
      about: "what a receipt has become, cosigned by the policy's witnesses",
    },
    {
      line: "cairn proof --consistency 100 200",
      about: "prove that nothing among the first 100 entries changed",
    },
  ],
  async run(context: CommandContext): Promise<0> {
    const { options, output, io } = context;
    const text = await proofText(context);
    const out = options.text("out");
    if (out === undefined) {
      await output.raw(output.isTerminal ? safeLines(text) : text);
      return 0;
    }
    try {
      writeFileSync(resolve(io.cwd, out), text, { flag: "wx" });
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new CairnError("usage", `--out: ${why}`, { cause, place: { path: out } });
    }
    output.note(`Wrote ${out}. Check it with: cairn verify ${out} --vkey <the log's verifier key>`);
    return 0;
  },
};

async function proofText(context: CommandContext): Promise<string> {
  const { options, parameters, output } = context;
  const sizes = options.list("consistency").map((text) => parseCount(text, "--consistency"));
  const [target] = parameters;
  if ((target === undefined) === (sizes.length === 0) || sizes.length > 2) {
    throw new CairnError(
      "usage",
      "name one entry (`cairn proof 42`), or two sizes (`cairn proof --consistency 100 200`)",
    );
  }
  const isWitnessed = options.has("witnessed");
  const hasTrust = options.text("policy") !== undefined || options.list("vkey").length > 0;
  if (hasTrust && !isWitnessed) {
    throw new CairnError("usage", "--policy and --vkey go with --witnessed; or use cairn verify");
  }
  if (target === undefined) {
    if (isWitnessed) throw new CairnError("usage", "--witnessed does not go with --consistency");
    return consistency(context, sizes);
  }
  if (!isWitnessed) return inclusion(context, parseCount(target, "seq"));
  if (output.isJson) throw new CairnError("usage", "--witnessed gives a tlog-proof, no JSON");
  return witnessedProof(context, await openView(context), target);
}

async function inclusion(context: CommandContext, seq: number): Promise<string> {
  const view = await openView(context);
  if (!context.output.isJson) return view.proof(seq);
  const receipt = await view.receipt(seq);
  return `${context.output.isTerminal ? asciiJsonText(receipt) : receipt}\n`;
}

async function consistency(context: CommandContext, sizes: readonly number[]): Promise<string> {
  const view = await openView(context);
  const { from, to, proof } = await view.consistency(sizes[0]!, sizes[1]);
  if (context.output.isJson) return `${asciiJson({ from, to, proof })}\n`;
  return `The log of ${from} entries is the beginning of the log of ${to}, by these hashes:\n${proof.map((hash) => `${hash}\n`).join("")}`;
}
