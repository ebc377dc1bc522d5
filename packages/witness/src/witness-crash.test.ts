/**
 * Goal: what a witness cosigned it never forgets, whenever it is killed: no log gets back to a smaller size, or to
 * another root, and its cosignatures' times do not go back either.
 * Method: a real process under load from several logs at once, SIGKILL after a number of answers drawn from a seed, ten
 * times on one folder. After each start the witness is asked what it holds, and compared with every answer before.
 */
import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { it } from "node:test";
import { fileURLToPath } from "node:url";
import {
  isCairnError,
  parseTreeSizeBody,
  parseVkey,
  utf8,
  verifyCheckpoint,
  type Vkey,
} from "@cairnlog/core";
import { nodeCrypto } from "@cairnlog/crypto";
import { withSeed, type SeededRandom } from "@cairnlog/testing";
import { readCosignerNames } from "./cosigner-keys.ts";
import { GrowingLog } from "./growing-log.testing.ts";
import { freshFolder, pathOf } from "./running-witness.testing.ts";
import { Witness } from "./witness.ts";

const rounds = 10;
const compileCache = freshFolder();
const child = fileURLToPath(new URL("crashing-witness.testing.ts", import.meta.url));

/** What the test knows of one log: the largest size that was ever answered with a cosignature, and its time. */
interface Known {
  readonly log: GrowingLog;
  size: number;
  timestamp: number;
}

interface Running {
  readonly process: ChildProcess;
  readonly url: string;
}

async function start(folder: string, logs: readonly Known[]): Promise<Running> {
  const vkeys = logs.flatMap(({ log }) => log.vkeys);
  const started = spawn(process.execPath, [child, folder, ...vkeys], {
    stdio: ["ignore", "pipe", "inherit"],
    // Eleven starts of the same code.
    env: { NODE_COMPILE_CACHE: compileCache },
  });
  const [url] = (await once(createInterface({ input: started.stdout }), "line")) as [string];
  return { process: started, url };
}

async function post(url: string, body: string): Promise<{ status: number; body: string }> {
  const response = await fetch(`${url}/add-checkpoint`, { method: "POST", body });
  return { status: response.status, body: await response.text() };
}

/** Grows one log, one or a few entries at a time, until the witness is gone. */
async function grow(
  known: Known,
  url: string,
  random: SeededRandom,
  onAnswer: () => void,
): Promise<void> {
  const { log } = known;
  for (let i = 0; i < 100_000; i++) {
    const size = known.size + 1 + random.below(3);
    let answer: { status: number; body: string };
    try {
      answer = await post(url, await log.request(known.size, size));
    } catch {
      return;
    }
    assert.equal(answer.status, 200, answer.body);
    known.size = size;
    onAnswer();
  }
}

/** What the witness holds of the log, which must be no less than what it has answered. */
async function check(known: Known, url: string, witnessKey: Vkey): Promise<void> {
  const { log } = known;
  const { status, body } = await post(url, await log.request(1, 1));
  // A log of which nothing was ever cosigned holds size 0, which is not 1 either.
  if (status !== 409) assert.equal(status, known.size <= 1 ? 200 : 409, body);
  const held = status === 409 ? parseTreeSizeBody(utf8(body)) : 1;
  assert.ok(held >= known.size, `${log.origin} went back from ${known.size} to ${held}`);
  known.size = held;
  if (held === 0) return;
  const note = utf8(await (await fetch(url + pathOf(log))).text());
  const keys = [parseVkey(nodeCrypto.sha256, log.vkeys[0]!), witnessKey];
  const { checkpoint, verified } = await verifyCheckpoint(nodeCrypto, note, keys, log.origin);
  assert.equal(verified.length, 2);
  assert.deepEqual([checkpoint.size, checkpoint.root], [held, log.root(held)]);
  const timestamp = verified.find(({ vkey }) => vkey === witnessKey)?.timestamp ?? 0;
  assert.ok(timestamp >= known.timestamp && timestamp > 0);
  known.timestamp = timestamp;
}

it("a witness that is killed under load never goes back, and lets nobody else in meanwhile", () =>
  withSeed(20_261_124, async (random) => {
    const folder = freshFolder();
    const logs = Array.from({ length: 6 }, (_, i): Known => ({
      log: new GrowingLog(`example.com/${i}`),
      size: 0,
      timestamp: 0,
    }));
    let answers = 0;
    for (let round = 0; round <= rounds; round++) {
      const running = await start(folder, logs);
      const exited = once(running.process, "exit");
      try {
        const witnessKey = parseVkey(nodeCrypto.sha256, readCosignerNames(folder).vkeys[0]!);
        for (const known of logs) await check(known, running.url, witnessKey);
        const pid = String(running.process.pid);
        const clock = { now: () => 0, monotonic: () => 0 };
        assert.throws(
          () => Witness.open({ folder, clock }),
          (error) => isCairnError(error, "locked") && error.message.includes(`process ${pid}`),
        );
        let left = 1 + random.below(40);
        const load = logs.map((known) =>
          grow(known, running.url, random.fork(), () => {
            answers++;
            if (--left === 0) running.process.kill("SIGKILL");
          }),
        );
        await Promise.all(load);
      } finally {
        running.process.kill("SIGKILL");
        await exited;
      }
    }
    assert.ok(answers > 100, `only ${answers} answers`);
  }));
