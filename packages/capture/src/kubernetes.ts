/**
 * The Kubernetes API server's audit webhook: an EventList of `audit.k8s.io/v1`, or single events one a line, as the log
 * backend's file has them. A request becomes one event for each stage that the server reports.
 *
 * Ids. The audit id is no secret and no promise: a client may send one of its own in the `Audit-ID` header, and an
 * aggregated API server reports under that of the server before it. So an event's id is the audit id, the stage and
 * the stage's time: the same report sent again has the same id, and nobody can make a second request pass for a
 * repetition of the first.
 *
 * Who. The actor is who authenticated, also where that user acted in another's name: whom it impersonated stands
 * beside it. Of the source addresses all but the last are the client's own words; the last is the actor's `ip`.
 */
import { createHash } from "node:crypto";
import { CairnError, type CairnEvent } from "@cairnlog/core";
import { requireAnyToken } from "./authentication.ts";
import { asDetails } from "./captured-event.ts";
import {
  eventFrom,
  typeOf,
  type ActorDraft,
  type Outcome,
  type TargetDraft,
} from "./event-fields.ts";
import { at, textAt, type Json } from "./foreign-json.ts";
import { recordsOf } from "./json.ts";
import { kubernetesInstructions } from "./kubernetes-setup.ts";
import { keptIf } from "./webhook-body.ts";
import type {
  Adapter,
  Captured,
  CapturedEvent,
  Delivery,
  KnownKind,
  SourceSettings,
} from "./adapter.ts";

const verbs = ["get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"];
const readingVerbs = ["get", "list", "watch"];
const rbacGroup = "rbac.authorization.k8s.io";
/** Ways into a running container or through to a service. */
const doors = ["exec", "attach", "portforward", "proxy"];

export const kubernetesAdapter: Adapter = {
  kind: "kubernetes",
  title: "Kubernetes audit webhook",
  basis: "audit.k8s.io/v1 EventList (kubernetes/kubernetes, apiserver/pkg/apis/audit/v1/types.go)",
  known: [
    ...verbs.map((verb) => knownKind(verb, `api.${verb}`)),
    knownKind("pods/exec", "api.exec"),
    knownKind("pods/attach", "api.attach"),
    knownKind("pods/portforward", "api.portforward"),
    knownKind("services/proxy", "api.proxy"),
    knownKind("serviceaccounts/token", "identity.token"),
    knownKind(rbacGroup, "identity.role_create"),
    {
      ...knownKind("nonresource", "api.get"),
      action: "/verb and the path of /requestURI",
      targets: "the path of /requestURI",
    },
  ],
  setup: {
    questions: [
      {
        name: "cluster",
        text: "What to call this cluster in targets (prod-eu); empty for no name",
        default: "",
        pattern: /^[A-Za-z0-9._-]{0,64}$/,
      },
    ],
    secret: "token",
    instructions: kubernetesInstructions,
  },
  authenticate: ({ headers }, source) => requireAnyToken(headers, source),
  capture,
};

function knownKind(kind: string, type: string): KnownKind {
  return {
    kind,
    type,
    actor: "/user/username; /impersonatedUser/username as `impersonates`; last of /sourceIPs",
    action: "/verb and /objectRef: resource, subresource",
    targets: "/objectRef: namespace/name (`*` where the request names none)",
    outcome:
      "/responseStatus/code: 401 and 403, or a decision `forbid`, are denied; /stage RequestReceived is unknown, Panic failure",
  };
}

function capture({ body }: Delivery, { options }: SourceSettings): Captured {
  const { records, refused } = recordsOf(body);
  const digest = createHash("sha256").update(body).digest("hex").slice(0, 48);
  const events: CapturedEvent[] = [];
  for (const { value, isAltered } of records) {
    for (const item of itemsOf(value)) {
      const event = eventOf(item, `${digest}-${events.length}`, options["cluster"] ?? "");
      events.push(keptIf(isAltered, { event }, body));
    }
  }
  return refused.length === 0 ? { events } : { events, refused };
}

/** A list's events, of whatever version; anything else stands for itself. "malformed" */
function itemsOf(value: Json): readonly Json[] {
  if (textAt(value, "kind") !== "EventList") return [value];
  const items = at(value, "items");
  // The server's own printer spells a list without items as null.
  if (items === null || items === undefined) return [];
  if (!Array.isArray(items)) throw new CairnError("malformed", "/items is not an array of events");
  return items as readonly Json[];
}

function eventOf(item: Json, fallbackId: string, cluster: string): CairnEvent {
  const stage = textAt(item, "stage");
  const verb = textAt(item, "verb");
  return eventFrom({
    id: idOf(item, stage) ?? fallbackId,
    type: typeFor(item, verb),
    time: at(item, "stageTimestamp") ?? at(item, "requestReceivedTimestamp"),
    actor: actorOf(item),
    action: verb === undefined ? textAt(item, "kind") : actionOf(item, verb),
    targets: targetsOf(item, cluster),
    outcome: outcomeOf(item, stage),
    details: asDetails(item),
  });
}

