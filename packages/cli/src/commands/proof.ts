/**
 * `cairn proof`: what proves an entry, or that a log only grew, to whoever has its verifier keys.
 */
import { writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { CairnError } from "@cairnlog/core";
import { parseCount, type CommandContext, type CommandSpec } from "../command.ts";
import { openView } from "../open-target.ts";
import { asciiJson, asciiJsonText, safeLines } from "../safe-text.ts";

export const proofCommand: CommandSpec = {
  name: "proof",
  parameters: [{ usage: "[seq]", about: "the entry to prove" }],
  summary: "prove an entry, or that the log only grew",
  description:
    "Prints a proof of one entry as a C2SP tlog-proof, with the entry in it: keep it, `cairn verify` checks it without the log. " +
    "With --json it is a receipt. With --consistency it proves that the log of size A is the beginning of the log of size B.",
  settings: ["data", "url", "log", "key", "keyFile"],
  options: [
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
      line: "cairn proof --consistency 100 200",
      about: "prove that nothing among the first 100 entries changed",
    },
  ],
  async run(context: CommandContext): Promise<0> {
    const { options, parameters, output, io } = context;
    const sizes = options.list("consistency").map((text) => parseCount(text, "--consistency"));
    const [seq] = parameters;
    if ((seq === undefined) === (sizes.length === 0) || sizes.length > 2) {
      throw new CairnError(
        "usage",
        "name one entry (`cairn proof 42`), or two sizes (`cairn proof --consistency 100 200`)",
      );
    }
    const text =
      seq === undefined
        ? await consistency(context, sizes)
        : await inclusion(context, parseCount(seq, "seq"));
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
