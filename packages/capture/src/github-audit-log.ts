/**
 * One record of GitHub's audit log as an event. How records arrive (a stream to a Splunk collector, an exported file)
 * is not known here.
 *
 * A record is flat: `action` is `<category>.<operation>`, the category says which workflow it belongs to, and the other
 * members name what was touched. `@timestamp` and `created_at` are milliseconds since 1970.
 */
import type { CairnEvent } from "@cairnlog/core";
import { eventFrom, timeFrom, typeOf, type Outcome, type Workflow } from "./event-fields.ts";
import { at, isObject, textAt, type Json } from "./foreign-json.ts";
import { firstText, lookUp, targetsAt, type TargetAt } from "./pointers.ts";

/** By category; whatever is not here is a change. */
const workflows: Readonly<Record<string, Workflow>> = {
  auto_approve_personal_access_token_requests: "identity",
  business_secret_scanning: "security",
  code_scanning: "security",
  codespaces: "api",
  copilot: "api",
  dependabot_alerts: "security",
  deployment: "deployment",
  environment: "deployment",
  external_group: "identity",
  external_identity: "identity",
  git: "api",
  integration_installation: "identity",
  integration_installation_request: "identity",
  ip_allow_list: "security",
  ip_allow_list_entry: "security",
  members_can_create_repos: "identity",
  oauth_access: "identity",
  oauth_application: "identity",
  oauth_authorization: "identity",
  org_credential_authorization: "identity",
  org_secret_scanning_push_protection: "security",
  packages: "deployment",
  passkey: "identity",
  personal_access_token: "identity",
  public_key: "identity",
  repository_secret_scanning: "security",
  repository_vulnerability_alert: "security",
  role: "identity",
  secret_scanning: "security",
  secret_scanning_alert: "security",
  secret_scanning_push_protection: "security",
  security_key: "identity",
  ssh_certificate_authority: "identity",
  team: "identity",
  team_sync_tenant: "identity",
  two_factor_authentication: "identity",
  user: "identity",
  user_license: "identity",
  user_session: "identity",
  workflows: "deployment",
};

/** Operations of `org.` and `business.` that are about people. */
const ofPeople =
  /^(?:add|remove|invite|cancel_invitation|update|block|unblock|.*_(?:member|admin|user|outside_collaborator|owner|invitation).*|.*(?:saml|sso|scim|two_factor|2fa).*)$/;
const denied = /(?:^|[._])(?:denied|deny|rejected|reject|blocked_by_policy)$/;
const failed = /(?:^|[._])(?:failed|failure|failed_login|fail)$/;

const targets: readonly TargetAt[] = [
  { type: "repository", id: "/repo" },
  { type: "user", id: "/user" },
  { type: "team", id: "/team" },
  { type: "app", id: "/integration" },
  { type: "app", id: "/oauth_application" },
  { type: "environment", id: "/environment_name" },
  { type: "workflow_run", id: "/workflow_run_id", name: "/name" },
  { type: "organization", id: "/org" },
  { type: "enterprise", id: "/business" },
];

/** True of what can only be such a record: for those who get records of several kinds on one way. */
export function isGithubAuditRecord(record: Json): boolean {
  const isDated =
    typeof at(record, "@timestamp") === "number" || at(record, "created_at") !== undefined;
  const isNamed =
    textAt(record, "_document_id") !== undefined || textAt(record, "actor") !== undefined;
  return /^[a-z0-9_]+\.[a-z0-9_.]+$/.test(textAt(record, "action") ?? "") && isDated && isNamed;
}

/** Never throws: whatever the record has is in the event's `details`. */
export function githubAuditEvent(record: Json): CairnEvent {
  const action = textAt(record, "action") ?? "unknown";
  const actor = textAt(record, "actor");
  return eventFrom({
    id: textAt(record, "_document_id"),
    type: typeOf(workflowOf(action), action.replaceAll(".", "_")),
    time: timeFrom(at(record, "@timestamp")) ?? timeFrom(at(record, "created_at")),
    actor: {
      id: actor ?? firstText(record, ["/actor_id", "/deploy_key_fingerprint", "/user"]),
      type: actor?.endsWith("[bot]") === true ? "bot" : "user",
      uid: textAt(record, "actor_id"),
      ip: textAt(record, "actor_ip"),
      userAgent: textAt(record, "user_agent"),
      // Which token it was done with: the way from an event to a stolen credential.
      credential: textAt(record, "hashed_token"),
      credentialType: textAt(record, "programmatic_access_type"),
    },
    action,
    targets: targetsAt(record, targets),
    outcome: outcomeOf(action),
    details: isObject(record) ? record : { value: record },
  });
}

function workflowOf(action: string): Workflow {
  const [category = "", operation = ""] = action.split(".", 2);
  const workflow = lookUp(workflows, category);
  if (workflow !== undefined) return workflow;
  const isOfPeople = (category === "org" || category === "business") && ofPeople.test(operation);
  if (isOfPeople || (category === "repo" && /member|access/.test(operation))) return "identity";
  return "change";
}

function outcomeOf(action: string): Outcome {
  if (denied.test(action)) return "denied";
  return failed.test(action) ? "failure" : "success";
}
