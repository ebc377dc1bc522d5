/** `cairn get`: single entries, and blobs. */
import { resolve } from "node:path";
import { CairnError } from "@cairnlog/core";
import { checkedBlob } from "../blob-file.ts";
import { parseCount, type CommandContext, type CommandSpec } from "../command.ts";
import { openView } from "../open-target.ts";
import { printEntry } from "../print-entry.ts";
import { checkOutFile, writeOutPieces } from "./evidence-file.ts";

export const getCommand: CommandSpec = {
  name: "get",
  parameters: [{ usage: "[seq...]", about: "sequence numbers" }],
  summary: "show single entries, or fetch a blob",
  description:
    "Shows entries by their sequence number. With --json each leaves byte for byte as it is hashed, one a line. " +
    "With --blob, writes a blob that an event names to a file, after its hash was checked.",
  settings: ["data", "url", "log", "key", "keyFile"],
  options: [
    { flags: "--blob <sha256>", about: "the blob of that SHA-256, 64 lower-case hex digits" },
    { flags: "--out <file>", about: "with --blob: the file to write it to" },
    { flags: "--force", about: "replace the file" },
  ],
  examples: [
    { line: "cairn get 0", about: "show how the log began" },
    { line: "cairn get 41 42 --json", about: "the entries themselves, one a line" },
    {
      line: "cairn get --blob 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08 --out plan.json",
      about: "fetch what an event names",
    },
  ],
  async run(context: CommandContext): Promise<0> {
    const sha256 = context.options.text("blob");
    if (sha256 !== undefined) return getBlob(context, sha256);
    if (context.parameters.length === 0) {
      throw new CairnError("usage", "name the entries to show, or a blob with --blob and --out");
    }
    const seqs = context.parameters.map((text) => parseCount(text, "seq"));
    const view = await openView(context);
    for (const seq of seqs) {
      const { bytes } = await view.entry(seq);
      await printEntry(context.output, bytes, "whole");
    }
    return 0;
  },
};

async function getBlob(context: CommandContext, sha256: string): Promise<0> {
  const { options, output, io, parameters } = context;
  const out = options.text("out");
  if (out === undefined || parameters.length > 0) {
    throw new CairnError("usage", "--blob takes --out, the file to write it to, and no entries");
  }
  if (!/^[0-9a-f]{64}$/.test(sha256)) {
    throw new CairnError("usage", "--blob: expected 64 lower-case hex digits");
  }
  const path = resolve(io.cwd, out);
  checkOutFile(path, options.has("force"));
  const view = await openView(context);
  const pieces = checkedBlob(sha256, view.blob(sha256));
  const byteLength = await writeOutPieces(path, options.has("force"), pieces);
  output.note(`${out}: ${byteLength} bytes, with the SHA-256 that names them.`);
  return 0;
}
