/** `cairn map`: what an adapter makes of a sample, without a log and without a server. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import {
  isObject,
  renderCaptured,
  type Adapter,
  type Delivery,
  type Json,
} from "@cairnlog/capture";
import {
  CairnError,
  EventScanner,
  checkEvent,
  isCairnError,
  parseBase64,
  parseUtf8,
  utf8,
} from "@cairnlog/core";
import type { CommandContext, CommandSpec } from "../command.ts";
import type { Exit } from "../io.ts";
import { readMappingFile } from "../mapping-file.ts";
import { asciiJsonText, safeText } from "../safe-text.ts";
import { requireAdapter } from "../source-setup.ts";

export const mapCommand: CommandSpec = {
  name: "map",
  summary: "show what an adapter makes of a sample",
  description:
    "Reads a sample of what a system sends and prints the events that would be recorded. The sample is a body as it comes, with " +
    "--header for the headers that matter; or a delivery in one JSON file, as the fixtures of the adapters are. Nothing is " +
    "recorded, and no signature is asked for. The exit status is 2 where a part of it would be refused.",
  settings: [],
  options: [
    { flags: "--test <file>", about: "the sample" },
    { flags: "--kind <kind>", about: "as `cairn sources kinds` lists them (default: json)" },
    { flags: "--map <file>", about: "a mapping for kinds that take one (docs/mapping.md)" },
    {
      flags: "--header <name: value>",
      about: "a header of the request; may be repeated",
      isList: true,
    },
    { flags: "--path <path>", about: "what follows the source's address, with its query" },
    { flags: "--set <name=value>", about: "a setting of the kind; may be repeated", isList: true },
  ],
  examples: [
    { line: "cairn map --test app.log --map app.map.yaml", about: "try a mapping" },
    {
      line: "cairn map --test event.json --kind cloudevents --header 'content-type: application/cloudevents+json'",
      about: "what becomes of a CloudEvent",
    },
  ],
  run,
};

async function run(context: CommandContext): Promise<Exit> {
  const { options, output, io } = context;
  const file = options.text("test");
  if (file === undefined) throw new CairnError("usage", "name the sample with --test");
  const adapter = requireAdapter(options.text("kind") ?? "json");
  const delivery = readSample(resolve(io.cwd, file), file, context);
  const source = { name: adapter.kind, secrets: [], options: settingsOf(adapter, context) };
  const captured = adapter.capture(delivery, source);
  let refused = 0;
  for (const event of captured.events) {
    const { bytes, blobs } = renderCaptured(event, sha256);
    const why = refusalOf(bytes);
    if (output.isJson) await output.line(asciiJsonText(parseUtf8(bytes)));
    else {
      const pretty = JSON.stringify(JSON.parse(parseUtf8(bytes)), undefined, 2);
      for (const line of pretty.split("\n")) await output.line(safeText(line));
    }
    for (const blob of blobs) output.note(`blob ${blob.sha256}: ${blob.bytes.length} bytes`);
    if (why !== undefined) {
      refused++;
      output.error(`cairn: a log would refuse it: ${why}`);
    }
  }
  for (const why of captured.refused ?? []) {
    refused++;
    output.error(`cairn: refused: ${why}`);
  }
  const { length } = captured.events;
  output.note(
    `${length} ${length === 1 ? "event" : "events"}${refused > 0 ? `; refused ${refused}` : ""}.`,
  );
  return refused > 0 ? 2 : 0;
}

function readSample(path: string, shown: string, { options }: CommandContext): Delivery {
  let body: Uint8Array;
  try {
    body = readFileSync(path);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : "";
    throw new CairnError("usage", `--test: ${shown} cannot be read: ${why}`, { cause });
  }
  const recorded = findDelivery(body);
  const headers: Record<string, string | undefined> = { ...recorded?.headers };
  for (const text of options.list("header")) {
    const [, name, value] = /^([!-9;-~]+):\s*(.*)$/.exec(text) ?? [];
    if (name === undefined || value === undefined) {
      throw new CairnError("usage", `--header: expected name: value, not ${JSON.stringify(text)}`);
    }
    headers[name.toLowerCase()] = value;
  }
  const [below = "", query = ""] = (options.text("path") ?? "").split("?", 2);
  const plain = { method: "POST", path: below, query: new URLSearchParams(query), headers, body };
  return recorded === undefined ? plain : { ...recorded, headers };
}

/** A file with a member `delivery` is a request as the adapters' fixtures spell it; any other is a body. */
function findDelivery(file: Uint8Array): Delivery | undefined {
  let value: Json;
  try {
    value = JSON.parse(new TextDecoder().decode(file)) as Json;
  } catch {
    return undefined;
  }
  const delivery = isObject(value) ? value["delivery"] : undefined;
  if (delivery === undefined || !isObject(delivery)) return undefined;
  const text = (name: string): string => {
    const found = delivery[name];
    return typeof found === "string" ? found : "";
  };
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(delivery["headers"] ?? {})) {
    if (typeof value === "string") headers[name.toLowerCase()] = value;
  }
  return {
    method: text("method") === "" ? "POST" : text("method"),
    path: text("path"),
    query: new URLSearchParams(text("query")),
    headers,
    body: "bodyBase64" in delivery ? parseBase64(text("bodyBase64")) : utf8(text("body")),
  };
}

function settingsOf(adapter: Adapter, { options, io }: CommandContext): Record<string, string> {
  const settings: Record<string, string> = {};
  for (const { name, default: standard } of adapter.setup.questions) {
    if (standard !== undefined) settings[name] = standard;
  }
  for (const text of options.list("set")) {
    const at = text.indexOf("=");
    if (at > 0) settings[text.slice(0, at)] = text.slice(at + 1);
    else throw new CairnError("usage", `--set: expected name=value, not ${JSON.stringify(text)}`);
  }
  const map = options.text("map");
  if (map !== undefined) settings["map"] = readMappingFile(resolve(io.cwd, map), map).text;
  return settings;
}

function refusalOf(bytes: Uint8Array): string | undefined {
  const scanner = new EventScanner();
  try {
    scanner.scan(bytes, 0, bytes.length);
    checkEvent(scanner, bytes);
    return undefined;
  } catch (error) {
    if (isCairnError(error)) return error.message;
    throw error;
  }
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
