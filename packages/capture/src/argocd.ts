/**
 * Argo CD, by its notifications controller. The body of its webhooks is a template of the operator's: the one that
 * `setup` prints sends the application's own records, whole, and the name of what was noticed. Whatever another
 * template sends is kept as well, without a meaning.
 *
 * Who asked for a sync is in `operation.initiatedBy`; a sync of Argo CD's own accord has no user there.
 */
import { createHash } from "node:crypto";
import { answerAgainLater } from "./again-later.ts";
import { requireAnyToken } from "./authentication.ts";
import { eventFrom, typeOf, type ActorDraft, type Outcome } from "./event-fields.ts";
import { at, parseForeignJson, textAt, type Json } from "./foreign-json.ts";
import {
  firstText,
  lookUp,
  pointersOf,
  targetsAt,
  type Pointer,
  type TargetAt,
} from "./pointers.ts";
import { asDetails } from "./captured-event.ts";
import { keptIf } from "./webhook-body.ts";
import type { Adapter, Captured, Delivery, KnownKind, Paste } from "./adapter.ts";

interface Notification {
  readonly type: string;
  readonly outcome: Outcome;
  readonly times: readonly Pointer[];
  /** When Argo CD sends it: an expression over `app`, and what makes two of them the same. */
  readonly when: string;
  readonly oncePer: string;
}

const operationState = "app.status.operationState";
const finished: readonly Pointer[] = ["/app/status/operationState/finishedAt"];
const perOperation = `${operationState}.startedAt`;

const notifications: Readonly<Record<string, Notification>> = {
  "sync-running": {
    type: "deployment.started",
    outcome: "unknown",
    times: ["/app/status/operationState/startedAt"],
    when: `${operationState}?.phase in ['Running']`,
    oncePer: perOperation,
  },
  "sync-succeeded": {
    type: "deployment.synced",
    outcome: "success",
    times: finished,
    when: `${operationState}?.phase in ['Succeeded']`,
    oncePer: perOperation,
  },
  deployed: {
    type: "deployment.succeeded",
    outcome: "success",
    times: ["/app/status/health/lastTransitionTime", ...finished],
    when: `${operationState}?.phase in ['Succeeded'] and app.status.health.status == 'Healthy'`,
    oncePer: perOperation,
  },
  "sync-failed": {
    type: "deployment.failed",
    outcome: "failure",
    times: finished,
    when: `${operationState}?.phase in ['Error', 'Failed']`,
    oncePer: perOperation,
  },
  "health-degraded": {
    type: "deployment.degraded",
    outcome: "failure",
    times: ["/app/status/health/lastTransitionTime"],
    when: "app.status.health.status == 'Degraded'",
    oncePer: "app.status.health?.lastTransitionTime",
  },
  created: {
    type: "deployment.application_created",
    outcome: "success",
    times: ["/app/metadata/creationTimestamp"],
    when: "true",
    oncePer: "app.metadata.uid",
  },
  deleted: {
    type: "deployment.application_deleted",
    outcome: "success",
    times: ["/app/metadata/deletionTimestamp"],
    when: "app.metadata.deletionTimestamp != nil",
    oncePer: "app.metadata.uid",
  },
};

const targets: readonly TargetAt[] = [
  {
    type: "application",
    id: "/app/metadata/name",
    namespace: "/app/metadata/namespace",
    uid: "/app/metadata/uid",
    project: "/app/spec/project",
  },
  {
    type: "cluster",
    id: "/app/spec/destination/server",
    namespace: "/app/spec/destination/namespace",
  },
  {
    type: "cluster",
    id: "/app/spec/destination/name",
    namespace: "/app/spec/destination/namespace",
  },
  { type: "repository", id: "/app/spec/source/repoURL", path: "/app/spec/source/path" },
  { type: "revision", id: "/app/status/operationState/syncResult/revision" },
];

