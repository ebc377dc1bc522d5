/** Changes: configuration, access policies, secrets and packages. */
import { domain, environments, runnerIp, services } from "./company.ts";
import type { Actor, Happening } from "./happening.ts";
import { personActor } from "./people.ts";
import { ciAccount, signIn } from "./sign-ins.ts";
import { atDesk, type Scene } from "./world.ts";

const settings = [
  ["http.timeoutMs", "2000", "3500"],
  ["pool.max", "20", "32"],
  ["flags.newCheckout", "false", "true"],
  ["flags.lateParcelMail", "10%", "50%"],
  ["log.level", "info", "debug"],
  ["cache.ttlSeconds", "60", "30"],
] as const;

/** An event of the configuration service or of the cloud's access control. */
export function cloudEvent(
  actor: Actor,
  timeMs: number,
  type: `change.${string}`,
  action: string,
  target: { readonly type: string; readonly id: string },
  details: object,
): Happening {
  return {
    timeMs,
    source: "cloud",
    type,
    actor,
    action,
    targets: [target],
    outcome: "success",
    details,
  };
}

/** A setting is changed by hand, and now and then changed back. */
const setting: Scene = (world, atMs) => {
  const { random } = world;
  const person = atDesk(world, atMs, "platform", "backend", "frontend");
  const out: Happening[] = [];
  const timeMs = signIn(world, person, atMs, out);
  const [key, from, to] = random.pick(settings);
  const environment = random.pick(environments);
  const target = { type: "config", id: `${environment}/${random.pick(services).name}/${key}` };
  const by = personActor(person);
  out.push(cloudEvent(by, timeMs, "change.config", "config.update", target, { from, to }));
  if (random.chance(0.15)) {
    const laterMs = timeMs + random.skewed(600_000);
    const back = { from: to, to: from, reason: "revert" };
    out.push(cloudEvent(by, laterMs, "change.config", "config.update", target, back));
  }
  return out;
};

const roles = ["viewer", "log-reader", "deployer-staging", "bucket-writer", "secret-reader"];

/** Access is given and taken: by code through the pipeline mostly, and by people with a ticket. */
const access: Scene = (world, atMs) => {
  const { random } = world;
  const isCode = random.chance(0.65);
  const out: Happening[] = [];
  const person = atDesk(world, atMs, "platform", "security");
  const timeMs = isCode ? atMs : signIn(world, person, atMs, out);
  const by: Actor = isCode
    ? {
        id: ciAccount,
        type: "service",
        ip: runnerIp(random.below(4)),
        userAgent: "OpenTofu/1.10.7",
      }
    : personActor(person);
  const isGiven = random.chance(0.7);
  const action = isGiven ? "iam.binding.add" : "iam.binding.remove";
  const member = random.chance(0.5)
    ? random.pick(world.people).id
    : `svc-${random.pick(services).name}@${domain}`;
  const role = random.pick(roles);
  const why = isCode
    ? { mergeRequest: `nordvale/infra!${random.between(700, 990)}`, plan: random.hex(12) }
    : { ticket: `IT-${random.between(2200, 2999)}` };
  const target = { type: "iam_policy", id: `prod/${role}` };
  out.push(cloudEvent(by, timeMs, "change.iam", action, target, { role, member, ...why }));
  return out;
};

/** A plan of infrastructure code, and its application. */
const infrastructure: Scene = ({ random }, atMs) => {
  const by: Actor = {
    id: ciAccount,
    type: "service",
    ip: runnerIp(random.below(4)),
    userAgent: "OpenTofu/1.10.7",
  };
  const environment = random.pick(environments);
  const target = { type: "workspace", id: `infra/${environment}` };
  const counts = { add: random.below(4), change: random.below(6), destroy: random.below(2) };
  const trace = random.trace();
  const later = atMs + random.skewed(180_000);
  return [
    { ...cloudEvent(by, atMs, "change.plan", "tofu.plan", target, counts), trace },
    { ...cloudEvent(by, later, "change.apply", "tofu.apply", target, counts), trace },
  ];
};

const packages = [
  ["fastify", "5.6.1", "5.6.2"],
  ["undici", "7.15.0", "7.16.0"],
  ["openssl", "3.5.4-1", "3.5.5-1"],
  ["pg", "8.16.3", "8.17.0"],
  ["postgresql-17", "17.6-1", "17.7-1"],
  ["linux-image-cloud", "6.12.48", "6.12.57"],
] as const;

const packageUpdate: Scene = ({ random }, atMs) => {
  const [name, from, to] = random.pick(packages);
  const host = `${random.pick(environments)}/${random.pick(services).name}-${random.below(4)}`;
  const by: Actor = { id: "patch-bot", type: "service", ip: "2001:db8:20::ff" };
  const target = { type: "package", id: name };
  return [cloudEvent(by, atMs, "change.package", "package.upgrade", target, { host, from, to })];
};

const secretRotation: Scene = ({ random }, atMs) => {
  const service = random.pick(services);
  const by: Actor = { id: `vault-agent@${domain}`, type: "service", ip: "2001:db8:20::fe" };
  const target = { type: "secret", id: `prod/${service.name}/db-password` };
  const version = random.between(40, 90);
  return [cloudEvent(by, atMs, "change.secret", "secret.rotate", target, { version })];
};

export const changeScenes = { setting, access, infrastructure, packageUpdate, secretRotation };
