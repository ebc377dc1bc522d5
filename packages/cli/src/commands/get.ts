/** `cairn get`: single entries. */
import { parseCount, type CommandContext, type CommandSpec } from "../command.ts";
import { openView } from "../open-target.ts";
import { printEntry } from "../print-entry.ts";

export const getCommand: CommandSpec = {
  name: "get",
  parameters: [{ usage: "<seq...>", about: "sequence numbers" }],
  summary: "show single entries",
  description:
    "Shows entries by their sequence number. With --json each leaves byte for byte as it is hashed, one a line.",
  settings: ["data", "url", "log", "key", "keyFile"],
  examples: [
    { line: "cairn get 0", about: "show how the log began" },
    { line: "cairn get 41 42 --json", about: "the entries themselves, one a line" },
  ],
  async run(context: CommandContext): Promise<0> {
    const seqs = context.parameters.map((text) => parseCount(text, "seq"));
    const view = await openView(context);
    for (const seq of seqs) {
      const { bytes } = await view.entry(seq);
      await printEntry(context.output, bytes, "whole");
    }
    return 0;
  },
};
