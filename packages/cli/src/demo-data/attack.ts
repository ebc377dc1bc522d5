/**
 * The intrusion that is hidden in the story: one evening and night, told step by step. What ties its events together is
 * an account, a session that the account's owner never began, a pipeline, a few traces, and one address.
 *
 * `attack-night.ts` tells what is done with the access that is won here.
 */
import { finding, linkFollowed } from "./alerts.ts";
import { night } from "./attack-night.ts";
import { dayMs, hourMs, minuteMs, weekday } from "./calendar.ts";
import { nodeOf, outcomeOf } from "./calls.ts";
import { domain, serviceNamed } from "./company.ts";
import type { Actor } from "./happening.ts";
import { asVictim, at, userAgent, type Intruder, type Step } from "./intruder.ts";
import type { Person } from "./people.ts";
import type { Random } from "./random.ts";
import { login, mfa } from "./sign-ins.ts";

const beforeMidnightMs = 8.5 * hourMs;
const afterMidnightMs = 3 * hourMs;
export function makeAttack(
  random: Random,
  people: readonly Person[],
  period: { readonly fromMs: number; readonly untilMs: number },
): readonly Step[] {
  const victim = findVictim(random, people);
  const intruder: Intruder = {
    random,
    victim,
    midnightMs: chooseNight(random, victim, period),
    phishingIp: "203.0.113.224",
    ip: `203.0.113.${random.between(225, 229)}`,
    session: random.base32(20).toLowerCase(),
    token: `glpat-${random.hex(4)}`,
  };
  const steps = [
    ...phishing(intruder),
    ...fatigue(intruder),
    ...persistence(intruder),
    ...enumeration(intruder),
    ...night(intruder),
  ];
  return steps.sort((a, b) => a.happening.timeMs - b.happening.timeMs);
}

/** Somebody who may do much, and confirms a sign-in by tapping on a telephone. */
function findVictim(random: Random, people: readonly Person[]): Person {
  const fitting = people.filter(
    ({ factor, office, team }) =>
      factor === "push" && office.offsetMinutes === 60 && team === "platform",
  );
  const [first] = people;
  // The first of all is in the same team; with a key to touch, the story would have ended here.
  return fitting.length > 0 ? random.pick(fitting) : Object.assign(first!, { factor: "push" });
}

function chooseNight(
  random: Random,
  { office }: Person,
  { fromMs, untilMs }: { readonly fromMs: number; readonly untilMs: number },
): number {
  const nights: number[] = [];
  const offsetMs = office.offsetMinutes * minuteMs;
  let midnightMs = Math.floor((fromMs + offsetMs) / dayMs) * dayMs - offsetMs;
  for (; midnightMs + afterMidnightMs < untilMs; midnightMs += dayMs) {
    if (midnightMs - beforeMidnightMs > fromMs) nights.push(midnightMs);
  }
  // From Monday to Thursday, if there is such a night.
  const usual = nights.filter((at) => weekday(at - hourMs, office) < 4);
  return random.pick(usual.length > 0 ? usual : nights);
}

function phishing(intruder: Intruder): Step[] {
  const { victim, phishingIp, random } = intruder;
  const site = `https://sso-nordvale.example/login?c=${random.hex(8)}`;
  const owner: Actor = { id: victim.id, type: "user", ip: victim.office.ip };
  const proxied: Actor = {
    id: victim.id,
    type: "user",
    name: victim.name,
    ip: phishingIp,
    userAgent,
  };
  return [
    {
      happening: linkFollowed(owner, at(intruder, -488), { type: "url", id: site }, 34),
      meaning: `a mail leads ${victim.name} to a page that looks like the sign-in of ${domain}`,
    },
    {
      happening: login(proxied, victim, at(intruder, -486), "failure", {
        reason: "mfa_required",
        country: "NL",
      }),
      meaning: "the page passes the password on: right, but there is no second factor yet",
    },
  ];
}

