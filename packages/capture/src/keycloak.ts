/**
 * Keycloak's events of users and of administrators, in both forms in which they leave it without an extension: lines of
 * its log (the listener `jboss-logging`, as JSON), and what its Admin REST API answers.
 *
 * Who: the user's id, Keycloak's `sub`, which apps find in their tokens; a user name can change hands, and only some
 * events have it. It is the actor's `name` where it is there.
 *
 * Ids. The API's records have one. A line is known by its process, its number in that process and its time.
 */
import { CairnError, isCairnError, parseUtf8, type CairnEvent } from "@cairnlog/core";
import { requireAnyToken } from "./authentication.ts";
import { asDetails } from "./captured-event.ts";
import {
  eventFrom,
  traceOf,
  typeOf,
  type ActorDraft,
  type EventDraft,
  type Outcome,
  type TargetDraft,
} from "./event-fields.ts";
import {
  at,
  isObject,
  parseForeignJson,
  parseForeignText,
  textAt,
  wellFormed,
  type ForeignJson,
  type Json,
} from "./foreign-json.ts";
import { findKeycloakFields } from "./keycloak-line.ts";
import { lookUp } from "./pointers.ts";
import { keptIf } from "./webhook-body.ts";
import type { Adapter, Captured, Delivery, KnownKind } from "./adapter.ts";

/** Errors that are a refusal; any other is a failure. */
const denials = new Set([
  "access_denied",
  "client_disabled",
  "client_not_found",
  "consent_denied",
  "expired_code",
  "invalid_client",
  "invalid_client_credentials",
  "invalid_code",
  "invalid_signature",
  "invalid_token",
  "invalid_user_credentials",
  "not_allowed",
  "rejected_by_user",
  "unauthorized_client",
  "user_disabled",
  "user_not_found",
  "user_temporarily_disabled",
]);

/** A server takes no more events in one request. */
const linesMax = 200_000;

/** Resources that say who may do what; the others are settings. */
const ofPeople =
  /^(?:USER|GROUP|REALM_ROLE|CLIENT_ROLE|ROLE|ORGANIZATION_MEMBERSHIP|ORGANIZATION_GROUP)/;

/** Of users; with `_ERROR` behind it, what did not succeed. */
const userEvents = [
  "LOGIN",
  "LOGIN_ERROR",
  "LOGOUT",
  "CODE_TO_TOKEN",
  "CODE_TO_TOKEN_ERROR",
  "REFRESH_TOKEN",
  "REFRESH_TOKEN_ERROR",
  "USER_INFO_REQUEST",
  "REGISTER",
  "UPDATE_PASSWORD",
  "UPDATE_CREDENTIAL",
  "IMPERSONATE",
  "CLIENT_LOGIN",
  "CLIENT_LOGIN_ERROR",
];
/** Of administrators: resource and operation. */
const adminEvents = [
  "REALM:CREATE",
  "REALM:UPDATE",
  "REALM:ACTION",
  "CLIENT:CREATE",
  "USER:CREATE",
  "USER:UPDATE",
  "USER:DELETE",
  "USER:ACTION",
  "GROUP:CREATE",
  "GROUP:DELETE",
  "GROUP_MEMBERSHIP:CREATE",
  "GROUP_MEMBERSHIP:DELETE",
  "REALM_ROLE:CREATE",
  "REALM_ROLE_MAPPING:CREATE",
];

export const keycloakAdapter: Adapter = {
  kind: "keycloak",
  title: "Keycloak",
  basis:
    "Keycloak 26.4: event listener jboss-logging with JSON log output; Admin REST API, EventRepresentation and AdminEventRepresentation",
  known: [...userEvents.map(knownUserEvent), ...adminEvents.map(knownAdminEvent)],
  setup: {
    questions: [],
    secret: "token",
    instructions: ({ url, secret }) =>
      [
        "With nothing in between: Keycloak's own syslog, see docs/keycloak.md. This source is for its lines. Start Keycloak with",
        "",
        "```sh",
        "bin/kc.sh start --log-console-output=json \\",
        "  --spi-events-listener--jboss-logging--success-level=info \\",
        "  --spi-events-listener--jboss-logging--include-representation=true",
        "```",
        "",
        "and have whatever collects its output (Fluent Bit, Vector) post the lines, one a line, with the secret as",
        "a bearer token:",
        "",
        "```sh",
        `curl ${url} -H "Authorization: Bearer ${secret}" \\`,
        '  -H "Content-Type: application/x-ndjson" --data-binary @keycloak.log',
        "```",
        "",
        "Answers of `GET /admin/realms/{realm}/events` and `/admin-events` can be posted as they are, again and again:",
        "each event is recorded once. Use one of the two forms for a realm: they have no id in common.",
      ].join("\n"),
  },
  authenticate: ({ headers }, source) => requireAnyToken(headers, source),
  capture,
};