export const argocdAdapter: Adapter = {
  kind: "argocd",
  title: "Argo CD notifications",
  basis:
    "Argo CD notifications (docs, operator-manual/notifications; argoproj/notifications-engine, webhook.go)",
  known: Object.entries(notifications).map(([kind, { type, outcome }]): KnownKind => ({
    kind,
    type,
    actor: "/app/status/operationState/operation/initiatedBy/username, else argocd",
    action: "/event",
    targets: pointersOf(targets),
    outcome,
  })),
  setup: {
    questions: [],
    secret: "token",
    instructions: instructionsFor,
  },
  authenticate: ({ headers }, source) => requireAnyToken(headers, source),
  capture,
  answerError: answerAgainLater,
};

/** Each part is printed as JSON by the template: what Argo CD does not have comes as null. */
const bodyTemplate = (name: string): string =>
  [
    `{"event":"${name}"`,
    '"argocdUrl":{{toJson .context.argocdUrl}}',
    '"app":{"metadata":{"name":{{toJson .app.metadata.name}}',
    '"namespace":{{toJson .app.metadata.namespace}}',
    '"uid":{{toJson .app.metadata.uid}}',
    '"creationTimestamp":{{toJson .app.metadata.creationTimestamp}}',
    '"deletionTimestamp":{{toJson .app.metadata.deletionTimestamp}}}',
    '"spec":{{toJson .app.spec}}',
    '"status":{"health":{{toJson .app.status.health}}',
    '"sync":{{toJson .app.status.sync}}',
    '"operationState":{{toJson .app.status.operationState}}}}}',
  ].join(",");

function instructionsFor({ url, secret, source }: Paste): string {
  const names = Object.keys(notifications);
  const parts = names.flatMap((name) => {
    const { when, oncePer } = notifications[name]!;
    return [
      `  trigger.cairn-${name}: |`,
      // In quotes: YAML would read a bare `true` as no text.
      `    - when: ${JSON.stringify(when)}`,
      `      oncePer: ${oncePer}`,
      `      send: [cairn-${name}]`,
      `  template.cairn-${name}: |`,
      "    webhook:",
      "      cairn:",
      "        method: POST",
      "        body: |",
      `          ${bodyTemplate(name)}`,
    ];
  });
  return [
    "1. The secret (add it to `argocd-notifications-secret`):",
    "",
    "```sh",
    `kubectl -n argocd patch secret argocd-notifications-secret --type merge \\`,
    `  -p '{"stringData":{"cairn-token":"${secret}"}}'`,
    "```",
    "",
    `2. What is sent, and when, for the source \`${source}\`. Save as \`cairn-notifications.yaml\`:`,
    "",
    "```yaml",
    "data:",
    "  service.webhook.cairn: |",
    `    url: ${url}`,
    "    retryMax: 10",
    "    headers:",
    "      - name: Content-Type",
    "        value: application/json",
    "      - name: Authorization",
    "        value: Bearer $cairn-token",
    ...parts,
    "  subscriptions: |",
    "    - recipients: [cairn]",
    `      triggers: [${names.map((name) => `cairn-${name}`).join(", ")}]`,
    "```",
    "",
    "```sh",
    "kubectl -n argocd patch configmap argocd-notifications-cm --type merge \\",
    "  --patch-file cairn-notifications.yaml",
    "```",
    "",
    "Where `subscriptions` is there already, add the entry to it instead.",
  ].join("\n");
}

function capture({ body }: Delivery): Captured {
  const { value, isAltered } = parseForeignJson(body);
  const name = textAt(value, "event");
  const known = lookUp(notifications, name);
  const event = eventFrom({
    // Argo CD has no id for a notification. The body holds when the operation began: sent again, it is the same.
    id: `sha256:${createHash("sha256").update(body).digest("hex")}`,
    type: known?.type ?? typeOf("deployment", `argocd_${name ?? "notification"}`),
    time: known && firstText(value, known.times),
    actor: actorOf(value),
    action: name ?? "notification",
    targets: targetsAt(value, targets),
    outcome: known?.outcome ?? "unknown",
    details: asDetails(value),
  });
  return { events: [keptIf(isAltered, { event }, body)] };
}

function actorOf(value: Json): ActorDraft {
  const initiatedBy = at(value, "app", "status", "operationState", "operation", "initiatedBy");
  const user = textAt(initiatedBy, "username");
  return user === undefined ? { id: "argocd", type: "system" } : { id: user, type: "user" };
}
