/**
 * Goal: the tour as a command: readable on a terminal of 60 columns and more, one line a scene for machines, exit
 * statuses that a script can rely on, and an end at once when it is asked for. Method: the command in this process, and
 * the showing of made-up happenings.
 */
import assert from "node:assert/strict";
import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { PassThrough, Writable } from "node:stream";
import { after, describe, it } from "node:test";
import { stripVTControlCharacters } from "node:util";
import type { Io } from "../io.ts";
import { Output } from "../output.ts";
import { Workplace } from "../run-command.testing.ts";
import { Pace } from "./pace.ts";
import type { Happening, SceneResult } from "./scene.ts";
import { duration, Show, wrapText } from "./show.ts";

const work = new Workplace();
after(() => work.remove());

interface SceneLine {
  readonly scene: number;
  readonly ok: boolean;
  readonly folder?: string;
  readonly attacks: readonly string[];
  readonly observations: readonly { readonly outcome: string; readonly ms?: number }[];
  readonly evidence: readonly { readonly path: string }[];
  readonly limits: readonly string[];
}

describe("cairn demo attack", () => {
  it("--json is one line a scene; --keep keeps the evidence, and says where", async (t) => {
    const out = await work.ok("demo attack --scene 2 --scene 9 --json --keep");
    const lines = out.trimEnd().split("\n");
    const [second, ninth] = lines.map((line) => JSON.parse(line) as SceneLine);
    assert.equal(lines.length, 2);
    const folder = second!.folder!;
    t.after(() => rmSync(folder, { recursive: true, force: true }));
    assert.deepEqual([second!.scene, ninth!.scene, second!.ok, ninth!.ok], [2, 9, true, true]);
    assert.deepEqual(
      second!.observations.map(({ outcome }) => outcome),
      ["silent", "noticed", "noticed", "silent"],
    );
    assert.ok(second!.observations.every(({ ms }) => ms !== undefined && ms > 0));
    for (const { path } of second!.evidence) assert.ok(existsSync(join(folder, path)), path);
    assert.ok(second!.attacks.length > 0 && second!.limits.length > 0);
  });

  it("on a terminal shows the scene within its width, without pauses if so asked", async () => {
    const { exit, out, err } = await work.run("demo attack --scene 8 --fast", { isTerminal: true });
    assert.equal(exit, 0, err);
    const lines = stripVTControlCharacters(out).split("\n");
    assert.deepEqual(
      lines.filter((line) => line.length > 96),
      [],
    );
    assert.ok(out.includes("\u001b[32mNOTICED\u001b[0m"));
    assert.match(out, /All 5 alarms that should ring have rung\./);
  });

  it("ends when it is interrupted, with 3: not everything was shown", async () => {
    const interrupt = new AbortController();
    const { exit, err } = await work.run("demo attack --scene 6 --fast", {
      interrupted: interrupt.signal,
      onOut: (piece) => {
        if (piece.includes("attack    Root stops")) interrupt.abort();
      },
    });
    assert.equal(exit, 3);
    assert.match(err, /The tour was ended/);
  });

  it("refuses scenes that there are not", async () => {
    for (const number of ["0", "11", "x"]) {
      assert.equal((await work.run(`demo attack --scene ${number}`)).exit, 2);
    }
  });

  it("attacks no bucket that only the configuration names", async () => {
    const env = { CAIRN_WORM: "s3://somebodys-own/logs" };
    const out = await work.ok("demo attack --scene 9 --json", { env });
    const { observations } = JSON.parse(out) as SceneLine;
    assert.ok(observations.every(({ outcome }) => outcome === "told"));
  });
});

/** What a show of `width` columns prints. */
async function shown(
  width: number | undefined,
  play: (show: Show) => Promise<void>,
): Promise<string> {
  let text = "";
  const stdout = new Writable({
    decodeStrings: false,
    write(piece: string, _encoding, done) {
      text += piece;
      done();
    },
  });
  const output = new Output({ ...io, stdout }, false, "never");
  await play(new Show(output, width, 10));
  return text;
}

