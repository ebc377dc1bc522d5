/** `cairn witness add-log`, `remove-log` and `logs`: whom a witness cosigns for. It may be running: it notices. */
import { formatLogTime } from "@cairnlog/core";
import type { Evidence, LogList, LogListing } from "@cairnlog/witness";
import type { CommandContext, CommandSpec } from "../command.ts";
import { readVkeys } from "../key-arguments.ts";
import type { Output } from "../output.ts";
import { asciiJson, safeLines, safeText } from "../safe-text.ts";

export const witnessAddLogCommand: CommandSpec = {
  name: "witness add-log",
  parameters: [
    {
      usage: "<vkey...>",
      about: "verifier keys of the log, or files with one a line; a key's name is its log's origin",
    },
  ],
  summary: "cosign for a log from now on",
  description:
    "Lists logs by their verifier keys; a running witness notices at its next request. The keys of a log that is named are then " +
    "exactly the given ones. A log that was removed goes on from the size that was cosigned last: it cannot begin anew.",
  settings: ["data"],
  options: [
    { flags: "--origin <origin>", about: "the log's origin, where its keys have another name" },
  ],
  examples: [
    {
      line: "cairn witness add-log main.vkeys --data /var/lib/witness",
      about: "the log whose keys `cairn logs show --vkeys` wrote",
    },
  ],
  async run({ io, config, options, parameters, output }: CommandContext): Promise<0> {
    const vkeys = parameters.flatMap((text) => readVkeys(io.cwd, text));
    const logs = await openLogs(config.values.data);
    try {
      for (const added of logs.add(vkeys, options.text("origin"))) {
        if (output.isJson) {
          await output.line(asciiJson(added));
          continue;
        }
        const what = { added: "Added", "keys changed": "New keys for", nothing: "Known already:" };
        const from = added.size === undefined ? "" : `, from size ${added.size} on`;
        await output.line(`${what[added.change]} ${safeText(added.origin)}${from}`);
      }
    } finally {
      logs.close();
    }
    return 0;
  },
};

export const witnessRemoveLogCommand: CommandSpec = {
  name: "witness remove-log",
  parameters: [{ usage: "<origin>", about: "as `cairn witness logs` shows it" }],
  summary: "cosign for a log no more",
  description:
    "Stops cosigning for a log; a running witness notices at its next request. What was cosigned last stays remembered, and is still served.",
  settings: ["data"],
  examples: [
    {
      line: "cairn witness remove-log audit.example.com/logs/main --data /var/lib/witness",
      about: "its requests are answered with 404",
    },
  ],
  async run({ config, parameters, output }: CommandContext): Promise<0> {
    const origin = parameters[0]!;
    const logs = await openLogs(config.values.data);
    try {
      logs.remove(origin);
    } finally {
      logs.close();
    }
    await output.line(
      output.isJson ? asciiJson({ removed: origin }) : `Removed ${safeText(origin)}`,
    );
    return 0;
  },
};

export const witnessLogsCommand: CommandSpec = {
  name: "witness logs",
  summary: "show whom a witness cosigns for, how far, and evidence against them",
  description:
    "Shows each log with the last size that was cosigned, when, and how many signed checkpoints are kept that do not agree with it: " +
    "`split` means that the log signed two roots for one size, which no honest log does; `unproven`, that it forked or that somebody sent a wrong proof.",
  settings: ["data"],
  options: [
    { flags: "--evidence <origin>", about: "print the checkpoints that are kept against this log" },
  ],
  examples: [
    { line: "cairn witness logs --data /var/lib/witness", about: "all logs" },
    {
      line: "cairn witness logs --evidence audit.example.com/logs/main --json",
      about: "what was signed, and what had been cosigned before",
    },
  ],
  async run({ config, options, output }: CommandContext): Promise<0> {
    const logs = await openLogs(config.values.data);
    try {
      const origin = options.text("evidence");
      if (origin !== undefined) await printEvidence(output, logs.evidence(origin));
      else await printLogs(output, logs.list());
    } finally {
      logs.close();
    }
    return 0;
  },
};

async function openLogs(folder: string): Promise<LogList> {
  const { openLogList } = await import("@cairnlog/witness");
  return openLogList(folder);
}

async function printLogs(output: Output, logs: readonly LogListing[]): Promise<void> {
  for (const log of logs) {
    if (output.isJson) {
      await output.line(asciiJson(log));
      continue;
    }
    const { split, unproven } = log.evidence;
    const when = log.cosigned === undefined ? "" : formatLogTime(log.cosigned * 1000);
    const fields = [
      safeText(log.origin),
      log.size === undefined ? "nothing cosigned yet" : `size ${log.size} at ${when}`,
      ...(log.isListed ? [] : ["removed"]),
      ...(split > 0 ? [output.paint("bad", `SPLIT VIEW: ${split} kept as evidence`)] : []),
      ...(unproven > 0 ? [`${unproven} unproven`] : []),
    ];
    await output.line(fields.join("  "));
  }
  if (logs.length === 0) output.note("It cosigns for no log. Add one: cairn witness add-log");
}

async function printEvidence(output: Output, evidence: readonly Evidence[]): Promise<void> {
  for (const { kind, timeMs, note, held } of evidence) {
    const time = formatLogTime(timeMs);
    if (output.isJson) await output.line(asciiJson({ kind, time, note, held }));
    else {
      await output.line(output.paint("bold", `${kind}, seen ${time}; the log signed:`));
      await output.line(safeLines(note));
      await output.line(output.paint("bold", "what had been cosigned then:"));
      await output.line(safeLines(held === "" ? "nothing\n" : held));
    }
  }
  if (evidence.length === 0) output.note("Nothing is kept against this log.");
}
