/**
 * Goal: `cairn watch` records every kind of change to real files, with hashes, diffs, modes and owners; what was done
 * while it did not run, or while the log could not be reached, is recorded too, once; secrets stay out.
 * Method: the command in this process on folders of its own, looking once (`--once`) where the order is to be exact,
 * and running where the kernel is to tell.
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import {
  appendFileSync,
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { userInfo } from "node:os";
import { PassThrough } from "node:stream";
import { after, before, describe, it } from "node:test";
import { Workplace, type Ran } from "../run-command.testing.ts";
import { changesBetween } from "./changes.ts";
import type { FileState } from "./file-state.ts";

const work = new Workplace();
after(() => work.remove());
const env = { HOME: work.folder };

interface Event {
  readonly id: string;
  readonly type: string;
  readonly actor: { readonly id: string; readonly type?: string };
  readonly targets: readonly [{ readonly id: string; readonly host?: string }];
  readonly details: Record<string, unknown> & {
    readonly before?: FileState;
    readonly after?: FileState;
    readonly diff?: string;
  };
  readonly blobs?: readonly { sha256: string; byteLength: number; role: string }[];
}

const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");
const file = (name: string): string => work.path(`etc/${name}`);

/** Looks once, and gives what was recorded for it. */
async function look(options = "", data = "cairn-data"): Promise<Event[]> {
  const ran = await work.run(`watch etc --once --data ${data} ${options}`.trim(), { env });
  assert.equal(ran.exit, 0, ran.err);
  return recorded(data);
}

let seen = 0;
/** What was recorded since the last time, but what the log and the watcher say of themselves. */
async function recorded(data = "cairn-data"): Promise<Event[]> {
  const text = await work.ok(
    `tail --from ${data === "cairn-data" ? seen : 0} --json --data ${data}`,
  );
  const entries = text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as { seq: number; event: Event });
  if (data === "cairn-data") seen += entries.length;
  return entries.map(({ event }) => event).filter(({ type }) => !/^system|\.watch_/.test(type));
}

const told = (events: readonly Event[]): string[] =>
  events.map(({ type, targets }) => `${type} ${targets[0].id.slice(work.folder.length + 1)}`);

