/**
 * Goal: the command records a story durably in a real log, says so truly, spares logs that have entries, and can find
 * the attack again.
 * Method: run it on a folder with a small story, and read what it printed and what the log holds.
 */
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { parseEntryHead, parseUtf8 } from "@cairnlog/core";
import { Continuity } from "@cairnlog/log";
import { filesStore } from "@cairnlog/store";
import { FolderLog } from "../folder-log.ts";
import { runDemoData } from "./run-demo-data.ts";

const folder = mkdtempSync(join(tmpdir(), "cairn-demo-data-"));
after(() => rmSync(folder, { recursive: true, force: true }));
const flags = "--seed 5 --days 3 --events 1200 --until 2026-11-20T12:00:00Z --data d".split(" ");

async function run(
  argv: readonly string[],
  isInterrupted = false,
): Promise<{ status: number; out: string }> {
  const controller = new AbortController();
  const lines: string[] = [];
  const print = (line: string): void => {
    lines.push(line);
    // The first thousand events are told before anything else gets its turn.
    if (isInterrupted && line.includes("the same again")) setImmediate(() => controller.abort());
  };
  const io = {
    folder,
    hostName: "box",
    now: () => 1_795_000_000_000,
    interrupted: controller.signal,
    print,
  };
  const status = await runDemoData(argv, { ...io, printError: print });
  return { status, out: lines.join("\n") };
}

async function entries(name = "demo"): Promise<Uint8Array[]> {
  const log = await FolderLog.open(filesStore({ folder: join(folder, "d") }), name);
  const { signal } = new AbortController();
  const all = { from: 0, to: undefined, sinceMs: undefined, untilMs: undefined, limit: undefined };
  const found: Uint8Array[] = [];
  for await (const { bytes } of log.entries({ ...all, follow: false, signal })) found.push(bytes);
  return found;
}

describe("npm run demo:data", () => {
  it("fills a log, says what of, verifies it, and reveals what it was asked for", async () => {
    const { status, out } = await run([...flags, "--reveal"]);
    assert.equal(status, 0, out);
    assert.match(out, /Recorded 1,200 events, durable, in /);
    assert.match(out, /Verified 1,20[1-9] entries: GOOD\./);
    assert.match(out, /--seed 5 --days 3 --events 1200 --until 2026-11-20T12:00:00Z/);
    assert.match(out, /cairn tail .*\n.*cairn evidence .*\n.*cairn sources status /);
    const stored = await entries();
    const continuity = new Continuity(undefined);
    for (const bytes of stored) continuity.add(bytes);
    const { sources } = continuity.report();
    const gaps = sources.flatMap(({ streams }) => streams.filter(({ missing }) => missing > 0));
    assert.deepEqual(
      gaps.map(({ stream }) => stream.split("/")[0]),
      ["customers-prod"],
    );
    const texts = stored.map((bytes) => parseUtf8(bytes));
    assert.equal(texts.filter((text) => text.includes('"type":"source.gap"')).length, 1);
    // What is revealed is what lies there: of each line the seq, the time in the story and the type.
    const revealed = [...out.matchAll(/^ +([0-9]+)  (\S{24})  (\S+) /gm)];
    assert.equal(revealed.length, 56);
    for (const [, seq, time, type] of revealed) {
      const bytes = stored.find((bytes) => String(parseEntryHead(bytes).seq) === seq);
      const event = JSON.parse(parseUtf8(parseEntryHead(bytes!).event)) as Record<string, unknown>;
      assert.deepEqual([event["time"], event["type"]], [time, type]);
    }
  });

  it("touches no log that has entries, unless it is told to", async () => {
    const before = (await entries()).length;
    const refused = await run([...flags.slice(2)]);
    assert.equal(refused.status, 2);
    assert.match(refused.out, /the log demo .* has 1,20[0-9] entries already.*--append/);
    assert.equal((await entries()).length, before);
    // The same story again is recognised, whole; another one follows it.
    const again = await run([...flags, "--append"]);
    assert.match(again.out, /Recorded 0 events.*; 1,200 were there already/);
    assert.match(again.out, /GOOD/);
    const other = await run(["--seed", "6", ...flags.slice(2), "--append"]);
    assert.match(other.out, /Recorded 1,200 events/);
    assert.match(other.out, /GOOD/);
  });

  it("finds the attack again, of each story", async () => {
    const { status, out } = await run(["--reveal", "--data", "d"]);
    assert.equal(status, 0);
    const solutions = [...out.matchAll(/^--seq ([0-9,]+)$/gm)].map(
      ([, seqs]) => seqs!.split(",").length,
    );
    assert.deepEqual(solutions, [56, 56]);
    assert.doesNotMatch(out, /\?  20/);
  });

  it("stops when it is interrupted, and goes on with --append", async () => {
    const cut = await run([...flags, "--log", "cut"], true);
    assert.equal(cut.status, 3);
    assert.match(cut.out, /Recorded 1,000 events[^]*Interrupted/);
    const whole = await run([...flags, "--log", "cut", "--append"]);
    assert.match(whole.out, /Recorded 200 events.*; 1,000 were there already/);
    assert.match(whole.out, /GOOD/);
  });

  it("says what is wrong with its arguments, and makes nothing", async () => {
    for (const argv of [
      ["--events", "1e3"],
      ["--days", "1"],
      ["--until", "noon"],
      ["--sed", "1"],
      ["x"],
    ]) {
      const { status } = await run(["--data", "none", ...argv]);
      assert.equal(status, 2, argv.join(" "));
    }
    assert.equal(existsSync(join(folder, "none")), false);
    assert.equal((await run(["--help"])).status, 0);
  });
});
