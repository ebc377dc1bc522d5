/**
 * From one syslog message to one event: what programs of authentication say becomes `identity.*`, everything else
 * `security.log`, with the program for an actor and the host for a target.
 *
 * An event depends on the message's bytes, the sender's address and, for times without a year, on when it came; on
 * nothing else. So a message that is sent again makes the same event, and one that has an id of its own is recognised.
 */
import { hash } from "node:crypto";
import { base64, utf8, type CairnEvent } from "@cairnlog/core";
import type { CapturedEvent } from "./adapter.ts";
import { asDetails } from "./captured-event.ts";
import { eventFrom } from "./event-fields.ts";
import { findKeycloakEvent } from "./keycloak.ts";
import { readAuthLine } from "./linux-auth.ts";
import type { AuthFinding } from "./linux-auth-finding.ts";
import { parseSyslog, type SyslogContext, type SyslogMessage } from "./syslog-message.ts";

export interface SyslogArrival extends SyslogContext {
  /** Address of who sent it, without the port. */
  readonly peer?: string;
  /** A message beyond the limit comes in pieces, counted from 1. */
  readonly piece?: { readonly number: number; readonly isLast: boolean };
  /** The connection ended in the middle of it. */
  readonly isTorn?: boolean;
}

/** What everything is that is not known better. */
export const syslogType = "security.log";

// RFC 5424, table 1, in the words of syslog(3) where it has some.
const facilities = (
  "kern user mail daemon auth syslog lpr news uucp cron authpriv ftp ntp audit alert clock " +
  "local0 local1 local2 local3 local4 local5 local6 local7"
).split(" ");
const severities = "emerg alert crit err warning notice info debug".split(" ");

export function captureSyslog(bytes: Uint8Array, arrival: SyslogArrival = {}): CapturedEvent {
  const message = parseSyslog(bytes, arrival);
  // The rest of a message is no message: whatever it looks like, nobody may pass it for one.
  const isRest = arrival.piece !== undefined && arrival.piece.number > 1;
  const finding =
    message.app === undefined || isRest ? undefined : readAuthLine(message.app, message.message);
  const event = finding === undefined ? plain(message, arrival) : found(message, arrival, finding);
  const known =
    message.app === "keycloak" ? findKeycloakEvent(message.message.trimEnd()) : undefined;
  if (known === undefined || isRest) return { event };
  const { message: _inDetails, ...syslog } = event.details as Record<string, unknown>;
  return { event: { ...known, details: { ...asDetails(known.details), syslog } } };
}

/**
 * The event of a message that is nothing special. Most are: they are made without `eventFrom`, which costs more than
 * all the rest. All that stands in it was matched by a pattern with a bound, so that a log takes it.
 */
function plain(message: SyslogMessage, arrival: SyslogArrival): CairnEvent {
  const { app, msgid, time } = message;
  const host = message.host ?? arrival.peer;
  const id = idOf(message, arrival);
  return {
    ...(id === undefined ? {} : { id }),
    type: syslogType,
    ...(time === undefined ? {} : { time }),
    actor:
      app === undefined ? { id: host ?? "unknown", type: "host" } : { id: app, type: "service" },
    action: msgid ?? "log",
    ...(host === undefined ? {} : { targets: [{ type: "host", id: host }] }),
    details: detailsOf(message, arrival),
  };
}

function found(message: SyslogMessage, arrival: SyslogArrival, finding: AuthFinding): CairnEvent {
  const { type, actor, action, targets = [], outcome, auth } = finding;
  return eventFrom({
    id: idOf(message, arrival),
    type,
    time: message.time,
    actor,
    action,
    targets: [...targets, { type: "host", id: message.host ?? arrival.peer }],
    outcome,
    details: { auth, ...detailsOf(message, arrival) },
  });
}

function detailsOf(
  message: SyslogMessage,
  { peer, piece, isTorn }: SyslogArrival,
): Readonly<Record<string, unknown>> {
  const { facility, severity, bytes, header, message: text } = message;
  // Members that are undefined are left out by JSON.
  return {
    format: message.format,
    host: message.host,
    app: message.app,
    procid: message.procid,
    msgid: message.msgid,
    structuredData: message.structuredData,
    facility: facility === undefined ? undefined : facilities[facility],
    severity: severity === undefined ? undefined : severities[severity],
    header,
    message: text,
    bytes: bytes === undefined ? undefined : base64(bytes),
    peer,
    piece,
    isTorn: isTorn === true ? isTorn : undefined,
  };
}

/**
 * A message's own id, if its sender gave it one: the parameter `uuid` of any element, or RFC 5424's sequenceId
 * (section 7.3.1) together with all that tells one run of a sender from the next, which is the whole message. Without
 * one there is none: two messages with the same bytes may well be two happenings.
 */
function idOf(
  { structuredData, time, header, message }: SyslogMessage,
  { piece, isTorn }: SyslogArrival,
): string | undefined {
  if (structuredData === undefined || piece !== undefined || isTorn === true) return undefined;
  for (const element of Object.values(structuredData)) {
    const uuid = Object.hasOwn(element, "uuid") ? element.uuid : undefined;
    if (typeof uuid === "string" && /^[0-9A-Fa-f-]{32,36}$/.test(uuid)) return uuid;
  }
  const meta = Object.hasOwn(structuredData, "meta") ? structuredData.meta! : {};
  if (time === undefined || !Object.hasOwn(meta, "sequenceId")) return undefined;
  return `sha256:${hash("sha256", utf8(header + message), "hex")}`;
}
