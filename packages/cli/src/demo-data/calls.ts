/** API calls, and the statements that each of them makes: tied by trace, and by the session of who called. */
import { environments, gatewayNodes, podIp, services } from "./company.ts";
import type { Route, Service, Statement } from "./company.ts";
import type { Actor, Happening } from "./happening.ts";
import { personActor } from "./people.ts";
import type { Random } from "./random.ts";
import { customerIp, signIn } from "./sign-ins.ts";
import { atDesk, type Scene } from "./world.ts";

export interface Call {
  readonly timeMs: number;
  readonly actor: Actor;
  readonly service: Service;
  readonly route: Route;
  /** What stands in the path for `{…}`. */
  readonly key?: string;
  readonly query?: string;
  readonly status?: number;
  /** The one before that this repeats. */
  readonly retryOf?: string;
}

/** The call and its statements. */
export function callEvents(random: Random, call: Call): Happening[] {
  const { timeMs, actor, service, route, key = String(random.between(100_000, 999_999)) } = call;
  const { retryOf, query, status = statusOf(random, route) } = call;
  const trace = random.trace();
  const pod = random.below(4);
  const durationMs = random.skewed(status === 504 ? 5000 : 14 + 9 * route.statements.length);
  const path = route.path.replace(/\{[a-z]+\}/, key);
  const request: Happening = {
    timeMs,
    source: "gateway",
    type: "api.request",
    actor,
    action: `${route.method} ${route.path}`,
    targets: [{ type: "service", id: `prod/${service.name}` }],
    outcome: outcomeOf(status),
    trace,
    stream: nodeOf(service),
    details: {
      method: route.method,
      path: query === undefined ? path : `${path}?${query}`,
      status,
      durationMs,
      responseBytes: status < 400 ? random.skewed(900) : 118,
      pod: `${service.name}-${pod}`,
      ...(retryOf === undefined ? {} : { retryOf }),
    },
  };
  // Who may not, or comes too often, never gets as far as the database.
  const reached = status < 400 || status >= 500 || status === 404;
  if (!reached || service.database === undefined) return [request];
  return [request, ...statementEvents(random, request, call, pod)];
}

/** The node of the gateway that a service is behind. */
export function nodeOf(service: Service): string {
  return gatewayNodes[services.indexOf(service) % gatewayNodes.length]!;
}

function statementEvents(
  random: Random,
  { trace = "", timeMs, actor: caller }: Happening,
  { service, route, status }: Call,
  pod: number,
): Happening[] {
  const isWritten = route.method !== "GET" && route.statements.length > 1;
  const isUndone = isWritten && (status ?? 200) >= 500;
  const session = `${random.hex(8)}.${random.hex(4)}`;
  const database = service.database ?? "";
  const actor: Actor = {
    id: service.role,
    type: "service",
    ip: podIp(service, pod),
    session,
    application: `${service.name}-${pod}`,
  };
  const transaction = isWritten ? `${random.between(2, 60)}/${random.between(1000, 99_999)}` : "";
  const request = {
    actor: caller.id,
    ...(caller.session === undefined ? {} : { session: caller.session }),
  };
  let nowMs = timeMs + random.between(1, 4);
  const events: Happening[] = route.statements.map((statement) => {
    const event = statementEvent(random, { statement, database, actor, timeMs: nowMs });
    nowMs += random.between(1, 6);
    const inTransaction = transaction === "" ? {} : { transaction: { id: transaction } };
    return { ...event, trace, details: { ...event.details, ...inTransaction, request } };
  });
  if (!isWritten) return events;
  const action = isUndone ? "ROLLBACK" : "COMMIT";
  events.push({
    timeMs: nowMs,
    source: "pgaudit",
    type: "database.transaction",
    actor,
    action,
    trace,
    targets: [{ type: "postgres", id: database }],
    outcome: isUndone ? "failure" : "success",
    details: { transaction: { id: transaction, statements: route.statements.length }, request },
    stream: database,
  });
  return events;
}

