/**
 * Realistic events, the same ones for the same seed: people and services who sign in, call APIs that query databases,
 * deploy, and change who may do what. About 300 bytes each.
 *
 * What matters for speed and size is here as in life: ids are ULIDs (their 80 random bits cannot be compressed), a
 * trace runs through the events of one request and a few dozen of them are interleaved, people keep their addresses and
 * sessions for a while, few of them do most of the work, and times have milliseconds.
 *
 * Making an event costs more than recording it. So a pool of them is made once, and whoever takes one gets it with a
 * fresh id, which is all that makes it another event for the log.
 */
import { SeededRandom } from "../testing/src/seeded.ts";

const crockford = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const crockfordBytes = Uint8Array.from(crockford, (digit) => digit.charCodeAt(0));
/** Every line begins with `{"id":"`, then 10 digits of time and 16 random ones. */
const idAt = 7;
const idTimeLength = 10;
const idRandomLength = 16;
const firstTimeMs = Date.UTC(2026, 10, 23, 5);
const flowsAtOnce = 32;

interface Actor {
  readonly id: string;
  readonly type: "user" | "service";
  readonly ips: readonly string[];
  session: string;
  /** Events until the session is another one. */
  sessionLeft: number;
}

/** What somebody does: a few events, one after the other, mixed with those of others. */
interface Flow {
  readonly actor: Actor;
  readonly ip: string;
  readonly session: string;
  /** Undefined where nothing is traced. */
  readonly traceId: string | undefined;
  readonly steps: ((flow: Flow) => Step)[];
}

interface Step {
  readonly type: string;
  readonly action: string;
  readonly target: readonly [type: string, id: string];
  readonly outcome?: "failure" | "denied";
  readonly details?: object;
}

export class EventPool {
  readonly count: number;
  readonly #random: SeededRandom;
  /** NDJSON: the events in order, each with its newline. */
  readonly #lines: Uint8Array;
  /** Where each line begins, and where the last one ends. */
  readonly #starts: Int32Array;

  constructor(seed: number, count: number) {
    this.count = count;
    this.#random = new SeededRandom(seed);
    const lines = makeLines(this.#random.fork(), count);
    this.#lines = Buffer.from(lines.join(""), "latin1");
    this.#starts = new Int32Array(count + 1);
    for (const [i, line] of lines.entries()) this.#starts[i + 1] = this.#starts[i]! + line.length;
  }

  /** Mean length of an event, without its newline. */
  get eventBytes(): number {
    return this.#lines.length / this.count - 1;
  }

  /** Event `i` (the pool begins anew at its end), with the id that it has in the pool. */
  event(i: number): Uint8Array {
    const at = i % this.count;
    return this.#lines.slice(this.#starts[at], this.#starts[at + 1]! - 1);
  }

  /** NDJSON of `count` events from event `from` on, with fresh ids. */
  batch(from: number, count: number): Uint8Array {
    const parts: Uint8Array[] = [];
    for (let i = from; i < from + count;) {
      const at = i % this.count;
      const end = Math.min(at + count - (i - from), this.count);
      parts.push(this.#lines.subarray(this.#starts[at], this.#starts[end]));
      i += end - at;
    }
    const bytes = Buffer.concat(parts);
    this.freshIds(bytes, 0, bytes.length);
    return bytes;
  }

  /** Gives each line of [start, end) of `bytes` a fresh id. */
  freshIds(bytes: Uint8Array, start: number, end: number): void {
    let at = start;
    while (at >= 0 && at < end) {
      this.freshId(bytes, at);
      const newline = bytes.indexOf(0x0a, at + idAt);
      at = newline < 0 ? end : newline + 1;
    }
  }

  /** Gives the event that begins at `start` of `bytes` a fresh id. */
  freshId(bytes: Uint8Array, start: number): void {
    let at = start + idAt + idTimeLength;
    for (let words = 0; words < 4; words++) {
      let word = this.#random.next();
      for (let digits = 0; digits < idRandomLength / 4; digits++) {
        bytes[at++] = crockfordBytes[word & 31]!;
        word >>>= 5;
      }
    }
  }
}

function makeLines(random: SeededRandom, count: number): string[] {
  const world = new World(random);
  const flows = Array.from({ length: flowsAtOnce }, () => world.newFlow());
  const lines: string[] = [];
  let timeMs = firstTimeMs;
  while (lines.length < count) {
    const at = random.below(flowsAtOnce);
    const flow = flows[at]!;
    const step = flow.steps.shift();
    if (step === undefined) {
      flows[at] = world.newFlow();
      continue;
    }
    timeMs += random.below(8);
    lines.push(world.line(flow, step(flow), timeMs));
  }
  return lines;
}

const firstNames =
  "alice bob carol dan erin frank grace heidi ivan judy karl lena mike nora omar petra".split(" ");
const lastNames =
  "meyer novak silva tanaka khan olsen rossi dubois garcia smith kim ivanova okafor larsen".split(
    " ",
  );
const services = "orders billing search mailer reports gateway stock prices auth sync".split(" ");
const tables = "orders customers invoices payments refunds stock prices sessions".split(" ");
const resources = "orders invoices customers reports refunds exports users".split(" ");
const images = "orders-api billing-api search-api console mailer".split(" ");
const roles = "viewer editor billing-admin db-operator deployer".split(" ");

class World {
  readonly #random: SeededRandom;
  readonly #people: readonly Actor[];
  readonly #services: readonly Actor[];

  constructor(random: SeededRandom) {
    this.#random = random;
    this.#people = firstNames.flatMap((first) =>
      lastNames.map((last) => {
        const ips = [`203.0.113.${random.below(256)}`, `198.51.100.${random.below(256)}`];
        return this.#actor(`${first}.${last}@example.com`, "user", ips);
      }),
    );
    this.#services = services.flatMap((name) =>
      [1, 2, 3].map((n) => {
        const ip = `10.${random.below(16)}.${random.below(256)}.${random.below(256)}`;
        return this.#actor(`svc-${name}-${n}`, "service", [ip]);
      }),
    );
  }

