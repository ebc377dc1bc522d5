/**
 * GitLab: webhooks of projects and groups, system hooks of an instance, and streamed audit events, all at one address.
 *
 * Three ways prove a delivery: a signing token (GitLab 19; `whsec_…`, Standard Webhooks over the raw body), a secret
 * token that is sent along, and the verification token of an audit stream. Of these only the first binds the body.
 * Audit events are JSON under the content type of a form: what comes is told by what stands in it.
 */
import { createHash } from "node:crypto";
import type { CairnEvent } from "@cairnlog/core";
import { answerAgainLater } from "./again-later.ts";
import { isOneOf, notAuthenticated } from "./authentication.ts";
import { withOriginal } from "./captured-event.ts";
import { eventFrom, typeOf, type ActorDraft } from "./event-fields.ts";
import { textAt, type Json } from "./foreign-json.ts";
import { gitlabAuditEvent } from "./gitlab-audit-events.ts";
import {
  findGitlabEvent,
  gitlabEventName,
  gitlabEventNames,
  outcomeOfGitlab,
  timeOfGitlab,
  typeOfGitlab,
} from "./gitlab-events.ts";
import { pointersOf, targetsAt, textAtPointer, type Pointer, type TargetAt } from "./pointers.ts";
import { standardWebhooksAdapter } from "./standard-webhooks.ts";
import { parseJsonObject } from "./webhook-body.ts";
import type { Adapter, Captured, Delivery, KnownKind, SourceSettings } from "./adapter.ts";

const signatureHeaders = [
  "webhook-id",
  "webhook-timestamp",
  "webhook-signature",
  "x-gitlab-event",
  "x-gitlab-event-uuid",
  "x-gitlab-webhook-uuid",
  "x-gitlab-instance",
  "x-gitlab-audit-event-type",
  "idempotency-key",
  "content-type",
];
const signingPrefix = "whsec_";
const ofProject: readonly TargetAt[] = [{ type: "project", id: "/project/path_with_namespace" }];

export const gitlabAdapter: Adapter = {
  kind: "gitlab",
  title: "GitLab webhooks, system hooks and audit event streams",
  basis:
    "GitLab 19 docs: webhook_events, system_hooks, audit_event_schema; signing token: MR 230944",
  known: [...gitlabEventNames().flatMap(knownKinds), auditRow()],
  setup: {
    questions: [],
    secret: "random",
    instructions: ({ url, secret, source }) =>
      [
        "Webhooks: in the project or group **Settings > Webhooks > Add new webhook**; of a whole instance",
        "**Admin > System hooks**.",
        "",
        `- URL: \`${url}\``,
        `- Secret token: \`${secret}\``,
        "- Trigger: push, tag push, merge request, job, pipeline, deployment and release events, feature flags,",
        "  access token expiration; of a group also member, project and subgroup events",
        "- SSL verification: enabled",
        "",
        "Where GitLab offers a **signing token** (`whsec_…`) set one, and make it a secret of the source",
        `\`${source}\` besides: then the log can prove for ever what GitLab sent.`,
        "",
        "Audit events (Ultimate): **Secure > Audit events > Streams > Add streaming destination > HTTP endpoint**",
        "",
        `- Destination URL: \`${url}\``,
        `- Custom HTTP header: \`X-Gitlab-Token\` with the value \`${secret}\``,
      ].join("\n"),
  },
  authenticate,
  capture,
  answerError: answerAgainLater,
};

function authenticate(delivery: Delivery, source: SourceSettings, nowMs: number): void {
  const { headers } = delivery;
  const isSigning = (secret: string): boolean => secret.startsWith(signingPrefix);
  const tokens = source.secrets.filter((secret) => !isSigning(secret));
  const sent = headers["x-gitlab-token"] ?? headers["x-gitlab-event-streaming-token"];
  if (sent !== undefined && isOneOf(sent, tokens)) return;
  const signing = { ...source, secrets: source.secrets.filter(isSigning) };
  if (headers["webhook-signature"] === undefined) throw notAuthenticated();
  standardWebhooksAdapter.authenticate(delivery, signing, nowMs);
}

function capture(delivery: Delivery): Captured {
  const { headers, body } = delivery;
  const payload = parseJsonObject(body);
  const auditType = headers["x-gitlab-audit-event-type"];
  const isAudit = auditType !== undefined || isAuditRecord(payload);
  const event = isAudit ? gitlabAuditEvent(payload, auditType) : hookEvent(payload, delivery);
  return { events: [withOriginal({ event }, delivery, signatureHeaders)] };
}

/** Audit events alone name an author and an entity. */
function isAuditRecord(payload: Json): boolean {
  return ["author_id", "entity_type"].every((name) => textAt(payload, name) !== undefined);
}

function hookEvent(payload: Json, delivery: Delivery): CairnEvent {
  const name = gitlabEventName(payload) ?? delivery.headers["x-gitlab-event"] ?? "hook";
  const row = findGitlabEvent(name);
  const verb = row?.verb && textAtPointer(payload, row.verb[0]);
  return eventFrom({
    id: idOf(delivery),
    type: row === undefined ? typeOf("change", `gitlab_${name}`) : typeOfGitlab(row, payload),
    time: row && timeOfGitlab(row, payload),
    actor: actorOf(payload, row === undefined ? "/user/username" : row.actor),
    action: verb === undefined ? name : `${name}.${verb}`,
    targets: targetsAt(payload, row?.targets ?? ofProject),
    outcome: row && outcomeOfGitlab(row, payload),
    details: payload,
  });
}

/** What GitLab repeats when it tries again. Hooks that a hook set off share their event's UUID, but not its body. */
function idOf({ headers, body }: Delivery): string | undefined {
  const id = headers["idempotency-key"] ?? headers["webhook-id"];
  const event = headers["x-gitlab-event-uuid"];
  if (id !== undefined || event === undefined) return id;
  return `${event}-${createHash("sha256").update(body).digest("hex").slice(0, 32)}`;
}

function actorOf(payload: Json, pointer: Pointer | undefined): ActorDraft {
  const id = pointer && textAtPointer(payload, pointer);
  if (id === undefined) return {};
  const isPush = pointer === "/user_username";
  return {
    id,
    type: "user",
    uid: textAt(payload, "user_id") ?? textAt(payload, "user", "id"),
    name: isPush ? textAt(payload, "user_name") : textAt(payload, "user", "name"),
  };
}

function knownKinds(name: string): KnownKind[] {
  const row = findGitlabEvent(name)!;
  const kind = (word?: string): KnownKind => ({
    kind: word === undefined ? name : `${name}.${word}`,
    type: typeOfGitlab(row, word === undefined ? {} : nested(row.verb![0], word)),
    actor: row.actor ?? "unknown: GitLab does not say",
    action: row.verb === undefined ? "the event's name" : `the event's name and ${row.verb[0]}`,
    targets: pointersOf(row.targets),
    outcome: row.outcome?.[0] ?? "success",
  });
  return row.shown === undefined ? [kind()] : row.shown.map((word) => kind(word));
}

/** A payload that has `word` at the pointer and nothing else. */
function nested(pointer: Pointer, word: string): Json {
  const names = pointer.slice(1).split("/");
  return names.reduceRight<Json>((value, name) => ({ [name]: value }), word);
}

function auditRow(): KnownKind {
  return {
    kind: "audit_event",
    type: "by the words of /event_type: identity, deployment, security, api, else change",
    actor: "/details/author_email, else /author_id",
    action: "/event_type",
    targets: "/target_id, /entity_path",
    outcome: "failure or denied where /event_type says so, else success",
  };
}