function knownUserEvent(kind: string): KnownKind {
  return {
    kind,
    type: typeOfUserEvent(kind),
    actor:
      kind === "IMPERSONATE"
        ? "impersonator"
        : "userId, else username, else clientId; ip: ipAddress; session: sessionId, else code_id",
    action: kind.endsWith("_ERROR") ? "type, without _ERROR" : "type",
    targets: kind === "IMPERSONATE" ? "userId, realmName" : "clientId, realmName",
    outcome: kind.endsWith("_ERROR") ? "denied or failure, by error" : "success",
  };
}

function knownAdminEvent(kind: string): KnownKind {
  const [resource = "", operation = ""] = kind.split(":");
  return {
    kind,
    type: typeOfAdminEvent(resource, operation),
    actor: "userId, client: clientId, realm: realmName; the API's: under /authDetails",
    action: "operationType, resourceType; of an ACTION the last word of resourcePath",
    targets: "resourcePath: users/…, groups/…, clients/…; the API's: /realmId",
    outcome: "success; with an error: denied or failure",
  };
}

function typeOfUserEvent(type: string): string {
  return typeOf("identity", type.replace(/_ERROR$/, ""));
}

function typeOfAdminEvent(resource: string, operation: string): string {
  return typeOf(ofPeople.test(resource) ? "identity" : "change", `${resource}_${operation}`);
}

function capture({ body }: Delivery): Captured {
  const records = recordsOf(body);
  if (records.length === 0) throw new CairnError("malformed", "the body is empty");
  return {
    events: records.map(({ value, isAltered }) =>
      keptIf(isAltered, { event: keycloakEvent(value) }, body),
    ),
  };
}

/** One JSON text, or an array; else one a line. What Keycloak says before its log is set up is no JSON: text. */
function recordsOf(body: Uint8Array): ForeignJson[] {
  try {
    const { value, isAltered } = parseForeignJson(body);
    const values: readonly Json[] = Array.isArray(value) ? value : [value];
    return values.map((one) => ({ value: one, isAltered }));
  } catch (error) {
    if (!isCairnError(error, "malformed")) throw error;
  }
  const lines = parseUtf8(body)
    .split(/\r?\n/)
    .filter((line) => line.trim() !== "");
  if (lines.length > linesMax) throw new CairnError("too_large", `more than ${linesMax} lines`);
  return lines.map(recordOfLine);
}

function recordOfLine(line: string): ForeignJson {
  try {
    if (line.startsWith("{")) return parseForeignText(line);
  } catch (error) {
    if (!isCairnError(error, "malformed")) throw error;
  }
  const message = wellFormed(line);
  return { value: { message }, isAltered: message !== line };
}

/** One record: a line of the log as JSON, or an event of the Admin API. Never throws: whatever it is, is recorded. */
export function keycloakEvent(record: Json): CairnEvent {
  const message = textAt(record, "message");
  const read = isKeycloakLine(record) ? findKeycloakFields(message ?? "") : undefined;
  if (read !== undefined) {
    const { fields, rest } = read;
    const details = {
      ...asDetails(record),
      fields,
      ...(rest === undefined ? {} : { unread: rest }),
    };
    const line = {
      id: idOfLine(record),
      time: at(record, "timestamp"),
      trace: traceOfLine(record),
    };
    return eventFrom({ ...draftOf(fields), ...line, details });
  }
  const { details = {}, authDetails = {}, ...others } = isObject(record) ? record : {};
  if (textAt(record, "type") !== undefined || textAt(record, "operationType") !== undefined) {
    const own = { id: textAt(record, "id"), time: at(record, "time"), details: record };
    return eventFrom({
      ...draftOf({ ...asObject(details), ...others, ...ofAuth(authDetails) }),
      ...own,
    });
  }
  return eventFrom({
    id: idOfLine(record),
    type: "security.log",
    time: at(record, "timestamp"),
    actor: { id: "keycloak", type: "service", host: textAt(record, "hostName") },
    action: textAt(record, "loggerName") ?? "log",
    trace: traceOfLine(record),
    details: asDetails(record),
  });
}

/** The event of a line that came by another way, as syslog's message; undefined where it is no event of Keycloak's. */
export function findKeycloakEvent(line: string): CairnEvent | undefined {
  if (!line.startsWith("{")) return undefined;
  const { value } = recordOfLine(line);
  return isKeycloakLine(value) ? keycloakEvent(value) : undefined;
}

/** True of what the listener wrote; whoever else writes such a line does so under another name. */
export function isKeycloakLine(record: Json): boolean {
  return textAt(record, "loggerName") === "org.keycloak.events";
}

