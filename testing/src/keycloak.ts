/**
 * A real Keycloak for tests: Maven's `org.keycloak:keycloak-quarkus-dist`, on a Java of the machine (17 or later), with
 * its database in memory. `.ci/run` installs it where this file looks for it; so do
 *
 *     mvn --quiet dependency:copy -Dartifact=org.keycloak:keycloak-quarkus-dist:26.4.7:zip -DoutputDirectory=/tmp/kc
 *     python3 -m zipfile -e /tmp/kc/keycloak-quarkus-dist-26.4.7.zip /tmp/kc
 *     sh /tmp/kc/keycloak-26.4.7/bin/kc.sh build --db=dev-mem
 *     cp -R /tmp/kc/keycloak-26.4.7 node_modules/.cache/keycloak
 *
 * It takes some 20 seconds to start, most of them for the tables of its database. Each start has a folder of its own,
 * so several may run at once.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { findProgram, missingProgram } from "./programs.ts";

const installed = fileURLToPath(new URL("../../node_modules/.cache/keycloak", import.meta.url));
/** Built before it was put here: a start would otherwise have to build, and into the folder that all share. */
const program = join(installed, "lib/quarkus-run.jar");
const readyMaxMs = 80_000;
const admin = { username: "admin", password: "not-a-secret" };

export interface KeycloakOptions {
  /** Further flags of `kc.sh start`, as `--log=console,syslog`. */
  readonly flags?: readonly string[];
  /** What it writes on standard output, as it comes: its log, one JSON object a line, events among it. */
  readonly onOutput?: (chunk: Buffer) => void;
}

export interface KeycloakAnswer {
  readonly status: number;
  /** Undefined where there was none. */
  readonly body: unknown;
  /** The last part of the Location header: the id of what was created. */
  readonly createdId: string | undefined;
}

export interface Keycloak {
  /** `<url>/realms/<realm>` is a realm's issuer. */
  readonly url: string;
  /** Its Admin REST API: `admin("POST", "/shop/users", {…})`. Rejects where the status is no success. */
  admin(method: string, path: string, body?: unknown): Promise<KeycloakAnswer>;
  /** The token endpoint of a realm, with what a client would send; whatever it answers. */
  token(realm: string, parameters: Readonly<Record<string, string>>): Promise<KeycloakAnswer>;
  stop(): Promise<void>;
}

/** As `missingProgram` says it. */
export function missingKeycloak(): string | false {
  const what = "Keycloak, or a Java to run it, is not installed (see testing/src/keycloak.ts)";
  const path = existsSync(program) ? findJava() : undefined;
  return missingProgram(path, what, "tests against a real Keycloak");
}

function findJava(): string | undefined {
  const folders = (process.env.PATH ?? "").split(delimiter);
  return findProgram(folders.map((folder) => join(folder, "java")));
}

/** Starts one on a free port of loopback, and waits until it answers. */
export async function startKeycloak(options: KeycloakOptions = {}): Promise<Keycloak> {
  const java = findJava();
  if (java === undefined) throw new Error("Keycloak is not installed: ask missingKeycloak first");
  const folder = mkdtempSync(join(tmpdir(), "cairn-keycloak-"));
  for (const name of ["conf", "lib", "providers", "themes"]) {
    symlinkSync(join(installed, name), join(folder, name));
  }
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const child = spawn(java, programArguments(folder, port, options.flags ?? []), {
    cwd: folder,
    env: {
      PATH: process.env.PATH,
      KC_BOOTSTRAP_ADMIN_USERNAME: admin.username,
      KC_BOOTSTRAP_ADMIN_PASSWORD: admin.password,
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const said = recentOutput(child);
  if (options.onOutput !== undefined) child.stdout.on("data", options.onOutput);
  // Nothing else would end it if the tests did not get to.
  const kill = (): void => void child.kill("SIGKILL");
  process.once("exit", kill);
  const closed = new Promise<void>((resolve) => child.once("close", () => resolve()));
  const stop = async (): Promise<void> => {
    // Its database is in memory: there is nothing to be polite about.
    kill();
    await closed;
    process.off("exit", kill);
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    await waitReady(url, child);
  } catch (error) {
    await stop();
    throw new Error(`Keycloak did not start:\n${said()}`, { cause: error });
  }
  return { url, stop, ...callsOf(url) };
}

/** As bin/kc.sh has it, but for the compiler: a test is over before the optimizing one pays off. */
function programArguments(folder: string, port: number, flags: readonly string[]): string[] {
  return [
    "-XX:TieredStopAtLevel=1",
    "-XX:+UseSerialGC",
    "-Xmx512m",
    "-Dfile.encoding=UTF-8",
    "-Djava.util.logging.manager=org.jboss.logmanager.LogManager",
    "-Dpicocli.disable.closures=true",
    `-Dkc.home.dir=${folder}`,
    `-Djboss.server.config.dir=${join(folder, "conf")}`,
    ...["java.util", "java.util.concurrent", "java.security"].map(
      (name) => `--add-opens=java.base/${name}=ALL-UNNAMED`,
    ),
    "-cp",
    join(folder, "lib/quarkus-run.jar"),
    "io.quarkus.bootstrap.runner.QuarkusEntryPoint",
    "start",
    "--optimized",
    "--cache=local",
    "--http-enabled=true",
    "--http-host=127.0.0.1",
    `--http-port=${port}`,
    "--hostname-strict=false",
    "--log-console-output=json",
    "--spi-events-listener--jboss-logging--success-level=info",
    ...flags,
  ];
}

function callsOf(url: string): Pick<Keycloak, "admin" | "token"> {
  const token: Keycloak["token"] = async (realm, parameters) => {
    const body = new URLSearchParams(parameters);
    const path = `${url}/realms/${realm}/protocol/openid-connect/token`;
    return await answerOf(await fetch(path, { method: "POST", body }));
  };
  return {
    token,
    admin: async (method, path, body) => {
      // A token lives for a minute: one for each call is simpler than knowing when.
      const asked = { grant_type: "password", client_id: "admin-cli", ...admin };
      const { access_token: bearer } = (await token("master", asked)).body as {
        access_token: string;
      };
      const answer = await fetch(`${url}/admin/realms${path}`, {
        method,
        headers: { authorization: `Bearer ${bearer}`, "content-type": "application/json" },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      const read = await answerOf(answer);
      if (answer.ok) return read;
      throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(read.body)}`);
    },
  };
}

async function answerOf(response: Response): Promise<KeycloakAnswer> {
  const text = await response.text();
  return {
    status: response.status,
    body: text === "" ? undefined : (JSON.parse(text) as unknown),
    createdId: response.headers.get("location")?.split("/").at(-1),
  };
}

/** The end of all that it says, for when it does not start. */
function recentOutput(child: ChildProcess): () => string {
  let recent = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on("data", (chunk: Buffer) => {
      recent = (recent + chunk.toString()).slice(-4000);
    });
  }
  return () => recent;
}

async function waitReady(url: string, child: ChildProcess): Promise<void> {
  const deadline = performance.now() + readyMaxMs;
  while (performance.now() < deadline) {
    if (child.exitCode !== null) throw new Error(`it ended with ${child.exitCode}`);
    try {
      const { status } = await fetch(`${url}/realms/master`, {
        signal: AbortSignal.timeout(10_000),
      });
      if (status === 200) return;
    } catch {
      // It does not listen yet.
    }
    await sleep(100);
  }
  throw new Error("it did not answer in time");
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
