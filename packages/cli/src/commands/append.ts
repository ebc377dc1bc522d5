/** `cairn append`: events from a file, from standard input, or from flags, into a log. */
import { randomUUID } from "node:crypto";
import { resolve } from "node:path";
import type { Readable } from "node:stream";
import { CairnError, formatLogTime, isCairnError, utf8 } from "@cairnlog/core";
import { readBlobFile, type BlobFile } from "../blob-file.ts";
import type { CommandContext, CommandSpec } from "../command.ts";
import { openInput, readBodies, type InputBody } from "../event-input.ts";
import type { Exit } from "../io.ts";
import type { Answer, LogSink, Recorded } from "../log-view.ts";
import { openSink } from "../open-target.ts";
import { PipeClosed } from "../output.ts";
import { describeError, problemOf } from "../report-error.ts";
import { asciiJson, safeText } from "../safe-text.ts";

export const appendCommand: CommandSpec = {
  name: "append",
  parameters: [
    {
      usage: "[file]",
      about: "events: one JSON object a line, a JSON array, or one object; - is standard input",
    },
  ],
  summary: "record events",
  description:
    "Records events in a log: through a server (--url, --key), or in a data folder that no other process holds (--data). " +
    "Prints a receipt for each. Refused events are named with their line and cost the others nothing; the exit status is then 2. " +
    "An event with an id may be sent again safely.",
  settings: ["data", "url", "log", "key", "keyFile", "witnessPolicy"],
  options: [
    { flags: "--type <type>", about: "one event from flags: its type, as deployment.finished" },
    { flags: "--actor <id>", about: "who acted" },
    { flags: "--action <action>", about: "what was done" },
    { flags: "--target <type:id>", about: "what it was done to; may be repeated", isList: true },
    { flags: "--outcome <outcome>", about: "success, failure, denied or unknown" },
    {
      flags: "--detail <name=value>",
      about: "a member of details, a text; may be repeated",
      isList: true,
    },
    {
      flags: "--blob <file>",
      about: "a file to keep beside the event, named in it by its SHA-256; may be repeated",
      isList: true,
    },
    { flags: "--id <id>", about: "the event's id (default: a new one)" },
    { flags: "--time <time>", about: "when it happened (default: now)" },
    { flags: "--trace <traceparent>", about: "W3C traceparent" },
    {
      flags: "--receipt <form>",
      about: "full prints each receipt with its proof, as JSON; short is the default",
    },
    {
      flags: "--map <file>",
      about:
        "each line is a record of any kind: where an event's fields are in it (docs/mapping.md)",
    },
    {
      flags: "--source <alias>",
      about: "with a data folder: the alias to record under (default: cli)",
    },
  ],
  examples: [
    {
      line: "cairn append --type deployment.finished --actor alice@example.com --action deploy --target service:orders --outcome success",
      about: "record one event",
    },
    {
      line: "cairn append events.ndjson --url https://audit.example.com --key-file writer.key",
      about: "send a file to a server",
    },
    {
      line: "cairn append --type change.applied --actor alice@example.com --action apply --blob plan.json",
      about: "record one event, and keep a file beside it",
    },
    {
      line: "cairn append - --receipt full",
      about: "record what comes on standard input, with full receipts",
    },
    {
      line: "cairn append /var/log/app.log --map app.map.yaml",
      about: "record an application's log; as it grows: tail -F app.log | cairn append - --map …",
    },
  ],
  run,
};

const eventFlags = ["type", "actor", "action", "outcome", "id", "trace"] as const;

