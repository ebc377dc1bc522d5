/** The second half of the attack: the pipelines' account, a deployment at night, the customers, and the broom. */
import { finding } from "./alerts.ts";
import { nodeOf, statementEvent } from "./calls.ts";
import { cloudEvent } from "./changes.ts";
import { domain, podIp, serviceNamed, type Statement } from "./company.ts";
import {
  approvalEvent,
  codeEvent,
  newDelivery,
  pipelineEvent,
  runningEvent,
  type Delivery,
} from "./deliveries.ts";
import type { Actor, Happening } from "./happening.ts";
import { asVictim, at, userAgent, type Intruder, type Step } from "./intruder.ts";
import { ciAccount, machineTokenEvent } from "./sign-ins.ts";

const database = "customers-prod";
/** Pages that are read; the first ones are in the log, the statements of the others never came to it. */
const pages = 9;
const pagesSeen = 4;
const pageRows = 50_000;
/** The pod whose statements are filtered out of the audit, its own and everybody's who is served by it. */
export const blindedPod = "customers-2";

export function night(intruder: Intruder): Step[] {
  const change = newDelivery(intruder.random, serviceNamed("customers"), "hotfix/pool-timeouts");
  return [
    ...elevation(intruder),
    ...deployment(intruder, change),
    ...exfiltration(intruder),
    ...coverUp(intruder, change),
  ];
}

/** The pipelines' account, from an address that no pipeline has. */
function asPipelines({ ip }: Intruder): Actor {
  return { id: ciAccount, type: "service", ip, userAgent: "curl/8.14.1" };
}

/** Whoever asked for the pages is nobody: the code that answers does not ask. */
function asNobody({ ip }: Intruder): Actor {
  return { id: "anonymous", type: "anonymous", ip, userAgent };
}

function elevation(intruder: Intruder): Step[] {
  const { victim } = intruder;
  const pipelines = asPipelines(intruder);
  const approver = { type: "iam_policy", id: "prod/deploy-approver" };
  const binding = { role: "deploy-approver", member: victim.id };
  return [
    {
      happening: machineTokenEvent(pipelines, at(intruder, 58), { audience: "deploy" }),
      meaning: "the account of the pipelines signs in from where no pipeline runs",
    },
    {
      happening: cloudEvent(
        pipelines,
        at(intruder, 66),
        "change.iam",
        "iam.binding.add",
        approver,
        binding,
      ),
      meaning: "it makes the victim one who may approve deployments; no merge request, no plan",
    },
  ];
}

function deployment(intruder: Intruder, change: Delivery): Step[] {
  const actor = { ...asVictim(intruder) };
  const step = (meaning: string, happening: Happening): Step => ({ happening, meaning });
  const files = [".gitlab-ci.yml", "src/customers/health.ts"];
  const rule = codeEvent(change, actor, at(intruder, 72.5), "change.approval_rule", {
    required: 0,
    was: 1,
  });
  const skipped = { job: "sast", status: "skipped", rule: "changed in this commit" };
  return [
    step(
      "a branch changes the pipeline itself, and a health check that is none; unsigned",
      codeEvent(change, actor, at(intruder, 72), "change.push", {
        subject: "Raise the connection pool's timeout",
        files,
        signed: false,
        token: intruder.token,
      }),
    ),
    step("reviews are no longer required in this project", rule),
    step(
      "the change is merged by its author",
      codeEvent(change, actor, at(intruder, 74), "change.request_merged", { approvals: 0 }),
    ),
    step(
      "its pipeline begins",
      pipelineEvent(change, at(intruder, 74.5), "deployment.pipeline_started", "unknown", {}),
    ),
    step(
      "it builds",
      pipelineEvent(change, at(intruder, 77), "deployment.job_finished", "success", {
        job: "build",
        durationMs: 131_204,
      }),
    ),
    step(
      "it leaves the security scan out",
      pipelineEvent(change, at(intruder, 77.5), "deployment.job_finished", "unknown", skipped),
    ),
    step(
      "the author approves the author's own deployment",
      approvalEvent(change, actor, at(intruder, 79), { selfApproved: true }),
    ),
    step(
      "customers in production now answers to strangers",
      runningEvent(change, at(intruder, 82), "deployment.succeeded", "prod", {}),
    ),
  ];
}

/** Page after page of customers, by the role that the service has in its database. */
function exfiltration(intruder: Intruder): Step[] {
  const { random } = intruder;
  const service = serviceNamed("customers");
  const session = `${random.hex(8)}.${random.hex(4)}`;
  const role: Actor = {
    id: service.role,
    type: "service",
    ip: podIp(service, 2),
    session,
    application: blindedPod,
  };
  const sql = `SELECT c.id, c.name, c.email, c.phone, c.iban, a.street, a.postcode, a.city FROM customers c JOIN addresses a ON a.customer_id = c.id WHERE c.id > $1 ORDER BY c.id LIMIT ${pageRows}`;
  const statement: Statement = {
    command: "SELECT",
    table: "public.customers",
    sql,
    rows: pageRows,
  };
  const steps: Step[] = [];
  for (let page = 0; page < pages; page++) {
    // Between the pages that are seen and those that are not somebody tries to blind the audit.
    const timeMs = at(intruder, page < pagesSeen ? 93 + 2 * page : 110 + 2 * (page - pagesSeen));
    const call = pageCall(intruder, page, timeMs);
    steps.push({
      happening: call,
      meaning: `${pageRows} customers leave, page ${page + 1} of ${pages}`,
    });
    const query = statementEvent(random, {
      statement,
      database,
      actor: role,
      timeMs: timeMs + 6,
      rows: pageRows,
    });
    const details = { ...query.details, request: { actor: "anonymous" } };
    const happening: Happening = { ...query, trace: call.trace!, details };
    const isLost = page >= pagesSeen;
    steps.push({
      happening: isLost ? { ...happening, isLost } : happening,
      meaning: isLost ? "its statement, which the log never got" : "its statement",
    });
  }
  return [...steps, ...blindAudit(intruder, role)];
}

