/**
 * Goal: `npm start` does what it says, anywhere: it records real things, verifies them, prints lines that work, goes on
 * with the same log, and needs neither git nor a package manager.
 * Method: the readers on samples of what they read; then the script itself in a copy of the checkout without git.
 */
import assert from "node:assert/strict";
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, describe, it } from "node:test";
import { readEvent } from "@cairnlog/log";
import { utf8 } from "@cairnlog/core";
import { parseGitLog, readGitHistory } from "../scripts/first-minute/git-history.ts";
import {
  parseApt,
  parseDnf,
  parseDpkg,
  parsePacman,
  readNpmInstalls,
  readPackageHistory,
} from "../scripts/first-minute/package-history.ts";
import { checkoutPath } from "./checkout.ts";

const folder = mkdtempSync(join(tmpdir(), "cairn-first-minute-"));
after(() => rmSync(folder, { recursive: true, force: true }));

function isEvent(event: object): void {
  readEvent(utf8(JSON.stringify(event)));
}

function write(path: string, text: string): void {
  mkdirSync(dirname(join(folder, path)), { recursive: true });
  writeFileSync(join(folder, path), text);
}

describe("what the first minute records", () => {
  const commit = (hash: string, ...files: string[]): string => {
    const [time, committed] = ["2026-11-23T05:00:00+00:00", "2026-11-23T06:00:00+01:00"];
    const header = [`\u0001${hash}`, "p1 p2", "Al\u202eice", "a@example.com", time];
    return [...header, "Bob", "b@example.com", committed, 'Fix "it"', ...files, ""].join("\0");
  };

  it("reads commits, with files, without, and with any name", () => {
    const files = ["\nM", "src/a b.ts", "A", "\u0001odd\nname"];
    const log = commit("aa", ...files) + commit("bb") + commit("cc", "\nD", "x");
    const events = parseGitLog(log) as { id: string; time: string; details: { files: unknown } }[];
    assert.deepEqual(
      events.map(({ id }) => id),
      ["aa", "bb", "cc"],
    );
    assert.deepEqual(events[0]!.details.files, [
      { status: "M", path: "src/a b.ts" },
      { status: "A", path: "\u0001odd\nname" },
    ]);
    assert.equal(events[0]!.time, "2026-11-23T05:00:00Z");
    events.forEach(isEvent);
  });

  it("reads a real repository, oldest first, whatever its configuration says", async (t) => {
    const repository = join(folder, "repository");
    mkdirSync(repository);
    const git = (...args: string[]): number | null =>
      spawnSync("git", [
        "-C",
        repository,
        "-c",
        "user.name=Al",
        "-c",
        "user.email=al@example.com",
        ...args,
      ]).status;
    if (git("init", "-q") !== 0) return t.skip("there is no git");
    for (const name of ["one", "two"]) {
      writeFileSync(join(repository, `${name} ü`), name);
      git("add", "-A");
      git("commit", "-q", "-m", name);
    }
    git("config", "log.showSignature", "true");
    git("config", "diff.orderFile", "missing");
    const found = await readGitHistory(repository);
    assert.ok(!("why" in found), JSON.stringify(found));
    const details = found.events.map(
      (event) => (event as { details: Record<string, unknown> }).details,
    );
    assert.deepEqual(
      details.map(({ subject }) => subject),
      ["one", "two"],
    );
    assert.deepEqual(details[1]!["files"], [{ status: "A", path: "two ü" }]);
    found.events.forEach(isEvent);
  });

  it("says in a sentence why there is no history", async () => {
    const found = await readGitHistory(tmpdir());
    assert.ok("why" in found && found.events.length === 0);
    assert.match(found.why, /^This is not a git checkout/);
  });

  it("reads the logs of package managers", () => {
    const dpkg = parseDpkg("2025-06-24 14:36:25 upgrade libc6:amd64 2.36-9 2.36-10");
    assert.deepEqual(
      [dpkg?.verb, dpkg?.target, dpkg?.details],
      [...["upgrade", "libc6:amd64"], { before: "2.36-9", after: "2.36-10" }],
    );
    assert.equal(parseDpkg("2025-06-24 14:36:25 status installed libc6:amd64 2.36-9"), undefined);
    const apt = parseApt([
      ...[
        "Start-Date: 2025-06-24  14:36:25",
        "Commandline: apt install a b",
        "Requested-By: al (1000)",
      ],
      ...["Install: a:amd64 (1.0, automatic), b:all (2.0)", "End-Date: 2025-06-24  14:36:26"],
    ]);
    assert.deepEqual(
      apt.map(({ target, details }) => [target, details["requestedBy"]]),
      [
        ["a:amd64", "al (1000)"],
        ["b:all", "al (1000)"],
      ],
    );
    const pacman = parsePacman("[2024-01-01T10:00:00+0100] [ALPM] upgraded linux (6.6.8 -> 6.6.9)");
    assert.deepEqual([pacman?.verb, pacman?.time], ["upgrade", "2024-01-01T10:00:00+01:00"]);
    const dnf = parseDnf("2024-01-01T10:00:00+0000 SUBDEBUG Installed: bash-5.2.15-3.fc38.x86_64");
    assert.deepEqual([dnf?.verb, dnf?.time], ["install", "2024-01-01T10:00:00+00:00"]);
  });

  it("takes the first package manager that has something to tell", () => {
    assert.equal(readPackageHistory(join(folder, "nothing")), undefined);
    write("machine/var/log/dpkg.log", "");
    const cellar = "machine/opt/homebrew/Cellar/jq/1.7/INSTALL_RECEIPT.json";
    write(cellar, '{"time":1700000000}');
    const history = readPackageHistory(join(folder, "machine"));
    assert.equal(history?.name, "brew");
    history.events.forEach(isEvent);
    const again = readPackageHistory(join(folder, "machine"));
    assert.deepEqual(again, history);
  });

  it("falls back on what npm has installed", () => {
    const { events } = readNpmInstalls(checkoutPath("."));
    assert.ok(events.length > 20);
    events.forEach(isEvent);
  });
});