const io: Io = {
  stdin: new PassThrough(),
  stdout: new PassThrough(),
  stderr: new PassThrough(),
  env: {},
  cwd: "/",
  isTerminal: { stdin: true, stdout: true, stderr: true },
  hostName: "test",
  now: () => 0,
  interrupted: new AbortController().signal,
};

const happenings: readonly Happening[] = [
  { kind: "attack", text: "Root ".repeat(60).trim() },
  { kind: "observation", by: "b".repeat(200), outcome: "noticed", ms: 12, said: "x".repeat(500) },
  { kind: "observation", by: "nobody", outcome: "missed", ms: 30_000, said: "\u001b[2J\u202e" },
  { kind: "evidence", path: "p".repeat(40), excerpt: ['{"a":1,"b":"' + "c".repeat(300) + '"}'] },
  { kind: "limit", text: "Mind this. ".repeat(20) },
];

describe("the show", () => {
  it("keeps to the width that there is, 60 to 96, and lets nothing repaint the screen", async () => {
    for (const [columns, width] of [
      [undefined, 96],
      [20, 60],
      [80, 80],
      [400, 96],
    ] as const) {
      const text = await shown(columns, async (show) => {
        await show.opening();
        await show.title(1, "A scene");
        for (const each of happenings) await show.happening(each);
        await show.closing([{ scene: 1, title: "A ".repeat(60), happenings, ok: false }]);
      });
      const longest = Math.max(...text.split("\n").map((line) => line.length));
      assert.equal(longest, width);
      assert.ok(!text.includes("\u001b") && !text.includes("\u202e"));
      assert.match(text, /MISSED {4}nobody +30\.0 s\n +\\x1b\[2J\\u\{202e\}\n/);
    }
  });

  it("says at the end what was missed", async () => {
    const result: SceneResult = { scene: 1, title: "A scene", happenings, ok: false };
    const text = await shown(80, (show) => show.closing([result]));
    assert.match(text, /1 ✘ A scene/);
    assert.match(text, /Not noticed, and should have been: 1\./);
  });

  it("wraps between words, and cuts words that are too long", () => {
    assert.deepEqual(wrapText("a bb ccc dddddddd e", 5), ["a bb", "ccc", "ddddd", "ddd e"]);
    assert.deepEqual(
      [0.04, 9.949, 9.96, 999.4, 999.6, 12_340].map((ms) => duration(ms).trim()),
      ["0.0 ms", "9.9 ms", "10 ms", "999 ms", "1.0 s", "12.3 s"],
    );
  });
});

class FakeTerminal extends PassThrough {
  isRaw = false;

  setRawMode(isRaw: boolean): void {
    this.isRaw = isRaw;
  }
}

describe("the pace", () => {
  const hourMs = 3_600_000;

  it("pauses until a key; q and Ctrl-C end the tour; the terminal is given back", async () => {
    for (const last of ["q", "\u0003"]) {
      const stdin = new FakeTerminal();
      const pace = new Pace({ ...io, stdin }, false);
      assert.ok(stdin.isRaw && pace.hasKeys);
      const pausing = pace.pause(hourMs);
      stdin.write(" ");
      await pausing;
      const ending = pace.pause(hourMs);
      stdin.write(last);
      await assert.rejects(ending, { name: "AbortError" });
      pace.end();
      assert.ok(!stdin.isRaw);
    }
  });

  it("does not pause where nobody reads, or where it was asked not to", async () => {
    const isTerminal = { stdin: true, stdout: false, stderr: false };
    for (const pace of [new Pace({ ...io, isTerminal }, false), new Pace(io, true)]) {
      await pace.pause(hourMs);
      assert.ok(!pace.hasKeys);
    }
  });
});
