/**
 * GitHub's webhook events: which of them comes to which type, what it was done to, when, and with what outcome. One row
 * an event; `/action` chooses the verb of its type.
 *
 * Not here: what proves a delivery, and how its body is read (`github.ts`).
 */
import { typeOf, type Outcome, type TargetDraft, type Workflow } from "./event-fields.ts";
import { at, textAt, type Json } from "./foreign-json.ts";
import { firstText, lookUp, textAtPointer, type Pointer, type TargetAt } from "./pointers.ts";

export interface GithubEvent {
  readonly workflow: Workflow;
  /** What stands before the verb, as in `request_`; the whole of it where the event has no `/action`. */
  readonly noun: string;
  /** The verb in place of an action's own word. */
  readonly verbs?: Readonly<Record<string, string>>;
  /** The verb where another member than `/action` tells it. */
  verbOf?(payload: Json): string | undefined;
  /** Actions that the docs show and the fixtures have. None: the event has no `/action`. */
  readonly shown?: readonly string[];
  /** What it was done to, besides the repository or organization. */
  readonly targets?: readonly TargetAt[];
  /** Where the payload says when it happened: the first that is there. None: it does not say. */
  readonly times?: readonly Pointer[];
  /** Actions whose time these do not tell: of what was deleted they tell an older one. */
  readonly untimed?: readonly string[];
  /** Where the outcome is, and what its words mean; a word that is not there is "unknown". None: done is "success". */
  readonly outcome?: readonly [Pointer, Readonly<Record<string, Outcome>>];
}

export function typeOfGithub(event: string, payload: Json): string {
  const row = findGithubEvent(event);
  if (row === undefined) return typeOf("change", `github_${event}`);
  const verb = row.verbOf?.(payload) ?? textAt(payload, "action") ?? "";
  return typeOf(row.workflow, `${row.noun}${lookUp(row.verbs ?? {}, verb) ?? verb}`);
}

export function outcomeOfGithub({ outcome }: GithubEvent, payload: Json): Outcome {
  if (outcome === undefined) return "success";
  const [pointer, words] = outcome;
  return lookUp(words, textAtPointer(payload, pointer)) ?? "unknown";
}

export function timeOfGithub(
  { times = [], untimed = [] }: GithubEvent,
  payload: Json,
): Json | undefined {
  if (untimed.includes(textAt(payload, "action") ?? "")) return undefined;
  return firstText(payload, times);
}

/** Lists of targets that no pointer can name. */
export function listedTargets(event: string, payload: Json): TargetDraft[] {
  if (event !== "installation_repositories") return [];
  return ["repositories_added", "repositories_removed"].flatMap((list) => {
    const repositories = at(payload, list);
    if (!Array.isArray(repositories)) return [];
    return repositories.map((one: Json) => ({ type: "repository", id: textAt(one, "full_name") }));
  });
}

/** Of checks and runs. What nobody finished neither succeeded nor failed. */
const conclusions: Readonly<Record<string, Outcome>> = {
  success: "success",
  failure: "failure",
  timed_out: "failure",
  startup_failure: "failure",
};
const states: Readonly<Record<string, Outcome>> = {
  success: "success",
  failure: "failure",
  error: "failure",
};

const ofPullRequest: readonly TargetAt[] = [
  {
    type: "pull_request",
    id: "/pull_request/html_url",
    number: "/pull_request/number",
    name: "/pull_request/title",
    head: "/pull_request/head/sha",
    merged: "/pull_request/merge_commit_sha",
  },
  { type: "branch", id: "/pull_request/base/ref" },
];
const ofDeployment: readonly TargetAt[] = [
  { type: "environment", id: "/deployment/environment" },
  { type: "deployment", id: "/deployment/id" },
  { type: "commit", id: "/deployment/sha" },
];
const ofRef: readonly TargetAt[] = [{ type: "ref", id: "/ref", kind: "/ref_type" }];
const ofHook: readonly TargetAt[] = [{ type: "webhook", id: "/hook_id" }];

