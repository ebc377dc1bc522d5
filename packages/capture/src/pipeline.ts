/**
 * A step of a CI pipeline that says what it does: the JSON that the steps of docs/pipelines.md send, with the CI
 * system's ID token, which says who the step is.
 *
 * The step's own words are what happens (`event`, `status`, `targets`); who, where, which commit and which run come
 * from the token, signed by GitHub or GitLab, and stand over whatever the step says about them. Where the token was
 * asked for with the hash of the body in its audience (`<audience>#sha256=<hex>`, GitHub), the signature covers the
 * step's words as well. Body, token and the public key that verified it are kept: the check can be made again for ever.
 */
import { createHash } from "node:crypto";
import { isSameSecret, notAuthenticated, requireBearer } from "./authentication.ts";
import { withOriginal } from "./captured-event.ts";
import {
  eventFrom,
  typeOf,
  type ActorDraft,
  type Outcome,
  type TargetDraft,
} from "./event-fields.ts";
import { at, isObject, textAt, type Json } from "./foreign-json.ts";
import { openIdToken, verifyIdToken, type IdToken } from "./id-token.ts";
import { pipelineInstructions } from "./pipeline-setup.ts";
import { firstText, lookUp, type Pointer } from "./pointers.ts";
import { parseJsonObject, type JsonObject } from "./webhook-body.ts";
import type { Adapter, Captured, Delivery, KnownKind, SourceSettings } from "./adapter.ts";

const idTokenHeader = "x-cairn-id-token";
const githubIssuer = "https://token.actions.githubusercontent.com";

const kinds: Readonly<Record<string, string>> = {
  started: "deployment.started",
  finished: "deployment.finished",
  deployed: "deployment.deployed",
  "rolled-back": "deployment.rolled_back",
  approved: "deployment.approved",
  published: "deployment.published",
};

/** GitHub's `job.status` and GitLab's `CI_JOB_STATUS`. */
const outcomes: Readonly<Record<string, Outcome>> = {
  success: "success",
  failure: "failure",
  failed: "failure",
  rejected: "denied",
};

/** In the claims, GitHub's first; then in what the step says, where there is no token. */
const actorNames: readonly Pointer[] = ["/actor", "/user_login"];
const projects: readonly Pointer[] = ["/repository", "/project_path"];
const runs: readonly Pointer[] = ["/run_id", "/pipeline_id"];
const attempts: readonly Pointer[] = ["/run_attempt", "/job_id"];
const workflows: readonly Pointer[] = ["/job_workflow_ref", "/workflow_ref", "/ci_config_ref_uri"];

