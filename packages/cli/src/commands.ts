/** The command table, in the order of the help. */
import type { CommandSpec } from "./command.ts";
import { appendCommand } from "./commands/append.ts";
import { configPrintCommand, configSchemaCommand } from "./commands/config.ts";
import { demoAttackCommand } from "./commands/demo.ts";
import { doctorStoreCommand } from "./commands/doctor-store.ts";
import { evidenceCommand } from "./commands/evidence.ts";
import { getCommand } from "./commands/get.ts";
import { initCommand } from "./commands/init.ts";
import { keysCreateCommand, keysListCommand, keysRevokeCommand } from "./commands/keys.ts";
import { logsCreateCommand, logsListCommand, logsShowCommand } from "./commands/logs.ts";
import { mirrorCommand } from "./commands/mirror.ts";
import { monitorCommand } from "./commands/monitor.ts";
import { proofCommand } from "./commands/proof.ts";
import { repairCommand } from "./commands/repair.ts";
import { serveCommand } from "./commands/serve.ts";
import { tailCommand } from "./commands/tail.ts";
import { verifyCommand } from "./commands/verify.ts";
import {
  witnessAddLogCommand,
  witnessLogsCommand,
  witnessRemoveLogCommand,
} from "./commands/witness-logs.ts";
import { witnessCommand, witnessKeysCommand } from "./commands/witness.ts";

export const commands: readonly CommandSpec[] = [
  initCommand,
  serveCommand,
  appendCommand,
  getCommand,
  tailCommand,
  verifyCommand,
  repairCommand,
  proofCommand,
  evidenceCommand,
  witnessCommand,
  witnessLogsCommand,
  witnessAddLogCommand,
  witnessRemoveLogCommand,
  witnessKeysCommand,
  mirrorCommand,
  monitorCommand,
  keysCreateCommand,
  keysListCommand,
  keysRevokeCommand,
  logsListCommand,
  logsCreateCommand,
  logsShowCommand,
  doctorStoreCommand,
  demoAttackCommand,
  configPrintCommand,
  configSchemaCommand,
];
