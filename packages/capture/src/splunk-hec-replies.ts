/** What Splunk's HTTP Event Collector says, in its own words: a text and a code for whatever happens. */
import { CairnError, parseDecimal } from "@cairnlog/core";
import { findCredentials } from "./authentication.ts";
import { lookUp } from "./pointers.ts";
import type { Answer, Delivery, ErrorForSender } from "./adapter.ts";

/** Splunk's own table: "Troubleshoot HTTP Event Collector", possible error codes. */
const replies = {
  Success: { status: 200, code: 0 },
  "Token is required": { status: 401, code: 2 },
  "Invalid authorization": { status: 401, code: 3 },
  "Invalid token": { status: 403, code: 4 },
  "No data": { status: 400, code: 5 },
  "Invalid data format": { status: 400, code: 6 },
  "Internal server error": { status: 500, code: 8 },
  "Server is busy": { status: 503, code: 9 },
  "Data channel is missing": { status: 400, code: 10 },
  "Invalid data channel": { status: 400, code: 11 },
  "Event field is required": { status: 400, code: 12 },
  "Event field cannot be blank": { status: 400, code: 13 },
  "Error in handling indexed fields": { status: 400, code: 15 },
  "HEC is healthy": { status: 200, code: 17 },
} as const satisfies Record<string, { readonly status: number; readonly code: number }>;
export type ReplyText = keyof typeof replies;

export function refusal(text: ReplyText, number?: number): CairnError {
  return new CairnError(
    "malformed",
    number === undefined ? text : `${text}: event number ${number}`,
  );
}

export function answerError(
  { code, status, message }: ErrorForSender,
  headers: Delivery["headers"],
): Answer {
  if (code === "malformed") return replyTo(message);
  if (code === "unauthenticated") return reply(whyNot(headers.authorization));
  if (code === "internal") return reply("Internal server error");
  if (status === 429 || status >= 500 || code === "timeout") return reply("Server is busy");
  return { ...reply("Invalid data format"), status };
}

function whyNot(authorization: string | undefined): ReplyText {
  if (authorization === undefined) return "Token is required";
  const schemes = ["Splunk", "Basic"];
  const isKnown = schemes.some((name) => findCredentials(authorization, name) !== undefined);
  return isKnown ? "Invalid token" : "Invalid authorization";
}

/** The reply whose text a refusal begins with. */
export function replyTo(message: string): Answer {
  const [, text, number] = /^(.*?)(?:: event number ([0-9]{1,9}))?$/s.exec(message) ?? [];
  const known: ReplyText =
    lookUp(replies, text) === undefined ? "Invalid data format" : (text as ReplyText);
  return reply(
    known,
    number === undefined ? {} : { "invalid-event-number": parseDecimal(number, "event number") },
  );
}

export function reply(text: ReplyText, more: { readonly [name: string]: number } = {}): Answer {
  const { status, code } = replies[text];
  return { status, body: JSON.stringify({ text, code, ...more }) };
}
