/**
 * GitHub's webhooks, of repositories, organizations, enterprises and apps. The signature covers the raw body only, not
 * the headers that name the event and the delivery: both are kept beside it, as GitHub sent them.
 *
 * GitHub's audit log comes another way (Splunk HEC): its records are mapped by `github-audit-log.ts`.
 */
import { CairnError } from "@cairnlog/core";
import { notAuthenticated, requireHmac } from "./authentication.ts";
import { withOriginal } from "./captured-event.ts";
import { eventFrom, given, type ActorDraft, type TargetDraft } from "./event-fields.ts";
import { textAt, type Json } from "./foreign-json.ts";
import {
  findGithubEvent,
  githubEventNames,
  listedTargets,
  outcomeOfGithub,
  timeOfGithub,
  typeOfGithub,
} from "./github-events.ts";
import { pointersOf, targetsAt } from "./pointers.ts";
import { mediaTypeOf, parseFormField, parseJsonObject } from "./webhook-body.ts";
import type { Adapter, Captured, Delivery, KnownKind } from "./adapter.ts";

const signatureHeaders = [
  "x-hub-signature-256",
  "x-github-event",
  "x-github-delivery",
  "x-github-hook-id",
  "x-github-hook-installation-target-type",
  "x-github-hook-installation-target-id",
  "content-type",
];
const signaturePrefix = "sha256=";

export const githubAdapter: Adapter = {
  kind: "github",
  title: "GitHub webhooks",
  basis:
    "GitHub REST API 2022-11-28, webhook events and payloads; payload-schemas of octokit/webhooks v7.6.1",
  known: githubEventNames().flatMap(knownKinds),
  setup: {
    questions: [],
    secret: "random",
    instructions: ({ url, secret }) =>
      [
        "In the organization (or repository): **Settings > Webhooks > Add webhook**",
        "",
        `- Payload URL: \`${url}\``,
        "- Content type: `application/json`",
        `- Secret: \`${secret}\``,
        "- SSL verification: enabled",
        "- Which events: **Send me everything**; or at least pushes, branch or tag creation and deletion,",
        "  pull requests and reviews, deployments and their statuses, workflow runs and jobs, releases,",
        "  repositories, collaborators, memberships, teams, organizations, branch protection rules, rulesets,",
        "  deploy keys, and the alerts of code scanning, secret scanning and Dependabot.",
        "",
        "GitHub sends a `ping` at once. Deliveries that failed: **Recent Deliveries > Redeliver**; one that is",
        "already in the log is recognised by its id.",
      ].join("\n"),
  },
  authenticate({ headers, body }, source) {
    const sent = headers["x-hub-signature-256"];
    if (sent?.startsWith(signaturePrefix) !== true) throw notAuthenticated();
    const signature = sent.slice(signaturePrefix.length);
    requireHmac({ sent: signature, message: [body], encoding: "hex" }, source);
  },
  capture,
};

function knownKinds(event: string): KnownKind[] {
  const row = findGithubEvent(event)!;
  const kind = (action?: string): KnownKind => {
    // A merge has a kind of its own here; GitHub calls it `closed`.
    const payload = {
      ...given("action", action === "merged" ? "closed" : action),
      ...(event === "pull_request" ? { pull_request: { merged: action === "merged" } } : {}),
    };
    const isByState = event === "deployment_status";
    return {
      kind: action === undefined ? event : `${event}.${action}`,
      type: isByState ? "deployment. and what its state says" : typeOfGithub(event, payload),
      actor: event === "push" ? "/sender/login, else /pusher/name" : "/sender/login",
      action: "the event's name and /action",
      targets: [pointersOf(row.targets ?? []), "the repository or organization"]
        .filter(Boolean)
        .join(", "),
      outcome: row.outcome === undefined ? "success" : row.outcome[0],
    };
  };
  return row.shown === undefined ? [kind()] : row.shown.map((action) => kind(action));
}

function capture(delivery: Delivery): Captured {
  const { headers, body } = delivery;
  const name = headers["x-github-event"];
  if (name === undefined || !/^[a-z0-9_]{1,64}$/.test(name)) {
    throw new CairnError("malformed", "the delivery has no header X-GitHub-Event");
  }
  const isForm = mediaTypeOf(delivery) === "application/x-www-form-urlencoded";
  const payload = parseJsonObject(isForm ? parseFormField(body, "payload") : body);
  const row = findGithubEvent(name);
  const action = textAt(payload, "action");
  const event = eventFrom({
    id: headers["x-github-delivery"],
    type: typeOfGithub(name, payload),
    time: row && timeOfGithub(row, payload),
    actor: actorOf(payload),
    action: action === undefined ? name : `${name}.${action}`,
    targets: [
      ...targetsAt(payload, row?.targets ?? []),
      ...listedTargets(name, payload),
      ownerOf(payload),
    ],
    outcome: row && outcomeOfGithub(row, payload),
    details: payload,
  });
  return { events: [withOriginal({ event }, delivery, signatureHeaders)] };
}

function actorOf(payload: Json): ActorDraft {
  return {
    id: textAt(payload, "sender", "login") ?? textAt(payload, "pusher", "name"),
    type: textAt(payload, "sender", "type")?.toLowerCase(),
    uid: textAt(payload, "sender", "id"),
    email: textAt(payload, "pusher", "email"),
  };
}

function ownerOf(payload: Json): TargetDraft {
  const repository = textAt(payload, "repository", "full_name");
  if (repository !== undefined) return { type: "repository", id: repository };
  const organization = textAt(payload, "organization", "login");
  return organization === undefined
    ? { type: "enterprise", id: textAt(payload, "enterprise", "slug") }
    : { type: "organization", id: organization };
}