/** Late in the evening the telephone asks again and again, until somebody taps on yes. */
function fatigue(intruder: Intruder): Step[] {
  const { victim, ip, random } = intruder;
  const actor: Actor = { id: victim.id, type: "user", name: victim.name, ip, userAgent };
  const minutes = [-139, -137, -134, -130, -125, -119];
  const asked = minutes.map((minute, i): Step => {
    const reason = i % 3 === 1 ? "timeout" : "user_denied";
    const happening = mfa(victim, actor, at(intruder, minute), "denied", { reason, country: "NL" });
    return { happening, meaning: `the second factor is asked for, ${i + 1} of 7: refused` };
  });
  const approvedMs = at(intruder, -113);
  const signedInMs = approvedMs + random.between(200, 900);
  const target = { type: "account", id: victim.id };
  const details = { severity: "low", km: 410, verdict: "vpn" } as const;
  const seen = signedInMs + 2500;
  return [
    ...asked,
    {
      happening: mfa(victim, actor, approvedMs, "success", { country: "NL" }),
      meaning: "the seventh time it is approved",
    },
    {
      happening: login(asVictim(intruder), victim, signedInMs, "success", {
        device: "unknown",
        mfa: "push",
        country: "NL",
      }),
      meaning: "a session that its owner knows nothing of begins",
    },
    {
      happening: finding(actor, seen, "security.unusual_place", "idp.risk", target, details),
      meaning: "a detector notices, and believes that it is a VPN",
    },
  ];
}

/** A factor and a token of one's own: from now on nobody's telephone is needed. */
function persistence(intruder: Intruder): Step[] {
  const { victim, token } = intruder;
  const base = { source: "idp", actor: asVictim(intruder), outcome: "success" } as const;
  return [
    {
      happening: {
        ...base,
        timeMs: at(intruder, -109),
        type: "identity.mfa_enrolled",
        action: "user.mfa.factor.activate",
        targets: [
          { type: "factor", id: "totp:Pixel 6a" },
          { type: "account", id: victim.id },
        ],
        details: { device: "Pixel 6a" },
      },
      meaning: "a second telephone is enrolled",
    },
    {
      happening: {
        ...base,
        source: "gitlab",
        timeMs: at(intruder, -106),
        type: "identity.token_created",
        action: "personal_access_token.create",
        targets: [{ type: "access_token", id: token }],
        details: { name: "backup-cli", scopes: ["api", "write_repository"], expiresIn: "365d" },
      },
      meaning: "a token for the code host is made, good for a year",
    },
  ];
}

const probes = [
  ["admin", "/internal/users", 200, 48_112],
  ["admin", "/internal/roles", 200, 9204],
  ["billing", "/internal/invoices", 403, 118],
  ["customers", "/internal/customers/search", 200, 2214],
  ["customers", "/internal/customers/export", 404, 118],
  ["identity-bridge", "/internal/clients", 403, 118],
  ["admin", "/internal/services", 200, 15_377],
] as const;

/** What is there, and what may this account see of it? */
function enumeration(intruder: Intruder): Step[] {
  const { random, victim } = intruder;
  const actor = asVictim(intruder);
  const found = probes.map(([name, path, status, responseBytes], i): Step => {
    const stream = nodeOf(serviceNamed(name));
    const details = {
      method: "GET",
      path,
      status,
      durationMs: random.between(9, 80),
      responseBytes,
      pod: `${name}-${random.below(4)}`,
    };
    return {
      happening: {
        timeMs: at(intruder, -101 + 3 * i),
        source: "gateway",
        type: "api.request",
        actor,
        action: `GET ${path}`,
        targets: [{ type: "service", id: `prod/${name}` }],
        outcome: outcomeOf(status),
        trace: random.trace(),
        stream,
        details,
      },
      meaning: `what is there? ${path} answers ${status}`,
    };
  });
  const project = { type: "project", id: "nordvale/customers" };
  return [
    ...found,
    {
      happening: {
        timeMs: at(intruder, -76),
        source: "gitlab",
        type: "api.request",
        actor,
        action: "GET /api/v4/projects/{id}/variables",
        targets: [project],
        outcome: "success",
        details: {
          status: 200,
          token: intruder.token,
          variables: ["DEPLOY_CLIENT_SECRET", "SENTRY_DSN"],
        },
      },
      meaning: `the secret of the pipelines' account is read, which ${victim.name} may`,
    },
  ];
}
