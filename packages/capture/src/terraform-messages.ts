/**
 * What `plan -json` and `apply -json` print: each message one event, and one for the run as a whole, since a run that
 * failed prints no summary.
 */
import { typeOf, type Outcome } from "./event-fields.ts";
import { at, textAt, type Json } from "./foreign-json.ts";
import { lookUp } from "./pointers.ts";
import type { TerraformDraft } from "./terraform-draft.ts";
import { maskedMessage } from "./terraform-sensitive.ts";
import type { JsonObject } from "./webhook-body.ts";

interface MessageKind {
  readonly kind: string;
  readonly type: string;
  readonly outcome: Outcome;
}

const row = (kind: string, type: string, outcome: Outcome = "unknown"): MessageKind => ({
  kind,
  type,
  outcome,
});

/** Each step of one resource is started, goes on, and completes or fails. */
const steps = (step: string, verb: string): MessageKind[] => [
  row(`${step}_start`, `deployment.${verb}_started`),
  row(`${step}_progress`, `deployment.${verb}_progress`),
  row(`${step}_complete`, `deployment.${verb}_completed`, "success"),
  row(`${step}_errored`, `deployment.${verb}_failed`, "failure"),
];

export const messageKinds: readonly MessageKind[] = [
  row("version", "deployment.started"),
  row("log", "deployment.log"),
  row("diagnostic", "deployment.diagnostic"),
  row("resource_drift", "change.drift"),
  row("planned_change", "change.planned"),
  row("deferred_change", "change.deferred"),
  row("change_summary", "deployment.summary", "success"),
  row("outputs", "deployment.outputs", "success"),
  ...steps("apply", "resource"),
  ...steps("provision", "provision"),
  row("refresh_start", "deployment.refresh_started"),
  row("refresh_complete", "deployment.refresh_completed", "success"),
  ...steps("ephemeral_op", "ephemeral"),
];

const kinds: Readonly<Record<string, MessageKind>> = Object.fromEntries(
  messageKinds.map((one) => [one.kind, one]),
);

/** `all`: every message of the output, where this one is its last. */
export function messageDrafts(
  message: JsonObject,
  all: readonly JsonObject[] | undefined,
): readonly TerraformDraft[] {
  const drafts = [draftOf(message)];
  // Without its first line it is not known to be the output of one run.
  if (all === undefined || textAt(all[0], "type") !== "version") return drafts;
  return [...drafts, runDraft(all)];
}

function draftOf(message: JsonObject): TerraformDraft {
  const kind = textAt(message, "type");
  const known = lookUp(kinds, kind);
  return {
    type: known?.type ?? typeOf("deployment", `terraform_${kind ?? "record"}`),
    time: at(message, "@timestamp"),
    action: textAt(message, "change", "action") ?? textAt(message, "hook", "action") ?? kind,
    targets: targetsOf(message),
    outcome: outcomeOf(message, known),
    details: maskedMessage(message),
  };
}

function outcomeOf(message: Json, known: MessageKind | undefined): Outcome {
  if (known?.kind === "diagnostic" || textAt(message, "@level") === "error") {
    const severity = textAt(message, "diagnostic", "severity") ?? textAt(message, "@level");
    return severity === "error" ? "failure" : "unknown";
  }
  return known?.outcome ?? "unknown";
}

function targetsOf(message: Json): TerraformDraft["targets"] {
  const resource = at(message, "change", "resource") ?? at(message, "hook", "resource");
  const address = textAt(resource, "addr") ?? textAt(message, "diagnostic", "address");
  return [
    {
      type: "resource",
      id: address,
      resourceType: textAt(resource, "resource_type"),
      provider: textAt(resource, "implied_provider"),
      instance: textAt(message, "hook", "id_value"),
      previous: textAt(message, "change", "previous_resource", "addr"),
    },
  ];
}

/** Failed where anything of it failed; done only where Terraform said so at the end. */
function runDraft(all: readonly JsonObject[]): TerraformDraft {
  const summaries = all.filter((one) => textAt(one, "type") === "change_summary");
  const changes = at(summaries.at(-1), "changes");
  const failed = all.filter(
    (one) => outcomeOf(one, lookUp(kinds, textAt(one, "type"))) === "failure",
  );
  const first = all[0];
  const outcome = summaries.length > 0 ? "success" : "unknown";
  return {
    type: "deployment.run",
    time: at(all.at(-1), "@timestamp"),
    action: textAt(changes, "operation") ?? "run",
    targets: [],
    outcome: failed.length > 0 ? "failure" : outcome,
    details: {
      tool: textAt(first, "tofu") === undefined ? "terraform" : "tofu",
      version: textAt(first, "terraform") ?? textAt(first, "tofu") ?? null,
      changes: changes ?? null,
      failures: failed.slice(0, 100).map((one) => textAt(one, "@message") ?? null),
      messages: all.length,
    },
  };
}