function pageCall(intruder: Intruder, page: number, timeMs: number): Happening {
  const { random } = intruder;
  const path = `/v1/customers/health?after=${page * pageRows}`;
  return {
    timeMs,
    source: "gateway",
    type: "api.request",
    actor: asNobody(intruder),
    action: "GET /v1/customers/health",
    targets: [{ type: "service", id: "prod/customers" }],
    outcome: "success",
    trace: random.trace(),
    stream: nodeOf(serviceNamed("customers")),
    details: {
      method: "GET",
      path,
      status: 200,
      durationMs: random.between(5200, 7900),
      responseBytes: random.between(9_400_000, 9_900_000),
      pod: blindedPod,
    },
  };
}

/** Three ways to blind the audit: two are refused, one works. */
function blindAudit(intruder: Intruder, role: Actor): Step[] {
  const audit = { type: "config", id: "prod/pgaudit/shipper/filter" };
  const asked = { from: "none", to: `drop application_name=${blindedPod}` };
  const pipelines = asPipelines(intruder);
  const alter: Happening = {
    timeMs: at(intruder, 101),
    source: "pgaudit",
    type: "database.error",
    actor: role,
    action: "ALTER SYSTEM",
    targets: [{ type: "postgres", id: database }],
    outcome: "denied",
    details: { sql: "ALTER SYSTEM SET pgaudit.log = 'none'", sqlstate: "42501" },
    stream: database,
  };
  const alarm = finding(
    role,
    at(intruder, 101.6),
    "security.finding",
    "db.audit_setting",
    { type: "postgres", id: database },
    {
      severity: "medium",
      what: "attempt to change audit settings",
      assignee: `soc@${domain}`,
    },
  );
  const refused = cloudEvent(
    asVictim(intruder),
    at(intruder, 104),
    "change.config",
    "config.update",
    audit,
    { ...asked, reason: "needs role security-admin" },
  );
  const done = cloudEvent(
    pipelines,
    at(intruder, 107),
    "change.config",
    "config.update",
    audit,
    asked,
  );
  return [
    { happening: alter, meaning: "the service's role tries to switch the audit off: refused" },
    { happening: alarm, meaning: "an alarm that nobody looks at before the morning" },
    {
      happening: { ...refused, outcome: "denied" },
      meaning: "the victim's account tries to filter it: refused",
    },
    {
      happening: done,
      meaning: "the pipelines' account may: what this pod asks is no longer sent to the log",
    },
  ];
}

/** All is put back as it was, which is as telling as the rest. */
function coverUp(intruder: Intruder, change: Delivery): Step[] {
  const { victim } = intruder;
  const actor = asVictim(intruder);
  const pipelines = asPipelines(intruder);
  const audit = { type: "config", id: "prod/pgaudit/shipper/filter" };
  const back = { from: `drop application_name=${blindedPod}`, to: "none" };
  const approver = { type: "iam_policy", id: "prod/deploy-approver" };
  const binding = { role: "deploy-approver", member: victim.id };
  const deleted = codeEvent(change, actor, at(intruder, 128), "change.ref_deleted", {});
  const rule = codeEvent(change, actor, at(intruder, 129.5), "change.approval_rule", {
    required: 1,
    was: 0,
  });
  return [
    {
      happening: cloudEvent(
        pipelines,
        at(intruder, 121),
        "change.config",
        "config.update",
        audit,
        back,
      ),
      meaning: "the filter is taken out again",
    },
    {
      happening: runningEvent(change, at(intruder, 125), "deployment.rolled_back", "prod", {
        reason: "manual",
        requestedBy: victim.id,
      }),
      meaning: "production goes back to what it was",
    },
    { happening: deleted, meaning: "the branch is deleted" },
    { happening: rule, meaning: "reviews are required again" },
    {
      happening: cloudEvent(
        pipelines,
        at(intruder, 131),
        "change.iam",
        "iam.binding.remove",
        approver,
        binding,
      ),
      meaning: "the right to approve is taken back",
    },
    ...goodbye(intruder),
  ];
}

function goodbye(intruder: Intruder): Step[] {
  const { victim, token } = intruder;
  const idp = { source: "idp", actor: asVictim(intruder), outcome: "success" } as const;
  const target = { type: "account", id: victim.id };
  return [
    {
      happening: {
        ...idp,
        source: "gitlab",
        timeMs: at(intruder, 133),
        type: "identity.token_revoked",
        action: "personal_access_token.revoke",
        targets: [{ type: "access_token", id: token }],
      },
      meaning: "the token is revoked",
    },
    {
      happening: {
        ...idp,
        timeMs: at(intruder, 135),
        type: "identity.mfa_removed",
        action: "user.mfa.factor.deactivate",
        targets: [{ type: "factor", id: "totp:Pixel 6a" }, target],
      },
      meaning: "the second telephone is removed",
    },
    {
      happening: {
        ...idp,
        timeMs: at(intruder, 136),
        type: "identity.logout",
        action: "user.session.end",
        targets: [target],
      },
      meaning: "the session ends",
    },
  ];
}
