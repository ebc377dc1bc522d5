/**
 * Lines of syslog that arrive over HTTP or through a pipe, one message a line: files, and collectors that speak HTTP.
 * The sockets of syslog and RELP are the package `syslog`'s; what a message means is the same there and here.
 *
 * There is no receiving time here, so a time without a year is none: send RFC 5424, or RFC 3339 times.
 */
import { CairnError, isCairnError } from "@cairnlog/core";
import type { Adapter, Captured, KnownKind, SourceSettings } from "./adapter.ts";
import { requireAnyToken } from "./authentication.ts";
import { authKinds } from "./linux-auth-kinds.ts";
import { captureSyslog, syslogType } from "./syslog-event.ts";
import { lineBodies } from "./syslog-lines.ts";
import { parseZone, utc, type Zone } from "./syslog-time.ts";

const other: KnownKind = {
  kind: "other",
  type: syslogType,
  actor: "APP-NAME, or the tag",
  action: "MSGID, or log",
  targets: "HOSTNAME, or the sender's address",
  outcome: "none",
};

export const syslogAdapter: Adapter = {
  kind: "syslog",
  title: "Syslog; Linux sshd, sudo, PAM",
  basis:
    "RFC 5424, RFC 3164 (BSD syslog); OpenSSH 9.2 to 10.2, sudo 1.8 to 1.9.17, Linux-PAM 1.4 to 1.7, util-linux and shadow",
  known: [...authKinds("HOSTNAME"), other],
  setup: {
    questions: [
      {
        name: "zone",
        text: "Time zone of messages that name none: UTC, +02:00 or Europe/Berlin",
        default: "UTC",
      },
    ],
    secret: "token",
    instructions: ({ url, secret }) =>
      [
        "Best is a socket of syslog itself: `cairn serve --relp …` or `--syslog-tls …` (docs/syslog.md).",
        "Where only HTTP goes through, rsyslog's omhttp, one message a line, RFC 5424:",
        "",
        "```",
        'module(load="omhttp")',
        `action(type="omhttp" template="RSYSLOG_SyslogProtocol23Format" batch="on" batch.format="newline"`,
        `  httpheaderkey="Authorization" httpheadervalue="Bearer ${secret}"`,
        `  # ${url}`,
        `  server="…" serverport="443" restpath="…" useHttps="on" action.resumeRetryCount="-1")`,
        "```",
      ].join("\n"),
  },
  authenticate: ({ headers }, source) => requireAnyToken(headers, source),
  capture({ body }, source): Captured {
    const zone = zoneOf(source);
    const events = [...lineBodies(body)].map(({ bytes }) => captureSyslog(bytes, { zone }));
    if (events.length === 0) throw new CairnError("malformed", "the body is empty");
    return { events };
  },
};

function zoneOf({ options }: SourceSettings): Zone {
  try {
    return parseZone(options.zone ?? "UTC");
  } catch (error) {
    if (!isCairnError(error, "usage")) throw error;
    // It was checked when the source was added; an event is not lost for it.
    return utc;
  }
}
