/**
 * Goal: a process that is killed at any moment loses nothing that it was told is spooled. The next one
 * goes on with its count, and the log ends up with every such event, once, in order, without a gap.
 *
 * Method: a real server in this process; children that log as fast as they can, killed with SIGKILL
 * after a seeded number of events that they were told of, while the network loses answers and the
 * server is away for some of them. At the end a last process delivers what is left.
 */
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, realpathSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { test } from "node:test";
import { CairnClient, type LoggedReceipt } from "@cairnlog/client";
import { findProgram, missingProgram, withSeed, type SeededRandom } from "@cairnlog/testing";
import { build } from "esbuild";
import { FakeLog } from "./fake-log.testing.ts";
import { openSpool } from "./index.ts";

const app = fileURLToPath(new URL("./spool-app.testing.ts", import.meta.url));

const bundle = { bundle: true, platform: "node", format: "esm", target: "node20" } as const;

interface Doomed {
  /** Runs the application. */
  readonly command: readonly [string, ...string[]];
  readonly durability: "os" | "disk";
  readonly kills: number;
}

for (const [seed, durability] of [
  [20_261_124, "os"],
  [20_261_125, "disk"],
] as const) {
  test(`killed 8 times, ${durability} (seed ${seed})`, { timeout: 60_000 }, async () => {
    const doomed: Doomed = { command: [process.execPath, app], durability, kills: 8 };
    await withSeed(seed, (random) => killAndDeliver(random, doomed));
  });
}

const folders = (process.env.PATH ?? "").split(delimiter);
const inPath = (name: string): string[] => folders.map((folder) => join(folder, name));
const ours = realpathSync(process.execPath);
/** The oldest Node that the SDK runs on, which is never the project's own. */
const node20 = inPath("node").filter((path) => {
  const isOther = existsSync(path) && realpathSync(path) !== ours;
  return isOther && execFileSync(path, ["--version"], { encoding: "utf8" }).startsWith("v20.");
});
const runtimes: readonly [name: string, paths: string[], args: string[], how: string][] = [
  ["Node 20", node20, [], "put a Node 20 on the PATH"],
  ["Bun", inPath("bun"), ["run"], "npm install --global bun"],
  ["Deno", inPath("deno"), ["run", "--allow-all"], "npm install --global deno"],
];

for (const [name, paths, args, how] of runtimes) {
  const path = findProgram(paths);
  const what = `${name} was not found (${how})`;
  const skip = missingProgram(path, what, `the tests of the SDK on ${name}`);
  test(`the same on ${name}, twice`, { skip, timeout: 60_000 }, async () => {
    const folder = mkdtempSync(join(tmpdir(), "cairn-runtime-"));
    const outfile = join(folder, "app.mjs");
    try {
      await build({ ...bundle, entryPoints: [app], outfile });
      const command: Doomed["command"] = [path!, ...args, outfile];
      const doomed: Doomed = { command, durability: "os", kills: 2 };
      await withSeed(20_261_126, (random) => killAndDeliver(random, doomed));
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
}

async function killAndDeliver(random: SeededRandom, doomed: Doomed): Promise<void> {
  const { command, durability, kills } = doomed;
  const folder = mkdtempSync(join(tmpdir(), "cairn-crash-"));
  const log = new FakeLog();
  const server = createServer((request, response) => {
    void (async () => {
      const pieces: Buffer[] = [];
      for await (const piece of request) pieces.push(piece as Buffer);
      const body = new Uint8Array(Buffer.concat(pieces));
      const isZipped = request.headers["content-encoding"] === "gzip";
      try {
        const sent = isZipped ? body : Buffer.from(body).toString();
        const answer = await log.fetch(request.url!, { body: sent });
        response.writeHead(answer.status, Object.fromEntries(answer.headers));
        response.end(await answer.text());
      } catch {
        request.socket.destroy();
      }
    })();
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const told = new Map<string, string>();
  const streams = new Set<string>();
  try {
    for (let i = 0; i < kills; i++) {
      log.isAway = random.chance(0.4);
      log.losesAnswers = random.chance(0.2);
      const args = [folder, url, String(random.below(1e9)), durability];
      await runAndKill([...command, ...args], 1 + random.below(120), told, streams);
    }
    log.isAway = false;
    log.losesAnswers = false;
    await deliver(folder, log, told);
  } finally {
    server.closeAllConnections();
    server.close();
    rmSync(folder, { recursive: true, force: true });
  }
  assert.equal(streams.size, 1, "each process goes on with the stream of the dead one");
  const [stream] = streams as Set<string> & Iterable<string>;
  const events = log.events.filter(({ sequence }) => sequence.stream === stream);
  assert.deepEqual(
    events.map(({ sequence }) => sequence.number),
    events.map((_, i) => i + 1),
    "every number is there, once, in order",
  );
  assert.ok(told.size > kills, `only ${told.size} events were told of`);
  for (const [number, id] of told) {
    assert.equal(events[Number(number) - 1]?.id, id, `event ${number} is what was spooled`);
  }
}

/** Kills the child once it has said so many lines; it may be doing anything by then. */
async function runAndKill(
  [program, ...args]: readonly [string, ...string[]],
  lines: number,
  told: Map<string, string>,
  streams: Set<string>,
): Promise<void> {
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "inherit"] });
  const exited = once(child, "exit");
  let seen = 0;
  for await (const line of createInterface({ input: child.stdout })) {
    const [first = "", second = ""] = line.split(" ");
    if (first === "stream") streams.add(second);
    else if (first === "refused") assert.equal(second, "overloaded");
    else if (/^[0-9A-Z]{26}$/.test(second)) {
      assert.equal(told.get(first) ?? second, second, `number ${first} was given twice`);
      told.set(first, second);
    }
    if (++seen === lines) child.kill("SIGKILL");
  }
  const [, signal] = (await exited) as [number | null, string | null];
  assert.equal(signal, "SIGKILL", "the child ended by itself");
}

/** One process more, which nobody kills. */
async function deliver(folder: string, log: FakeLog, told: Map<string, string>): Promise<void> {
  const spool = await openSpool(folder);
  const receipts: LoggedReceipt[] = [];
  const client = new CairnClient({
    url: "http://127.0.0.1:1",
    spool,
    fetch: log.fetch,
    onReceipt: (receipt) => receipts.push(receipt),
  });
  await client.flush();
  await client.close();
  for (const { seq, eventId } of receipts) {
    assert.equal(log.events[seq]?.id, eventId, "a receipt names the place of its event");
  }
  assert.ok(log.texts.length >= told.size);
}
