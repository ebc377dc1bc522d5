/**
 * nginx's access log, in the JSON format that `setup` prints (`nginx-format.ts`), one request a line.
 *
 * nginx writes a line when the answer has been sent: this is what happened, not a gate. A user name is what the client
 * sent with Basic authentication, and on an answer of 401 nobody has checked it; a certificate's name counts only where
 * nginx says that it verified the certificate.
 */
import { createHash } from "node:crypto";
import { CairnError } from "@cairnlog/core";
import { requireAnyToken } from "./authentication.ts";
import { asDetails } from "./captured-event.ts";
import { eventFrom, typeOf, type ActorDraft, type Outcome } from "./event-fields.ts";
import { at, textAt, type Json } from "./foreign-json.ts";
import { nginxLines, nginxLogFormat, parseNginxLine } from "./nginx-format.ts";
import { keptIf } from "./webhook-body.ts";
import type { Adapter, Captured, CapturedEvent, Delivery, Paste } from "./adapter.ts";

/** nginx's own status for a client that went away before the answer. */
const clientClosed = "499";

export const nginxAdapter: Adapter = {
  kind: "nginx",
  title: "nginx access logs",
  basis: "nginx 1.22 (log_format … escape=json, which nginx has since 1.11.8)",
  known: [
    {
      kind: "request",
      type: "api.call",
      actor:
        "/client_dn where /client_verify is SUCCESS, else /remote_user, else anonymous; /remote_addr",
      action: "/method and /path",
      targets: "/host and /path; /upstream",
      outcome: "/status: 1xx to 3xx success, 401 and 403 denied, 499 unknown, else failure",
    },
  ],
  setup: {
    questions: [],
    secret: "token",
    instructions: instructionsFor,
  },
  authenticate: ({ headers }, source) => requireAnyToken(headers, source),
  capture,
};

function instructionsFor({ url, secret }: Paste): string {
  return [
    "1. In the `http` block of `nginx.conf`, then `nginx -t && nginx -s reload`:",
    "",
    "```nginx",
    nginxLogFormat,
    "access_log /var/log/nginx/cairn.json cairn;",
    "```",
    "",
    "2. Whatever ships your logs (Vector, Fluent Bit, a job of your own) posts the lines, one or many at once:",
    "",
    "```sh",
    `curl --fail ${url} -H "Authorization: Bearer ${secret}" \\`,
    '  -H "Content-Type: application/x-ndjson" --data-binary @/var/log/nginx/cairn.json',
    "```",
    "",
    "Lines that are sent twice are recorded once: each has nginx's `$request_id`. A pipe instead of a shipper:",
    "docs/nginx.md.",
  ].join("\n");
}

function capture({ body }: Delivery): Captured {
  const digest = createHash("sha256").update(body).digest("hex").slice(0, 48);
  const events: CapturedEvent[] = [];
  const refused: string[] = [];
  for (const { bytes, number } of nginxLines(body)) {
    try {
      const { read } = parseNginxLine(bytes, number);
      const event = eventOf(read.value, `${digest}-${number}`);
      events.push(keptIf(read.isAltered, { event }, bytes));
    } catch (error) {
      if (!(error instanceof CairnError)) throw error;
      refused.push(error.message);
    }
  }
  if (events.length === 0) {
    throw new CairnError("malformed", refused[0] ?? "the body has no lines");
  }
  return refused.length === 0 ? { events } : { events, refused };
}

function eventOf(line: Json, fallbackId: string): CapturedEvent["event"] {
  const status = textAt(line, "status");
  const isRequest = status !== undefined;
  const path = textAt(line, "path");
  return eventFrom({
    id: textAt(line, "id") ?? fallbackId,
    type: isRequest ? "api.call" : typeOf("api", "nginx_record"),
    time: at(line, "time"),
    actor: actorOf(line),
    action: isRequest ? actionOf(line, path) : "record",
    targets: [
      { type: "url", id: path === undefined ? undefined : `${textAt(line, "host") ?? ""}${path}` },
      { type: "upstream", id: textAt(line, "upstream"), status: textAt(line, "upstream_status") },
    ],
    outcome: outcomeOf(status),
    trace: textAt(line, "traceparent"),
    details: asDetails(line),
  });
}

/** What nginx could not read as a request has neither method nor path. */
function actionOf(line: Json, path: string | undefined): string {
  return `${textAt(line, "method") ?? "?"} ${path ?? "?"}`;
}

function actorOf(line: Json): ActorDraft {
  const others = { ip: textAt(line, "remote_addr"), device: textAt(line, "user_agent") };
  const name = textAt(line, "client_verify") === "SUCCESS" ? textAt(line, "client_dn") : undefined;
  if (name !== undefined) return { id: name, type: "certificate", ...others };
  const user = textAt(line, "remote_user");
  if (user !== undefined) return { id: user, type: "user", ...others };
  return { id: "anonymous", type: "anonymous", ...others };
}

function outcomeOf(status: string | undefined): Outcome {
  if (status === undefined || !/^[1-9][0-9]{2}$/.test(status)) return "unknown";
  if (status === "401" || status === "403") return "denied";
  if (status === clientClosed) return "unknown";
  return status < "400" ? "success" : "failure";
}
