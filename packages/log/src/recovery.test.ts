/**
 * Goal: a log that was damaged does not start, and says where; a log that only lost what nobody was promised starts,
 * keeps what is whole, and puts the rest aside.
 *
 * Method: real folders with a few entries, in which one thing at a time is flipped, cut, removed or put back from an
 * older copy; then the log is opened.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { CairnError, parseEntry, type CairnErrorCode, type ErrorPlace } from "@cairnlog/core";
import { commitSlotByteLength, commitSlotCount, filesStore, readCommitRing } from "@cairnlog/store";
import { ManualClock } from "@cairnlog/testing";
import { auditLog } from "./audit.testing.ts";
import { createLog, openLog, record, type Log } from "./index.ts";

const name = "main";
const origin = "example.com/logs/main";
const tail = "tail/0000000000000000";
const folders: string[] = [];
after(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

function event(i: number) {
  return {
    ...{ id: `e${i}`, type: "database.query", actor: { id: "alice@example.com" } },
    ...{ action: "SELECT", details: { i } },
  };
}

/** A log in a folder of its own, closed, whose files can be worked on. */
class Subject {
  readonly folder = mkdtempSync(join(tmpdir(), "cairn-recovery-"));

  constructor() {
    folders.push(this.folder);
  }

  /** With entry 0 and events 1 to `count`, each committed by itself. */
  static async of(count: number): Promise<Subject> {
    const subject = new Subject();
    const log = await createLog(subject.store(), { name, origin }, { clock: new ManualClock() });
    await recordEvents(log, 1, count);
    await log.close();
    return subject;
  }

  /** Its newest commit and all that was published after event `committed` are gone: they were never there. */
  static async cutBack(committed: number, count: number): Promise<Subject> {
    const subject = await Subject.of(committed);
    const copy = subject.copy();
    const log = await subject.open();
    await recordEvents(log, committed + 1, count);
    await log.close();
    for (const path of ["commits", "checkpoint"]) subject.write(path, copy.read(path));
    return subject;
  }

  store() {
    return filesStore({ folder: this.folder });
  }

  open(): Promise<Log> {
    return openLog(this.store(), name, { clock: new ManualClock() });
  }

  copy(): Subject {
    const copy = new Subject();
    cpSync(this.folder, copy.folder, { recursive: true });
    return copy;
  }

  path(path: string): string {
    return join(this.folder, name, path);
  }

  read(path: string): Buffer {
    return readFileSync(this.path(path));
  }

  /** As somebody would who owns the file. */
  write(path: string, bytes: Uint8Array | string): void {
    if (existsSync(this.path(path))) chmodSync(this.path(path), 0o600);
    writeFileSync(this.path(path), bytes);
  }

  flip(path: string, byte: number, mask = 1): void {
    const bytes = this.read(path);
    bytes[byte]! ^= mask;
    this.write(path, bytes);
  }

  remove(path: string): void {
    rmSync(this.path(path), { recursive: true });
  }

  /** Where each frame of the tail begins; the last one is the end. */
  offsets(): number[] {
    const bytes = this.read(tail);
    const offsets = [0];
    for (let at = 0; bytes.readUInt16BE(at) > 0; offsets.push(at)) {
      at += 2 + bytes.readUInt16BE(at);
    }
    return offsets;
  }

  /** All files and their content, without those that an attempt to open may touch. */
  content(): Map<string, string> {
    const paths = readdirSync(this.path(""), { recursive: true, encoding: "utf8" });
    return new Map(
      paths
        .filter((path) => path !== "LOCK" && /[^/]*\.|commits|[0-9]$|checkpoint/.test(path))
        .map((path) => [path, createHash("sha256").update(this.read(path)).digest("hex")]),
    );
  }
}

async function recordEvents(log: Log, from: number, to: number): Promise<void> {
  for (let i = from; i <= to; i++) await record(log, event(i));
}

