import { CairnError } from "@cairnlog/core";
import type { CommandSpec } from "../command.ts";
export const verifyCommand: CommandSpec = {
  name: "verify",
  parameters: [{ usage: "<target>", about: "a data folder, a log's folder, a sealed file, a proof, a receipt, or a URL" }],
  summary: "check all of a log, a file of it, or a proof",
  description: "x",
  settings: ["log", "key", "keyFile"],
  examples: [{ line: "cairn verify cairn-data", about: "x" }],
  run: () => Promise.reject(new CairnError("unavailable", "not yet")),
};
