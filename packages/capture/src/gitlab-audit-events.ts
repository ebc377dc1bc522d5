/**
 * GitLab's audit events, as they are streamed to an HTTP destination. There are hundreds of types, each a name like
 * `user_add_to_group`: the words in it tell the workflow, the whole of it is the type's verb and the action.
 */
import { eventFrom, typeOf, type Outcome, type Workflow } from "./event-fields.ts";
import { at, textAt, type Json } from "./foreign-json.ts";
import type { CairnEvent } from "@cairnlog/core";

/** The first that matches; whatever matches none is a change. */
const workflows: readonly (readonly [RegExp, Workflow])[] = [
  [/repository_(?:git|download)_operation|_downloaded|_viewed|graphql|_api_/, "api"],
  [
    /vulnerabilit|secret_detection|secret_push|security|polic(?:y|ies)|compliance|ip_restriction|protected_/,
    "security",
  ],
  [/deploy_(?:key|token)/, "identity"],
  [
    /deploy|environment|release|pipeline|\bjob|build|runner|package|registry|ci_variable|artifact/,
    "deployment",
  ],
  [
    /user|member|login|logg|password|token|key|saml|scim|two_factor|otp|auth|permission|access|session|imperson|email|role|oauth|provider/,
    "identity",
  ],
];
const failed = /fail/;
const denied = /denied|rejected|blocked|forbidden/;

export function gitlabAuditEvent(record: Json, header: string | undefined): CairnEvent {
  const name = textAt(record, "event_type") ?? header ?? "audit_event";
  const workflow = workflows.find(([words]) => words.test(name))?.[1] ?? "change";
  // -1 is GitLab's own word for nobody in particular.
  const isNobody = textAt(record, "author_id") === "-1";
  return eventFrom({
    id: textAt(record, "id"),
    type: typeOf(workflow, name),
    time: at(record, "created_at"),
    actor: {
      id: isNobody
        ? "unauthenticated"
        : (textAt(record, "details", "author_email") ?? textAt(record, "author_id")),
      type: textAt(record, "details", "author_class")?.toLowerCase() ?? "user",
      name: textAt(record, "author_name") ?? textAt(record, "details", "author_name"),
      uid: textAt(record, "author_id"),
      ip: textAt(record, "ip_address") ?? textAt(record, "details", "ip_address"),
    },
    action: name,
    targets: [
      {
        type: textAt(record, "target_type")?.toLowerCase() ?? "unknown",
        id: textAt(record, "target_id"),
        name: textAt(record, "target_details"),
      },
      {
        type: textAt(record, "entity_type")?.toLowerCase() ?? "entity",
        id: textAt(record, "entity_path") ?? textAt(record, "entity_id"),
      },
    ],
    outcome: outcomeOf(name),
    details: record,
  });
}

function outcomeOf(name: string): Outcome {
  if (failed.test(name)) return "failure";
  return denied.test(name) ? "denied" : "success";
}
