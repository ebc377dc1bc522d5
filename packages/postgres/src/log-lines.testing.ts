/** Lines of jsonlog as PostgreSQL 15 with pgaudit 1.7 writes them, for tests. Never part of what is published. */

/** Each line is later than the one before. */
let ticks = 0;

export interface SessionOptions {
  readonly id?: string;
  readonly firstNumber?: number;
}

/** One backend: counts its lines. */
export class LoggedSession {
  readonly id: string;
  #number: number;
  #statement = 0;

  constructor({ id = "6b04ee29.7846", firstNumber = 1 }: SessionOptions = {}) {
    this.id = id;
    this.#number = firstNumber;
  }

  line(vxid: string | undefined, message: string, more: object = {}): string {
    return JSON.stringify({
      timestamp: new Date(1_764_000_000_000 + ++ticks)
        .toISOString()
        .replace("T", " ")
        .replace("Z", " UTC"),
      user: "orders",
      dbname: "shop",
      pid: 30790,
      remote_host: "127.0.0.1",
      session_id: this.id,
      line_num: this.#number++,
      ps: "UPDATE",
      ...(vxid === undefined ? {} : { vxid }),
      txid: 0,
      error_severity: "LOG",
      message,
      application_name: "orders-api",
      backend_type: "client backend",
      ...more,
    });
  }

  audit(vxid: string, kind: string, command: string, statement: string): string {
    const text = /[",\n]/.test(statement) ? `"${statement.replaceAll('"', '""')}"` : statement;
    this.#statement++;
    return this.line(
      vxid,
      `AUDIT: SESSION,${this.#statement},1,${kind},${command},,,${text},<none>`,
    );
  }

  /** Below the statement before, as within a function. */
  below(vxid: string, kind: string, command: string, statement: string): string {
    return this.line(
      vxid,
      `AUDIT: SESSION,${this.#statement},2,${kind},${command},,,${statement},<none>`,
    );
  }

  write(vxid: string, statement = "update orders set total = 1"): string {
    return this.audit(vxid, "WRITE", "UPDATE", statement);
  }

  misc(vxid: string, statement: string): string {
    const words = statement.replace(/^\/\*.*\*\/ */, "").split(" ");
    const command = words[0]!.toUpperCase();
    return this.audit(vxid, "MISC", command, statement);
  }

  error(vxid: string, statement?: string, severity = "ERROR"): string {
    const more = { error_severity: severity, state_code: "23505" };
    return this.line(
      vxid,
      "duplicate key",
      statement === undefined ? more : { ...more, statement },
    );
  }

  duration(vxid: string): string {
    return this.line(vxid, "duration: 0.250 ms");
  }

  disconnection(): string {
    return this.line(undefined, "disconnection: session time: 0:00:01 user=orders database=shop");
  }
}
