/** What the detectors say all day: much, and mostly nothing. */
import { domain, services } from "./company.ts";
import type { Actor, Happening } from "./happening.ts";
import { atDesk, type Scene } from "./world.ts";

type Severity = "informational" | "low" | "medium" | "high";

export function finding(
  actor: Actor,
  timeMs: number,
  type: `security.${string}`,
  action: string,
  target: { readonly type: string; readonly id: string },
  details: { readonly severity: Severity; readonly [member: string]: unknown },
): Happening {
  const outcome = type === "security.blocked" ? "denied" : "unknown";
  return { timeMs, source: "detect", type, actor, action, targets: [target], outcome, details };
}

const rules = [
  ["942100", "SQL injection"],
  ["941100", "cross-site scripting"],
  ["930120", "path traversal"],
  ["913100", "scanner's user agent"],
] as const;

/** Some requests of one stranger, turned away at the edge. */
const firewall: Scene = ({ random }, atMs) => {
  const ip = `2001:db8:bad:${random.hex(3)}::${random.between(1, 9)}`;
  const actor: Actor = { id: "anonymous", type: "anonymous", ip };
  const [rule, what] = random.pick(rules);
  const target = { type: "service", id: `prod/${random.pick(services).name}` };
  return Array.from({ length: random.between(1, 5) }, (_, i) =>
    finding(actor, atMs + i * random.between(200, 1500), "security.blocked", "waf.block", target, {
      severity: "low",
      rule,
      what,
    }),
  );
};

/** Links in mail that somebody followed: the gateway looks at all that lead out of the house. */
const mailLink: Scene = (world, atMs) => {
  const { random } = world;
  const { id, office } = atDesk(world, atMs);
  const site = random.pick(["news.example.org", "survey.example.com", "webinar.example.net"]);
  const target = { type: "url", id: `https://${site}/${random.hex(6)}` };
  return [linkFollowed({ id, type: "user", ip: office.ip }, atMs, target, 21)];
};

export function linkFollowed(
  actor: Actor,
  timeMs: number,
  target: { readonly type: string; readonly id: string },
  score: number,
): Happening {
  const details = { severity: "informational", score, verdict: "unrated" } as const;
  return finding(actor, timeMs, "security.link_followed", "mail.link", target, details);
}

const endpoint: Scene = (world, atMs) => {
  const { random } = world;
  const { id, device, office } = atDesk(world, atMs);
  const [what, severity] = random.pick([
    ["unsigned binary in downloads", "low"],
    ["USB storage attached", "informational"],
    ["browser extension added", "informational"],
    ["shell started by office program", "medium"],
  ] as const);
  const target = { type: "device", id: device };
  const actor: Actor = { id, type: "user", ip: office.ip };
  const found = finding(actor, atMs, "security.finding", "edr.detect", target, { severity, what });
  if (severity !== "medium") return [found];
  const details = { severity, what, verdict: "benign", analyst: `soc@${domain}` } as const;
  const closedMs = atMs + random.skewed(1_500_000);
  return [
    found,
    {
      ...finding(actor, closedMs, "security.finding_closed", "edr.close", target, details),
      outcome: "success",
    },
  ];
};

const scan: Scene = ({ random }, atMs) => {
  const service = random.pick(services);
  const actor: Actor = { id: "image-scanner", type: "service", ip: "2001:db8:20::fd" };
  const target = { type: "image", id: `${service.name}:${random.hex(12)}` };
  const critical = random.chance(0.04) ? 1 : 0;
  const severity = critical > 0 ? "high" : "informational";
  const counts = { critical, high: random.below(3), medium: random.below(12) };
  const type = "security.vulnerability_scan";
  return [finding(actor, atMs, type, "image.scan", target, { severity, ...counts })];
};

/** Signed in from far away from the last time: most often a telephone that changed its network. */
const travel: Scene = (world, atMs) => {
  const { random } = world;
  const person = atDesk(world, atMs);
  const actor: Actor = { id: person.id, type: "user", ip: person.homeIp };
  const details = { severity: "low", km: random.between(300, 2500), verdict: "vpn" } as const;
  const target = { type: "account", id: person.id };
  return [finding(actor, atMs, "security.unusual_place", "idp.risk", target, details)];
};

export const alertScenes = { firewall, mailLink, endpoint, scan, travel };