/** Opening must be refused, leave every byte where it is, and be refused again. */
async function refuses(
  subject: Subject,
  code: CairnErrorCode,
  message: RegExp,
  place: ErrorPlace = {},
): Promise<void> {
  const before = subject.content();
  for (let round = 0; round < 2; round++) {
    await assert.rejects(subject.open(), (error: unknown) => {
      assert.ok(error instanceof CairnError, String(error));
      assert.equal(error.code, code, error.message);
      assert.match(error.message, message);
      for (const [key, value] of Object.entries(place)) {
        assert.equal(error.place[key as keyof ErrorPlace], value, `${key} in: ${error.message}`);
      }
      return true;
    });
  }
  assert.deepEqual(subject.content(), before, "the evidence stays as it is");
}

interface RecoveredDetails {
  readonly kept: { readonly from: number; readonly to: number };
  readonly lost: readonly { path: string; byteLength: number; sha256: string }[];
}

/** What the last entry says, which is `system.recovered`. */
async function recovered(log: Log): Promise<RecoveredDetails> {
  const { bytes } = await log.entry(log.status().size - 1);
  const { type, details } = JSON.parse(Buffer.from(parseEntry(bytes).event).toString()) as {
    readonly type: string;
    readonly details: RecoveredDetails;
  };
  assert.equal(type, "system.recovered");
  return details;
}

/** Opening again finds nothing more to recover. */
async function closesWhole(subject: Subject, log: Log): Promise<void> {
  await auditLog(log);
  const { size } = log.status();
  await log.close();
  const again = await subject.open();
  assert.equal(again.status().size, size);
  await again.close();
}

describe("beyond the newest commit", () => {
  it("keeps entries that are whole, and tells", async () => {
    const subject = await Subject.cutBack(3, 6);
    const log = await subject.open();
    assert.deepEqual(await recovered(log), { kept: { from: 4, to: 7 }, lost: [] });
    await record(log, event(6));
    assert.equal(log.status().size, 8, "what was kept is recognised when it is sent again");
    await closesWhole(subject, log);
  });

  for (const [what, cut] of [
    ["in an event", (offsets: number[]) => offsets[6]! - 10],
    ["in a head", (offsets: number[]) => offsets[5]! + 30],
    ["in a length", (offsets: number[]) => offsets[5]!],
  ] as const) {
    it(`puts aside what is torn ${what}, byte for byte`, async () => {
      const subject = await Subject.cutBack(3, 6);
      const offsets = subject.offsets();
      const at = cut(offsets);
      const bytes = subject.read(tail);
      bytes.fill(0x7e, at, at + 1);
      subject.write(tail, bytes);
      const log = await subject.open();
      const { kept, lost } = await recovered(log);
      assert.deepEqual(kept, { from: 4, to: 5 });
      assert.equal(lost.length, 1);
      const piece = subject.read(lost[0]!.path);
      assert.deepEqual(piece, bytes.subarray(offsets[5], offsets[7]));
      assert.equal(lost[0]!.byteLength, piece.length);
      assert.equal(lost[0]!.sha256, createHash("sha256").update(piece).digest("hex"));
      await closesWhole(subject, log);
    });
  }

  it("puts aside bytes that lie behind zeros", async () => {
    const subject = await Subject.of(2);
    const end = subject.offsets().at(-1)!;
    const bytes = subject.read(tail);
    bytes.write("left over", end + 5000);
    subject.write(tail, bytes);
    const log = await subject.open();
    const { lost } = await recovered(log);
    assert.deepEqual(subject.read(lost[0]!.path), bytes.subarray(end, end + 5009));
    assert.ok(!subject.read(tail).includes("left over"));
    await closesWhole(subject, log);
  });

  it("passes over a torn record, and keeps what it covered", async () => {
    const subject = await Subject.cutBack(3, 3);
    const log = await subject.open();
    await record(log, event(4));
    const copy = subject.read("checkpoint");
    await log.close();
    subject.write("checkpoint", copy);
    const [newest] = readCommitRing(subject.read("commits"));
    assert.equal(newest?.size, 5);
    subject.flip("commits", (newest.number % commitSlotCount) * commitSlotByteLength + 2000);
    const again = await subject.open();
    assert.deepEqual(await recovered(again), { kept: { from: 4, to: 5 }, lost: [] });
    await closesWhole(subject, again);
  });
});

