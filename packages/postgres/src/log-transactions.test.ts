/**
 * Goal: an entry says that its transaction was committed only if it was, and rolled back only if it was; what the log
 * of PostgreSQL does not show is `unknown`; no line is lost or told twice.
 * Method: sessions line by line as PostgreSQL writes them, each ending there is. After each line the state goes through
 * JSON, as between two runs. Then random interleavings of sessions, with the window passing at random.
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { withSeed, type SeededRandom } from "@cairnlog/testing";
import type { CapturedEvent } from "@cairnlog/capture";
import { logTextOf } from "./log-line.ts";
import { LoggedSession } from "./log-lines.testing.ts";
import { LogTransactions, type TransactionRules } from "./log-transactions.ts";

const rules: TransactionRules = {
  name: "orders-prod",
  windowMs: 1000,
  heldBytesMax: 1_000_000,
  isControlLogged: true,
};

interface Told {
  readonly id: string;
  readonly type: string;
  readonly action: string;
  readonly outcome: string | undefined;
  readonly state: string | undefined;
  readonly statement: string | undefined;
}

function told({ event }: CapturedEvent): Told {
  const { transaction } = event.details as {
    readonly transaction?: { readonly state: string; readonly statement?: string };
  };
  return {
    id: event.id!,
    type: event.type,
    action: event.action,
    outcome: event.outcome,
    state: transaction?.state,
    statement: transaction?.statement,
  };
}

class Reader {
  readonly events: CapturedEvent[] = [];
  readonly #rules: TransactionRules;
  #transactions: LogTransactions;
  nowMs = 0;

  constructor(more: Partial<TransactionRules> = {}) {
    this.#rules = { ...rules, ...more };
    this.#transactions = new LogTransactions(this.#rules);
  }

  read(...lines: readonly string[]): this {
    for (const line of lines) {
      this.events.push(...this.#transactions.add(logTextOf(Buffer.from(line)), this.nowMs));
      const state = JSON.parse(JSON.stringify(this.#transactions.state)) as object;
      this.#transactions = new LogTransactions(this.#rules, state as never);
    }
    return this;
  }

  pass(ms: number): this {
    this.nowMs += ms;
    this.events.push(...this.#transactions.release(this.nowMs));
    return this;
  }

  get dueMs(): number | undefined {
    return this.#transactions.dueMs;
  }

  /** `UPDATE success committed` */
  get lines(): string[] {
    return this.events
      .map(told)
      .map(({ action, outcome, state, statement }) =>
        [action, outcome, state, statement].filter((part) => part !== undefined).join(" "),
      );
  }
}

function lines(more: Partial<TransactionRules>, make: (s: LoggedSession) => string[]): string[] {
  return new Reader(more).read(...make(new LoggedSession())).lines;
}

