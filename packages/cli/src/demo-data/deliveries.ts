/** Deployments: a change goes from a branch through its pipeline into production, or comes back from there. */
import { domain, runnerIp, services, type environments, type Service } from "./company.ts";
import { minuteMs } from "./calendar.ts";
import type { Actor, Happening } from "./happening.ts";
import { personActor, type Person } from "./people.ts";
import type { Random } from "./random.ts";
import { ciAccount, signIn } from "./sign-ins.ts";
import { atDesk, type Scene } from "./world.ts";

/** A change on its way: what all events of its pipeline have in common. */
export interface Delivery {
  readonly service: Service;
  readonly commit: string;
  readonly pipeline: number;
  readonly request: number;
  readonly branch: string;
  readonly trace: string;
}

export function newDelivery(random: Random, service: Service, branch: string): Delivery {
  return {
    service,
    branch,
    commit: random.hex(40),
    trace: random.trace(),
    pipeline: random.between(480_000, 489_999),
    request: random.between(1100, 1999),
  };
}

const subjects = [
  "Retry a payment that the provider lost",
  "Show the depot's opening hours",
  "Index orders by customer and time",
  "Raise the connection pool's timeout",
  "Cache tariffs for a minute",
  "Drop the old label printer's format",
  "Mail: say when a parcel is late",
  "Validate postcodes of Portugal",
  "Update dependencies",
  "Log the carrier's answer",
];
const branches = [
  "feat/opening-hours",
  "fix/late-mails",
  "chore/deps",
  "fix/pool",
  "feat/postcodes",
];

export function projectOf({ name }: Service): { type: string; id: string } {
  return { type: "project", id: `nordvale/${name}` };
}

/** An event of the code host about a change. */
export function codeEvent(
  { service, commit, branch, request, trace }: Delivery,
  actor: Actor,
  timeMs: number,
  type: Happening["type"],
  details: object = {},
): Happening {
  const isRequest = type.startsWith("change.request");
  return {
    timeMs,
    source: "gitlab",
    type,
    actor,
    trace,
    outcome: "success",
    action: type.slice(type.indexOf(".") + 1).replace("_", "."),
    targets: [
      projectOf(service),
      { type: "commit", id: commit },
      isRequest ? { type: "merge_request", id: `!${request}` } : { type: "ref", id: branch },
    ],
    details,
  };
}

/** An event of the pipeline, which runs on a machine under the account of pipelines. */
export function pipelineEvent(
  { service, commit, pipeline, branch, trace }: Delivery,
  timeMs: number,
  type: `deployment.${string}`,
  outcome: Happening["outcome"],
  details: object,
): Happening {
  const actor: Actor = { id: ciAccount, type: "service", ip: runnerIp(pipeline % 4) };
  return {
    timeMs,
    source: "gitlab",
    type,
    actor,
    outcome,
    trace,
    action: type.slice("deployment.".length).replace("_", "."),
    targets: [
      { type: "pipeline", id: String(pipeline) },
      { type: "commit", id: commit },
      projectOf(service),
    ],
    details: { ref: branch, ...details },
  };
}

/** What runs in an environment has changed. */
export function runningEvent(
  { service, commit, pipeline, trace }: Delivery,
  timeMs: number,
  type: `deployment.${string}`,
  environment: (typeof environments)[number],
  details: object,
): Happening {
  const isGood = type !== "deployment.failed";
  return {
    timeMs,
    source: "argocd",
    type,
    trace,
    outcome: isGood ? "success" : "failure",
    actor: { id: `argocd@${domain}`, type: "service", ip: "2001:db8:10:fe::2" },
    action: type === "deployment.rolled_back" ? "rollback" : "sync",
    targets: [
      { type: "service", id: `${environment}/${service.name}` },
      { type: "commit", id: commit },
    ],
    details: {
      image: `registry.${domain}/${service.name}:${commit.slice(0, 12)}`,
      pipeline,
      ...details,
    },
  };
}

export function approvalEvent(
  { service, commit, pipeline, trace }: Delivery,
  actor: Actor,
  timeMs: number,
  details: object = {},
): Happening {
  return {
    timeMs,
    source: "gitlab",
    type: "deployment.approved",
    actor,
    action: "deployment.approve",
    targets: [
      { type: "environment", id: `prod/${service.name}` },
      { type: "pipeline", id: String(pipeline) },
      { type: "commit", id: commit },
    ],
    outcome: "success",
    trace,
    details,
  };
}

/** Push, review, merge, build, test, staging, approval, production; four times in ten it ends earlier. */
const delivery: Scene = (world, atMs) => {
  const { random } = world;
  const author = atDesk(world, atMs, "backend", "frontend", "platform");
  const reviewer = atDesk(world, atMs, "backend", "platform");
  const out: Happening[] = [];
  let nowMs = signIn(world, author, atMs, out);
  const change = newDelivery(random, random.pick(services), random.pick(branches));
  const by = personActor(author);
  const files = [`src/${change.service.name}/${random.pick(["routes", "model", "mail"])}.ts`];
  out.push(
    codeEvent(change, by, nowMs, "change.push", {
      subject: random.pick(subjects),
      files,
      signed: true,
    }),
  );
  if (random.chance(0.4)) return out;
  out.push(codeEvent(change, by, (nowMs += random.skewed(40_000)), "change.request_opened"));
  if (reviewer !== author) {
    nowMs = signIn(world, reviewer, nowMs + random.skewed(8 * minuteMs), out);
    out.push(codeEvent(change, personActor(reviewer), nowMs, "change.request_approved"));
  }
  nowMs += random.skewed(2 * minuteMs);
  out.push(codeEvent(change, by, nowMs, "change.request_merged", { approvals: 1 }));
  if (random.chance(0.7)) out.push(codeEvent(change, by, nowMs + 1000, "change.ref_deleted"));
  out.push(...runPipeline(random, change, nowMs + 2000, reviewer));
  return out;
};

