/**
 * Goal: a process that is killed at any moment loses nothing that it was told is spooled. The next one
 * goes on with its count, and the log ends up with every such event, once, in order, without a gap.
 *
 * Method: a real server in this process; children that log as fast as they can, killed with SIGKILL
 * after a seeded number of events that they were told of, while the network loses answers and the
 * server is away for some of them. At the end a last process delivers what is left.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { test } from "node:test";
import { CairnClient, type LoggedReceipt } from "@cairnlog/client";
import { withSeed, type SeededRandom } from "@cairnlog/testing";
import { FakeLog } from "./fake-log.testing.ts";
import { openSpool } from "./index.ts";

const app = fileURLToPath(new URL("./spool-app.testing.ts", import.meta.url));
const kills = 8;

for (const [seed, durability] of [
  [20_261_124, "os"],
  [20_261_125, "disk"],
] as const) {
  test(`killed ${kills} times, ${durability} (seed ${seed})`, { timeout: 60_000 }, async () => {
    await withSeed(seed, (random) => killAndDeliver(random, durability));
  });
}

async function killAndDeliver(random: SeededRandom, durability: string): Promise<void> {
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
      const args = [app, folder, url, String(random.below(1e9)), durability];
      await runAndKill(args, 1 + random.below(120), told, streams);
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
  args: readonly string[],
  lines: number,
  told: Map<string, string>,
  streams: Set<string>,
): Promise<void> {
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  const exited = once(child, "exit");
  let seen = 0;
  for await (const line of createInterface({ input: child.stdout })) {
    const [first = "", second = ""] = line.split(" ");
    if (first === "stream") streams.add(second);
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