  newFlow(): Flow {
    const random = this.#random;
    const kind = random.below(100);
    const actor = kind < 40 ? this.#few(this.#services) : this.#few(this.#people);
    if (actor.sessionLeft-- === 0) {
      actor.session = this.#hex(12);
      actor.sessionLeft = 20 + random.below(60);
    }
    return {
      ...{ actor, session: actor.session, ip: random.pick(actor.ips) },
      traceId: kind < 75 && random.chance(0.3) ? this.#hex(32) : undefined,
      steps: kind < 75 ? this.#request() : kind < 90 ? this.#signIn() : this.#change(kind < 95),
    };
  }

  line({ actor, ip, session, traceId }: Flow, step: Step, timeMs: number): string {
    const event = {
      id: ulidTime(timeMs) + "0".repeat(idRandomLength),
      type: step.type,
      time: new Date(timeMs).toISOString(),
      // Services show a token, and have no session.
      actor: { id: actor.id, type: actor.type, ip, ...(actor.type === "user" ? { session } : {}) },
      action: step.action,
      targets: [{ type: step.target[0], id: step.target[1] }],
      outcome: step.outcome ?? "success",
      ...(traceId !== undefined ? { trace: `00-${traceId}-${this.#hex(16)}-01` } : {}),
      ...(step.details === undefined ? {} : { details: step.details }),
    };
    const bytes = Buffer.from(`${JSON.stringify(event)}\n`);
    // The pool's own ids are fresh as well.
    for (let at = idAt + idTimeLength; at < idAt + idTimeLength + idRandomLength; at++) {
      bytes[at] = crockfordBytes[this.#random.below(32)]!;
    }
    return bytes.toString("latin1");
  }

  #request(): Flow["steps"] {
    const random = this.#random;
    const resource = random.pick(resources);
    const id = 10_000 + random.below(90_000);
    const method = random.pick(["GET", "GET", "GET", "POST", "PUT", "DELETE"]);
    const isDenied = random.chance(0.03);
    const call = (): Step => ({
      ...{ type: "api.request", action: method },
      target: ["http", `/v1/${resource}/${id}`],
      ...(method === "GET" ? {} : { details: { status: isDenied ? 403 : 200 } }),
      ...(isDenied ? { outcome: "denied" as const } : {}),
    });
    const query = (): Step => ({
      type: "database.query",
      action: method === "GET" ? "SELECT" : random.pick(["SELECT", "INSERT", "UPDATE"]),
      target: ["postgres", `orders-prod/public.${random.pick(tables)}`],
      ...(random.chance(0.5) ? { details: { rows: random.below(400) } } : {}),
    });
    const queries = isDenied ? 0 : random.below(4);
    return [call, ...Array.from({ length: queries }, () => query)];
  }

  #signIn(): Flow["steps"] {
    const random = this.#random;
    const method = random.pick(["webauthn", "webauthn", "totp", "password"]);
    const step = (type: string, action: string, outcome?: "failure") => (): Step => ({
      ...{ type, action, target: ["application", "idp/console"], details: { method } },
      ...(outcome === undefined ? {} : { outcome }),
    });
    const failures = random.chance(0.15) ? 1 + random.below(2) : 0;
    return [
      ...Array.from({ length: failures }, () => step("identity.login", "login", "failure")),
      step("identity.login", "login"),
      step("identity.token", "issue"),
    ];
  }

  #change(isDeployment: boolean): Flow["steps"] {
    const random = this.#random;
    if (!isDeployment) {
      const person = this.#few(this.#people).id;
      const role = random.pick(roles);
      return [
        () => ({
          ...{ type: "identity.role.grant", action: "grant", target: ["user", person] },
          details: { role, ticket: `OPS-${1000 + random.below(9000)}` },
        }),
      ];
    }
    const image = random.pick(images);
    const commit = this.#hex(40);
    const step = (type: string, action: string) => (): Step => ({
      ...{ type, action, target: ["kubernetes", `prod/${image}`] },
      details: { commit },
    });
    return [step("deployment.start", "deploy"), step("deployment.finish", "deploy")];
  }

  #actor(id: string, type: Actor["type"], ips: readonly string[]): Actor {
    return { id, type, ips, session: this.#hex(12), sessionLeft: this.#random.below(60) };
  }

  /** Few do most of it. */
  #few(actors: readonly Actor[]): Actor {
    const share = this.#random.below(2 ** 20) / 2 ** 20;
    return actors[Math.floor(share * share * share * actors.length)]!;
  }

  #hex(length: number): string {
    return Buffer.from(this.#random.bytes(length / 2)).toString("hex");
  }
}

function ulidTime(timeMs: number): string {
  let rest = timeMs;
  let text = "";
  for (let i = 0; i < idTimeLength; i++) {
    text = crockford[rest % 32]! + text;
    rest = Math.floor(rest / 32);
  }
  return text;
}