async function run(context: CommandContext): Promise<Exit> {
  const { options, parameters, io } = context;
  const receipt = options.text("receipt") ?? "short";
  if (receipt !== "full" && receipt !== "short") {
    throw new CairnError(
      "usage",
      `--receipt: expected full or short, not ${JSON.stringify(receipt)}`,
    );
  }
  const mapLines = await loadMapping(context);
  const blobs = await blobFiles(context);
  const event = eventFromFlags(context, blobs);
  const [file] = parameters;
  if (event !== undefined && file !== undefined) {
    throw new CairnError("usage", "give events in a file, or one by flags, not both");
  }
  if (event === undefined && file === undefined && io.isTerminal.stdin) {
    throw new CairnError(
      "usage",
      "there is nothing to record: name a file, - for standard input, or --type, --actor and --action",
    );
  }
  const sink = await openSink(context, options.text("source") ?? "cli");
  try {
    if (event !== undefined) {
      for (const blob of blobs) await sink.putBlob(blob);
      return await appendAll(context, sink, receipt, once(event), undefined);
    }
    const name = file ?? "-";
    const input = openInput(name, resolve(io.cwd, name), io.stdin);
    const shown = name === "-" ? "standard input" : name;
    if (mapLines !== undefined) {
      const bodies = mapLines(input, shown, sink);
      const exit = await appendAll(context, sink, receipt, bodies, "flush");
      input.destroy();
      return exit;
    }
    return await appendAll(context, sink, receipt, readBodies(input, shown), input);
  } finally {
    await sink.close();
  }
}

/** Loaded only here: other appends need neither YAML nor adapters. */
async function loadMapping({ options, io }: CommandContext): Promise<MapLines | undefined> {
  const map = options.text("map");
  if (map === undefined) return undefined;
  const { readMappingFile } = await import("../mapping-file.ts");
  const { mappedBodies, untilQuiet } = await import("../mapped-input.ts");
  const { mapping } = readMappingFile(resolve(io.cwd, map), map);
  // What a pipe holds when Ctrl-C comes is recorded too: nothing stops it but its end.
  return (input, name, sink) =>
    mappedBodies(untilQuiet(input, io.interrupted), name, mapping, sink, io.hostName);
}

type MapLines = (input: Readable, name: string, sink: LogSink) => AsyncGenerator<InputBody, void>;

async function* once(body: InputBody): AsyncGenerator<InputBody, void> {
  yield await Promise.resolve(body);
}

async function appendAll(
  context: CommandContext,
  sink: LogSink,
  receipt: "full" | "short",
  bodies: AsyncGenerator<InputBody, void>,
  input: Readable | "flush" | undefined,
): Promise<Exit> {
  const { io, output } = context;
  const tally = new Tally();
  const isFlushed = input === "flush";
  const stop = (): unknown => (isFlushed ? undefined : input?.destroy());
  io.interrupted.addEventListener("abort", stop, { once: true });
  let begin = "";
  try {
    for await (const body of bodies) {
      begin = body.nameOf(0);
      const answer = await sink.append(body, receipt);
      await report(context, body, answer, receipt, tally);
      begin = "";
      if (tally.recorded > 1) output.progress(tally.text);
      if (io.interrupted.aborted && !isFlushed) break;
    }
  } catch (error) {
    if (!io.interrupted.aborted || isFlushed) {
      // What went before is recorded all the same; what was under way may be.
      if (tally.recorded + tally.refused > 0) output.note(`Until then: ${tally.text}`);
      if (begin !== "" && isCairnError(error, "unavailable")) {
        output.note(`No answer came from ${begin} on. Events with an id may be sent again safely.`);
      }
      throw error;
    }
  } finally {
    io.interrupted.removeEventListener("abort", stop);
  }
  if (io.interrupted.aborted && !isFlushed) {
    throw new CairnError("unavailable", `interrupted. ${tally.text}`);
  }
  if (tally.recorded + tally.refused !== 1) output.note(tally.text);
  return tally.refused > 0 ? 2 : 0;
}

class Tally {
  recorded = 0;
  refused = 0;
  duplicates = 0;
  #first: number | undefined;
  #last: number | undefined;

  add({ seq, duplicate }: Recorded): void {
    this.recorded++;
    if (duplicate) this.duplicates++;
    this.#first = Math.min(this.#first ?? seq, seq);
    this.#last = Math.max(this.#last ?? seq, seq);
  }

  get text(): string {
    const range = this.#first === undefined ? "" : `, entries ${this.#first} to ${this.#last}`;
    const known = this.duplicates === 0 ? "" : `, ${this.duplicates} of them before`;
    const refused = this.refused === 0 ? "" : `; refused ${this.refused}`;
    return `Recorded ${this.recorded}${known}${range}${refused}.`;
  }
}