describe("up to the newest commit", () => {
  const count = 6;
  const places: readonly [string, (start: number, end: number) => number, number][] = [
    ["the length", (start) => start + 1, 4],
    ["the upper length", (start) => start, 1],
    ["the seq", (start) => start + 2 + 7, 1],
    ["the hash of the entry before", (start) => start + 2 + 20, 1],
    ["the salt", (start) => start + 2 + 75, 1],
    ["the time", (start) => start + 2 + 110, 1],
    ["the event", (_start, end) => end - 20, 1],
    ["the last byte", (_start, end) => end - 1, 1],
  ];
  for (const [where, seq] of [
    ["first", 0],
    ["third", 2],
    ["last but one", count - 1],
    ["last", count],
  ] as const) {
    for (const [what, place, mask] of places) {
      it(`refuses a flipped bit in ${what} of the ${where} entry`, async () => {
        const subject = await Subject.of(count);
        const offsets = subject.offsets();
        const byte = place(offsets[seq]!, offsets[seq + 1]!);
        subject.flip(tail, byte, mask);
        await refuses(subject, "tampered", /cairn init --succeeds/, {
          ...{ log: name, seq, path: tail, byte: offsets[seq]! },
        });
      });
    }
  }

  it("refuses a tail that is cut, missing, or another's", async () => {
    const subject = await Subject.of(count);
    const offsets = subject.offsets();
    const cut = subject.copy();
    cut.write(tail, cut.read(tail).subarray(0, offsets[4]! + 100));
    const place = { seq: 4, path: tail, byte: offsets[4]! };
    await refuses(cut, "tampered", /entry 4 is the first that is missing/, place);
    const missing = subject.copy();
    missing.remove(tail);
    await refuses(missing, "tampered", /entry 0 is the first that is missing/, { seq: 0 });
    const other = await Subject.of(count);
    other.write(tail, subject.read(tail));
    await refuses(other, "tampered", /hash to the root/, { path: tail });
  });

  it("refuses a log whose records are gone", async () => {
    const subject = await Subject.of(count);
    const zeros = subject.copy();
    zeros.write("commits", new Uint8Array(commitSlotByteLength * commitSlotCount));
    await refuses(zeros, "tampered", /no valid commit record/, { path: "commits" });
    const gone = subject.copy();
    gone.remove("commits");
    await refuses(gone, "tampered", /commits is gone/, { path: "commits" });
    await assert.rejects(createLog(gone.store(), { name, origin }), isCode("tampered"));
  });

  it("refuses a log that is older than what it has published", async () => {
    const subject = await Subject.of(3);
    const old = subject.copy();
    const log = await subject.open();
    await recordEvents(log, 4, 6);
    await log.close();
    const ring = subject.copy();
    ring.write("commits", old.read("commits"));
    await refuses(ring, "tampered", /rolled back/, { path: "checkpoint" });
    ring.write(tail, old.read(tail));
    await refuses(ring, "tampered", /rolled back/, { path: "checkpoint" });
  });

  it("refuses a published checkpoint that is damaged or another log's", async () => {
    const subject = await Subject.of(2);
    const note = subject.read("checkpoint");
    const other = await Subject.of(2);
    for (const bytes of [note.subarray(0, 100), Buffer.alloc(0), other.read("checkpoint")]) {
      subject.write("checkpoint", bytes);
      await refuses(subject, "tampered", /published checkpoint/, { path: "checkpoint" });
    }
    for (let byte = 0; byte < note.length; byte += 97) {
      subject.write("checkpoint", note);
      subject.flip("checkpoint", byte);
      await refuses(subject, "tampered", /published checkpoint/, { path: "checkpoint" });
    }
  });
});