/** One statement as the audit extension of the database tells it. */
export function statementEvent(
  random: Random,
  at: {
    readonly statement: Statement;
    readonly database: string;
    readonly actor: Actor;
    readonly timeMs: number;
    readonly rows?: number;
  },
): Happening & { details: object } {
  const { statement, database, actor, timeMs, rows } = at;
  const found = rows ?? (statement.rows === 1 ? 1 : random.skewed(statement.rows));
  return {
    timeMs,
    source: "pgaudit",
    type: "database.query",
    actor,
    action: statement.command,
    targets: [{ type: "postgres", id: `${database}/${statement.table}`.replace(/\/$/, "") }],
    outcome: "success",
    details: { sql: statement.sql, rows: found, durationMs: random.skewed(2 + found / 4000) },
    stream: database,
  };
}

function statusOf(random: Random, { method }: Route): number {
  if (random.chance(0.955)) return method === "POST" ? 201 : 200;
  return random.pick([400, 401, 403, 404, 404, 404, 409, 429, 500, 503, 504]);
}

export function outcomeOf(status: number): Happening["outcome"] {
  if (status < 400) return "success";
  return status === 401 || status === 403 || status === 429 ? "denied" : "failure";
}

const shopAgents = [
  "Mozilla/5.0 (iPhone; CPU iPhone OS 26_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.1 Mobile/15E148 Safari/604.1",
  "Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Mobile Safari/537.36",
  "NordvaleApp/8.4.1 (iOS 26.1)",
  "NordvaleApp/8.4.0 (Android 15)",
];
const open = servicesWith((route) => route.isInternal !== true);
const internal = servicesWith((route) => route.isInternal === true);

/** Each service, with those of its routes. */
function servicesWith(isMeant: (route: Route) => boolean): readonly (readonly [Service, Route])[] {
  return services.flatMap((service) =>
    service.routes.filter(isMeant).map((route) => [service, route] as const),
  );
}

/** A customer, some pages long. Who fails because of us tries again. */
const customerVisit: Scene = ({ random }, atMs) => {
  const actor: Actor = {
    id: `cust-${random.between(10_000, 99_999)}`,
    type: "customer",
    ip: random.chance(0.5) ? customerIp(random.below(200)) : `2001:db8:c:${random.hex(4)}::1`,
    session: random.base32(16).toLowerCase(),
    userAgent: random.pick(shopAgents),
  };
  const out: Happening[] = [];
  let timeMs = atMs;
  for (let i = random.between(1, 4); i > 0; i--) {
    const [service, route] = random.pick(open);
    const status = statusOf(random, route);
    const events = callEvents(random, { timeMs, actor, service, route, status });
    out.push(...events);
    timeMs += random.skewed(4000);
    if (status < 500) continue;
    const retryOf = events[0]!.trace!;
    out.push(...callEvents(random, { timeMs, actor, service, route, status: 200, retryOf }));
    timeMs += random.skewed(3000);
  }
  return out;
};

const partners = ["haul-and-sons", "kiosk-net", "boxwell", "fjordmarket"];

/** A partner's system: many calls in a row with an API key, and a pause when it is told to slow down. */
const partnerSync: Scene = ({ random }, atMs) => {
  const number = random.below(partners.length);
  const actor: Actor = {
    id: `partner-${partners[number]!}`,
    type: "service",
    ip: `203.0.113.${230 + number}`,
    userAgent: `${partners[number]!}-sync/2.${number + 1}`,
  };
  const [service, route] = random.pick(open);
  let timeMs = atMs;
  return Array.from({ length: random.between(2, 7) }, (_, i) => {
    timeMs += random.between(300, 1500);
    const status = i > 4 ? 429 : undefined;
    return callEvents(random, { timeMs, actor, service, route, ...(status ? { status } : {}) });
  }).flat();
};

