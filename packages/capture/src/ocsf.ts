/**
 * OCSF events as they are, whole: one object, an array, or one a line. Nothing of them is moved or renamed. Two things
 * are done: a record without a member `id` gets its `metadata.uid` as that, so that one that is sent again is
 * recognised; and one that is larger than an entry lies in a blob, beside an event that tells who did what.
 */
import { eventByteLengthMax, type CairnEvent } from "@cairnlog/core";
import { requireAnyToken } from "./authentication.ts";
import { eventFrom, safeId } from "./event-fields.ts";
import { at, isObject, textAt, type Json } from "./foreign-json.ts";
import { recordsOf } from "./json.ts";
import type { Adapter, Captured, CapturedEvent, Delivery } from "./adapter.ts";

/** By the first digit of `class_uid`: the category. */
const typesOfCategory: Readonly<Record<string, string>> = {
  "1": "api.activity",
  "2": "security.finding",
  "3": "identity.activity",
  "4": "api.network",
  "5": "change.discovery",
  "6": "api.activity",
  "7": "security.remediation",
};

export const ocsfAdapter: Adapter = {
  kind: "ocsf",
  title: "OCSF JSON",
  basis: "OCSF 1.8 (schema.ocsf.io); whatever has a numeric class_uid is taken",
  known: [
    {
      kind: "event",
      type: "none: an OCSF event is kept whole, under its own names",
      actor: "/actor",
      action: "/activity_id, /activity_name",
      targets: "as its class says",
      outcome: "/status_id",
    },
  ],
  setup: {
    questions: [],
    secret: "token",
    instructions: ({ url, secret }) =>
      [
        `Send OCSF events to \`${url}\` with POST: one JSON object, an array, or one a line.`,
        "",
        `Header: \`Authorization: Bearer ${secret}\``,
      ].join("\n"),
  },
  authenticate: ({ headers }, source) => requireAnyToken(headers, source),
  capture,
};

function capture({ body }: Delivery): Captured {
  const { records, refused } = recordsOf(body);
  const events: CapturedEvent[] = [];
  const others = [...refused];
  for (const [i, { value }] of records.entries()) {
    const why = whyNot(value);
    if (why === undefined) events.push(whole(value as { readonly [name: string]: Json }));
    else others.push(`record ${i}: ${why}`);
  }
  return others.length === 0 ? { events } : { events, refused: others };
}

/** What a log would refuse about it. */
function whyNot(value: Json): string | undefined {
  if (!isObject(value) || typeof value["class_uid"] !== "number") {
    return "no OCSF event: it has no numeric class_uid";
  }
  for (const name of ["private", "blobs", "sequence"]) {
    if (Object.hasOwn(value, name)) return `it has a member \`${name}\`, which is a log's own`;
  }
  const { type, id } = value;
  if (typeof type === "string" && (/^(?:system|source)\./.test(type) || type.includes("\\"))) {
    return "its `type` is one of a log's own";
  }
  return typeof id === "string" && safeId(id) !== id
    ? "its `id` is no plain text of 1 to 128 bytes"
    : undefined;
}

function whole(record: { readonly [name: string]: Json }): CapturedEvent {
  const uid = Object.hasOwn(record, "id") ? undefined : safeId(textAt(record, "metadata", "uid"));
  const event = uid === undefined ? record : { id: uid, ...record };
  const bytes = new TextEncoder().encode(JSON.stringify(event));
  // What a log reads of an OCSF event is none of the members that other events must have.
  if (bytes.length <= eventByteLengthMax) return { event: event as unknown as CairnEvent };
  return {
    event: headOf(record, uid),
    blobs: [{ bytes, mediaType: "application/json", role: "ocsf" }],
  };
}

function headOf(record: Json, id: string | undefined): CairnEvent {
  const classUid = textAt(record, "class_uid") ?? "";
  const actor =
    textAt(record, "actor", "user", "uid") ??
    textAt(record, "actor", "user", "name") ??
    textAt(record, "user", "name");
  return eventFrom({
    id,
    type: typesOfCategory[classUid[0] ?? ""] ?? "api.activity",
    time: at(record, "time"),
    actor: { id: actor },
    action: textAt(record, "activity_name") ?? `class ${classUid}`,
    details: { movedToBlob: "ocsf" },
  });
}