export const pipelineAdapter: Adapter = {
  kind: "pipeline",
  title: "Steps of GitHub Actions and GitLab CI",
  basis:
    "the JSON of docs/pipelines.md; ID tokens of GitHub (actions/reference/security/oidc) and GitLab (ci/secrets/id_token_authentication)",
  known: Object.entries(kinds).map(([kind, type]): KnownKind => ({
    kind,
    type,
    actor: "of the token: actor, user_login; else /actor",
    action: "/event",
    targets:
      "of the token: repository, project_path, sha, environment, run_id, pipeline_id; /targets",
    outcome: "/status: success, failure, failed; else unknown",
  })),
  setup: {
    questions: [
      {
        name: "issuer",
        text: "Who signs the ID tokens: GitHub's issuer, or the address of your GitLab",
        default: githubIssuer,
        pattern: /^https?:\/\/[^\s]+$/,
      },
      {
        name: "jwks",
        text: 'The issuer\'s public keys, as JSON ({"keys":[…]})',
        default: "",
      },
      {
        name: "audience",
        text: "The audience for which the steps ask their tokens",
        default: "cairn",
        pattern: /^[^\s#]+$/,
      },
      {
        name: "projects",
        text: "Whose steps are let in: owner/name or owner/*, with commas between them; empty: all of the issuer",
        default: "",
        pattern: /^[A-Za-z0-9._/*,-]*$/,
      },
      {
        name: "unverified",
        text: "Record steps without an ID token? (yes or no)",
        default: "no",
        pattern: /^(?:yes|no)$/,
      },
    ],
    secret: "token",
    instructions: pipelineInstructions,
  },
  authenticate,
  capture,
};

function authenticate(delivery: Delivery, source: SourceSettings, nowMs: number): void {
  requireBearer(delivery.headers, source);
  const { options } = source;
  const token = delivery.headers[idTokenHeader];
  if (token === undefined && options["unverified"] === "yes") return;
  const audience = options["audience"] ?? "cairn";
  const { claims } = verifyIdToken(token ?? "", options["jwks"] ?? "", {
    issuer: options["issuer"] ?? githubIssuer,
    audiences: [audience, boundAudience(audience, delivery.body)],
    nowMs,
  });
  const project = firstText(claims, projects);
  if (!isOfProjects(project, options["projects"] ?? "")) throw notAuthenticated();
}

/** The audience of a token that was made for this body and no other. */
export function boundAudience(audience: string, body: Uint8Array): string {
  return `${audience}#sha256=${createHash("sha256").update(body).digest("hex")}`;
}

function isOfProjects(project: string | undefined, list: string): boolean {
  if (list === "") return true;
  if (project === undefined) return false;
  return list.split(",").some((one) =>
    // `owner/*` stands for what is directly or deeper below the owner, never for `owner-of-others/…`.
    one.endsWith("/*") ? project.startsWith(one.slice(0, -1)) : isSameSecret(project, one),
  );
}

type Options = SourceSettings["options"];

function capture(delivery: Delivery, { options }: SourceSettings): Captured {
  const step = parseJsonObject(delivery.body);
  const token = delivery.headers[idTokenHeader];
  const opened = token === undefined ? undefined : openIdToken(token, options["jwks"] ?? "");
  const said: JsonObject = opened?.claims ?? step;
  const name = textAt(step, "event");
  const project = firstText(said, projects);
  const event = eventFrom({
    id: idOf(step, project, delivery.body),
    type: lookUp(kinds, name) ?? typeOf("deployment", `pipeline_${name ?? "step"}`),
    time: at(step, "time"),
    actor: actorOf(said),
    action: name ?? "step",
    targets: targetsOf(said, step, project),
    outcome: lookUp(outcomes, textAt(step, "status")?.toLowerCase()) ?? "unknown",
    trace: textAt(step, "trace") ?? delivery.headers["traceparent"],
    details: { step, token: opened === undefined ? null : proofOf(opened, delivery, options) },
  });
  return { events: [withOriginal({ event }, delivery, [idTokenHeader])] };
}

/** An id is a step's own choice: of its project, so that no other project can take it first. */
function idOf(step: JsonObject, project: string | undefined, body: Uint8Array): string | undefined {
  const id = textAt(step, "id");
  if (id !== undefined) return `${project ?? ""} ${id}`;
  if (at(step, "time") === undefined) return undefined;
  return `sha256:${createHash("sha256").update(body).digest("hex")}`;
}

function proofOf({ claims, key }: IdToken, { body }: Delivery, options: Options): Json {
  const { aud } = claims;
  const bound = boundAudience(options["audience"] ?? "cairn", body);
  const coversBody = Array.isArray(aud) ? (aud as readonly Json[]).includes(bound) : aud === bound;
  return { claims, coversBody, key };
}

function actorOf(said: JsonObject): ActorDraft {
  return {
    id: firstText(said, actorNames),
    type: "user",
    email: textAt(said, "user_email"),
    uid: textAt(said, "actor_id") ?? textAt(said, "user_id"),
    session: firstText(said, runs),
  };
}

function targetsOf(
  said: JsonObject,
  step: JsonObject,
  project: string | undefined,
): readonly TargetDraft[] {
  const own = at(step, "targets");
  const targets = Array.isArray(own) ? (own as readonly Json[]).slice(0, 100) : [];
  return [
    { type: "project", id: project, ref: textAt(said, "ref") },
    { type: "commit", id: textAt(said, "sha") },
    { type: "environment", id: textAt(said, "environment") ?? textAt(step, "environment") },
    { type: "run", id: firstText(said, runs), attempt: firstText(said, attempts) },
    { type: "workflow", id: firstText(said, workflows) },
    ...targets.filter(isObject).map((one) => ({
      type: textAt(one, "type") ?? "target",
      id: textAt(one, "id"),
    })),
  ];
}
