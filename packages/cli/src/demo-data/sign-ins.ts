/** Identity: people who sign in and out, forget and mistype, and machines that fetch tokens. */
import { domain, podIp, runnerIp, serviceNamed, services } from "./company.ts";
import { hourMs, minuteMs } from "./calendar.ts";
import type { Actor, Happening } from "./happening.ts";
import { personActor, type Person } from "./people.ts";
import { atDesk, type Scene, type World } from "./world.ts";

const apps = ["gitlab", "mail", "tickets", "admin", "wiki", "reports", "chat"] as const;
const sessionMs = 10 * hourMs;
const idleMs = 3 * hourMs;

/** Sees to it that the person is signed in. Returns when the person can begin. */
export function signIn(world: World, person: Person, atMs: number, out: Happening[]): number {
  const { session } = person;
  const isFresh =
    session !== undefined && atMs - session.beganMs < sessionMs && atMs - session.lastMs < idleMs;
  if (isFresh) {
    session.lastMs = Math.max(session.lastMs, atMs);
    return atMs;
  }
  const { random } = world;
  const ip = random.chance(0.6) ? person.office.ip : person.homeIp;
  const actor: Actor = { ...personActor({ ...person, session: undefined }), ip };
  let nowMs = atMs;
  while (random.chance(0.07)) {
    out.push(login(actor, person, nowMs, "failure", { reason: "invalid_credentials" }));
    nowMs += random.between(3000, 20_000);
  }
  nowMs = confirm(world, person, actor, nowMs, out);
  const id = random.base32(20).toLowerCase();
  person.session = { id, ip, beganMs: nowMs, lastMs: nowMs };
  const details = { device: person.device, mfa: person.factor, country: person.office.country };
  out.push(login({ ...actor, session: id }, person, nowMs, "success", details));
  for (const app of apps.slice(0, random.between(1, 3))) {
    nowMs += random.between(400, 5000);
    out.push(singleSignOn(person, app, nowMs));
  }
  return nowMs + random.between(1000, 8000);
}

/** The second factor. Now and then somebody is too slow, or refuses what was their own doing. */
function confirm(
  world: World,
  person: Person,
  actor: Actor,
  atMs: number,
  out: Happening[],
): number {
  const { random } = world;
  let nowMs = atMs;
  for (let tries = 0; tries < 3 && person.factor === "push" && random.chance(0.05); tries++) {
    nowMs += random.between(8000, 60_000);
    const reason = random.chance(0.6) ? "timeout" : "user_denied";
    out.push(mfa(person, actor, nowMs, "denied", { reason }));
  }
  nowMs += random.between(2500, 14_000);
  out.push(mfa(person, actor, nowMs, "success", {}));
  return nowMs + random.between(150, 900);
}

export function login(
  actor: Actor,
  person: Person,
  timeMs: number,
  outcome: Happening["outcome"],
  details: object,
): Happening {
  return {
    timeMs,
    source: "idp",
    type: "identity.login",
    actor,
    action: "user.authentication.sso",
    targets: [{ type: "account", id: person.id }],
    outcome,
    details: { policy: "staff-mfa", ...details },
  };
}

export function mfa(
  person: Person,
  actor: Actor,
  timeMs: number,
  outcome: Happening["outcome"],
  details: object,
): Happening {
  const action = person.factor === "push" ? "user.mfa.push" : "user.mfa.webauthn";
  return {
    timeMs,
    source: "idp",
    type: "identity.mfa",
    actor,
    action,
    targets: [{ type: "factor", id: `${person.factor}:${person.device}` }],
    outcome,
    details,
  };
}

export function singleSignOn(person: Person, app: string, timeMs: number): Happening {
  return {
    timeMs,
    source: "idp",
    type: "identity.sso",
    actor: personActor(person),
    action: "app.oauth2.token.grant",
    targets: [{ type: "application", id: app }],
    outcome: "success",
    details: { grant: "authorization_code", scopes: ["openid", "email"] },
  };
}

const signOut: Scene = (world, atMs) => {
  const person = atDesk(world, atMs);
  const out: Happening[] = [];
  const wasThere = person.session !== undefined;
  const nowMs = signIn(world, person, atMs, out);
  // Nobody comes only to leave.
  if (!wasThere || out.length > 0) return out;
  const actor = personActor(person);
  const targets = [{ type: "account", id: person.id }];
  out.push({
    timeMs: nowMs,
    source: "idp",
    type: "identity.logout",
    actor,
    action: "user.session.end",
    targets,
    outcome: "success",
  });
  person.session = undefined;
  return out;
};

