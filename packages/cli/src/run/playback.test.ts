/**
 * Goal: a recording is played with its timing and cannot do to a terminal what only its owner may: make it answer,
 * write to its clipboard or title. Method: the filter over sequences, whole and cut at every place; `cairn replay` on
 * what `cairn run` recorded.
 */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { Workplace } from "../run-command.testing.ts";
import { DrawingFilter, play, terminalReset } from "./playback.ts";
import { OpenLine, Redaction } from "./redaction.ts";

const work = new Workplace();
after(() => work.remove());

const kept = [
  "plain text, ümläut 石\r\n\t\b",
  "\u001b[1;31mred\u001b[0m",
  "\u001b[2J\u001b[H\u001b[10;20H\u001b[K",
  "\u001b[?25l\u001b[?1049h\u001b[?25h",
  "\u001b7\u001b8\u001bM\u001b(B",
];
const dropped = [
  "\u001b]0;title\u0007",
  "\u001b]52;c;aGFybQ==\u001b\\",
  "\u001bP+q544e\u001b\\",
  "\u001b_apc\u001b\\",
  "\u001b[c",
  "\u001b[6n",
  "\u001b[>0q",
  "\u001b[21t",
  "\u001b[?2004h",
  "\u001bZ",
  "\u009b6n",
  "\u009d0;title\u009c",
  "\u0005\u0007\u007f",
];

describe("playback", () => {
  it("lets through what draws, and nothing else, however it is cut", () => {
    const text = kept.flatMap((each, i) => [each, ...dropped.slice(i * 3, i * 3 + 3)]).join("");
    for (let cut = 0; cut <= text.length; cut++) {
      const filter = new DrawingFilter();
      assert.equal(filter.take(text.slice(0, cut)) + filter.take(text.slice(cut)), kept.join(""));
    }
  });

  it("a sequence that never ends does not take everything with it", () => {
    const filter = new DrawingFilter();
    assert.ok(filter.take(`\u001b]${"x".repeat(5000)}`).endsWith("xxx"));
  });

  it("keeps the timing, but cuts pauses", async () => {
    const events = [0, 30, 60_030].map((timeMs) => ({ timeMs, code: "o", text: `${timeMs} ` }));
    const sinceMs = performance.now();
    let shown = "";
    const write = (text: string): Promise<void> => {
      shown += text;
      return Promise.resolve();
    };
    const { signal } = new AbortController();
    await play([...events, { timeMs: 60_031, code: "r", text: "1x1" }], write, {
      ...{ speed: 2, pauseMsMax: 50, signal },
    });
    const tookMs = performance.now() - sinceMs;
    assert.equal(shown, "0 30 60030 ");
    assert.ok(tookMs >= 38 && tookMs < 10_000, `${tookMs} ms`);
  });
});

describe("redaction", () => {
  const redacted = (pieces: readonly string[]): string => {
    const line = new OpenLine(new Redaction(["s[e3]cret", "key=\\S+"]));
    const all = pieces.flatMap((text) => line.add(text));
    line.end();
    assert.ok(all.every(({ isSettled }) => isSettled));
    return all.map(({ text }) => text).join("");
  };
  const text = "a secret, s3cret\nkey=secret b\nsecr";
  const expected = "a [redacted], [redacted]\n[redacted] b\nsecr";

  it("finds what is cut into two or three pieces", () => {
    for (let i = 0; i <= text.length; i++) {
      for (let j = i; j <= text.length; j++) {
        assert.equal(redacted([text.slice(0, i), text.slice(i, j), text.slice(j)]), expected);
      }
    }
  });

  it("finds it over the cuts of a line that never ends", () => {
    for (const length of [8185, 8190, 65_530, 69_630]) {
      const pad = "x".repeat(length);
      const long = `${pad} secret ${pad} secret ${pad}`;
      assert.equal(redacted([long]), long.replaceAll("secret", "[redacted]"), String(length));
    }
  });

  it("refuses what is no regular expression", () => {
    assert.throws(() => new Redaction(["("]), { code: "usage", message: /^--redact: / });
  });
});

describe("cairn replay", { skip: process.platform === "win32" }, () => {
  before(async () => {
    await work.ok("init");
    const env = { HOME: work.folder, PATH: process.env["PATH"] ?? "" };
    const ran = await work.run(["run", "--", "printf", "one \\033]0;t\\007two\\n"], { env });
    assert.equal(ran.exit, 0);
  });

  it("plays on a terminal what draws, and puts the terminal right", async () => {
    const out = await work.ok("replay 2 --speed 10", { isTerminal: true });
    assert.equal(out, `one two\n${terminalReset}`);
  });

  it("gives all of it to a file", async () => {
    assert.equal(await work.ok("replay 2"), "one \u001b]0;t\u0007two\n");
  });

  const mistakes: readonly (readonly [string, RegExp])[] = [
    ["replay 1", /entry 1 names no recording: a run's is in the entry that says how it ended/],
    ["replay 2 --speed 0", /--speed: expected a number as 2 or 0\.5/],
    ["replay 2 --speed fast", /--speed/],
    ["replay x", /seq: expected a whole number/],
  ];
  for (const [line, expected] of mistakes) {
    it(`says what is wrong with: cairn ${line}`, async () => {
      const { exit, err } = await work.run(line);
      assert.equal(exit, 2);
      assert.match(err, expected);
    });
  }
});