const cases: readonly (readonly [
  name: string,
  make: (s: LoggedSession) => string[],
  expected: readonly string[],
  rules?: Partial<TransactionRules>,
])[] = [
  [
    "COMMIT, and then a line from outside",
    (s) => [s.misc("3/1", "begin"), s.write("3/1"), s.misc("3/1", "commit"), s.duration("3/0")],
    ["BEGIN success committed", "UPDATE success committed", "COMMIT success committed"],
  ],
  [
    "COMMIT alone proves nothing yet",
    (s) => [s.misc("3/1", "begin"), s.write("3/1"), s.misc("3/1", "commit")],
    [],
  ],
  [
    "a COMMIT that failed",
    (s) => [
      s.misc("3/1", "begin"),
      s.write("3/1"),
      s.misc("3/1", "commit"),
      s.error("3/1", "commit"),
      s.write("3/2"),
    ],
    [
      "BEGIN failure rolled back",
      "UPDATE failure rolled back",
      "COMMIT failure rolled back failed",
      "UPDATE failure rolled back",
    ],
  ],
  [
    "ROLLBACK: what was read was read, what was written was not",
    (s) => [
      s.misc("3/1", "/* why */ begin"),
      s.audit("3/1", "READ", "SELECT", "select 1"),
      s.write("3/1"),
      s.misc("3/1", "rollback"),
      s.duration("3/0"),
    ],
    [
      "BEGIN failure rolled back",
      "SELECT success rolled back",
      "UPDATE failure rolled back",
      "ROLLBACK failure rolled back",
    ],
  ],
  [
    "an error; COMMIT is then not audited, and rolls back",
    (s) => [s.misc("3/1", "begin"), s.write("3/1"), s.error("3/1", "selec"), s.duration("3/0")],
    ["BEGIN failure rolled back", "UPDATE failure rolled back", "UPDATE failure rolled back"],
  ],
  [
    "a statement by itself",
    (s) => [s.write("3/1"), s.write("3/2"), s.duration("3/0")],
    ["UPDATE success committed", "UPDATE success committed"],
  ],
  [
    "a statement by itself, where transactions are not logged",
    (s) => [s.write("3/1"), s.duration("3/0")],
    ["UPDATE unknown unknown"],
    { isControlLogged: false },
  ],
  [
    "a statement by itself that fails: told at once",
    (s) => [s.write("3/1"), s.error("3/1", "update orders set total = 1")],
    ["UPDATE failure rolled back failed", "UPDATE failure rolled back"],
  ],
  [
    "a savepoint that is rolled back to",
    (s) => [
      s.misc("3/1", "begin"),
      s.write("3/1", "one"),
      s.misc("3/1", 'savepoint "A b"'),
      s.write("3/1", "two"),
      s.misc("3/1", 'rollback to savepoint "A b"'),
      s.write("3/1", "three"),
      s.misc("3/1", "commit"),
      s.duration("3/0"),
    ],
    [
      "BEGIN success committed",
      "UPDATE success committed",
      "SAVEPOINT success committed",
      "UPDATE failure committed undone",
      "ROLLBACK success committed",
      "UPDATE success committed",
      "COMMIT success committed",
    ],
  ],
  [
    "an error, and a rollback to one of two savepoints that nobody saw",
    (s) => [
      s.misc("3/1", "begin"),
      s.misc("3/1", "savepoint a"),
      s.write("3/1", "one"),
      s.misc("3/1", "savepoint b"),
      s.write("3/1", "two"),
      s.error("3/1", "three"),
      s.write("3/1", "four"),
      s.misc("3/1", "commit"),
      s.disconnection(),
    ],
    [
      "BEGIN success committed",
      "SAVEPOINT success committed",
      "UPDATE unknown committed perhaps undone",
      "SAVEPOINT unknown committed perhaps undone",
      "UPDATE failure committed undone",
      "UPDATE failure committed",
      "UPDATE success committed",
      "COMMIT success committed",
      "disconnection success",
    ],
  ],
  [
    "the client leaves in the middle",
    (s) => [s.misc("3/1", "begin"), s.write("3/1"), s.disconnection()],
    ["BEGIN failure rolled back", "UPDATE failure rolled back", "disconnection success"],
  ],
  [
    "the session is killed in the middle",
    (s) => [s.misc("3/1", "begin"), s.write("3/1"), s.error("3/1", undefined, "FATAL")],
    ["BEGIN failure rolled back", "UPDATE failure rolled back", "UPDATE failure rolled back"],
  ],
  [
    "a procedure may roll back without a word",
    (s) => [
      s.audit("3/1", "FUNCTION", "CALL", "call p()"),
      s.below("3/1", "WRITE", "INSERT", "insert"),
      s.below("3/2", "WRITE", "INSERT", "insert"),
      s.duration("3/0"),
      s.write("3/3"),
      s.duration("3/0"),
    ],
    [
      "CALL unknown unknown",
      "INSERT unknown unknown",
      "INSERT unknown unknown",
      "UPDATE success committed",
    ],
  ],
  [
    "PREPARE TRANSACTION leaves it open to somebody else",
    (s) => [
      s.misc("3/1", "begin"),
      s.audit("3/1", "MISC", "PREPARE TRANSACTION", "prepare transaction 'x'"),
      s.duration("3/0"),
    ],
    ["BEGIN unknown unknown", "PREPARE TRANSACTION unknown unknown"],
  ],
];

