/** The command table, in the order of the help. */
import type { CommandSpec } from "./command.ts";
import { appendCommand } from "./commands/append.ts";
import { configPrintCommand, configSchemaCommand } from "./commands/config.ts";
import { getCommand } from "./commands/get.ts";
import { initCommand } from "./commands/init.ts";
import { keysCreateCommand, keysListCommand, keysRevokeCommand } from "./commands/keys.ts";
import { logsCreateCommand, logsListCommand, logsShowCommand } from "./commands/logs.ts";
import { proofCommand } from "./commands/proof.ts";
import { serveCommand } from "./commands/serve.ts";
import { tailCommand } from "./commands/tail.ts";
import { verifyCommand } from "./commands/verify.ts";

export const commands: readonly CommandSpec[] = [
  initCommand,
  serveCommand,
  appendCommand,
  getCommand,
  tailCommand,
  verifyCommand,
  proofCommand,
  keysCreateCommand,
  keysListCommand,
  keysRevokeCommand,
  logsListCommand,
  logsCreateCommand,
  logsShowCommand,
  configPrintCommand,
  configSchemaCommand,
];
