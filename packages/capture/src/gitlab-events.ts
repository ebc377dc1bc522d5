/**
 * GitLab's webhook and system hook events: one row each, by `/object_kind` and its action or status, else by
 * `/event_name`. Types are the ones that GitHub's events have, where both know the same thing.
 *
 * Hooks about members, projects, groups, keys and tokens do not say who did it, only whom it concerns: their actor is
 * unknown. Who it was is in the audit events (`gitlab-audit-events.ts`).
 */
import { typeOf, type Outcome, type Workflow } from "./event-fields.ts";
import { textAt, type Json } from "./foreign-json.ts";
import { firstText, lookUp, textAtPointer, type Pointer, type TargetAt } from "./pointers.ts";

export interface GitlabEvent {
  readonly workflow: Workflow;
  readonly noun: string;
  /** Where the word is that ends the type, and what stands for it there. None: the noun is the whole of it. */
  readonly verb?: readonly [Pointer, Readonly<Record<string, string>>];
  readonly targets: readonly TargetAt[];
  /** The first that is there. None: it does not say. */
  readonly times?: readonly Pointer[];
  readonly outcome?: readonly [Pointer, Readonly<Record<string, Outcome>>];
  /** Where it says who did it. */
  readonly actor?: Pointer;
  /** Words of the verb that the docs show and the fixtures have. */
  readonly shown?: readonly string[];
}

/** `push`, `merge_request`, `user_add_to_group`; undefined where the payload names itself in no way we know. */
export function gitlabEventName(payload: Json): string | undefined {
  return textAt(payload, "object_kind") ?? textAt(payload, "event_name");
}

export function findGitlabEvent(name: string | undefined): GitlabEvent | undefined {
  return lookUp(gitlabEvents, name);
}

export function gitlabEventNames(): readonly string[] {
  return Object.keys(gitlabEvents);
}

export function typeOfGitlab({ workflow, noun, verb }: GitlabEvent, payload: Json): string {
  if (verb === undefined) return typeOf(workflow, noun);
  const [pointer, words] = verb;
  const word = textAtPointer(payload, pointer) ?? "";
  return typeOf(workflow, `${noun}${lookUp(words, word) ?? word}`);
}

export function outcomeOfGitlab({ outcome }: GitlabEvent, payload: Json): Outcome {
  if (outcome === undefined) return "success";
  const [pointer, words] = outcome;
  return lookUp(words, textAtPointer(payload, pointer)) ?? "unknown";
}

export function timeOfGitlab({ noun, times = [] }: GitlabEvent, payload: Json): string | undefined {
  // Of what is gone GitLab tells when it was last changed, which is earlier.
  return noun.endsWith("_deleted") ? undefined : firstText(payload, times);
}

const runVerbs = {
  created: "queued",
  waiting_for_resource: "queued",
  preparing: "queued",
  pending: "queued",
  scheduled: "queued",
  manual: "queued",
  running: "started",
  success: "finished",
  failed: "finished",
  canceled: "finished",
  skipped: "finished",
};
const runOutcomes: Readonly<Record<string, Outcome>> = { success: "success", failed: "failure" };
const project: TargetAt = { type: "project", id: "/project/path_with_namespace" };

const ofPush: readonly TargetAt[] = [
  { type: "ref", id: "/ref", before: "/before" },
  { type: "commit", id: "/after" },
  project,
];

/** Members of groups; system hooks have them of projects too, under another name. */
function ofMember(noun: string): GitlabEvent {
  return {
    workflow: "identity",
    noun,
    targets: [
      { type: "user", id: "/user_username", name: "/user_name", email: "/user_email" },
      { type: "group", id: "/group_path", access: "/group_access", expires: "/expires_at" },
      { type: "project", id: "/project_path_with_namespace", access: "/access_level" },
    ],
    times: ["/updated_at", "/created_at"],
  };
}

function ofProject(noun: string): GitlabEvent {
  return {
    workflow: "change",
    noun,
    targets: [
      {
        type: "project",
        id: "/path_with_namespace",
        previous: "/old_path_with_namespace",
        visibility: "/project_visibility",
      },
    ],
    times: ["/updated_at", "/created_at"],
  };
}

function ofGroup(noun: string): GitlabEvent {
  return {
    workflow: "change",
    noun,
    targets: [{ type: "group", id: "/group_id", path: "/full_path", name: "/name" }],
    times: ["/updated_at", "/created_at"],
  };
}

function ofUser(noun: string): GitlabEvent {
  return {
    workflow: "identity",
    noun,
    targets: [
      {
        type: "user",
        id: "/username",
        previous: "/old_username",
        name: "/name",
        email: "/email",
        state: "/state",
      },
    ],
    times: ["/updated_at", "/created_at"],
  };
}

const ofKey = (noun: string): GitlabEvent => ({
  workflow: "identity",
  noun,
  targets: [
    { type: "ssh_key", id: "/id" },
    { type: "user", id: "/username" },
  ],
  times: ["/updated_at", "/created_at"],
});

