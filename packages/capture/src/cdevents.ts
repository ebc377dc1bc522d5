/**
 * CDEvents: what CI and CD systems tell one another, over CloudEvents in any of their modes (read by `cloudevents.ts`)
 * or as the bare JSON object. `context.type` is `dev.cdevents.<subject>.<predicate>.<version>`.
 *
 * Few CDEvents say who acted; where none does the actor is the system that it comes from.
 */
import { requireAnyToken } from "./authentication.ts";
import { cloudeventsAdapter } from "./cloudevents.ts";
import {
  eventFrom,
  typeOf,
  type Outcome,
  type TargetDraft,
  type Workflow,
} from "./event-fields.ts";
import { at, isObject, textAt, type Json } from "./foreign-json.ts";
import { firstText, lookUp, type Pointer } from "./pointers.ts";
import { mediaTypeOf, parseJsonObject } from "./webhook-body.ts";
import type {
  Adapter,
  Captured,
  CapturedEvent,
  Delivery,
  KnownKind,
  SourceSettings,
} from "./adapter.ts";

interface Subject {
  readonly workflow: Workflow;
  readonly noun: string;
  readonly verbs?: Readonly<Record<string, string>>;
  readonly shown: readonly string[];
}

const runs = ["queued", "started", "finished"] as const;
const things = ["created", "modified", "deleted"] as const;

const subjects: Readonly<Record<string, Subject>> = {
  pipelinerun: { workflow: "deployment", noun: "pipeline_", shown: runs },
  taskrun: { workflow: "deployment", noun: "job_", shown: ["started", "finished"] },
  build: { workflow: "deployment", noun: "build_", shown: runs },
  testcaserun: { workflow: "deployment", noun: "test_", shown: [...runs, "skipped"] },
  testsuiterun: { workflow: "deployment", noun: "test_suite_", shown: runs },
  testoutput: { workflow: "deployment", noun: "test_output_", shown: ["published"] },
  artifact: {
    workflow: "deployment",
    noun: "artifact_",
    shown: ["packaged", "signed", "published", "downloaded", "deleted"],
  },
  environment: { workflow: "deployment", noun: "environment_", shown: things },
  service: {
    workflow: "deployment",
    noun: "service_",
    verbs: { rolledback: "rolled_back" },
    shown: ["deployed", "upgraded", "rolledback", "removed", "published"],
  },
  incident: {
    workflow: "deployment",
    noun: "incident_",
    shown: ["detected", "reported", "resolved"],
  },
  repository: { workflow: "change", noun: "repository_", shown: things },
  branch: { workflow: "change", noun: "ref_", shown: ["created", "deleted"] },
  change: {
    workflow: "change",
    noun: "request_",
    verbs: { created: "opened", abandoned: "closed" },
    shown: ["created", "reviewed", "updated", "merged", "abandoned"],
  },
  ticket: { workflow: "change", noun: "ticket_", shown: ["created", "updated", "closed"] },
  approval: { workflow: "change", noun: "approval_", shown: ["created", "updated", "closed"] },
};

/** `/subject/content/outcome`, in the words of all versions of the specification. */
const outcomes: Readonly<Record<string, Outcome>> = {
  success: "success",
  pass: "success",
  failure: "failure",
  fail: "failure",
  error: "failure",
  cancel: "unknown",
  approved: "success",
  rejected: "denied",
};
/** In `/subject/content`: who published, decided, changed, asked, made. */
const people: readonly Pointer[] = ["/user", "/responder", "/updatedBy", "/requestor", "/creator"];
/** What is not over has no outcome. */
const unfinished = ["queued", "started", "skipped"];

export const cdeventsAdapter: Adapter = {
  kind: "cdevents",
  title: "CDEvents",
  basis:
    "CDEvents 0.3 to 0.5.1 and the draft of 0.6 (cdevents/spec), over CloudEvents 1.0.2 or bare",
  known: Object.entries(subjects).flatMap(([subject, { shown }]) =>
    shown.map((predicate) => knownKind(subject, predicate)),
  ),
  setup: {
    questions: [],
    secret: "token",
    instructions: ({ url, secret }) =>
      [
        `Send CDEvents to \`${url}\` with POST, as CloudEvents (structured, binary or batched) or as they are.`,
        "",
        `Header: \`Authorization: Bearer ${secret}\``,
        "",
        "- Tekton: `default-cloud-events-sink` of `config-defaults`, with a proxy that adds the header",
        "- Jenkins: the CDEvents plugin, sink type HTTP",
        "- Anything else: its CDEvents SDK with a CloudEvents HTTP sink",
      ].join("\n"),
  },
  authenticate: (delivery, source, nowMs) =>
    isBare(delivery)
      ? requireAnyToken(delivery.headers, source)
      : cloudeventsAdapter.authenticate(delivery, source, nowMs),
  capture,
};

