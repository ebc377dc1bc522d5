/**
 * A real PostgreSQL for tests: Debian's `postgresql` (15 or later), a cluster of its own for each start, in a folder
 * of its own, on a free port of loopback and on a Unix socket. `.ci/run` installs it.
 *
 * A server does not run as root: where the tests do, it runs as the user `postgres` that the package made. It does not
 * sync, so it survives `kill -9` of itself, and nothing that stops the machine.
 */
import { spawn, type ChildProcess } from "node:child_process";
import {
  appendFileSync,
  chownSync,
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { findProgram, missingProgram } from "./programs.ts";

const installed = "/usr/lib/postgresql";
const readyMaxMs = 60_000;

export interface PostgresOptions {
  /** Lines of postgresql.conf, as `{ wal_level: "logical", shared_preload_libraries: "pgaudit" }`. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Lines of pg_hba.conf that go before the one that trusts everybody. */
  readonly hba?: readonly string[];
}

/** What `pg` takes: superuser over TCP on loopback. */
export interface PostgresConnection {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly database: string;
}

export interface Postgres {
  readonly connection: PostgresConnection;
  readonly url: string;
  /** Where the Unix socket is: another `host` for the same port. */
  readonly socketFolder: string;
  /** PGDATA. */
  readonly dataFolder: string;
  /** Where logs are, if `logging_collector` is on. */
  readonly logFolder: string;
  /** Of the postmaster that runs now. */
  readonly pid: number;
  /** `kill -9` to the postmaster; what it started ends by itself. */
  crash(): Promise<void>;
  /** Starts it again after `crash`, with the same data and port. */
  restart(): Promise<void>;
  /** Ends it and removes all that it wrote. */
  stop(): Promise<void>;
}

/** As `missingProgram` says it. `extension` is one that must be installed too, as `pgaudit`. */
export function missingPostgres(extension?: string): string | false {
  const server = findServer();
  if (server === undefined || extension === undefined) {
    const what = "PostgreSQL is not installed (apt-get install postgresql)";
    return missingProgram(server, what, "tests against a real PostgreSQL");
  }
  const version = /\/(\d+)\/bin\//.exec(server)?.[1] ?? "15";
  const control = `/usr/share/postgresql/${version}/extension/${extension}.control`;
  const what = `PostgreSQL has no ${extension} (apt-get install postgresql-${version}-${extension})`;
  return missingProgram(existsSync(control) ? control : undefined, what, `tests of ${extension}`);
}

/** The newest that Debian installed, else one on the PATH. */
function findServer(): string | undefined {
  const versions = existsSync(installed) ? readdirSync(installed) : [];
  const newestFirst = versions.filter((name) => /^\d+$/.test(name)).sort((a, b) => +b - +a);
  const folders = (process.env.PATH ?? "").split(delimiter);
  return findProgram([
    ...newestFirst.map((version) => join(installed, version, "bin/postgres")),
    ...folders.map((folder) => join(folder, "postgres")),
  ]);
}

/** Makes a cluster, starts it, and waits until it takes connections. */
export async function startPostgres(options: PostgresOptions = {}): Promise<Postgres> {
  const program = findServer();
  if (program === undefined) throw new Error("no PostgreSQL: ask missingPostgres first");
  const port = await freePort();
  const cluster = new Cluster(program, port);
  try {
    await cluster.create(options);
    await cluster.restart();
  } catch (error) {
    const said = cluster.said();
    await cluster.stop();
    throw new Error(`PostgreSQL did not start:\n${said}`, { cause: error });
  }
  return cluster;
}

interface Running {
  readonly child: ChildProcess;
  readonly ended: Promise<void>;
}

class Cluster implements Postgres {
  readonly connection: PostgresConnection;
  readonly url: string;
  readonly socketFolder: string;
  readonly dataFolder: string;
  readonly logFolder: string;
  readonly #program: string;
  readonly #folder: string;
  readonly #user = serverUser();
  #running: Running | undefined;

  constructor(program: string, port: number) {
    this.#program = program;
    // Short: a Unix socket's path has at most 107 bytes.
    this.#folder = mkdtempSync(join(tmpdir(), "cairn-pg-"));
    this.socketFolder = this.#folder;
    this.dataFolder = join(this.#folder, "data");
    this.logFolder = join(this.#folder, "log");
    this.connection = { host: "127.0.0.1", port, user: "postgres", database: "postgres" };
    this.url = `postgres://postgres@127.0.0.1:${port}/postgres`;
  }

  get pid(): number {
    const pid = this.#running?.child.pid;
    if (pid === undefined) throw new Error("PostgreSQL does not run");
    return pid;
  }

  async create({ settings = {}, hba = [] }: PostgresOptions): Promise<void> {
    mkdirSync(this.logFolder);
    if (this.#user !== undefined) {
      for (const folder of [this.#folder, this.logFolder]) {
        chownSync(folder, this.#user.uid, this.#user.gid);
      }
    }
    const initdb = join(dirname(this.#program), "initdb");
    const how = ["--no-sync", "--auth=trust", "--username=postgres", "--encoding=UTF8"];
    const place = ["--locale=C", "-D", this.dataFolder];
    const { child, ended } = this.#spawn(initdb, [...how, ...place]);
    await ended;
    if (child.exitCode !== 0) throw new Error(`initdb ended with ${child.exitCode}`);
    const all = {
      listen_addresses: "127.0.0.1",
      port: String(this.connection.port),
      unix_socket_directories: this.socketFolder,
      log_directory: this.logFolder,
      fsync: "off",
      shared_buffers: "16MB",
      ...settings,
    };
    const lines = Object.entries(all).map(
      ([name, value]) => `${name} = '${value.replaceAll("'", "''")}'\n`,
    );
    appendFileSync(join(this.dataFolder, "postgresql.conf"), lines.join(""));
    const rules = join(this.dataFolder, "pg_hba.conf");
    writeFileSync(rules, `${hba.join("\n")}\n${readFileSync(rules, "utf8")}`);
  }

  /** A postmaster that was killed leaves children for a moment, and until they are gone none can take its place. */
  async restart(): Promise<void> {
    const end = performance.now() + readyMaxMs;
    while (performance.now() < end) {
      const running = this.#spawn(this.#program, ["-D", this.dataFolder]);
      this.#running = running;
      while (running.child.exitCode === null && performance.now() < end) {
        if (this.#isReady(running.child)) return;
        await sleep(10);
      }
      if (!/pre-existing shared memory/.test(this.said())) break;
      await sleep(50);
    }
    throw new Error("it is not ready");
  }

  async crash(): Promise<void> {
    await this.#end("SIGKILL");
  }

  async stop(): Promise<void> {
    await this.#end("SIGQUIT");
    rmSync(this.#folder, { recursive: true, force: true, maxRetries: 5 });
  }

  /** The end of what it wrote on standard error. */
  said(): string {
    const path = join(this.#folder, "output");
    return existsSync(path) ? readFileSync(path, "utf8").slice(-2000) : "";
  }

  /** As pg_ctl sees it: the first line is the process, the eighth how far it is. */
  #isReady({ pid }: ChildProcess): boolean {
    const path = join(this.dataFolder, "postmaster.pid");
    const lines = existsSync(path) ? readFileSync(path, "utf8").split("\n") : [];
    return lines[0] === String(pid) && lines[7]?.trim() === "ready";
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const running = this.#running;
    this.#running = undefined;
    running?.child.kill(signal);
    await running?.ended;
  }

  #spawn(program: string, parameters: readonly string[]): Running {
    const output = openSync(join(this.#folder, "output"), "w");
    const child = spawn(program, parameters, {
      cwd: this.#folder,
      env: { PATH: process.env.PATH, TZ: "UTC", LC_ALL: "C" },
      stdio: ["ignore", output, output],
      ...this.#user,
    });
    closeSync(output);
    // Nothing else would end it if the tests did not get to.
    const quit = (): void => void child.kill("SIGQUIT");
    process.once("exit", quit);
    const ended = new Promise<void>((resolve) => {
      child.once("error", () => resolve());
      child.once("exit", () => resolve());
    });
    return { child, ended: ended.then(() => void process.off("exit", quit)) };
  }
}

/** Whom to run it as, where this process is root. */
function serverUser(): { readonly uid: number; readonly gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const line = /^postgres:[^:]*:(\d+):(\d+):/m.exec(readFileSync("/etc/passwd", "utf8"));
  if (line === null) throw new Error("there is no user postgres to run PostgreSQL as");
  return { uid: Number(line[1]), gid: Number(line[2]) };
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = net.createServer().once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as net.AddressInfo;
      server.close(() => resolve(port));
    });
  });
}
