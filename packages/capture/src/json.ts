/**
 * Anything that posts JSON: one object, an array of them, or one a line. What it means is told by a mapping; without
 * one a record that is an event already, Cairn's or OCSF, is recorded as it is.
 *
 * Ids. A record with no id of its own gets one made of the SHA-256 of the whole body and its place in it, so that a
 * delivery that is sent again is recognised. One without any time gets none: two such deliveries may be two real
 * happenings that look alike.
 */
import { createHash } from "node:crypto";
import {
  CairnError,
  EventScanner,
  checkEvent,
  isCairnError,
  utf8,
  type CairnEvent,
} from "@cairnlog/core";
import { requireAnyToken } from "./authentication.ts";
import {
  applyMapping,
  emptyMapping,
  parseMapping,
  type MappedDefaults,
  type Mapping,
} from "./mapping.ts";
import { parseForeignJson, parseForeignText, type ForeignJson, type Json } from "./foreign-json.ts";
import type { Adapter, Captured, CapturedEvent, Delivery, SourceSettings } from "./adapter.ts";

export const mapQuestion = {
  name: "map",
  text: "Mapping: a file that says where actor, action, targets, outcome and time are (docs/mapping.md)",
  default: "",
} as const;

/** The mapping that a source was given, as JSON text; undefined where it was given none. "usage". */
export function findMapping({ options }: Pick<SourceSettings, "options">): Mapping | undefined {
  const { map = "" } = options;
  if (map === "") return undefined;
  const known = parsed.get(map);
  if (known !== undefined) return known;
  const mapping = parseMapping(parseForeignText(map, "the mapping").value);
  // Few sources have one; a bound all the same.
  if (parsed.size >= 100) parsed.clear();
  parsed.set(map, mapping);
  return mapping;
}
const parsed = new Map<string, Mapping>();

/** One record as an event. Without a mapping, one that is an event already stays as it is. "private_unsupported". */
export function eventOfRecord(
  mapping: Mapping | undefined,
  value: Json,
  source: string,
  id?: string,
): CairnEvent {
  if (mapping === undefined && isEvent(value)) return value;
  const defaults: MappedDefaults = {
    type: "api.event",
    actor: { id: source, type: "source" },
    action: "record",
  };
  const event = applyMapping(mapping ?? emptyMapping, value, defaults);
  const isDated = event.id === undefined && event.time !== undefined && id !== undefined;
  return isDated ? { ...event, id } : event;
}

const scanner = new EventScanner();

function isEvent(value: Json): value is Json & CairnEvent {
  const bytes = utf8(JSON.stringify(value));
  try {
    scanner.scan(bytes, 0, bytes.length);
    checkEvent(scanner, bytes);
    return true;
  } catch (error) {
    // What somebody meant to be private must not be recorded in the clear as a detail.
    if (!isCairnError(error) || error.code === "private_unsupported") throw error;
    return false;
  }
}

/** The records of a body: one object, an array, or one a line. "malformed" where none can be read. */
export function recordsOf(body: Uint8Array): {
  readonly records: readonly ForeignJson[];
  readonly refused: readonly string[];
} {
  try {
    const whole = parseForeignJson(body);
    if (!Array.isArray(whole.value)) return { records: [whole], refused: [] };
    const values: readonly Json[] = whole.value;
    const { isAltered } = whole;
    return { records: values.map((value) => ({ value, isAltered })), refused: [] };
  } catch (error) {
    // More than one line: it may be NDJSON.
    const at = body.indexOf(0x0a);
    if (at < 0 || at === body.length - 1) throw error;
  }
  const records: ForeignJson[] = [];
  const refused: string[] = [];
  for (const { line, number } of linesOf(body)) {
    try {
      records.push(parseForeignJson(line, `line ${number}`));
    } catch (error) {
      if (!(error instanceof CairnError)) throw error;
      refused.push(error.message);
    }
  }
  if (records.length === 0) throw new CairnError("malformed", refused[0] ?? "the body is empty");
  return { records, refused };
}

function* linesOf(body: Uint8Array): Generator<{ line: Uint8Array; number: number }, void> {
  let number = 0;
  for (let start = 0; start < body.length;) {
    const end = body.indexOf(0x0a, start);
    const line = body.subarray(start, end < 0 ? body.length : end);
    start += line.length + 1;
    number++;
    if (line.some((byte) => byte !== 0x20 && byte !== 0x09 && byte !== 0x0d))
      yield { line, number };
  }
}

/** What a delivery of records comes to, all under one mapping. */
export function captureRecords(
  { body }: Pick<Delivery, "body">,
  source: SourceSettings,
  mapping: Mapping | undefined,
): Captured {
  const { records, refused: unread } = recordsOf(body);
  const digest = createHash("sha256").update(body).digest("hex").slice(0, 48);
  const events: CapturedEvent[] = [];
  const refused = [...unread];
  for (const [i, { value, isAltered }] of records.entries()) {
    try {
      const event = eventOfRecord(mapping, value, source.name, `${digest}-${i}`);
      // Where characters had to be changed the very bytes stay beside.
      const original = { bytes: body, mediaType: "application/json", role: "original" };
      events.push(isAltered ? { event, blobs: [original] } : { event });
    } catch (error) {
      if (!(error instanceof CairnError) || records.length === 1) throw error;
      refused.push(`record ${i}: ${error.message}`);
    }
  }
  return refused.length === 0 ? { events } : { events, refused };
}

export const jsonAdapter: Adapter = {
  kind: "json",
  title: "JSON or NDJSON of any kind, with a mapping",
  basis: "RFC 8259; NDJSON: one value a line. The mapping: docs/mapping.md",
  known: [
    {
      kind: "record",
      type: "`type` of the mapping; else the record's own, else api.event",
      actor: "`actor` of the mapping; else /actor/id of an event, else the source",
      action: "`action` of the mapping; else /action of an event, else `record`",
      targets: "`targets` of the mapping; else /targets of an event",
      outcome: "`outcome` of the mapping; else /outcome of an event",
    },
  ],
  setup: {
    questions: [mapQuestion],
    secret: "token",
    instructions: ({ url, secret }) =>
      [
        "Send JSON, an array of it, or one object a line, with the secret as a bearer token:",
        "",
        "```sh",
        `curl ${url} -H "Authorization: Bearer ${secret}" -H "Content-Type: application/json" \\`,
        `  --data '{"type":"api.call","actor":{"id":"alice"},"action":"GET /orders"}'`,
        "```",
      ].join("\n"),
  },
  authenticate: ({ headers }, source) => requireAnyToken(headers, source),
  capture: (delivery, source) => captureRecords(delivery, source, findMapping(source)),
};