function knownKind(subject: string, predicate: string): KnownKind {
  return {
    kind: `${subject}.${predicate}`,
    type: typeOfSubject(subject, predicate),
    actor: "/subject/content: user, responder, updatedBy, requestor, creator; else /context/source",
    action: "/context/type without its prefix and version",
    targets: "/subject/id; /subject/content: environment, artifactId, service, repository",
    outcome: unfinished.includes(predicate)
      ? "unknown"
      : "/subject/content: outcome, decision; else success",
  };
}

/** Neither a CloudEvent nor a batch of them: the CDEvent itself. */
function isBare(delivery: Delivery): boolean {
  const isCloudEvent = mediaTypeOf(delivery).startsWith("application/cloudevents");
  return !isCloudEvent && delivery.headers["ce-specversion"] === undefined;
}

function capture(delivery: Delivery, source: SourceSettings): Captured {
  if (isBare(delivery)) {
    const cdevent = parseJsonObject(delivery.body);
    return { events: [{ event: eventOf(cdevent, cdevent) }] };
  }
  const outer = cloudeventsAdapter.capture(delivery, { ...source, options: {} });
  const events = outer.events.map(({ event, ...others }): CapturedEvent => {
    const cloudEvent = event.details as Json;
    return { ...others, event: eventOf(at(cloudEvent, "data") ?? {}, cloudEvent, event.trace) };
  });
  return { ...outer, events };
}

function eventOf(cdevent: Json, details: Json, trace?: string): CapturedEvent["event"] {
  const sent = textAt(cdevent, "context", "type") ?? textAt(details, "type") ?? "unknown";
  const name = sent
    .replace(/^dev\.cdevents(?:x)?\./, "")
    .replace(/\.[0-9]+\.[0-9]+\.[0-9]+.*$/, "");
  const [subject = "", predicate = ""] = name.split(".", 2);
  const isStandard = sent.startsWith("dev.cdevents.");
  const person = firstText(at(cdevent, "subject", "content"), people);
  const from = textAt(cdevent, "context", "source") ?? textAt(details, "source");
  return eventFrom({
    id: idOf(from, textAt(cdevent, "context", "id") ?? textAt(details, "id")),
    type: isStandard ? typeOfSubject(subject, predicate) : typeOf("change", `cdevents_${name}`),
    time: at(cdevent, "context", "timestamp") ?? at(details, "time"),
    actor: {
      id: person ?? from,
      type: person === undefined ? "system" : "user",
      system: person === undefined ? undefined : from,
    },
    action: name,
    targets: targetsOf(cdevent, subject),
    outcome: isStandard ? outcomeOf(cdevent, predicate) : "unknown",
    trace,
    details: isObject(details) ? details : { value: details },
  });
}

/** An id is unique within its source only. */
function idOf(from: string | undefined, id: string | undefined): string | undefined {
  return id === undefined ? undefined : `${from ?? ""} ${id}`;
}

function typeOfSubject(subject: string, predicate: string): string {
  const row = lookUp(subjects, subject);
  if (row === undefined) return typeOf("change", `cdevents_${subject}_${predicate}`);
  return typeOf(row.workflow, `${row.noun}${lookUp(row.verbs ?? {}, predicate) ?? predicate}`);
}

function outcomeOf(cdevent: Json, predicate: string): Outcome {
  const content = at(cdevent, "subject", "content");
  const sent = firstText(content, ["/outcome", "/decision"])?.toLowerCase();
  if (sent !== undefined) return lookUp(outcomes, sent) ?? "unknown";
  return [...unfinished, "finished", ""].includes(predicate) ? "unknown" : "success";
}

function targetsOf(cdevent: Json, subject: string): (TargetDraft | undefined)[] {
  const content = at(cdevent, "subject", "content");
  const reference = (type: string): TargetDraft => ({
    type,
    id: textAt(content, type, "id"),
    source: textAt(content, type, "source"),
  });
  return [
    {
      type: subject === "" ? "subject" : subject,
      id: textAt(cdevent, "subject", "id"),
      source: textAt(cdevent, "subject", "source"),
      name:
        textAt(content, "pipelineName") ?? textAt(content, "taskName") ?? textAt(content, "name"),
    },
    reference("environment"),
    reference("service"),
    reference("repository"),
    reference("change"),
    reference("pipelineRun"),
    reference("testCase"),
    reference("testSuite"),
    { type: "artifact", id: textAt(content, "artifactId") },
  ];
}
