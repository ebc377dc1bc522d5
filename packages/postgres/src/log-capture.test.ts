/**
 * Goal: whatever ends a capture, at whatever step, the next one goes on: each line is recorded once, and what is sent
 * again is the same to the byte.
 * Method: a log that takes events by id and fails at random, before or after it took them; a capture that is begun anew
 * after each failure, with clocks that jump, so that the window passes at other times than before; files that rotate.
 */
import assert from "node:assert/strict";
import { appendFileSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { withSeed, type SeededRandom } from "@cairnlog/testing";
import { isCairnError } from "@cairnlog/core";
import type { CapturedEvent } from "@cairnlog/capture";
import { captureLogFolder } from "./log-capture.ts";
import { LoggedSession } from "./log-lines.testing.ts";
import type { CaptureSink } from "./sink.ts";

/** A log of our own that says what it was sent. */
class Ledger implements CaptureSink {
  readonly events = new Map<string, string>();
  /** Called before and after the events are taken. */
  fault: () => boolean = () => false;

  record(events: readonly CapturedEvent[]): Promise<void> {
    if (this.fault()) return Promise.reject(new Error("not recorded"));
    for (const { event } of events) {
      const text = JSON.stringify(event);
      const known = this.events.get(event.id!);
      if (known !== undefined && known !== text) {
        return Promise.reject(new Error(`conflict: ${known}\n${text}`));
      }
      this.events.set(event.id!, text);
    }
    return this.fault() ? Promise.reject(new Error("recorded, but not told")) : Promise.resolve();
  }
}

describe("capture of a log folder", () => {
  let root = "";
  const path = (name: string): string => join(root, name);
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), "cairn-jsonlog-"));
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  it("survives any failure of the log at any step, once and to the byte", async () => {
    await withSeed(42, async (random) => {
      for (let round = 0; round < 6; round++) {
        await oneRun(random);
        rmSync(root, { recursive: true, force: true });
        root = mkdtempSync(join(tmpdir(), "cairn-jsonlog-"));
      }
    });
  });

  async function oneRun(random: SeededRandom): Promise<void> {
    const ledger = new Ledger();
    const folder = mkdtempSync(join(root, "log"));
    const file = join(folder, "pg.json");
    const sessions = [new LoggedSession({ id: "s0" }), new LoggedSession({ id: "s1" })];
    let nowMs = 0;
    let expected = 0;
    let rotations = 0;
    for (let n = 1; n <= 25; n++) {
      const s = sessions[random.below(2)]!;
      const lines = [s.misc(`${s.id}/${n}`, "begin"), s.write(`${s.id}/${n}`)];
      if (random.chance(0.7))
        lines.push(s.misc(`${s.id}/${n}`, random.chance(0.5) ? "commit" : "rollback"));
      expected += lines.length;
      appendFileSync(file, `${lines.join("\n")}\n`);
      if (random.chance(0.2)) renameSync(file, join(folder, `pg.json.${++rotations}`));
      ledger.fault = () => random.chance(0.3);
      nowMs += random.below(300);
      await capture(folder, ledger, nowMs).catch((error: unknown) => {
        if (!/^(?:not )?recorded/.test((error as Error).message)) throw error;
      });
    }
    ledger.fault = () => false;
    appendFileSync(file, `${sessions.map((s) => s.disconnection()).join("\n")}\n`);
    await capture(folder, ledger, nowMs);
    const statements = [...ledger.events.keys()].filter((id) => /^s[01]\/[0-9]+$/.test(id));
    assert.equal(statements.length, expected + 2);
  }

  function capture(folder: string, sink: CaptureSink, nowMs: number): Promise<void> {
    return captureLogFolder({
      folder,
      sink,
      stateFile: path("state.json"),
      signal: new AbortController().signal,
      isOnce: true,
      windowMs: 400,
      now: () => nowMs,
    });
  }

  it("keeps lines that wait although their file is gone", async () => {
    const ledger = new Ledger();
    const s = new LoggedSession();
    const folder = mkdtempSync(join(root, "log"));
    writeFileSync(join(folder, "a.json"), `${s.misc("3/1", "begin")}\n${s.write("3/1")}\n`);
    await capture(folder, ledger, 0);
    assert.equal(ledger.events.size, 0);
    rmSync(join(folder, "a.json"));
    writeFileSync(join(folder, "b.json"), `${s.misc("3/1", "rollback")}\n${s.disconnection()}\n`);
    await capture(folder, ledger, 0);
    assert.equal(ledger.events.size, 4);
  });

  it("follows until it is told to stop", async () => {
    const s = new LoggedSession();
    const folder = mkdtempSync(join(root, "log"));
    const stop = new AbortController();
    const seen: string[] = [];
    const sink: CaptureSink = {
      record: (events) => {
        seen.push(...events.map(({ event }) => event.action));
        if (seen.length < 2)
          appendFileSync(join(folder, "a.json"), `${s.write("3/2")}\n${s.disconnection()}\n`);
        else stop.abort();
        return Promise.resolve();
      },
    };
    appendFileSync(join(folder, "a.json"), `${s.write("3/1")}\n${s.duration("3/0")}\n`);
    await captureLogFolder({
      folder,
      sink,
      stateFile: path("state.json"),
      signal: stop.signal,
      pollMs: 1,
    });
    assert.deepEqual(seen, ["UPDATE", "UPDATE", "disconnection"]);
  });

  it("does not begin anew over a state that it cannot read", async () => {
    const folder = mkdtempSync(join(root, "log"));
    for (const [text, code] of [
      ["{", "malformed"],
      ['{"format":"x/9","state":{}}', "unsupported_version"],
    ] as const) {
      writeFileSync(path("state.json"), text);
      await assert.rejects(capture(folder, new Ledger(), 0), (error) => isCairnError(error, code));
    }
  });
});