async function report(
  { output }: CommandContext,
  body: InputBody,
  answer: Answer,
  form: "full" | "short",
  tally: Tally,
): Promise<void> {
  const { outcomes, origin, checkpoint } = answer;
  const lines: string[] = [];
  // A receipt has one spelling, which only a terminal does not get.
  const receiptText = output.isTerminal ? asciiJson : (value: object) => JSON.stringify(value);
  for (const [i, outcome] of outcomes.entries()) {
    if ("error" in outcome) {
      tally.refused++;
      const { error } = outcome;
      if (output.isJson) lines.push(asciiJson({ event: body.nameOf(i), error: problemOf(error) }));
      else output.error(describeError(error).replace(/^cairn:/, `cairn: ${body.nameOf(i)}:`));
      continue;
    }
    tally.add(outcome);
    const { seq, leafHash, duplicate, proof } = outcome;
    const known = duplicate ? { duplicate } : {};
    if (form === "full")
      lines.push(receiptText({ origin, seq, leafHash, ...known, proof, checkpoint }));
    else if (output.isJson) lines.push(asciiJson({ seq, leafHash, ...known }));
    else {
      const note = duplicate ? output.paint("dim", "  recorded before") : "";
      lines.push(`${String(seq).padStart(6)}  ${safeText(leafHash)}${note}`);
    }
  }
  if (lines.length === 0) return;
  try {
    await output.raw(`${lines.join("\n")}\n`);
  } catch (error) {
    // Nobody reads the receipts any more (`| head`): the events are recorded all the same.
    if (!(error instanceof PipeClosed)) throw error;
  }
}

async function blobFiles({ options, io }: CommandContext): Promise<readonly BlobFile[]> {
  const files: BlobFile[] = [];
  for (const name of options.list("blob")) {
    files.push(await readBlobFile(resolve(io.cwd, name), name));
  }
  return files;
}

function eventFromFlags(
  { options, io }: CommandContext,
  blobs: readonly BlobFile[],
): InputBody | undefined {
  const given = eventFlags.filter((name) => options.text(name) !== undefined);
  const others = ["target", "detail", "blob"].some((name) => options.list(name).length > 0);
  const timeMs = options.time("time", io.now());
  if (given.length === 0 && !others && timeMs === undefined) return undefined;
  const missing = ["type", "actor", "action"].filter((name) => options.text(name) === undefined);
  if (missing.length > 0) {
    throw new CairnError("usage", `an event from flags also takes --${missing.join(" and --")}`);
  }
  const [targets, details] = [options.list("target"), options.list("detail")];
  const event = {
    id: options.text("id") ?? randomUUID(),
    type: options.text("type"),
    time: formatLogTime(timeMs ?? io.now()),
    actor: { id: options.text("actor") },
    action: options.text("action"),
    ...(targets.length > 0
      ? { targets: targets.map((text) => pair(text, ":", "--target", ["type", "id"])) }
      : {}),
    outcome: options.text("outcome"),
    trace: options.text("trace"),
    ...(blobs.length > 0 ? { blobs: blobs.map(({ name }) => name) } : {}),
    ...(details.length > 0
      ? { details: Object.assign({}, ...details.map(detailOf)) as object }
      : {}),
  };
  return { form: "one", bytes: utf8(JSON.stringify(event)), nameOf: () => "the event" };
}

function detailOf(text: string): Record<string, string> {
  const { name, value } = pair(text, "=", "--detail", ["name", "value"]);
  return { [name!]: value! };
}

function pair(
  text: string,
  separator: string,
  flag: string,
  [first, second]: readonly [string, string],
): Record<string, string> {
  const at = text.indexOf(separator);
  if (at > 0 && at < text.length - 1) {
    return { [first]: text.slice(0, at), [second]: text.slice(at + 1) };
  }
  throw new CairnError(
    "usage",
    `${flag}: expected ${first}${separator}${second}, not ${JSON.stringify(text.slice(0, 80))}`,
  );
}