const gitlabEvents: Readonly<Record<string, GitlabEvent>> = {
  push: { workflow: "change", noun: "push", targets: ofPush, actor: "/user_username" },
  tag_push: { workflow: "change", noun: "tag_push", targets: ofPush, actor: "/user_username" },
  merge_request: {
    workflow: "change",
    noun: "request_",
    verb: [
      "/object_attributes/action",
      { open: "opened", close: "closed", reopen: "reopened", update: "updated", merge: "merged" },
    ],
    targets: [
      {
        type: "merge_request",
        id: "/object_attributes/url",
        number: "/object_attributes/iid",
        name: "/object_attributes/title",
        head: "/object_attributes/last_commit/id",
        merged: "/object_attributes/merge_commit_sha",
      },
      { type: "branch", id: "/object_attributes/target_branch" },
      project,
    ],
    times: ["/object_attributes/updated_at"],
    actor: "/user/username",
    shown: ["open", "close", "merge", "update", "approved", "unapproved"],
  },
  pipeline: {
    workflow: "deployment",
    noun: "pipeline_",
    verb: ["/object_attributes/status", runVerbs],
    targets: [
      { type: "pipeline", id: "/object_attributes/id", url: "/object_attributes/url" },
      { type: "ref", id: "/object_attributes/ref" },
      { type: "commit", id: "/object_attributes/sha" },
      project,
    ],
    times: ["/object_attributes/finished_at", "/object_attributes/created_at"],
    outcome: ["/object_attributes/status", runOutcomes],
    actor: "/user/username",
    shown: ["pending", "running", "success", "failed"],
  },
  build: {
    workflow: "deployment",
    noun: "job_",
    verb: ["/build_status", runVerbs],
    targets: [
      { type: "job", id: "/build_id", name: "/build_name", stage: "/build_stage" },
      { type: "environment", id: "/environment/name" },
      { type: "ref", id: "/ref" },
      { type: "commit", id: "/sha" },
      { type: "runner", id: "/runner/id", name: "/runner/description" },
      project,
    ],
    times: ["/build_finished_at", "/build_started_at", "/build_created_at"],
    outcome: ["/build_status", runOutcomes],
    actor: "/user/username",
    shown: ["pending", "running", "success", "failed"],
  },
  deployment: {
    workflow: "deployment",
    noun: "",
    verb: ["/status", { running: "started", success: "succeeded", canceled: "canceled" }],
    targets: [
      { type: "environment", id: "/environment", tier: "/environment_tier" },
      { type: "deployment", id: "/deployment_id", url: "/deployable_url" },
      { type: "commit", id: "/short_sha" },
      { type: "ref", id: "/ref" },
      project,
    ],
    times: ["/status_changed_at"],
    outcome: ["/status", runOutcomes],
    actor: "/user/username",
    shown: ["running", "success", "failed"],
  },
  release: {
    workflow: "deployment",
    noun: "release_",
    verb: ["/action", { create: "published", update: "edited", delete: "deleted" }],
    targets: [
      { type: "tag", id: "/tag" },
      { type: "release", id: "/url", name: "/name" },
      { type: "commit", id: "/commit/id" },
      project,
    ],
    shown: ["create", "delete"],
  },
  feature_flag: {
    workflow: "change",
    noun: "feature_flag_changed",
    targets: [{ type: "feature_flag", id: "/object_attributes/name" }, project],
    actor: "/user/username",
  },
  access_token: {
    workflow: "identity",
    noun: "token_",
    verb: ["/event_name", { expiring_access_token: "expiring" }],
    targets: [
      {
        type: "access_token",
        id: "/object_attributes/id",
        name: "/object_attributes/name",
        expires: "/object_attributes/expires_at",
      },
      { type: "group", id: "/group/group_path" },
      project,
    ],
    shown: ["expiring_access_token"],
  },
  user_add_to_group: ofMember("group_member_added"),
  user_update_for_group: ofMember("group_member_updated"),
  user_remove_from_group: ofMember("group_member_removed"),
  user_access_request_to_group: ofMember("group_access_requested"),
  user_access_request_denied_for_group: {
    ...ofMember("group_access_denied"),
    outcome: ["/event_name", { user_access_request_denied_for_group: "denied" }],
  },
  user_access_request_revoked_for_group: ofMember("group_access_request_withdrawn"),
  user_access_request_to_project: ofMember("project_access_requested"),
  user_access_request_revoked_for_project: ofMember("project_access_request_withdrawn"),
  user_add_to_team: ofMember("project_member_added"),
  user_update_for_team: ofMember("project_member_updated"),
  user_remove_from_team: ofMember("project_member_removed"),
  project_create: ofProject("repository_created"),
  project_destroy: ofProject("repository_deleted"),
  project_rename: ofProject("repository_renamed"),
  project_transfer: ofProject("repository_transferred"),
  project_update: ofProject("repository_edited"),
  subgroup_create: ofGroup("group_created"),
  subgroup_destroy: ofGroup("group_deleted"),
  group_create: ofGroup("group_created"),
  group_destroy: ofGroup("group_deleted"),
  group_rename: ofGroup("group_renamed"),
  user_create: ofUser("user_created"),
  user_destroy: ofUser("user_deleted"),
  user_rename: ofUser("user_renamed"),
  // Only of users who are blocked. Their own time is not the time of the attempt.
  user_failed_login: {
    ...ofUser("login"),
    times: [],
    outcome: ["/event_name", { user_failed_login: "denied" }],
  },
  key_create: ofKey("ssh_key_created"),
  key_destroy: ofKey("ssh_key_deleted"),
};