function ofAuth(auth: Json): Readonly<Record<string, Json>> {
  const { realmId, ...who } = asObject(auth);
  return realmId === undefined ? who : { ...who, authRealmId: realmId };
}

function asObject(value: Json): Readonly<Record<string, Json>> {
  return isObject(value) ? value : {};
}

type Draft = Omit<EventDraft, "details">;

/** Either form has the same names. */
function draftOf(fields: Json): Draft {
  const text = (name: string): string | undefined => textAt(fields, name);
  const operation = text("operationType");
  return operation === undefined ? userDraft(text) : adminDraft(operation, text);
}

type Text = (name: string) => string | undefined;

function userDraft(text: Text): Draft {
  const type = text("type") ?? "unknown";
  const realm: TargetDraft = { type: "realm", id: text("realmName") ?? text("realmId") };
  const common = {
    type: typeOfUserEvent(type),
    action: type.replace(/_ERROR$/, ""),
    outcome: outcomeOf(type, text("error")),
  };
  const impersonator = text("impersonator");
  if (impersonator !== undefined) {
    const actor = {
      id: impersonator,
      type: "user",
      realm: text("impersonator_realm"),
      ip: text("ipAddress"),
      session: text("sessionId"),
    };
    return { ...common, actor, targets: [{ type: "user", id: text("userId") }, realm] };
  }
  const actor = actorOf(text, type.startsWith("CLIENT_LOGIN"));
  return { ...common, actor, targets: [{ type: "client", id: text("clientId") }, realm] };
}

function actorOf(text: Text, isClient: boolean): ActorDraft {
  const person = text("userId");
  // A name that was typed and is nobody's is only what somebody claimed to be.
  const claimed = isClient ? undefined : text("username");
  const type = person === undefined && claimed !== undefined ? "unknown" : "user";
  return {
    id: person ?? claimed ?? text("clientId"),
    type: isClient || (person ?? claimed) === undefined ? "client" : type,
    name: text("username"),
    ip: text("ipAddress"),
    // At a login the code's id is that of the session which it will be: so failed tries are of it too.
    session: text("sessionId") ?? text("code_id"),
    client: text("clientId"),
  };
}

function adminDraft(operation: string, text: Text): Draft {
  const resource = text("resourceType") ?? "unknown";
  // Only the API tells where it was done; a line has the administrator's realm alone.
  const realm = text("authRealmId") === undefined ? undefined : text("realmId");
  return {
    type: typeOfAdminEvent(resource, operation),
    action: actionOf(operation, resource, text("resourcePath")),
    outcome: outcomeOf("", text("error")),
    actor: {
      id: text("userId") ?? text("clientId"),
      type: "user",
      ip: text("ipAddress"),
      client: text("clientId"),
      realm: text("realmName") ?? text("authRealmId"),
    },
    targets: [
      ...targetsIn(operation, resource, text("resourcePath")),
      { type: "realm", id: realm },
    ],
  };
}

/** What was asked for by ACTION is the path's last word: "ACTION USER reset-password". */
function actionOf(operation: string, resource: string, path: string | undefined): string {
  const last = operation === "ACTION" ? path?.split("/").at(-1) : undefined;
  return [operation, resource, last].filter(Boolean).join(" ");
}

/** `users/<id>/groups/<id>` names a user and a group. */
const collections: Readonly<Record<string, string>> = {
  clients: "client",
  "client-scopes": "client_scope",
  groups: "group",
  organizations: "organization",
  roles: "role",
  "roles-by-id": "role",
  users: "user",
};

function targetsIn(operation: string, resource: string, path: string | undefined): TargetDraft[] {
  // "logout-all" is done to the realm, and names none.
  if (operation === "ACTION" && resource === "REALM") return [];
  const words = path?.split("/") ?? [];
  const found = words.flatMap((word, i): TargetDraft[] => {
    const type = i % 2 === 0 ? lookUp(collections, word) : undefined;
    return type === undefined ? [] : [{ type, id: words[i + 1] }];
  });
  return found.length > 0 ? found : [{ type: resource.toLowerCase(), id: path }];
}

function outcomeOf(type: string, error: string | undefined): Outcome {
  if (error === undefined) return type.endsWith("_ERROR") ? "failure" : "success";
  return denials.has(error) ? "denied" : "failure";
}

/** The process, the number that it gave the line, and when: no two lines have all of them in common. */
function idOfLine(record: Json): string | undefined {
  const names = ["hostName", "processId", "sequence", "timestamp"];
  const parts = names.map((name) => textAt(record, name));
  return parts.includes(undefined) ? undefined : parts.join(" ");
}

/** With tracing switched on, Keycloak puts the request's ids beside each line. */
function traceOfLine(record: Json): string | undefined {
  return traceOf(textAt(record, "mdc", "traceId"), textAt(record, "mdc", "spanId"));
}
