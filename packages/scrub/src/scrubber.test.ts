/**
 * Goal: in a process as it runs, damage of any kind of file is seen within a moment, recorded in the log, shown in its
 * status and sent to the webhook; a log goes on where sealed history is damaged, and stops where it signs from what is
 * damaged, with its last entry telling why. Also a write through a mapping, which no notification tells of.
 * Method: the real thread, real files and the real clock, with deadlines; a mapping made by a program where one is at
 * hand.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { isCairnError, parseEntry, parseUtf8 } from "@cairnlog/core";
import { openLog, readNdjson, type Log } from "@cairnlog/log";
import { filesStore } from "@cairnlog/store";
import {
  append,
  copyOf,
  events,
  flip,
  logName,
  makeLog,
  removeFolders,
} from "./log-folder.testing.ts";
import { Scrubber } from "./scrubber.ts";
import type { Post } from "./webhook.ts";

const deadlineMs = 10_000;
const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const sealed = "sealed/0000000000000000";

let template = "";
before(async () => {
  template = await makeLog(66_000);
});
after(removeFolders);

interface Running {
  readonly folder: string;
  readonly log: Log;
  readonly scrubber: Scrubber;
  readonly lines: string[];
  readonly sent: { readonly type: string; readonly data: Record<string, unknown> }[];
  stop(): Promise<void>;
}

async function run(passMs = 100): Promise<Running> {
  const data = copyOf(template);
  const log = await openLog(filesStore({ folder: data }), logName);
  const lines: string[] = [];
  const sent: Running["sent"] = [];
  const post: Post = (_url, { body }) => {
    sent.push(JSON.parse(body) as (typeof sent)[number]);
    return Promise.resolve({ status: 200 });
  };
  const scrubber = new Scrubber({
    ...{ lookMs: 50, passMs, bytesPerSecond: 64 * 1024 * 1024 },
    say: (line) => void lines.push(line),
    webhook: { url: "https://ops.example.com", secret, post },
  });
  const folder = join(data, logName);
  await scrubber.watch(log, folder);
  const stop = async (): Promise<void> => {
    await scrubber.close();
    await log.close();
  };
  return { folder, log, scrubber, lines, sent, stop };
}

async function until(isSo: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const end = performance.now() + deadlineMs;
  while (!(await isSo())) {
    assert.ok(performance.now() < end, `not within ${deadlineMs} ms: ${what}`);
    await sleep(5);
  }
}

/** Type and details of the log's newest entry. */
async function lastEvent(log: Log): Promise<{ type: string; details: Record<string, unknown> }> {
  const { event } = parseEntry((await log.entry(log.status().size - 1)).bytes);
  return JSON.parse(parseUtf8(event)) as { type: string; details: Record<string, unknown> };
}

describe("scrubber", () => {
  it("sealed history: an alarm, an entry, a message; appending goes on; and all of it ends", async () => {
    const { folder, log, lines, sent, stop } = await run();
    await until(() => (log.status().scrubbing?.passes ?? 0) > 0, "a first pass");
    const { size } = log.status();
    flip(join(folder, sealed), 5000);
    await until(() => log.status().alarms.length === 1, "an alarm");
    const [alarm] = log.status().alarms;
    assert.equal(alarm?.code, "tampered");
    assert.equal(alarm.place.path, sealed);
    await until(() => log.status().size > size, "an entry");
    const event = await lastEvent(log);
    assert.equal(event.type, "system.tamper");
    assert.equal(event.details.file, sealed);
    assert.equal(event.details.stopsAppending, false);
    assert.equal(typeof event.details.lastGood, "string");
    await until(() => sent.length === 1, "a message");
    assert.equal(sent[0]?.type, "system.tamper");
    assert.equal(sent[0].data.seq, event.details.seq);
    assert.match(lines[0] ?? "", /^cairn: alarm: sealed\/0+ of the log main was changed/);
    await append(log, 100_000, 5);
    flip(join(folder, sealed), 5000);
    await until(() => log.status().alarms.length === 0, "the end of the alarm");
    await until(async () => (await lastEvent(log)).type === "system.repaired", "an entry");
    assert.equal(log.status().failure, undefined);
    await stop();
  });

  for (const path of ["tail/0000000000065536", "keys/ed25519.pem"]) {
    it(`${path}: recorded, then the log stops and says why; reading goes on`, async () => {
      const { folder, log, stop } = await run();
      flip(join(folder, path), 50);
      await until(() => log.status().failure !== undefined, "the log stops");
      await assert.rejects(
        log.append(readNdjson(events(0, 1)), "api"),
        (error) => isCairnError(error, "tampered") && error.place.path === path,
      );
      const { type, details } = await lastEvent(log);
      assert.equal(type, "system.tamper");
      assert.equal(details.stopsAppending, true);
      assert.equal((await log.entry(1000)).seq, 1000);
      await stop();
    });
  }

  it("a write through a mapping, also when the page was touched before", async (context) => {
    const program = `
import mmap, os, sys, time
f = os.open(sys.argv[1], os.O_RDWR)
m = mmap.mmap(f, 0)
m[9000] = m[9000]
time.sleep(0.3)
m[9000] = m[9000] ^ 0xff
`;
    const { folder, log, stop } = await run(600_000);
    await until(() => (log.status().scrubbing?.passes ?? 0) > 0, "the only pass");
    const { size } = log.status();
    const child = spawn("python3", ["-c", program, join(folder, sealed)], { stdio: "ignore" });
    const status = await new Promise<unknown>((resolve) => {
      child.once("exit", resolve).once("error", resolve);
    });
    if (status !== 0) {
      context.skip("no python3 here");
      await stop();
      return;
    }
    await until(() => log.status().alarms.length === 1, "an alarm");
    assert.equal(log.status().alarms[0]?.place.path, sealed);
    await until(() => log.status().size > size, "an entry");
    assert.equal((await lastEvent(log)).details.by, "watch");
    await stop();
  });
});
