/**
 * Real senders of syslog for tests: Debian's rsyslog, syslog-ng and logger, each with a configuration of its own in a
 * folder of its own. They run in the foreground and end with the test.
 *
 * rsyslog: packages rsyslog, rsyslog-relp, rsyslog-openssl. syslog-ng-core cannot be installed beside rsyslog, so that
 * it may also lie unpacked (`dpkg -x`, with libivykis0, libnet1 and libpcre3) in node_modules/.cache/syslog-ng.
 */
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { findProgram, missingProgram } from "@cairnlog/testing";

const unpacked = fileURLToPath(new URL("../../../node_modules/.cache/syslog-ng", import.meta.url));
const rsyslogd = findProgram(["/usr/sbin/rsyslogd"]);
const modules = ["/usr/lib/x86_64-linux-gnu/rsyslog", "/usr/lib/aarch64-linux-gnu/rsyslog"];
const hasModules = modules.some((folder) =>
  ["omrelp.so", "lmnsd_ossl.so"].every((file) => existsSync(join(folder, file))),
);
const syslogNg = findProgram(["/usr/sbin/syslog-ng", `${unpacked}/usr/sbin/syslog-ng`]);

export function missingRsyslog(): string | false {
  const what = "rsyslog is not installed (Debian: rsyslog rsyslog-relp rsyslog-openssl)";
  return missingProgram(hasModules ? rsyslogd : undefined, what, "tests against rsyslog");
}

export function missingSyslogNg(): string | false {
  const what = "syslog-ng is not installed (see packages/cli/src/syslog-senders.testing.ts)";
  return missingProgram(syslogNg, what, "tests against syslog-ng");
}

export function missingLogger(): string | false {
  const path = findProgram(["/usr/bin/logger"]);
  return missingProgram(path, "logger is not installed (Debian: bsdutils)", "tests with logger");
}

export class Senders {
  readonly folder = mkdtempSync(join(tmpdir(), "cairn-syslog-"));
  readonly #children: ChildProcess[] = [];

  path(name: string): string {
    return join(this.folder, name);
  }

  write(name: string, text: string): string {
    writeFileSync(this.path(name), text);
    return this.path(name);
  }

  /** rsyslog with this configuration; `RsyslogConfiguration` is in its own documentation. */
  rsyslog(name: string, configuration: string): ChildProcess {
    const config = this.write(
      `${name}.conf`,
      `global(workDirectory="${this.folder}")\n${configuration}\n`,
    );
    const pid = this.path(`${name}.pid`);
    return this.#start(name, rsyslogd!, ["-n", "-f", config, "-i", pid]);
  }

  syslogNg(name: string, configuration: string): ChildProcess {
    const config = this.write(
      `${name}.conf`,
      `@version: 3.35\noptions { stats-freq(0); };\n${configuration}\n`,
    );
    const own = ["-f", config, "-R", this.path(`${name}.persist`), "-c", this.path(`${name}.ctl`)];
    const args = ["-F", "--no-caps", ...own, "-p", this.path(`${name}.pid`)];
    if (!syslogNg!.startsWith(unpacked)) return this.#start(name, syslogNg!, args);
    const lib = `${unpacked}/usr/lib`;
    const platform = process.arch === "arm64" ? "aarch64-linux-gnu" : "x86_64-linux-gnu";
    const folders = [`${lib}/${platform}`, `${unpacked}/lib/${platform}`, `${lib}/syslog-ng`];
    const modulePath = `--module-path=${lib}/syslog-ng/3.38`;
    return this.#start(name, syslogNg!, [modulePath, ...args], {
      LD_LIBRARY_PATH: folders.join(":"),
    });
  }

  logger(...args: string[]): void {
    const ran = spawnSync("/usr/bin/logger", args, { encoding: "utf8", timeout: 10_000 });
    if (ran.status !== 0) throw new Error(`logger ${args.join(" ")}: ${ran.stderr}`);
  }

  /** What a daemon wrote on standard output and error. */
  output(name: string): string {
    return readFileSync(this.path(`${name}.output`), "utf8");
  }

  async end(child: ChildProcess, signal: NodeJS.Signals = "SIGTERM"): Promise<void> {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, "exit");
    child.kill(signal);
    await exited;
  }

  async close(): Promise<void> {
    await Promise.all(this.#children.map((child) => this.end(child, "SIGKILL")));
    rmSync(this.folder, { recursive: true, force: true });
  }

  #start(
    name: string,
    program: string,
    args: readonly string[],
    env: Record<string, string> = {},
  ): ChildProcess {
    const output = openSync(this.path(`${name}.output`), "a");
    const child = spawn(program, args, {
      stdio: ["ignore", output, output],
      env: { ...process.env, ...env },
    });
    this.#children.push(child);
    return child;
  }
}

/** Makes a CA, and certificates of it, with OpenSSL. */
export function makeCertificates(senders: Senders, names: readonly string[]): void {
  const run = (line: string): void => {
    const ran = spawnSync("openssl", line.split(" "), { cwd: senders.folder, encoding: "utf8" });
    if (ran.status !== 0) throw new Error(`openssl ${line}: ${ran.stderr}`);
  };
  const key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
  run(`req -x509 ${key} -keyout ca.key -out ca.pem -days 2 -subj /CN=ca`);
  for (const name of names) {
    senders.write(`${name}.ext`, `subjectAltName=DNS:${name},IP:127.0.0.1\n`);
    run(`req ${key} -keyout ${name}.key -out ${name}.csr -subj /CN=${name}`);
    run(
      `x509 -req -in ${name}.csr -CA ca.pem -CAkey ca.key -out ${name}.pem -days 2 -extfile ${name}.ext`,
    );
  }
}
