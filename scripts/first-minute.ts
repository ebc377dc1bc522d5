/**
 * What `npm start` runs, under the project's own Node: a log in ./cairn-data, a server on loopback,
 * real events in it, all of it verified; then it tells what to try, and serves until Ctrl-C. A
 * second start goes on with the same log.
 *
 *     npm start -- --data <folder>     another data folder
 *     npm start -- --port <port>       this port, instead of a free one
 */
import { chmodSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { createServer as createSocket } from "node:net";
import { hostname } from "node:os";
import { join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { defaultOrigin, FolderRegistry } from "@cairnlog/cli";
import { errorTable, fingerprint, isCairnError, parseVkey, utf8 } from "@cairnlog/core";
import { nodeCrypto } from "@cairnlog/crypto";
import { readNdjson, systemClock, type Log } from "@cairnlog/log";
import {
  apiKeysPath,
  createKey,
  createServer,
  keyRing,
  listKeys,
  type CairnServer,
} from "@cairnlog/server";
import { filesStore } from "@cairnlog/store";
import { verifyDirectory } from "@cairnlog/verify";
import { curlLine, tamperLine } from "./first-minute/demonstration.ts";
import { readGitHistory } from "./first-minute/git-history.ts";
import { readNpmInstalls, readPackageHistory } from "./first-minute/package-history.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const logName = "main";
const batchEvents = 1000;
const interrupted = catchSignals();

try {
  process.exitCode = await firstMinute();
} catch (error) {
  if (!isCairnError(error)) throw error;
  const { exit, todo } = errorTable[error.code];
  console.error(`\n${error.message}. ${todo}`);
  if (error.code === "locked")
    console.error("Perhaps `npm start` is running already, in another terminal.");
  process.exitCode = exit;
}

async function firstMinute(): Promise<number> {
  const { values } = parseArgs({ options: { data: { type: "string" }, port: { type: "string" } } });
  const data = resolve(root, values.data ?? "cairn-data");
  const failed = Promise.withResolvers<Error>();
  const registry = new FolderRegistry(filesStore({ folder: data }), hostname(), {
    onFailure: failed.resolve,
  });
  let server: CairnServer | undefined;
  try {
    const isNew = !existsSync(join(data, logName));
    await registry.openAll((line) => console.error(line));
    const log =
      registry.get(logName) ??
      (await registry.create({ name: logName, origin: defaultOrigin(hostname(), logName) }));
    const key = ensureKey(data);
    server = await createServer({
      logs: registry,
      keys: keyRing(apiKeysPath(data), systemClock),
      logger: { write: (line) => /^\{"level":[56]0/.test(line) && process.stderr.write(line) },
    });
    const port = await choosePort(join(data, "first-minute.port"), values.port);
    const url = await server.listen({ host: "127.0.0.1", port });
    writeFileSync(join(data, "first-minute.port"), new URL(url).port);
    console.log(
      isNew ? `A new log ${logName} in ${data}` : `Going on with the log ${logName} in ${data}`,
    );
    await recordAll(log);
    await showVerdict(log, data);
    showWhatToTry(url, key, data);
    const failure = await Promise.race([failed.promise, whenAborted(interrupted)]);
    if (failure !== undefined) throw failure;
    console.log("\nStopping.");
    return 0;
  } finally {
    await server?.stop();
    await registry.closeAll();
  }
}

async function recordAll(log: Log): Promise<void> {
  const git = await readGitHistory(root);
  if ("why" in git) console.log(`  ${git.why}`);
  const packages = readPackageHistory();
  if (git.events.length > 0)
    await record(log, "git", git.events, "commits of this checkout, as deployment.commit");
  if (packages !== undefined) {
    await record(
      log,
      "packages",
      packages.events,
      `changes of packages, told by ${packages.name}, as change.*`,
    );
  }
  if (git.events.length > 0 || packages !== undefined) return;
  const { events } = readNpmInstalls(root);
  await record(log, "packages", events, "packages that npm has installed here, as change.install");
}

/** Appends the events and says what became of them. */
async function record(
  log: Log,
  source: string,
  events: readonly object[],
  what: string,
): Promise<void> {
  let [added, known, refused] = [0, 0, 0];
  const beganMs = performance.now();
  for (let at = 0; at < events.length && !interrupted.aborted; at += batchEvents) {
    const lines = events.slice(at, at + batchEvents).map((event) => `${JSON.stringify(event)}\n`);
    const appended = await log.append(readNdjson(utf8(lines.join(""))), source);
    for (let i = 0; i < appended.count; i++) {
      if (appended.refusal(i) !== undefined) refused++;
      else if (appended.isDuplicate(i)) known++;
      else added++;
    }
  }
  const ms = Math.max(1, Math.round(performance.now() - beganMs));
  const before = known === 0 ? "" : `, ${known} were there already`;
  const bad = refused === 0 ? "" : `, ${refused} were refused because they are no valid events`;
  console.log(`  recorded ${added} ${what}${before}${bad} (${ms} ms, durable)`);
}

/** Checks the files from outside, as anybody could, while the server goes on. */
async function showVerdict(log: Log, data: string): Promise<void> {
  await log.publish();
  const report = await verifyDirectory(join(data, logName), { signal: interrupted });
  const word = report.ok ? "GOOD" : "BAD";
  console.log(`\nVerified ${report.entriesChecked} entries: ${word}. ${report.summary}`);
  const [vkey] = log.vkeys;
  if (vkey !== undefined) {
    console.log(
      `  fingerprint ${fingerprint(nodeCrypto.sha256, parseVkey(nodeCrypto.sha256, vkey))}`,
    );
  }
  for (const { message } of report.problems.slice(0, 5))
    console.log(`  ${JSON.stringify(message)}`);
}

function showWhatToTry(url: string, key: string, data: string): void {
  const shown = relative(root, data);
  const tamper = tamperLine(join(data, logName), shown.startsWith("..") ? data : shown);
  console.log(
    [
      "",
      `  URL      ${url}`,
      `  API key  ${key}`,
      "",
      "Append an event and see its proof:",
      "",
      `  ${curlLine(url, key)}`,
      "",
      ...(tamper === undefined
        ? []
        : ["Change a byte in a copy and see it found:", "", `  ${tamper}`, ""]),
      `Look around: npx cairn tail -n 20 --data ${shown.startsWith("..") ? data : shown}`,
      "See what an administrator could do, and who would notice: npx cairn demo attack",
      "Ctrl-C stops the server; npm start goes on with the same log.",
    ].join("\n"),
  );
}

/** The key of the last start, if it still holds; or a new one, kept for the next start. */
function ensureKey(data: string): string {
  const path = join(data, "first-minute.key");
  const kept = existsSync(path) ? readFileSync(path, "utf8").trim() : "";
  const id = /^cairn_([a-z0-9]+)_/.exec(kept)?.[1];
  if (id !== undefined && listKeys(data).some((key) => key.id === id)) return kept;
  const { token } = createKey(data, {
    source: "first-minute",
    logs: ["*"],
    scopes: ["write", "read"],
    description: "made by npm start; kept in first-minute.key",
  });
  writeFileSync(path, `${token}\n`, { mode: 0o600 });
  // The mode above is for a new file only.
  chmodSync(path, 0o600);
  return token;
}

/** The port that was asked for, or that of the last start if it is free, or any. */
async function choosePort(path: string, asked: string | undefined): Promise<number> {
  const text = asked ?? (existsSync(path) ? readFileSync(path, "utf8").trim() : "");
  if (!/^[0-9]{1,5}$/.test(text)) return 0;
  const port = Number.parseInt(text, 10);
  return asked !== undefined || (await isFree(port)) ? port : 0;
}

function isFree(port: number): Promise<boolean> {
  return new Promise((done) => {
    const socket = createSocket();
    socket.once("error", () => done(false));
    socket.listen({ port, host: "127.0.0.1" }, () => socket.close(() => done(true)));
  });
}

/** Aborts at the first signal; a second one ends the process as if nobody had caught it. */
function catchSignals(): AbortSignal {
  const controller = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(signal, () => {
      if (!controller.signal.aborted) return controller.abort();
      process.removeAllListeners(signal);
      process.kill(process.pid, signal);
    });
  }
  return controller.signal;
}

function whenAborted(signal: AbortSignal): Promise<undefined> {
  return new Promise((done) => {
    if (signal.aborted) return done(undefined);
    signal.addEventListener("abort", () => done(undefined), { once: true });
  });
}
