/**
 * From one syslog message to one event: what programs of authentication say becomes `identity.*`, everything else
 * `security.log`, with the program for an actor and the host for a target.
 *
 * An event depends on the message's bytes, the sender's address and, for times without a year, on when it came; on
 * nothing else. So a message that is sent again makes the same event, and one that has an id of its own is recognised.
 */
import { hash } from "node:crypto";
import { base64, utf8 } from "@cairnlog/core";
import type { CapturedEvent } from "./adapter.ts";
import { asDetails } from "./captured-event.ts";
import { eventFrom, type EventDraft } from "./event-fields.ts";
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
  const event = eventFrom(draftOf(message, arrival, finding));
  const known =
    message.app === "keycloak" ? findKeycloakEvent(message.message.trimEnd()) : undefined;
  if (known === undefined || isRest) return { event };
  const { message: _inDetails, ...syslog } = event.details as Record<string, unknown>;
  return { event: { ...known, details: { ...asDetails(known.details), syslog } } };
}

function draftOf(
  message: SyslogMessage,
  { peer, piece, isTorn }: SyslogArrival,
  finding: AuthFinding | undefined,
): EventDraft {
  const { facility, severity, bytes, header, message: text, time, ...head } = message;
  const details = {
    ...(finding === undefined ? {} : { auth: finding.auth }),
    ...head,
    ...(facility === undefined ? {} : { facility: facilities[facility] }),
    ...(severity === undefined ? {} : { severity: severities[severity] }),
    header,
    message: text,
    ...(bytes === undefined ? {} : { bytes: base64(bytes) }),
    ...(peer === undefined ? {} : { peer }),
    ...(piece === undefined ? {} : { piece }),
    ...(isTorn === true ? { isTorn } : {}),
  };
  const host = head.host ?? peer;
  const hostTarget = { type: "host", id: host };
  return {
    id: piece === undefined && isTorn !== true ? idOf(message) : undefined,
    time,
    details,
    ...(finding === undefined
      ? {
          type: syslogType,
          actor: { id: head.app ?? host, type: head.app === undefined ? "host" : "service" },
          action: head.msgid ?? "log",
          targets: [hostTarget],
        }
      : {
          type: finding.type,
          actor: finding.actor,
          action: finding.action,
          targets: [...(finding.targets ?? []), hostTarget],
          outcome: finding.outcome,
        }),
  };
}

/**
 * A message's own id, if its sender gave it one: the parameter `uuid` of any element, or RFC 5424's sequenceId
 * (section 7.3.1) together with all that tells one run of a sender from the next, which is the whole message. Without
 * one there is none: two messages with the same bytes may well be two happenings.
 */
function idOf({ structuredData, time, header, message }: SyslogMessage): string | undefined {
  if (structuredData === undefined) return undefined;
  for (const element of Object.values(structuredData)) {
    const uuid = Object.hasOwn(element, "uuid") ? element.uuid : undefined;
    if (typeof uuid === "string" && /^[0-9A-Fa-f-]{32,36}$/.test(uuid)) return uuid;
  }
  const meta = Object.hasOwn(structuredData, "meta") ? structuredData.meta! : {};
  if (time === undefined || !Object.hasOwn(meta, "sequenceId")) return undefined;
  return `sha256:${hash("sha256", utf8(header + message), "hex")}`;
}
