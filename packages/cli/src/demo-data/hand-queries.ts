/** People in the databases themselves, through the bastion: what they read, and what they mistype. */
import { databases, services, type Service } from "./company.ts";
import { statementEvent } from "./calls.ts";
import type { Actor, Happening } from "./happening.ts";
import type { Person } from "./people.ts";
import { signIn } from "./sign-ins.ts";
import { atDesk, type Scene, type World } from "./world.ts";

interface HandSession {
  readonly person: Person;
  readonly database: string;
  readonly service: Service;
  readonly actor: Actor;
  readonly request: object;
  readonly beganMs: number;
}

function connect(world: World, atMs: number, out: Happening[]): HandSession {
  const { random } = world;
  const person = atDesk(world, atMs, "data", "platform", "finance");
  const beganMs = signIn(world, person, atMs, out);
  const database = random.pick(databases);
  const actor: Actor = {
    id: person.id.split("@")[0]!.replace(".", "_"),
    type: "user",
    name: person.name,
    ip: "2001:db8:30::7",
    session: `${random.hex(8)}.${random.hex(4)}`,
    application: random.pick(["psql", "DBeaver 25.2.5"]),
  };
  const request = { actor: person.id, session: person.session?.id };
  const service = services.find((service) => service.database === database)!;
  const session = { person, database, service, actor, request, beganMs };
  out.push({
    ...sessionEvent(session, beganMs, "database.connect"),
    details: { via: "bastion", request },
  });
  return session;
}

function sessionEvent(
  { database, actor }: HandSession,
  timeMs: number,
  type: "database.connect" | "database.disconnect",
): Happening {
  const action = type === "database.connect" ? "CONNECT" : "DISCONNECT";
  const targets = [{ type: "postgres", id: database }];
  return {
    timeMs,
    source: "pgaudit",
    type,
    actor,
    action,
    targets,
    outcome: "success",
    stream: database,
  };
}

/** An analyst or an administrator reads; large reads have a ticket. */
const handQuery: Scene = (world, atMs) => {
  const { random } = world;
  const out: Happening[] = [];
  const session = connect(world, atMs, out);
  const { database, service, actor, request } = session;
  const statements = service.routes.flatMap((route) => route.statements);
  const reads = statements.filter(({ command }) => command === "SELECT");
  let timeMs = session.beganMs;
  for (let i = random.between(1, 5); i > 0; i--) {
    timeMs += random.skewed(20_000);
    const read = random.pick(reads);
    const isLarge = random.chance(0.12);
    const rows = isLarge ? random.between(20_000, 90_000) : random.skewed(60);
    const statement = {
      ...read,
      sql: read.sql.replace(/ (?:WHERE|GROUP BY) .*/, ` LIMIT ${rows}`),
    };
    const event = statementEvent(random, { statement, database, actor, timeMs, rows });
    const why = isLarge ? { request, ticket: `DATA-${random.between(400, 799)}` } : { request };
    out.push({ ...event, details: { ...event.details, ...why } });
  }
  out.push(sessionEvent(session, timeMs + random.skewed(15_000), "database.disconnect"));
  return out;
};

const mistakes = [
  ["SELECT", "SELECT * FROM custommers LIMIT 5", "42P01", "failure"],
  ["SELECT", "SELECT id, FROM orders", "42601", "failure"],
  ["SELECT", "SELECT iban FROM customers LIMIT 5", "42501", "denied"],
  ["SELECT", "SELECT count(*) FROM scans, parcels", "57014", "failure"],
  ["ALTER TABLE", "ALTER TABLE orders ADD COLUMN note text", "42501", "denied"],
  ["SET", "SET statement_timeout = '3 apples'", "22023", "failure"],
] as const;

const mistake: Scene = (world, atMs) => {
  const { random } = world;
  const out: Happening[] = [];
  const session = connect(world, atMs, out);
  const { database, actor, request, beganMs } = session;
  const [action, sql, sqlstate, outcome] = random.pick(mistakes);
  const timeMs = beganMs + random.skewed(12_000);
  const targets = [{ type: "postgres", id: database }];
  const details = { sql, sqlstate, request };
  out.push({
    timeMs,
    source: "pgaudit",
    type: "database.error",
    actor,
    action,
    targets,
    outcome,
    details,
    stream: database,
  });
  out.push(sessionEvent(session, timeMs + random.skewed(60_000), "database.disconnect"));
  return out;
};

export const handScenes = { handQuery, mistake };