describe("keys and settings", () => {
  const keys = ["keys/ed25519.pem", "keys/ml-dsa-44.pem"] as const;
  for (const path of keys) {
    it(`refuses a ${path} that is missing, damaged or another's`, async () => {
      const subject = await Subject.of(1);
      const pem = subject.read(path);
      subject.write(path, "-----BEGIN PRIVATE KEY-----\nnonsense\n-----END PRIVATE KEY-----\n");
      await refuses(subject, "tampered", /key/, { log: name, path });
      subject.write(path, subject.read(keys[1 - keys.indexOf(path)]!));
      await refuses(subject, "tampered", /key/);
      subject.write(path, (await Subject.of(1)).read(path));
      await refuses(subject, "tampered", /not those that log.json names/, { path: "keys" });
      subject.remove(path);
      await refuses(subject, "tampered", /put the key file back/, { path });
      subject.write(path, pem);
      await (await subject.open()).close();
    });
  }

  it("refuses settings that are damaged, edited, gone, or of another log", async () => {
    const subject = await Subject.of(1);
    const text = subject.read("log.json").toString();
    const changed = [
      ...[text.slice(0, 50), "", "[]", text.replace("false", "true "), `${text}\n`],
      ...[text.replace(/"idKey": "./, '"idKey": "G'), text.replace('"main"', '"other"')],
    ];
    for (const each of changed) {
      subject.write("log.json", each);
      await refuses(subject, "tampered", /log\.json/, { path: "log.json" });
    }
    // Spelled as we would, so that only entry 0 can tell.
    subject.write("log.json", text.replace('"public": false', '"public": true'));
    await refuses(subject, "tampered", /entry 0/, { path: "log.json" });
    subject.remove("log.json");
    await refuses(subject, "tampered", /lost log\.json/, { path: "log.json" });
  });

  it("refuses a newer format by its name", async () => {
    const subject = await Subject.of(1);
    const text = subject.read("log.json").toString();
    subject.write("log.json", text.replace("cairn-log/1", "cairn-log/2"));
    await refuses(subject, "unsupported_version", /cairn-log\/2/, { path: "log.json" });
  });

  it("refuses a log that was renamed", async () => {
    const subject = await Subject.of(1);
    renameSync(join(subject.folder, name), join(subject.folder, "other"));
    await assert.rejects(openLog(subject.store(), "other"), isCode("tampered"));
  });
});

describe("opening", () => {
  it("is refused to a second process, with the pid of the first", async () => {
    const subject = await Subject.of(1);
    const code =
      `const { openLog } = await import(${JSON.stringify(new URL("index.ts", import.meta.url))});\n` +
      `await openLog(${JSON.stringify(subject.folder)}, "main"); console.log("open");\n` +
      "setInterval(() => undefined, 1000);";
    const holder = spawn(process.execPath, ["--input-type=module", "-e", code], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    try {
      await once(holder.stdout, "data");
      await refuses(subject, "locked", new RegExp(`process ${holder.pid}\\b`));
    } finally {
      holder.kill("SIGKILL");
      await once(holder, "close");
    }
    await (await subject.open()).close();
  });

  it("knows no way around a refusal", async () => {
    const subject = await Subject.of(2);
    subject.flip(tail, subject.offsets()[1]! + 100);
    const flags = ["force", "repair", "ignoreDamage", "skipChecks", "unsafe", "truncate"];
    const options = Object.fromEntries(flags.map((flag) => [flag, true]));
    const opened = openLog(subject.store(), name, { ...options, createWith: { origin } });
    await assert.rejects(opened, isCode("tampered"));
  });
});

function isCode(code: CairnErrorCode): (error: unknown) => boolean {
  return (error) => error instanceof CairnError && error.code === code;
}
