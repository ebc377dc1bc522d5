/**
 * Goal: `cairn verify` ends, and not with 0, whatever is done to what it is given: the exit status is what scripts and
 * timers go by. Method: every file of a log's folder is flipped at places from a fixed seed, cut, removed, and replaced
 * by what is no file; evidence, a proof, a receipt and a checkpoint are flipped and cut. The command, in this process.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, cpSync, mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { statSync, symlinkSync, writeFileSync } from "node:fs";
import { after, before, describe, it } from "node:test";
import { withSeed } from "@cairnlog/testing";
import { Workplace } from "./run-command.testing.ts";

const work = new Workplace();
const log = "cairn-data/main";
const flipsPerFile = 12;
const endsWithinMs = 20_000;

before(async () => {
  await work.ok("init");
  writeFileSync(work.path("vkeys"), await work.ok("logs show --vkeys"));
  const event = JSON.stringify({ type: "api.call", actor: { id: "alice" }, action: "GET" });
  await work.ok("append - --json", { stdin: `${event}\n`.repeat(20) });
  await work.ok('evidence --seq 3-6 --who me --why "case 17" --out a.evidence');
  writeFileSync(work.path("a.proof"), await work.ok("proof 5"));
  const flags = "append --type a.b --actor x --action y --receipt full --json";
  writeFileSync(work.path("a.receipt"), await work.ok(flags));
  cpSync(work.path(`${log}/checkpoint`), work.path("a.checkpoint"));
  cpSync(work.path(log), work.path("whole"), { recursive: true });
  await work.ok("verify whole --vkey vkeys");
});
after(() => work.remove());

async function exitOf(target: string): Promise<number> {
  const interrupted = AbortSignal.timeout(endsWithinMs);
  const { exit } = await work.run(`verify ${target} --vkey vkeys`, { interrupted });
  assert.ok(!interrupted.aborted, `${target}: it ends`);
  return exit;
}

/** The folder again, with `damage` done to the file at `path`. */
async function exitAfter(path: string, damage: (full: string) => void): Promise<number> {
  const copy = work.path("copy");
  rmSync(copy, { recursive: true, force: true });
  cpSync(work.path("whole"), copy, { recursive: true });
  const full = `${copy}/${path}`;
  chmodSync(full, 0o600);
  damage(full);
  return exitOf("copy");
}

function flip(full: string, byte: number): void {
  const bytes = readFileSync(full);
  bytes[byte] = bytes[byte]! ^ 1;
  writeFileSync(full, bytes);
}

function files(): string[] {
  return readdirSync(work.path("whole"), { recursive: true, encoding: "utf8" }).filter(
    (path) => path !== "LOCK" && statSync(work.path(`whole/${path}`)).isFile(),
  );
}

describe("cairn verify ends with 1 or 3", () => {
  it("for a flipped bit in any file of a log", async () => {
    await withSeed(11, async (random) => {
      for (const path of files()) {
        const { size } = statSync(work.path(`whole/${path}`));
        // Of the room that is kept free in a tail and in the ring of commits most is zeros.
        const written = path.startsWith("tail/") ? 6000 : size;
        for (let i = 0; i < flipsPerFile; i++) {
          const byte = random.below(i % 3 === 0 ? size : Math.min(size, written));
          assert.equal(await exitAfter(path, (full) => flip(full, byte)), 1, `${path} at ${byte}`);
        }
      }
    });
  });

  it("for a file that is cut, or not there, or no file", async () => {
    const ways: readonly [string, (full: string) => void][] = [
      ["cut", (full) => writeFileSync(full, readFileSync(full).subarray(0, 10))],
      ["empty", (full) => writeFileSync(full, "")],
      ["gone", (full) => rmSync(full)],
      ["a folder", (full) => (rmSync(full), mkdirSync(full))],
      ["a link to nowhere", (full) => (rmSync(full), symlinkSync("nowhere", full))],
      ["a link to itself", (full) => (rmSync(full), symlinkSync(full, full))],
      ["a pipe", (full) => (rmSync(full), spawnSync("mkfifo", [full]))],
    ];
    for (const path of files()) {
      for (const [what, damage] of ways) {
        const exit = await exitAfter(path, damage);
        // Whoever took a copy home has no private keys, and needs none.
        const isAuditors = path.startsWith("keys/") && /gone|folder|nowhere/.test(what);
        if (isAuditors) assert.equal(exit, 0, `${path}: ${what}`);
        else assert.ok(exit === 1 || exit === 3, `${path}: ${what} ends with ${exit}`);
      }
    }
  });
});

/** As latin1: offsets are those of bytes. */
const signatureBegin = Buffer.from("\n— ").toString("latin1");

/**
 * What is vouched for. Outside of it an evidence's header may claim keys, which nobody believes; and one of two
 * signatures, where it is not the log's any more, is a stranger's: the other one holds.
 */
const vouched: Readonly<Record<string, (text: string) => readonly [number, number]>> = {
  "a.evidence": (text) => [text.indexOf("\nentries\n"), text.length],
  "a.proof": (text) => [0, text.indexOf(signatureBegin)],
  "a.receipt": (text) => [0, text.length],
  "a.checkpoint": (text) => [0, text.indexOf(signatureBegin)],
};

describe("cairn verify does not end with 0", () => {
  for (const [name, range] of Object.entries(vouched)) {
    it(`for ${name}, flipped or cut`, async () => {
      const whole = readFileSync(work.path(name));
      assert.equal(await exitOf(name), 0);
      const [from, to] = range(whole.toString("latin1"));
      await withSeed(12, async (random) => {
        for (let i = 0; i < 40; i++) {
          const isCut = i % 4 === 0;
          const at = isCut ? random.below(whole.length - 1) : from + random.below(to - from - 1);
          const damaged = isCut ? whole.subarray(0, at) : Buffer.from(whole);
          if (!isCut) damaged[at] = damaged[at]! ^ 1;
          writeFileSync(work.path(`damaged-${name}`), damaged);
          const exit = await exitOf(`damaged-${name}`);
          assert.notEqual(exit, 0, `${name} ${isCut ? "cut" : "flipped"} at ${at}`);
        }
      });
    });
  }
});
