/**
 * How an error leaves: one line of what, where and what to do; or, with --json, a problem document.
 */
import { errorTable, isCairnError, type CairnError, type CairnErrorCode } from "@cairnlog/core";
import type { Exit } from "./io.ts";
import type { Output } from "./output.ts";
import { asciiJson } from "./safe-text.ts";

/** Errors about what somebody wrote: their messages name what was expected instead. */
const saysWhatToDo: ReadonlySet<CairnErrorCode> = new Set([
  "usage",
  "malformed",
  "invalid",
  "too_large",
  "private_unsupported",
] as const);

/** Tells about `error` and returns the exit status that it means. */
export function reportError(output: Output, error: unknown, showStack: boolean): Exit {
  if (isCairnError(error)) {
    output.error(output.isJson ? asciiJson(problemOf(error)) : describeError(error));
    return errorTable[error.code].exit;
  }
  const message = error instanceof Error ? error.message : String(error);
  if (output.isJson) {
    const { title, status } = errorTable.internal;
    output.error(
      asciiJson({ type: "/errors/internal", title, status, detail: message, code: "internal" }),
    );
  } else {
    output.error(`cairn: something went wrong inside: ${oneLine(message)}`);
    output.error(
      "This is a mistake in Cairn. Run it again with --log-level debug to see where, and report it.",
    );
  }
  if (showStack && error instanceof Error) output.error(error.stack ?? "");
  return errorTable.internal.exit;
}

/** `cairn: what (where). What to do.` */
export function describeError(error: CairnError): string {
  const { todo } = errorTable[error.code];
  const message = oneLine(error.message);
  const place = placeText(error, message);
  const advice = saysWhatToDo.has(error.code) || message.includes(todo) ? "" : ` ${todo}`;
  return `cairn: ${message}${place}${/[.?!)]$/.test(message + place) ? "" : "."}${advice}`;
}

/** What is known of the place and not yet in the message. */
function placeText({ place }: CairnError, message: string): string {
  const parts: string[] = [];
  if (place.log !== undefined && !message.includes(place.log)) parts.push(`log ${place.log}`);
  if (place.seq !== undefined && !message.includes(String(place.seq)))
    parts.push(`entry ${place.seq}`);
  if (place.path !== undefined && !message.includes(place.path)) parts.push(place.path);
  if (place.byte !== undefined && !message.includes(`byte ${place.byte}`))
    parts.push(`byte ${place.byte}`);
  if (place.pointer !== undefined && !message.includes(place.pointer)) parts.push(place.pointer);
  return parts.length === 0 ? "" : ` (${parts.join(", ")})`;
}

/** RFC 9457, as the server writes them. */
export function problemOf(error: CairnError): object {
  const { title, status } = errorTable[error.code];
  return {
    type: `/errors/${error.code}`,
    title,
    status,
    detail: error.message,
    code: error.code,
    ...error.place,
  };
}

function oneLine(text: string): string {
  return text.replace(/\s*\n\s*/g, " ");
}
