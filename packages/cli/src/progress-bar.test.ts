/**
 * Goal: the progress line is right, and only where a person looks.
 * Method: texts at some points; a terminal and a pipe.
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { barText, thousands } from "./progress-bar.ts";
import { Workplace } from "./run-command.testing.ts";

describe("progress", () => {
  it("shows share, count and rate", () => {
    assert.equal(barText(0, 10, 0), `${"░".repeat(30)}   0 %  0 of 10 entries`);
    const half = `${"█".repeat(15)}${"░".repeat(15)}  50 %  1,000,000 of 2,000,000 entries, 500,000/s`;
    assert.equal(barText(1_000_000, 2_000_000, 2000), half);
    assert.match(barText(0, 0, 0), /100 %/);
  });

  it("groups thousands", () => {
    assert.deepEqual([0, 999, 1000, 1_234_567].map(thousands), ["0", "999", "1,000", "1,234,567"]);
  });

  it("is drawn on a terminal alone, and wiped away", async (t) => {
    const work = new Workplace();
    t.after(() => work.remove());
    await work.ok("init --no-key");
    const shown = await work.run("verify", { isTerminal: true });
    assert.match(shown.err, /^\r\S+.* of 1 entries.*\r\S+$/s);
    assert.equal((await work.run("verify")).err, "");
  });
});