/** Search engines, uptime checks, and scanners that look for what is not there. */
const crawler: Scene = ({ random }, atMs) => {
  const isScanner = random.chance(0.3);
  const actor: Actor = {
    id: "anonymous",
    type: "anonymous",
    ip: `2001:db8:b07:${random.hex(3)}::5`,
    userAgent: isScanner ? "Mozilla/5.0 zgrab/0.x" : "UptimeLark/1.0 (+https://uptime.example)",
  };
  const path = random.pick(["/.env", "/wp-login.php", "/.git/config", "/actuator/env"]);
  const [service, route] = isScanner
    ? [services[0]!, { method: "GET", path, statements: [] } as const]
    : random.pick(open.filter(([, { method }]) => method === "GET"));
  return callEvents(random, {
    timeMs: atMs,
    actor,
    service,
    route,
    status: isScanner ? 404 : 200,
  }).slice(0, isScanner ? 1 : undefined);
};

/** Somebody outside asks whether we are still there. */
const healthCheck: Scene = ({ random }, atMs) => {
  const service = random.pick(services.filter(({ database }) => database !== undefined));
  const actor: Actor = {
    id: "anonymous",
    type: "anonymous",
    ip: `2001:db8:b07::${random.between(1, 6)}`,
    userAgent: "UptimeLark/1.0 (+https://uptime.example)",
  };
  const path = `/v1/${service.name}/health`;
  const sql = "SELECT 1";
  const route = {
    method: "GET",
    path,
    statements: [{ command: "SELECT", table: "", sql, rows: 1 }],
  } as const;
  const status = random.chance(0.01) ? 503 : 200;
  return callEvents(random, { timeMs: atMs, actor, service, route, status });
};

/** Somebody at work: a few calls of the internal applications. */
const deskWork: Scene = (world, atMs) => {
  const { random } = world;
  const person = atDesk(world, atMs);
  const out: Happening[] = [];
  let timeMs = signIn(world, person, atMs, out);
  const own = internal.filter(([service]) => service.team === person.team);
  const asked = own.length > 0 && random.chance(0.8) ? own : internal;
  for (let i = random.between(1, 3); i > 0; i--) {
    const [service, route] = random.pick(asked);
    // A support team does not see every invoice.
    const isForeign = service.team !== person.team && random.chance(0.08);
    const status = isForeign ? 403 : undefined;
    const actor = personActor(person);
    out.push(
      ...callEvents(random, { timeMs, actor, service, route, ...(status ? { status } : {}) }),
    );
    timeMs += random.skewed(9000);
  }
  return out;
};

const jobs = [
  ["cron-invoice-run", "billing", "UPDATE"],
  ["cron-parcel-eta", "shipments", "UPDATE"],
  ["cron-search-index", "orders", "SELECT"],
  ["cron-gdpr-retention", "customers", "DELETE"],
  ["cron-tariff-import", "pricing", "INSERT"],
] as const;

/** A job that runs on the minute. */
const cronJob: Scene = ({ random }, atMs) => {
  const [id, name, command] = random.pick(jobs);
  const service = services.find((service) => service.name === name)!;
  const [route] = service.routes;
  const table = route!.statements[0]!.table;
  const sql = `/* ${id} */ ${command === "INSERT" ? "INSERT INTO" : command} ${table.slice(7)} … batch $1`;
  const statement = { command, table, sql, rows: 400 } as const;
  const session = `${random.hex(8)}.${random.hex(4)}`;
  const database = service.database!;
  const actor: Actor = {
    id: `${name}_batch`,
    type: "service",
    ip: podIp(service, 9),
    session,
    application: id,
  };
  const batches = Array.from({ length: random.between(1, 4) }, (_, i) =>
    statementEvent(random, { statement, database, actor, timeMs: atMs + 40 + i * 700 }),
  );
  const connected: Happening = {
    timeMs: atMs,
    source: "pgaudit",
    type: "database.connect",
    actor,
    action: "CONNECT",
    targets: [{ type: "postgres", id: database }],
    outcome: "success",
    stream: database,
    details: { tls: "TLSv1.3", method: "scram-sha-256", environment: environments[2] },
  };
  return [connected, ...batches];
};

export const callScenes = {
  customerVisit,
  partnerSync,
  crawler,
  healthCheck,
  deskWork,
  cronJob,
};