describe("transactions of PostgreSQL's log", () => {
  for (const [name, make, expected, more = {}] of cases) {
    it(name, () => assert.deepEqual(lines(more, make), expected));
  }

  it("a session that was met in its middle tells nothing of the transaction it was in", () => {
    const s = new LoggedSession({ firstNumber: 7 });
    const reader = new Reader().read(s.write("3/1"), s.write("3/2"), s.duration("3/0"));
    assert.deepEqual(reader.lines, ["UPDATE unknown unknown", "UPDATE success committed"]);
  });

  it("a crash: its log may lack the last lines, so nobody knows, unless an error had decided", () => {
    const [a, b] = [new LoggedSession({ id: "a" }), new LoggedSession({ id: "b" })];
    const [c, d] = [new LoggedSession({ id: "c" }), new LoggedSession({ id: "d" })];
    const server = new LoggedSession({ id: "server" });
    const reader = new Reader().read(
      a.misc("3/1", "begin"),
      a.write("3/1"),
      b.misc("4/1", "begin"),
      b.error("4/1", "selec"),
      c.misc("5/1", "begin"),
      c.misc("5/1", "commit"),
      d.write("6/1"),
      server.line(undefined, "all server processes terminated; reinitializing"),
    );
    assert.deepEqual(reader.lines, [
      "BEGIN unknown unknown",
      "UPDATE unknown unknown",
      "BEGIN failure rolled back",
      "UPDATE failure rolled back",
      "BEGIN unknown unknown",
      "COMMIT unknown unknown",
      "UPDATE unknown unknown",
      "log unknown",
    ]);
  });

  it("lines that are missing are told, and what they may have changed is unknown", () => {
    const s = new LoggedSession();
    const reader = new Reader().read(s.misc("3/1", "begin"), s.write("3/1"));
    s.misc("3/1", "commit");
    reader.read(s.write("3/2"), s.duration("3/0"), s.write("3/3"), s.duration("3/0"));
    assert.deepEqual(reader.lines, [
      "lines of the log are missing failure",
      "BEGIN unknown unknown",
      "UPDATE unknown unknown",
      "UPDATE unknown unknown",
      "UPDATE success committed",
    ]);
    assert.deepEqual(reader.events[0]!.event.details, { session: s.id, from: 3, to: 3 });
  });

  it("what waits longer than the window leaves as open, and its end is told", () => {
    const s = new LoggedSession();
    const reader = new Reader().read(s.misc("3/1", "begin"), s.write("3/1", "early"));
    assert.equal(reader.dueMs, 1000);
    assert.deepEqual(reader.pass(999).lines, []);
    assert.deepEqual(reader.pass(1).lines, ["BEGIN unknown open", "UPDATE unknown open"]);
    assert.equal(reader.dueMs, undefined);
    reader.read(s.write("3/1", "late"), s.misc("3/1", "rollback"), s.duration("3/0"));
    assert.deepEqual(reader.lines.slice(2), [
      "UPDATE failure rolled back",
      "ROLLBACK failure rolled back",
      "ROLLBACK failure rolled back",
    ]);
    const { event } = reader.events.at(-1)!;
    assert.equal(event.type, "database.transaction");
    assert.equal(event.id, `${s.id}/3/1`);
    const { entries, recordedWhileOpen } = event.details as {
      entries: string[];
      recordedWhileOpen: number;
    };
    assert.deepEqual([entries, recordedWhileOpen], [[`${s.id}/1`, `${s.id}/2`], 2]);
  });

  it("what waits is bounded: the oldest leave early", () => {
    const reader = new Reader({ heldBytesMax: 5000 });
    const s = new LoggedSession();
    reader.read(s.misc("3/1", "begin"));
    for (let i = 0; i < 100; i++) reader.read(s.write("3/1", `update ${i}`));
    assert.ok(reader.events.length > 80, `${reader.events.length}`);
    assert.ok(reader.lines.every((line) => line.endsWith("unknown open")));
  });

  it("signing in and what is no line of jsonlog are told at once", () => {
    const s = new LoggedSession();
    const reader = new Reader().read(
      s.line("3/1", "connection authorized: user=orders database=shop"),
      "{torn",
      '{"message":"hello"}',
    );
    assert.deepEqual(reader.lines, ["connection authorized success", "log unknown", "log unknown"]);
    assert.deepEqual(reader.events[1]!.event.details, { log: { line: "{torn" } });
  });

  it("of many sessions at once each line is told once, and never against the truth", async () => {
    await withSeed(20_261_124, (random) => {
      for (let round = 0; round < 30; round++) oneStorm(random);
    });
  });
});

function oneStorm(random: SeededRandom): void {
  const reader = new Reader({ windowMs: 50, heldBytesMax: 1 + random.below(20_000) });
  const truth = new Map<string, "committed" | "rolled back">();
  const sessions = Array.from({ length: 5 }, (_, i) =>
    story(new LoggedSession({ id: `s${i}` }), i, random, truth),
  );
  while (sessions.some((left) => left.length > 0)) {
    const left = sessions[random.below(sessions.length)]!;
    const line = left.shift();
    if (line !== undefined) reader.read(line);
    if (random.below(4) === 0) reader.pass(random.below(60));
  }
  const all = reader.events.map(told);
  assert.equal(new Set(all.map(({ id }) => id)).size, all.length, "an id was told twice");
  const ends = new Map(
    all.filter(({ type }) => type === "database.transaction").map((one) => [one.id, one.state]),
  );
  const writes = reader.events.filter(
    ({ event }) => event.type === "database.query" && event.action === "UPDATE",
  );
  assert.equal(writes.length, truth.size);
  for (const captured of writes) {
    const { audit, transaction } = captured.event.details as {
      audit: { statement: string };
      transaction: { id: string; state: string };
    };
    const state =
      transaction.state === "open" ? ends.get(transaction.id.replace(":", "/")) : transaction.state;
    assert.equal(state, truth.get(audit.statement), audit.statement);
  }
}

/** The lines of a session with some transactions, and how they end. */
function story(
  s: LoggedSession,
  backend: number,
  random: SeededRandom,
  truth: Map<string, "committed" | "rolled back">,
): string[] {
  const written: string[] = [];
  for (let n = 1; n <= 8; n++) {
    const vxid = `${backend}/${n}`;
    const how = random.below(4);
    const end = how === 0 || how === 3 ? "committed" : "rolled back";
    const count = how === 3 ? 1 : random.below(4);
    if (how !== 3) written.push(s.misc(vxid, "begin"));
    for (let i = 0; i < count; i++) {
      truth.set(`${vxid} ${i}`, end);
      written.push(s.write(vxid, `${vxid} ${i}`));
    }
    if (how < 2) written.push(s.misc(vxid, how === 0 ? "commit" : "rollback"));
    if (how === 2) written.push(s.error(vxid, "selec"));
    if (random.below(2) === 0) written.push(s.duration(`${backend}/0`));
  }
  written.push(s.disconnection());
  return written;
}
