/**
 * Terraform and OpenTofu: what `plan -json` and `apply -json` print (one message a line), and what `show -json` prints
 * of a plan or a state.
 *
 * Neither says who ran it: the pipeline that posts the output does, in the address (`?actor=…&run=…&workspace=…`) and
 * in a `traceparent` header. It has the source's token, so its word is as good as its output.
 *
 * Sensitive values are never recorded (`terraform-sensitive.ts`), and so, unlike elsewhere, neither is the body: no
 * original is kept, no error quotes it, and the ids are hashes of what is recorded, since the hash of a body that
 * is known but for a password would give the password to whoever guesses.
 */
import { createHash } from "node:crypto";
import { CairnError, isCairnError } from "@cairnlog/core";
import { requireAnyToken } from "./authentication.ts";
import { eventFrom, given, type ActorDraft } from "./event-fields.ts";
import { at, isObject, type Json } from "./foreign-json.ts";
import { recordsOf } from "./json.ts";
import { planDrafts, stateDrafts } from "./terraform-plan.ts";
import { messageDrafts, messageKinds } from "./terraform-messages.ts";
import type { Adapter, Captured, Delivery, KnownKind, Paste } from "./adapter.ts";
import type { TerraformDraft } from "./terraform-draft.ts";
import type { JsonObject } from "./webhook-body.ts";

const actor = "`actor` of the address, else terraform";
const resource = "the resource's address";

const fileKinds: readonly KnownKind[] = [
  {
    kind: "plan",
    type: "deployment.plan",
    actor,
    action: "`plan`",
    targets: "`workspace` of the address",
    outcome: "/errored: failure, else success",
  },
  {
    kind: "resource_change",
    type: "change.planned",
    actor,
    action: "/change/actions",
    targets: resource,
    outcome: "unknown: planned, not done",
  },
  {
    kind: "output_change",
    type: "change.planned_output",
    actor,
    action: "/actions",
    targets: "the output's name",
    outcome: "unknown: planned, not done",
  },
  {
    kind: "state",
    type: "deployment.state",
    actor,
    action: "`state`",
    targets: "the resources' addresses",
    outcome: "success",
  },
];

export const terraformAdapter: Adapter = {
  kind: "terraform",
  title: "Terraform and OpenTofu: plans and applies",
  basis:
    "Terraform 1.x and OpenTofu 1.x: machine-readable UI 1.x, JSON output format 1.x (internals/machine-readable-ui, internals/json-format)",
  known: [
    {
      kind: "run",
      type: "deployment.run",
      actor,
      action: "/changes/operation of change_summary, else `run`",
      targets: "`workspace` of the address",
      outcome: "failure where anything failed, success after a change_summary, else unknown",
    },
    ...messageKinds.map(({ kind, type, outcome }): KnownKind => ({
      kind,
      type,
      actor,
      action: "/change/action, /hook/action, else /type",
      targets: resource,
      outcome,
    })),
    ...fileKinds,
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
    `Keep the secret \`${secret}\` where the pipeline keeps its secrets, as \`CAIRN_TOKEN\`. Then, with \`tofu\` as with`,
    "`terraform`:",
    "",
    "```sh",
    "set -eo pipefail",
    "send() {",
    `  curl --fail --silent --show-error --retry 5 --retry-all-errors -H "Authorization: Bearer $CAIRN_TOKEN" \\`,
    `    -H "Content-Type: application/x-ndjson" --data-binary @"$1" --url-query "workspace=prod" \\`,
    `    --url-query "run=$CI_RUN" --url-query "actor=$CI_ACTOR" "${url}"`,
    "}",
    "terraform plan -out=plan.tfplan",
    "terraform show -json plan.tfplan > plan.json",
    "send plan.json                # no record, no apply",
    "status=0",
    "terraform apply -json plan.tfplan | tee apply.jsonl || status=$?",
    "send apply.jsonl",
    "exit $status",
    "```",
    "",
    "`CI_RUN` and `CI_ACTOR` are what your CI calls them (docs/pipelines.md has them for GitHub and GitLab).",
    "`--url-query` is curl's from 7.87 on.",
    "",
    "What Terraform marks as sensitive, and what it repeats without marks, is not recorded: here `details` is the",
    "sender's record without that.",
  ].join("\n");
}

function capture(delivery: Delivery): Captured {
  const { records, refused } = recordsWithoutQuotes(delivery.body);
  const drafts = records.flatMap((record, i) => draftsOf(record, i, records));
  const context = contextOf(delivery);
  const actorDraft = actorOf(delivery);
  const recorded = JSON.stringify([context, actorDraft, drafts.map(({ details }) => details)]);
  const digest = createHash("sha256").update(recorded).digest("hex").slice(0, 48);
  // Without a time and a run two deliveries that look alike may be two happenings: then nothing gets an id.
  const isDated = context.id !== undefined || drafts.some(({ time }) => time !== undefined);
  const events = drafts.map(({ details, targets, ...draft }, i) => ({
    event: eventFrom({
      ...draft,
      id: isDated ? `${digest}-${i}` : undefined,
      actor: actorDraft,
      targets: [...targets, { type: "workspace", id: context.workspace }],
      trace: delivery.headers["traceparent"],
      details: Object.keys(context).length > 0 ? { ...details, pipelineRun: context } : details,
    }),
  }));
  return refused.length === 0 ? { events } : { events, refused };
}

/** The records of a body. An error says where, and nothing of what stands there. */
function recordsWithoutQuotes(body: Uint8Array): { records: JsonObject[]; refused: string[] } {
  const nameOnly = (message: string): string => `${message.split(" is not ", 1)[0]!} is not JSON`;
  try {
    const { records, refused } = recordsOf(body);
    return {
      records: records.map(({ value }) => ofTerraform(value)),
      refused: refused.map(nameOnly),
    };
  } catch (error) {
    if (!isCairnError(error, "malformed") || error.cause === undefined) throw error;
    // Without its cause, which quotes as well.
    throw new CairnError("malformed", nameOnly(error.message));
  }
}

/** Other JSON, a raw state file first of all, has its secrets in the clear where nobody knows to look for them. */
function ofTerraform(value: Json): JsonObject {
  const isKnown = ["@message", "format_version"].some((name) => at(value, name) !== undefined);
  if (isObject(value) && isKnown) return value;
  const message =
    "neither a message of `plan -json` or `apply -json` nor the output of `show -json`: nothing of it is recorded";
  throw new CairnError("malformed", message);
}

function draftsOf(
  record: JsonObject,
  i: number,
  all: readonly JsonObject[],
): readonly TerraformDraft[] {
  if (record["format_version"] === undefined) {
    return messageDrafts(record, i === all.length - 1 ? all : undefined);
  }
  const isPlan = planMarks.some((name) => record[name] !== undefined);
  return isPlan ? planDrafts(record) : stateDrafts(record);
}
const planMarks = ["resource_changes", "planned_values", "output_changes", "configuration"];

interface Context {
  readonly workspace?: string;
  readonly id?: string;
}

function contextOf({ query }: Delivery): Context {
  return {
    ...given("workspace", query.get("workspace") || undefined),
    ...given("id", query.get("run") || undefined),
  };
}

function actorOf({ query }: Delivery): ActorDraft {
  const name = query.get("actor") ?? "";
  return name === "" ? { id: "terraform", type: "system" } : { id: name, type: "user" };
}