function idOf(item: Json, stage: string | undefined): string | undefined {
  const auditId = textAt(item, "auditID");
  const time = textAt(item, "stageTimestamp") ?? textAt(item, "requestReceivedTimestamp");
  const isKnown = auditId !== undefined && stage !== undefined && time !== undefined;
  return isKnown ? `${auditId}/${stage}/${time}` : undefined;
}

function typeFor(item: Json, verb: string | undefined): string {
  if (verb === undefined) return typeOf("api", `kubernetes_${textAt(item, "kind") ?? "record"}`);
  const reference = at(item, "objectRef");
  const subresource = textAt(reference, "subresource");
  const resource = textAt(reference, "resource");
  if (subresource !== undefined && doors.includes(subresource)) return `api.${subresource}`;
  const isWriting = !readingVerbs.includes(verb);
  if (isWriting && resource === "serviceaccounts" && subresource === "token") {
    return "identity.token";
  }
  if (isWriting && textAt(reference, "apiGroup") === rbacGroup) {
    return typeOf("identity", `role_${verb}`);
  }
  return typeOf("api", verb);
}

/** `patch deployments.apps/scale`, `get /healthz` */
function actionOf(item: Json, verb: string): string {
  const what = resourceOf(item) ?? pathOf(item);
  return what === undefined ? verb : `${verb} ${what}`;
}

/** `deployments.apps/scale`: the resource as `kubectl` takes it. Undefined where it is a plain path. */
function resourceOf(item: Json): string | undefined {
  const kind = kindOf(item);
  const subresource = textAt(item, "objectRef", "subresource");
  return kind === undefined || subresource === undefined ? kind : `${kind}/${subresource}`;
}

function kindOf(item: Json): string | undefined {
  const resource = textAt(item, "objectRef", "resource");
  const group = textAt(item, "objectRef", "apiGroup");
  return resource === undefined || group === undefined ? resource : `${resource}.${group}`;
}

function pathOf(item: Json): string | undefined {
  return textAt(item, "requestURI")?.split("?", 1)[0];
}

function actorOf(item: Json): ActorDraft {
  const user = textAt(item, "user", "username");
  const addresses = at(item, "sourceIPs");
  const last = Array.isArray(addresses) ? textAt(addresses, addresses.length - 1) : undefined;
  return {
    id: user,
    type: actorType(user),
    uid: textAt(item, "user", "uid"),
    impersonates: textAt(item, "impersonatedUser", "username"),
    ip: last,
    device: textAt(item, "userAgent"),
    session: textAt(item, "user", "extra", "authentication.kubernetes.io/credential-id", 0),
  };
}

function actorType(user: string | undefined): string | undefined {
  if (user === undefined) return undefined;
  if (user === "system:anonymous") return "anonymous";
  if (user.startsWith("system:serviceaccount:")) return "service";
  return user.startsWith("system:") ? "system" : "user";
}

function targetsOf(item: Json, cluster: string): TargetDraft[] {
  const where = cluster === "" ? {} : { cluster };
  const type = kindOf(item);
  if (type === undefined) return [{ type: "url", id: pathOf(item), ...where }];
  const reference = at(item, "objectRef");
  const namespace = textAt(reference, "namespace");
  // Who creates may leave the name to the server, whose answer has it, where answers are audited.
  const created = textAt(item, "responseObject", "metadata", "name");
  const isNamed = type === "namespaces" || namespace === undefined;
  const name = textAt(reference, "name") ?? (isCreated(item) ? created : undefined) ?? "*";
  return [
    {
      type,
      id: isNamed ? name : `${namespace}/${name}`,
      uid: textAt(reference, "uid"),
      subresource: textAt(reference, "subresource"),
      ...where,
    },
    impersonatedTarget(item, where),
  ];
}

/** The answer to a subresource (an eviction, a token) is another object than the one that was named. */
function isCreated(item: Json): boolean {
  return textAt(item, "verb") === "create" && at(item, "objectRef", "subresource") === undefined;
}

function impersonatedTarget(item: Json, where: object): TargetDraft {
  return { type: "user", id: textAt(item, "impersonatedUser", "username"), ...where };
}

function outcomeOf(item: Json, stage: string | undefined): Outcome {
  if (stage === "Panic") return "failure";
  if (textAt(item, "annotations", "authorization.k8s.io/decision") === "forbid") return "denied";
  const code = at(item, "responseStatus", "code");
  if (typeof code === "number" && code >= 100) {
    if (code === 401 || code === 403) return "denied";
    return code < 400 ? "success" : "failure";
  }
  const status = textAt(item, "responseStatus", "status");
  if (status === "Failure") return "failure";
  return status === "Success" ? "success" : "unknown";
}
