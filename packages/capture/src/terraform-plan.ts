/**
 * What `show -json` prints. Of a plan: one event for each change to a resource or output, one for each drift, and one
 * for the plan. Of a state: one event.
 *
 * Only what has marks of sensitivity is taken. `variables`, `configuration`, `planned_values` and `prior_state` repeat
 * the same values without any, and are left out by name; so is whatever a later version adds.
 */
import { at, isObject, textAt, type Json } from "./foreign-json.ts";
import type { JsonObject } from "./webhook-body.ts";
import type { TerraformDraft } from "./terraform-draft.ts";
import { listOf, maskedChange, maskedModule, maskedOutputs } from "./terraform-sensitive.ts";

const planMembers = [
  "format_version",
  "terraform_version",
  "timestamp",
  "applyable",
  "complete",
  "errored",
];

const resourceMembers = [
  "address",
  "previous_address",
  "module_address",
  "mode",
  "type",
  "name",
  "index",
  "deposed",
  "provider_name",
  "action_reason",
];

export function planDrafts(plan: JsonObject): readonly TerraformDraft[] {
  const changes = listOf(plan["resource_changes"]);
  const outputs = isObject(plan["output_changes"]) ? plan["output_changes"] : {};
  return [
    planDraft(plan, changes),
    ...listOf(plan["resource_drift"]).map((drift) => resourceDraft(plan, drift, "change.drift")),
    ...changes.filter(isChanging).map((one) => resourceDraft(plan, one, "change.planned")),
    ...listOf(plan["deferred_changes"]).map((one) =>
      resourceDraft(plan, at(one, "resource_change") ?? null, "change.deferred"),
    ),
    ...Object.entries(outputs)
      .filter(([, change]) => isChanging({ change }))
      .map(([name, change]) => outputDraft(plan, name, change)),
  ];
}

function planDraft(plan: JsonObject, changes: readonly Json[]): TerraformDraft {
  const counts: Record<string, number> = {};
  for (const change of changes) {
    const actions = actionsOf(change);
    counts[actions] = (Object.hasOwn(counts, actions) ? counts[actions]! : 0) + 1;
  }
  const variables = plan["variables"];
  const taken = [...planMembers, "resource_changes", "resource_drift", "output_changes"];
  return {
    type: "deployment.plan",
    time: at(plan, "timestamp"),
    action: "plan",
    targets: [],
    outcome: at(plan, "errored") === true ? "failure" : "success",
    details: {
      ...Object.fromEntries(
        planMembers.filter((name) => name in plan).map((name) => [name, plan[name]]),
      ),
      changes: counts,
      unchanged: changes.filter((one) => !isChanging(one)).map((one) => addressOf(one) ?? null),
      variables: isObject(variables) ? Object.keys(variables) : [],
      notRecorded: Object.keys(plan).filter(
        (name) => !taken.includes(name) && name !== "deferred_changes",
      ),
    },
  };
}

function resourceDraft(plan: JsonObject, resource: Json, type: string): TerraformDraft {
  const kept = resourceMembers
    .map((name): [string, Json | undefined] => [name, at(resource, name)])
    .filter(([, value]) => value !== undefined);
  return {
    type,
    time: at(plan, "timestamp"),
    action: actionsOf(resource),
    targets: [
      {
        type: "resource",
        id: addressOf(resource),
        resourceType: textAt(resource, "type"),
        provider: textAt(resource, "provider_name"),
        previous: textAt(resource, "previous_address"),
      },
    ],
    outcome: "unknown",
    details: { ...Object.fromEntries(kept), change: maskedChange(at(resource, "change")) },
  };
}

function outputDraft(plan: JsonObject, name: string, change: Json): TerraformDraft {
  return {
    type: "change.planned_output",
    time: at(plan, "timestamp"),
    action: actionsOf({ change }),
    targets: [{ type: "output", id: name }],
    outcome: "unknown",
    details: { output: name, change: maskedChange(change) },
  };
}

export function stateDrafts(state: JsonObject): readonly TerraformDraft[] {
  const resources = maskedModule(at(state, "values", "root_module"));
  const outputs = at(state, "values", "outputs");
  return [
    {
      type: "deployment.state",
      action: "state",
      targets: resources.map((one) => ({
        type: "resource",
        id: textAt(one, "address"),
        resourceType: textAt(one, "type"),
      })),
      outcome: "success",
      details: {
        format_version: at(state, "format_version"),
        terraform_version: at(state, "terraform_version"),
        outputs: maskedOutputs(outputs),
        resources,
      },
    },
  ];
}

/** `create`, `update`, `delete, create` (a replacement), `no-op` … */
function actionsOf(resource: Json): string {
  const actions = listOf(at(resource, "change", "actions"));
  const words = actions.filter((one): one is string => typeof one === "string");
  return words.length === 0 ? "unknown" : words.join(", ");
}

function isChanging(resource: Json): boolean {
  return actionsOf(resource) !== "no-op";
}

function addressOf(resource: Json): string | undefined {
  return textAt(resource, "address");
}
