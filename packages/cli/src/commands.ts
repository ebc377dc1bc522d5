/**
 * The command table, in the order of the help, by first word. A command is loaded when it is asked for: nobody who
 * runs a server should wait for, and hold in memory, what mirrors and demos are made of.
 */
import type { CommandSpec } from "./command.ts";

const groups: Readonly<Record<string, () => Promise<readonly CommandSpec[]>>> = {
  init: async () => [(await import("./commands/init.ts")).initCommand],
  serve: async () => [(await import("./commands/serve.ts")).serveCommand],
  append: async () => [(await import("./commands/append.ts")).appendCommand],
  run: async () => [(await import("./commands/run.ts")).runCommand],
  watch: async () => [(await import("./commands/watch.ts")).watchCommand],
  replay: async () => [(await import("./commands/replay.ts")).replayCommand],
  get: async () => [(await import("./commands/get.ts")).getCommand],
  tail: async () => [(await import("./commands/tail.ts")).tailCommand],
  verify: async () => [(await import("./commands/verify.ts")).verifyCommand],
  repair: async () => [(await import("./commands/repair.ts")).repairCommand],
  proof: async () => [(await import("./commands/proof.ts")).proofCommand],
  evidence: async () => [(await import("./commands/evidence.ts")).evidenceCommand],
  witness: async () => {
    const witness = await import("./commands/witness.ts");
    const logs = await import("./commands/witness-logs.ts");
    const ofLogs = [logs.witnessLogsCommand, logs.witnessAddLogCommand];
    return [
      witness.witnessCommand,
      ...ofLogs,
      logs.witnessRemoveLogCommand,
      witness.witnessKeysCommand,
    ];
  },
  mirror: async () => [(await import("./commands/mirror.ts")).mirrorCommand],
  monitor: async () => [(await import("./commands/monitor.ts")).monitorCommand],
  keys: async () => {
    const keys = await import("./commands/keys.ts");
    return [keys.keysCreateCommand, keys.keysListCommand, keys.keysRevokeCommand];
  },
  sources: async () => {
    const sources = await import("./commands/sources.ts");
    const { sourcesAddCommand } = await import("./commands/sources-add.ts");
    const { sourcesStatusCommand } = await import("./commands/sources-status.ts");
    return [
      sourcesAddCommand,
      sources.sourcesListCommand,
      sourcesStatusCommand,
      sources.sourcesShowCommand,
      sources.sourcesRotateCommand,
      sources.sourcesRemoveCommand,
      sources.sourcesKindsCommand,
    ];
  },
  capture: async () => {
    const capture = await import("./commands/capture.ts");
    return [capture.captureJsonlogCommand, capture.capturePostgresCommand];
  },
  map: async () => [(await import("./commands/map.ts")).mapCommand],
  logs: async () => {
    const logs = await import("./commands/logs.ts");
    return [logs.logsListCommand, logs.logsCreateCommand, logs.logsShowCommand];
  },
  doctor: async () => [(await import("./commands/doctor-store.ts")).doctorStoreCommand],
  demo: async () => [(await import("./commands/demo.ts")).demoAttackCommand],
  config: async () => {
    const config = await import("./commands/config.ts");
    return [config.configPrintCommand, config.configSchemaCommand];
  },
};

export async function allCommands(): Promise<readonly CommandSpec[]> {
  const loaded = await Promise.all(Object.values(groups).map((load) => load()));
  return loaded.flat();
}

/** The commands that these arguments may mean: those of the group that they begin with, or else all. */
export function commandsFor(argv: readonly string[]): Promise<readonly CommandSpec[]> {
  const [word = ""] = argv;
  return Object.hasOwn(groups, word) ? groups[word]!() : allCommands();
}