/** Workflows, their jobs, and checks: all have the same members. */
function ofRun(object: string, noun: string, shown: readonly string[]): GithubEvent {
  return {
    workflow: "deployment",
    noun,
    verbs: {
      created: "queued",
      requested: "queued",
      in_progress: "started",
      completed: "finished",
    },
    shown,
    targets: [
      { type: object, id: `/${object}/id`, name: `/${object}/name` },
      { type: "branch", id: `/${object}/head_branch` },
      { type: "commit", id: `/${object}/head_sha` },
    ],
    times: (["completed_at", "updated_at", "started_at", "created_at"] as const).map(
      (name): Pointer => `/${object}/${name}`,
    ),
    outcome: [`/${object}/conclusion`, conclusions],
  };
}

function ofAlert(kind: string, noun: string, name: Pointer, shown: readonly string[]): GithubEvent {
  return {
    workflow: "security",
    noun,
    shown,
    targets: [{ type: `${kind}_alert`, id: "/alert/html_url", number: "/alert/number", name }],
    times: ["/alert/updated_at", "/alert/created_at"],
  };
}

const githubEvents: Readonly<Record<string, GithubEvent>> = {
  push: {
    workflow: "change",
    noun: "push",
    targets: [
      { type: "ref", id: "/ref", before: "/before" },
      { type: "commit", id: "/after" },
    ],
    times: ["/repository/pushed_at"],
  },
  create: { workflow: "change", noun: "ref_created", targets: ofRef },
  delete: { workflow: "change", noun: "ref_deleted", targets: ofRef },
  pull_request: {
    workflow: "change",
    noun: "request_",
    verbs: { synchronize: "updated" },
    // A merge is what an auditor looks for: it is told apart from a mere closing.
    verbOf: (payload) => {
      const isMerged = at(payload, "pull_request", "merged") === true;
      return at(payload, "action") === "closed" && isMerged ? "merged" : undefined;
    },
    shown: ["opened", "closed", "merged", "synchronize"],
    targets: ofPullRequest,
    times: ["/pull_request/updated_at"],
  },
  pull_request_review: {
    workflow: "change",
    noun: "request_review_",
    shown: ["submitted", "dismissed"],
    targets: ofPullRequest,
    times: ["/review/submitted_at"],
    untimed: ["dismissed", "edited"],
  },
  deployment: {
    workflow: "deployment",
    noun: "",
    shown: ["created"],
    targets: ofDeployment,
    times: ["/deployment/created_at"],
  },
  deployment_status: {
    workflow: "deployment",
    noun: "",
    verbs: {
      success: "succeeded",
      failure: "failed",
      error: "failed",
      in_progress: "started",
      pending: "queued",
    },
    verbOf: (payload) => textAt(payload, "deployment_status", "state"),
    shown: ["created"],
    targets: ofDeployment,
    times: ["/deployment_status/updated_at", "/deployment_status/created_at"],
    outcome: ["/deployment_status/state", states],
  },
  deployment_review: {
    workflow: "deployment",
    noun: "review_",
    shown: ["requested", "approved", "rejected"],
    targets: [
      { type: "environment", id: "/environment" },
      { type: "workflow_run", id: "/workflow_run/id" },
    ],
    outcome: ["/action", { approved: "success", rejected: "denied" }],
  },
  workflow_run: ofRun("workflow_run", "pipeline_", ["requested", "in_progress", "completed"]),
  workflow_job: ofRun("workflow_job", "job_", ["queued", "in_progress", "completed"]),
  check_run: ofRun("check_run", "check_", ["created", "completed"]),
  check_suite: ofRun("check_suite", "check_suite_", ["completed"]),
  release: {
    workflow: "deployment",
    noun: "release_",
    shown: ["published", "deleted"],
    targets: [
      { type: "tag", id: "/release/tag_name" },
      { type: "release", id: "/release/id", name: "/release/name" },
    ],
    times: ["/release/updated_at", "/release/published_at", "/release/created_at"],
    untimed: ["deleted"],
  },
  package: {
    workflow: "deployment",
    noun: "package_",
    shown: ["published"],
    targets: [
      { type: "package", id: "/package/name", version: "/package/package_version/version" },
    ],
    times: ["/package/updated_at", "/package/created_at"],
  },
  repository: {
    workflow: "change",
    noun: "repository_",
    shown: ["created", "deleted", "publicized", "privatized", "transferred", "renamed", "archived"],
  },
  public: { workflow: "change", noun: "repository_publicized" },
  fork: {
    workflow: "change",
    noun: "repository_forked",
    targets: [{ type: "fork", id: "/forkee/full_name" }],
    times: ["/forkee/created_at"],
  },
  branch_protection_rule: {
    workflow: "change",
    noun: "branch_protection_",
    shown: ["created", "edited", "deleted"],
    targets: [{ type: "branch_protection_rule", id: "/rule/id", name: "/rule/name" }],
    times: ["/rule/updated_at", "/rule/created_at"],
    untimed: ["deleted"],
  },
  repository_ruleset: {
    workflow: "change",
    noun: "ruleset_",
    shown: ["created", "edited", "deleted"],
    targets: [{ type: "ruleset", id: "/repository_ruleset/id", name: "/repository_ruleset/name" }],
    times: ["/repository_ruleset/updated_at", "/repository_ruleset/created_at"],
    untimed: ["deleted"],
  },
  meta: { workflow: "change", noun: "webhook_", shown: ["deleted"], targets: ofHook },
  ping: { workflow: "change", noun: "webhook_ping", targets: ofHook },
  member: {
    workflow: "identity",
    noun: "collaborator_",
    shown: ["added", "removed"],
    targets: [{ type: "user", id: "/member/login", role: "/changes/role_name/to" }],
  },
  membership: {
    workflow: "identity",
    noun: "team_member_",
    shown: ["added", "removed"],
    targets: [
      { type: "user", id: "/member/login" },
      { type: "team", id: "/team/slug" },
    ],
  },
  team: {
    workflow: "identity",
    noun: "team_",
    shown: ["created", "deleted", "added_to_repository"],
    targets: [{ type: "team", id: "/team/slug", permission: "/team/permission" }],
  },
  organization: {
    workflow: "identity",
    noun: "organization_",
    shown: ["member_added", "member_removed"],
    targets: [{ type: "user", id: "/membership/user/login", role: "/membership/role" }],
  },
  org_block: {
    workflow: "identity",
    noun: "user_",
    shown: ["blocked"],
    targets: [{ type: "user", id: "/blocked_user/login" }],
  },
  // When a request was decided is not told, only when it was made.
  personal_access_token_request: {
    workflow: "identity",
    noun: "token_request_",
    shown: ["created", "approved", "denied"],
    targets: [
      { type: "token_request", id: "/personal_access_token_request/id" },
      { type: "user", id: "/personal_access_token_request/owner/login" },
    ],
    outcome: ["/action", { created: "success", approved: "success", denied: "denied" }],
  },
  deploy_key: {
    workflow: "identity",
    noun: "deploy_key_",
    shown: ["created", "deleted"],
    targets: [{ type: "deploy_key", id: "/key/id", name: "/key/title" }],
  },
  installation: {
    workflow: "identity",
    noun: "app_",
    verbs: { created: "installed", deleted: "uninstalled" },
    shown: ["created", "deleted", "suspend", "new_permissions_accepted"],
    targets: [
      { type: "app", id: "/installation/app_id", name: "/installation/app_slug" },
      { type: "account", id: "/installation/account/login" },
    ],
    times: ["/installation/updated_at"],
    untimed: ["deleted"],
  },
  installation_repositories: {
    workflow: "identity",
    noun: "app_repositories_",
    shown: ["added"],
    targets: [{ type: "app", id: "/installation/app_id", name: "/installation/app_slug" }],
    times: ["/installation/updated_at"],
  },
  github_app_authorization: {
    workflow: "identity",
    noun: "app_authorization_",
    shown: ["revoked"],
    targets: [{ type: "user", id: "/sender/login" }],
  },
  secret_scanning_alert: ofAlert("secret_scanning", "secret_alert_", "/alert/secret_type", [
    "created",
    "resolved",
  ]),
  code_scanning_alert: ofAlert("code_scanning", "code_alert_", "/alert/rule/id", [
    "created",
    "fixed",
    "closed_by_user",
  ]),
  dependabot_alert: ofAlert("dependabot", "dependency_alert_", "/alert/security_advisory/ghsa_id", [
    "created",
    "dismissed",
  ]),
  security_and_analysis: {
    workflow: "security",
    noun: "settings_changed",
  },
};

export function findGithubEvent(event: string): GithubEvent | undefined {
  return lookUp(githubEvents, event);
}

export function githubEventNames(): readonly string[] {
  return Object.keys(githubEvents);
}