describe("cairn watch", { skip: process.platform === "win32" }, () => {
  before(async () => {
    await work.ok("init");
    mkdirSync(file("conf.d"), { recursive: true });
    writeFileSync(file("app.yaml"), "port: 80\nhost: a\n");
    writeFileSync(file("secret.key"), "s3cret one\n");
    writeFileSync(file("conf.d/a.conf"), "a\n");
    symlinkSync("a.conf", file("conf.d/link"));
  });

  it("begins with how everything is: a manifest with the hash of each file", async () => {
    assert.deepEqual(await look("--hash-only *.key"), []);
    const text = await work.ok("tail -n 1 --json");
    const { event } = JSON.parse(text) as { event: Event };
    assert.deepEqual([event.type, event.details["files"]], ["change.watch_started", 6]);
    const [manifest] = event.blobs!;
    await work.ok(`get --blob ${manifest!.sha256} --out manifest`);
    const lines = readFileSync(work.path("manifest"), "utf8").trimEnd().split("\n");
    const found = lines.map((line) => JSON.parse(line) as FileState & { path: string });
    const app = found.find(({ path }) => path === file("app.yaml"))!;
    assert.equal(app.sha256, sha256("port: 80\nhost: a\n"));
    assert.equal(found.find(({ path }) => path === file("conf.d/link"))!.target, "a.conf");
  });

  it("an edit: hashes before and after, a diff, the owner; made while nobody watched", async () => {
    appendFileSync(file("app.yaml"), "tls: on\n");
    const events = await look("--hash-only *.key");
    assert.deepEqual(told(events), ["change.modified etc/app.yaml"]);
    const [{ details, actor, targets }] = events as [Event];
    assert.equal(details.before!.sha256, sha256("port: 80\nhost: a\n"));
    assert.equal(details.after!.sha256, sha256("port: 80\nhost: a\ntls: on\n"));
    assert.equal(
      details.diff,
      "--- app.yaml\n+++ app.yaml\n@@ -1,2 +1,3 @@\n port: 80\n host: a\n+tls: on\n",
    );
    assert.deepEqual([actor.id, actor.type], [userInfo().username, "file-owner"]);
    assert.equal(targets[0].host, "Test Machine");
    assert.equal(details["whileAway"], true);
  });

  it("an editor that writes aside and renames; a rename; modes; links; new and gone", async () => {
    writeFileSync(file(".app.yaml.tmp"), "port: 81\n");
    renameSync(file(".app.yaml.tmp"), file("app.yaml"));
    assert.deepEqual(told(await look()), ["change.modified etc/app.yaml"]);

    renameSync(file("conf.d/a.conf"), file("conf.d/b.conf"));
    const [renamed, ...none] = (await look()) as [Event];
    assert.deepEqual(told([renamed, ...none]), ["change.renamed etc/conf.d/b.conf"]);
    assert.equal(renamed.details["from"], file("conf.d/a.conf"));

    chmodSync(file("app.yaml"), 0o606);
    const [chmod] = (await look()) as [Event];
    assert.equal(chmod.type, "change.permissions_changed");
    assert.equal(chmod.details.after!.mode, "0606");

    rmSync(file("conf.d/link"));
    symlinkSync("b.conf", file("conf.d/link"));
    const [link] = (await look()) as [Event];
    assert.equal(link.type, "change.retargeted");
    assert.deepEqual(
      [link.details.before!.target, link.details.after!.target],
      ["a.conf", "b.conf"],
    );

    mkdirSync(file("new.d"));
    writeFileSync(file("new.d/x"), "one\n");
    const created = await look();
    assert.deepEqual(told(created), ["change.created etc/new.d", "change.created etc/new.d/x"]);
    assert.match(created[1]!.details.diff!, /\+one/);

    rmSync(file("new.d"), { recursive: true });
    const deleted = await look();
    assert.deepEqual(told(deleted), ["change.deleted etc/new.d", "change.deleted etc/new.d/x"]);
    assert.equal(deleted[1]!.actor.id, "unknown");
    assert.match(deleted[1]!.details.diff!, /-one/);
  });

  it("sees a change behind times that were set back, and none where a file was only touched", async () => {
    utimesSync(file("app.yaml"), 1e9, 1e9);
    assert.deepEqual(await look(), []);
    writeFileSync(file("app.yaml"), "port: 82\n");
    utimesSync(file("app.yaml"), 1e9, 1e9);
    assert.deepEqual(told(await look()), ["change.modified etc/app.yaml"]);
  });

  it("of secrets only hashes, in the log and in what is remembered", async () => {
    writeFileSync(file("secret.key"), "s3cret two\n");
    const [event] = (await look("--hash-only *.key")) as [Event];
    assert.equal(event.details.after!.sha256, sha256("s3cret two\n"));
    assert.equal(event.details["noDiff"], "only hashes are recorded of this file");
    assert.doesNotMatch(JSON.stringify(event), /s3cret/);
    const [name = ""] = readdirSync(work.path(".local/state/cairn/watch"));
    const content = work.path(`.local/state/cairn/watch/${name}/content`);
    for (const each of readdirSync(content)) {
      assert.doesNotMatch(readFileSync(`${content}/${each}`, "utf8"), /s3cret two/);
    }
  });

  it("binary and large files by their hash; a large diff and whole contents as blobs", async () => {
    const lines = (n: number): string =>
      Array.from({ length: 3000 }, (_, i) => `line ${i * n}\n`).join("");
    writeFileSync(file("app.yaml"), lines(1));
    writeFileSync(file("bin"), Buffer.from([0, 1, 2, 255]));
    const events = (await look("--keep-content")) as [Event, Event];
    assert.deepEqual(told(events), ["change.modified etc/app.yaml", "change.created etc/bin"]);
    assert.equal(events[1].details["noDiff"], "it is no text");
    assert.deepEqual(
      events[0].blobs!.map(({ role }) => role),
      ["content", "diff"],
    );
    const [content] = events[0].blobs!;
    assert.equal(content!.sha256, sha256(lines(1)));
    const diff = events[0].blobs![1]!;
    await work.ok(`get --blob ${diff.sha256} --out diff`);
    assert.match(readFileSync(work.path("diff"), "utf8"), /\n-port: 82\n\+line 0\n/);
    assert.equal(events[1].blobs!.length, 1);
  });

  it("--include and --exclude", async () => {
    const options = "--state own-state --include *.yaml --exclude conf.d";
    await look(options);
    writeFileSync(file("other.conf"), "x");
    writeFileSync(file("conf.d/deep.yaml"), "x");
    writeFileSync(file("other.yaml"), "x");
    assert.deepEqual(told(await look(options)), ["change.created etc/other.yaml"]);
    await look();
  });

  it("what the log cannot take waits on disk, and is recorded once, as it was seen", async () => {
    const state = "--state late-state --data late";
    writeFileSync(file("app.yaml"), "first\n");
    const first = await work.run(`watch etc --once ${state}`, { env });
    assert.equal(first.exit, 3);
    assert.match(first.err, /What changed waits on disk/);
    writeFileSync(file("app.yaml"), "unreachable\n");
    assert.equal((await work.run(`watch etc --once ${state}`, { env })).exit, 3);
    writeFileSync(file("app.yaml"), "reachable\n");
    await work.ok("init --data late");
    for (let i = 0; i < 2; i++) await work.ok(`watch etc --once ${state}`, { env });
    const events = await recorded("late");
    assert.deepEqual(told(events), [
      "change.modified etc/app.yaml",
      "change.modified etc/app.yaml",
    ]);
    assert.match(events[0]!.details.diff!, /\+unreachable\n$/);
    assert.match(events[1]!.details.diff!, /-unreachable\n\+reachable\n$/);
    assert.equal((await work.run("verify late/main")).exit, 0);
    await look();
  });

  it("as it runs: the kernel tells, each change is recorded, and the end is said", async () => {
    const stop = new AbortController();
    const out = new PassThrough({ encoding: "utf8" });
    const running: Promise<Ran> = work.run("watch etc --interval 1h", {
      ...{ env, interrupted: stop.signal, onErr: (piece) => out.write(piece) },
      onOut: (piece) => out.write(piece),
    });
    const until = async (text: RegExp): Promise<void> => {
      for (let all = ""; !text.test(all); all += String((await once(out, "data"))[0]));
    };
    await until(/Watching \d+ paths/);
    writeFileSync(file("app.yaml"), "while it runs\n");
    await until(/modified +\S+etc\/app\.yaml/);
    stop.abort();
    assert.equal((await running).exit, 0);
    const events = await recorded();
    assert.deepEqual(told(events), ["change.modified etc/app.yaml"]);
    assert.equal(events[0]!.details["whileAway"], undefined);
    assert.match(await work.ok("tail -n 1"), /change\.watch_stopped/);
    assert.equal((await work.run("verify")).exit, 0);
  });

  it("a state that is no state is not taken for a first start; nor one that is in use", async () => {
    mkdirSync(work.path("bad-state"));
    writeFileSync(work.path("bad-state/state.json"), "{}");
    const bad = await work.run("watch etc --once --state bad-state", { env });
    assert.equal(bad.exit, 2);
    assert.match(bad.err, /is no state of `cairn watch`/);
    mkdirSync(work.path("used-state"));
    writeFileSync(work.path("used-state/lock"), String(process.ppid));
    const used = await work.run("watch etc --once --state used-state", { env });
    assert.equal(used.exit, 3);
    assert.match(used.err, /watches with this state already/);
  });
});

describe("changes", () => {
  const state = (inode: string, more: Partial<FileState> = {}): FileState => ({
    ...{ kind: "file", mode: "0644", uid: 0, gid: 0, byteLength: 1, sha256: "a", inode, stamp: "" },
    ...more,
  });

  it("an inode that was given again is no rename", () => {
    const found = changesBetween(
      new Map([["a", state("1")]]),
      new Map([["b", state("1", { sha256: "b" })]]),
    );
    assert.deepEqual(
      found.map(({ verb, path }) => `${verb} ${path}`),
      ["deleted a", "created b"],
    );
  });

  it("a file that becomes a folder, and one that cannot be read any more, are modified", () => {
    const before = new Map([["a", state("1")]]);
    for (const after of [{ kind: "directory" }, { unreadable: "EACCES" }] as const) {
      const [change] = changesBetween(before, new Map([["a", state("1", after)]]));
      assert.equal(change!.verb, "modified");
    }
  });
});