/** How many must look at a change of a project: decided by its team, more often up than down. */
const reviewRule: Scene = (world, atMs) => {
  const { random } = world;
  const person = atDesk(world, atMs, "platform", "backend");
  const out: Happening[] = [];
  const timeMs = signIn(world, person, atMs, out);
  const change = newDelivery(random, random.pick(services), "main");
  const [was, required] = random.pick([
    [1, 2],
    [2, 1],
    [0, 1],
  ] as const);
  const details = { required, was, ticket: `IT-${random.between(2200, 2999)}` };
  out.push(codeEvent(change, personActor(person), timeMs, "change.approval_rule", details));
  return out;
};

/** Tools that read from the code host: bots for updates, dashboards. */
const codeTool: Scene = ({ random }, atMs) => {
  const service = random.pick(services);
  const actor: Actor = { id: "renovate-bot", type: "service", ip: runnerIp(random.below(4)) };
  const action = `GET /api/v4/projects/{id}/${random.pick(["merge_requests", "repository/tree", "pipelines", "variables"])}`;
  const status = action.endsWith("variables") ? 403 : 200;
  return [
    {
      timeMs: atMs,
      source: "gitlab",
      type: "api.request",
      actor,
      action,
      targets: [projectOf(service)],
      outcome: status === 200 ? "success" : "denied",
      details: { status },
    },
  ];
};

function runPipeline(
  random: Random,
  change: Delivery,
  atMs: number,
  approver: Person,
): Happening[] {
  let nowMs = atMs;
  const out = [pipelineEvent(change, nowMs, "deployment.pipeline_started", "unknown", {})];
  for (const job of ["build", "test", "sast", "sign"]) {
    nowMs += random.skewed(70_000);
    const isBad = job === "test" && random.chance(0.13);
    const durationMs = random.skewed(60_000);
    const outcome = isBad ? "failure" : "success";
    out.push(pipelineEvent(change, nowMs, "deployment.job_finished", outcome, { job, durationMs }));
    if (!isBad) continue;
    out.push(pipelineEvent(change, nowMs + 1500, "deployment.pipeline_finished", "failure", {}));
    return out;
  }
  nowMs += random.skewed(15_000);
  out.push(runningEvent(change, nowMs, "deployment.succeeded", "staging", {}));
  nowMs += random.skewed(4 * minuteMs);
  // Whoever has reviewed it lets it through, from wherever they are.
  const session = approver.session?.id;
  const ip = approver.session?.ip ?? approver.homeIp;
  const by: Actor = { id: approver.id, type: "user", name: approver.name, ip };
  out.push(approvalEvent(change, session === undefined ? by : { ...by, session }, nowMs));
  nowMs += random.skewed(30_000);
  const isBad = random.chance(0.06);
  out.push(
    runningEvent(change, nowMs, isBad ? "deployment.failed" : "deployment.succeeded", "prod", {}),
  );
  if (isBad) {
    const reason = random.pick(["readiness probe failed", "error rate above 2%"]);
    nowMs += random.skewed(50_000);
    out.push(runningEvent(change, nowMs, "deployment.rolled_back", "prod", { reason }));
  }
  nowMs += random.between(2000, 9000);
  out.push(
    pipelineEvent(change, nowMs, "deployment.pipeline_finished", isBad ? "failure" : "success", {}),
  );
  return out;
}

/** Something burns at night: whoever is on call fixes it, and the incident has a number. */
const hotfix: Scene = (world, atMs) => {
  const { random } = world;
  const person = atDesk(world, atMs, "platform");
  const out: Happening[] = [];
  let nowMs = signIn(world, person, atMs, out);
  const change = newDelivery(random, random.pick(services), "hotfix/incident");
  const incident = `INC-${random.between(300, 399)}`;
  const by = personActor(person);
  out.push(
    codeEvent(change, by, nowMs, "change.push", {
      subject: `Hotfix for ${incident}`,
      signed: true,
    }),
  );
  nowMs += random.skewed(minuteMs);
  out.push(codeEvent(change, by, nowMs, "change.request_merged", { approvals: 0, incident }));
  nowMs += random.skewed(2 * minuteMs);
  out.push(
    pipelineEvent(change, nowMs, "deployment.job_finished", "success", { job: "build", incident }),
  );
  nowMs += random.skewed(minuteMs);
  out.push(approvalEvent(change, by, nowMs, { incident, selfApproved: true }));
  nowMs += random.skewed(minuteMs);
  out.push(runningEvent(change, nowMs, "deployment.succeeded", "prod", { incident }));
  return out;
};

/** Each night all that is on the main branch goes to the environment for trying things. */
const nightly: Scene = ({ random }, atMs) => {
  const change = newDelivery(random, random.pick(services), "main");
  return [
    pipelineEvent(change, atMs, "deployment.pipeline_started", "unknown", { schedule: "nightly" }),
    runningEvent(change, atMs + random.skewed(5 * minuteMs), "deployment.succeeded", "dev", {}),
  ];
};

export const deliveryScenes = { delivery, reviewRule, codeTool, hotfix, nightly };