const passwordReset: Scene = (world, atMs) => {
  const { random } = world;
  const person = atDesk(world, atMs);
  const { userAgent, name, id } = person;
  const actor: Actor = { id, type: "user", name, ip: person.homeIp, userAgent };
  const targets = [{ type: "account", id }];
  const sentMs = atMs + random.between(10_000, 40_000);
  const doneMs = sentMs + random.between(30_000, 6 * minuteMs);
  const base = { source: "idp", actor, targets } as const;
  return [
    login(actor, person, atMs, "failure", { reason: "invalid_credentials" }),
    {
      ...base,
      timeMs: sentMs,
      type: "identity.password_change_requested",
      action: "user.account.reset_password",
      outcome: "success",
      details: { via: "email" },
    },
    {
      ...base,
      timeMs: doneMs,
      type: "identity.password_changed",
      outcome: "success",
      action: "user.account.update_password",
      details: { strength: "strong" },
    },
    mfa(person, actor, doneMs + 9000, "success", {}),
  ];
};

/** Machines: services that ask for a token of their own, pipelines with the one that may deploy. */
const machineToken: Scene = ({ random }, atMs) => {
  const isPipeline = random.chance(0.25);
  const service = random.pick(services);
  const id = isPipeline ? ciAccount : `svc-${service.name}@${domain}`;
  const ip = isPipeline ? runnerIp(random.below(4)) : podIp(service, random.below(4));
  const isRefused = !isPipeline && random.chance(0.01);
  const asked = machineTokenEvent({ id, type: "service", ip, userAgent: machineAgent }, atMs, {
    audience: isPipeline ? "deploy" : random.pick(services).name,
  });
  if (!isRefused) return [asked];
  // The secret was rotated a moment ago: refused, fetched anew, asked again.
  const details = { ...asked.details, reason: "invalid_client" };
  return [
    { ...asked, outcome: "failure", details },
    { ...asked, timeMs: atMs + random.between(2000, 9000) },
  ];
};

export const ciAccount = `svc-ci-deploy@${domain}`;
export const machineAgent = "nordvale-oauth/3.2 (node 24)";

export function machineTokenEvent(actor: Actor, timeMs: number, details: object): Happening {
  return {
    timeMs,
    source: "idp",
    type: "identity.token",
    actor,
    action: "app.oauth2.token.grant",
    targets: [{ type: "application", id: "api" }],
    outcome: "success",
    details: { grant: "client_credentials", expiresIn: 900, ...details },
  };
}

/** Somebody joins a team, or leaves it: the identity provider says so itself. */
const membership: Scene = (world, atMs) => {
  const { random } = world;
  const admin = atDesk(world, atMs, "platform", "people");
  const out: Happening[] = [];
  const timeMs = signIn(world, admin, atMs, out);
  const person = random.pick(world.people);
  const isAdded = random.chance(0.6);
  out.push({
    timeMs,
    source: "idp",
    actor: personActor(admin),
    outcome: "success",
    type: isAdded ? "identity.group_member_added" : "identity.group_member_removed",
    action: isAdded ? "group.user_membership.add" : "group.user_membership.remove",
    targets: [
      { type: "group", id: random.pick(["on-call", "beta-testers", person.team]) },
      { type: "account", id: person.id },
    ],
    details: { ticket: `IT-${random.between(2200, 2999)}` },
  });
  return out;
};

/** Strangers who try passwords that leaked elsewhere. */
const stuffing: Scene = ({ random, people }, atMs) => {
  const ip = `2001:db8:bad:${random.hex(3)}::${random.between(1, 9)}`;
  const userAgent = "python-requests/2.32.5";
  return Array.from({ length: random.between(3, 9) }, (_, i) => {
    const person = random.pick(people);
    const actor: Actor = { id: person.id, type: "user", ip, userAgent };
    const reason = random.chance(0.15) ? "rate_limited" : "invalid_credentials";
    return login(actor, person, atMs + i * random.between(900, 2500), "failure", { reason });
  });
};

/** A customer signs in at the shop. */
const customerLogin: Scene = ({ random }, atMs) => {
  const id = `cust-${random.between(10_000, 99_999)}`;
  const ip = random.chance(0.5) ? customerIp(random.below(200)) : `2001:db8:c:${random.hex(4)}::1`;
  const actor: Actor = { id, type: "customer", ip };
  const isRight = random.chance(0.93);
  return [
    {
      timeMs: atMs,
      source: "idp",
      type: "identity.login",
      actor,
      action: "customer.authentication",
      targets: [{ type: "account", id }],
      outcome: isRight ? "success" : "failure",
      details: isRight
        ? { policy: "customer", service: serviceNamed("identity-bridge").name }
        : { policy: "customer", reason: "invalid_credentials" },
    },
  ];
};

/** Of 203.0.113.0/24 customers have what lies below 220. */
export function customerIp(number: number): string {
  return `203.0.113.${1 + (number % 219)}`;
}

export const identityScenes = {
  signOut,
  passwordReset,
  machineToken,
  membership,
  stuffing,
  customerLogin,
};