describe("npm start, from a tarball", { skip: process.platform === "win32" }, () => {
  const copy = join(folder, "checkout");
  const children: ChildProcess[] = [];
  // A test that failed half-way leaves nobody behind, for whom the run would wait for ever.
  after(() => children.forEach((child) => child.kill("SIGKILL")));

  /** Starts it and waits until it has said all; `stop` ends it as Ctrl-C does. */
  async function start(): Promise<{ text: string; stop(): Promise<void> }> {
    const child: ChildProcess = spawn(process.execPath, ["scripts/first-minute.ts"], {
      cwd: copy,
      stdio: ["ignore", "pipe", "inherit"],
    });
    children.push(child);
    let text = "";
    for await (const piece of child.stdout!.iterator({ destroyOnReturn: false })) {
      text += String(piece);
      if (text.includes("Ctrl-C stops")) break;
    }
    child.stdout!.resume();
    return {
      text,
      async stop() {
        child.kill("SIGINT");
        assert.deepEqual(await once(child, "exit"), [0, null]);
      },
    };
  }

  const shell = (line: string): { status: number | null; out: string } => {
    const path = `${checkoutPath("node_modules/.bin")}:${process.env["PATH"] ?? ""}`;
    const ran = spawnSync("sh", ["-c", line], {
      cwd: copy,
      encoding: "utf8",
      env: { ...process.env, PATH: path },
    });
    return { status: ran.status, out: ran.stdout };
  };

  it("records, verifies, prints lines that work, and goes on at the second start", async () => {
    mkdirSync(copy);
    for (const name of ["scripts", "package.json", "package-lock.json"]) {
      cpSync(checkoutPath(name), join(copy, name), { recursive: true });
    }
    symlinkSync(checkoutPath("node_modules"), join(copy, "node_modules"));
    const first = await start();
    assert.match(first.text, /^A new log main in /);
    assert.match(first.text, /This is not a git checkout/);
    const recorded = /recorded ([1-9][0-9]*) .*as change\./.exec(first.text)?.[1];
    assert.ok(recorded !== undefined, first.text);
    assert.match(first.text, new RegExp(`Verified ${Number(recorded) + 1} entries: GOOD\\.`));
    const key = /API key {2}(\S+)/.exec(first.text)?.[1];
    const url = /URL +(\S+)/.exec(first.text)?.[1];
    assert.equal(statSync(join(copy, "cairn-data/first-minute.key")).mode % 0o1000, 0o600);

    const curl = /^ {2}(curl .*)$/m.exec(first.text)![1]!;
    if (shell("command -v curl").status === 0) {
      const receipt = JSON.parse(shell(curl).out) as { seq: number; proof: string[] };
      assert.equal(receipt.seq, Number(recorded) + 1);
      assert.ok(receipt.proof.length > 0);
    }
    const tampering = shell(/^ {2}(d=.*)$/m.exec(first.text)![1]!);
    assert.equal(tampering.status, 1, tampering.out);
    assert.match(tampering.out, /^NOT VERIFIED/);
    assert.match(tampering.out, /problem entry [0-9]+, tail\/0+, byte [0-9]+/);
    await first.stop();

    const second = await start();
    assert.match(second.text, /^Going on with the log main in /);
    assert.match(second.text, new RegExp(`recorded 0 .*, ${recorded} were there already`));
    assert.equal(/API key {2}(\S+)/.exec(second.text)?.[1], key);
    assert.equal(/URL +(\S+)/.exec(second.text)?.[1], url);
    await second.stop();
  });
});
