/**
 * Goal: no byte of a log can be flipped, cut, swapped, repeated, put back or re-signed without `verifyDirectory`
 * noticing. Method: a small real log is read into memory; then every single byte of it is changed, and the files are
 * damaged in all the ways that somebody with the disk in his hands has; each time the verdict must be bad, but for the
 * few things that a crash or an owner may do, which must be noted.
 */
import assert from "node:assert/strict";
import { before, test } from "node:test";
import {
  base64,
  hashLeaf,
  noteSigner,
  parseDecimal,
  parseEntry,
  parseEntryBundle,
  RightEdge,
  signCheckpoint,
  utf8,
  writeEntry,
  type Crypto,
} from "@cairnlog/core";
import { generateSigner, nodeCrypto } from "@cairnlog/crypto";
import { encodeCommitSlot, readCommitRing, type Commit } from "@cairnlog/store";
import { SeededRandom } from "@cairnlog/testing";
import { verifyDirectory } from "./directory.ts";
import {
  appendNaming,
  appendSome,
  mapDisk,
  mapLocation,
  readFiles,
  withFile,
  withLog,
  type FileMap,
} from "./file-map.testing.ts";
import type { Report } from "./report.ts";

const tail = "tail/0000000000000000";
const { sha256 } = nodeCrypto;

/** The same signatures are verified thousands of times: remembered, so that the bytes are what takes the time. */
const known = new Map<string, boolean>();
const crypto: Crypto = {
  sha256,
  async verify(algorithm, publicKey, message, signature) {
    const key = [publicKey, message, signature].map((bytes) => base64(sha256(bytes))).join();
    const before = known.get(key);
    if (before !== undefined) return before;
    const isGood = await nodeCrypto.verify(algorithm, publicKey, message, signature);
    known.set(key, isGood);
    return isGood;
  },
};

function verify(files: FileMap, options: { vkeys?: string[]; checkpoint?: string } = {}) {
  return verifyDirectory(mapLocation, { ...options, disk: mapDisk(files), crypto, workers: 0 });
}

let files: Map<string, Uint8Array>;
/** The same log when it was younger. */
let younger: Map<string, Uint8Array>;
let other: Map<string, Uint8Array>;
let vkeys: string[];
let commit: Commit;

before(async () => {
  [younger, files] = await withLog(async (log, folder) => {
    for (const mark of ["a", "b", "c"]) await appendSome(log, 2, mark);
    await appendNaming(log, ["the body of a request", "another body"]);
    await log.publish();
    const early = readFiles(folder);
    for (const mark of ["d", "e"]) await appendSome(log, 2, mark);
    await appendNaming(log, ["another body", "of the newest entry"]);
    await log.publish();
    vkeys = [...log.vkeys];
    return [early, readFiles(folder)];
  });
  other = await withLog(async (log, folder) => {
    for (const mark of ["a", "b", "c", "d", "e"]) await appendSome(log, 2, mark);
    await log.publish();
    return readFiles(folder);
  });
  commit = readCommitRing(files.get("commits")!)[0]!;
});

/** What a report says: "bad", or which notes it has; "" where it notices nothing. */
function noticed(report: Report): string {
  return report.ok ? report.notes.map(({ code }) => code).join() : "bad";
}

async function expectBad(damaged: FileMap, what: string): Promise<Report> {
  const report = await verify(damaged);
  assert.equal(noticed(report), "bad", what);
  assert.equal(report.verdict, "failed");
  assert.ok(report.problems.length > 0 && report.summary.startsWith("NOT VERIFIED"));
  return report;
}

test("a sound log is consistent, and verified under keys from outside", async () => {
  const report = await verify(files);
  assert.deepEqual([report.problems, report.notes], [[], []]);
  assert.equal(report.verdict, "consistent");
  assert.equal(report.size, 13);
  assert.equal(report.entriesChecked, 13);
  assert.match(report.summary, /fingerprint/);
  assert.equal((await verify(files, { vkeys })).verdict, "verified");
  assert.equal((await verify(files, { vkeys: [vkeys[0]!] })).verdict, "verified");
  const elsewhere = await verify(other, { vkeys });
  assert.equal(elsewhere.verdict, "failed");
  assert.equal(elsewhere.problems[0]!.code, "keys");
});

/**
 * Offsets to change: all, but of the zeros that were never written a sample, and of the keys and signatures, whose
 * base64 is most of such a small log and all alike, every third.
 */
function* offsets(bytes: Uint8Array, random: SeededRandom): Generator<number> {
  let digits = 0;
  for (let at = 0; at < bytes.length; at++) {
    digits = isBase64Digit(bytes[at]!) ? digits + 1 : 0;
    const isZeros = bytes[at] === 0 && bytes[at - 1] === 0 && bytes[at + 1] === 0;
    if (isZeros ? random.chance(1 / 512) : digits < 80 || digits % 3 === 0) yield at;
  }
}

function isBase64Digit(byte: number): boolean {
  return /[A-Za-z0-9+/]/.test(String.fromCharCode(byte));
}

test("every flipped byte is noticed", async () => {
  const random = new SeededRandom(1);
  // Without what costs time and has its turn anyway: zeros that were allocated, keys while other files are changed.
  const short = withFile(files, tail, files.get(tail)!.slice(0, commit.tailOffset + 4096));
  const plain = new Map([...short].filter(([name]) => !name.startsWith("keys/")));
  const unseen: string[] = [];
  for (const [name, bytes] of short) {
    const damaged = bytes.slice();
    const changed = withFile(name.startsWith("keys/") ? short : plain, name, damaged);
    for (const at of offsets(bytes, random)) {
      damaged[at]! ^= 1 << random.below(8);
      const found = noticed(await verify(changed)).replace("missing,missing", "");
      damaged[at] = bytes[at]!;
      const isExcused = isTornLike(name, at, found) || isUnbound(name, at, bytes);
      if (found !== "bad" && !isExcused) unseen.push(`${name} ${at} ${found}`);
    }
  }
  assert.deepEqual(unseen, []);
});

/** Members of log.json that entry 0 says nothing about, unless it records the file's hash. */
function isUnbound(name: string, at: number, bytes: Uint8Array): boolean {
  if (name !== "log.json") return false;
  const text = new TextDecoder().decode(bytes);
  const lineAt = text.lastIndexOf("\n", at - 1) + 1;
  const isRecorded = new TextDecoder().decode(entriesOf()[0]).includes('"settings":');
  return !isRecorded && /^  "(name|public|created|idKey)": /.test(text.slice(lineAt));
}

/** A byte where a torn append could have begun: the beginning of a sector that no commit covers. */
function isTornLike(name: string, at: number, found: string): boolean {
  const isBegin = at % 512 < 2 || at - commit.tailOffset < 2;
  return name === tail && at >= commit.tailOffset && isBegin && found.endsWith("rest");
}

test("every cut is noticed, but of what was allocated and never written", async () => {
  const random = new SeededRandom(2);
  for (const [name, bytes] of files) {
    const lengths = [0, 1, bytes.length - 1];
    for (let i = 0; i < 30; i++) lengths.push(random.below(bytes.length));
    for (let i = 0; i < 100; i++) lengths.push(random.below(Math.min(bytes.length, 4096)));
    for (const length of lengths) {
      const found = noticed(await verify(withFile(files, name, bytes.slice(0, length))));
      const isUnwritten = name === tail && length >= commit.tailOffset;
      assert.equal(found, isUnwritten ? "" : "bad", `${name} cut to ${length}`);
    }
    const longer = new Uint8Array(bytes.length + 1);
    longer.set(bytes);
    const found = noticed(await verify(withFile(files, name, longer)));
    assert.equal(found, name === tail ? "" : "bad", `${name} with a zero more`);
  }
});

test("a file that is missing, or another log's, is noticed", async () => {
  for (const name of files.keys()) {
    const found = noticed(await verify(withFile(files, name, undefined)));
    assert.equal(found, name.startsWith("keys/") ? "missing" : "bad", name);
    await expectBad(withFile(files, name, other.get(name)), `${name} of another log`);
  }
  const unknown = await verify(withFile(files, "tail/0000000000000001", new Uint8Array(8)));
  assert.equal(noticed(unknown), "bad");
  assert.equal(noticed(await verify(withFile(files, "README", utf8("hello")))), "unknown");
});

test("a file from earlier is noticed", async () => {
  for (const name of ["commits", "checkpoint", tail]) {
    const report = await verify(withFile(files, name, younger.get(name)));
    // The older checkpoint is as good as the newer one: entries came since, and the next beat publishes.
    assert.equal(noticed(report), name === "checkpoint" ? "" : "bad", name);
  }
  // All of it together is a log that once was; only who knows a later checkpoint can tell.
  assert.equal(noticed(await verify(younger)), "");
  const checkpoint = new TextDecoder().decode(files.get("checkpoint"));
  const report = await verify(younger, { checkpoint });
  assert.deepEqual(
    report.problems.map(({ code }) => code),
    ["rollback"],
  );
  const older = new TextDecoder().decode(younger.get("checkpoint"));
  assert.equal(noticed(await verify(files, { checkpoint: older })), "");
  const foreign = new TextDecoder().decode(other.get("checkpoint"));
  assert.equal(noticed(await verify(files, { checkpoint: foreign })), "bad");
});

test("every commit record that is lost, doubled or put elsewhere is noticed", async () => {
  const ring = files.get("commits")!;
  const slot = (index: number): Uint8Array => ring.subarray(4096 * index, 4096 * (index + 1));
  for (let index = 1; index <= commit.number; index++) {
    for (const bytes of [new Uint8Array(4096), slot(index - 1), slot(index + 1)]) {
      const changed = ring.slice();
      changed.set(bytes, 4096 * index);
      await expectBad(withFile(files, "commits", changed), `slot ${index}`);
    }
  }
});

test("a commit record that was made anew with other numbers is noticed", async () => {
  const changes: Partial<Commit>[] = [
    { tailOffset: commit.tailOffset + 1 },
    { tailOffset: commit.tailOffset - 1 },
    { tailFirst: 65_536 },
    { size: commit.size + 1 },
    { size: commit.size - 1 },
    { root: sha256(commit.root) },
  ];
  for (const change of changes) {
    const ring = files.get("commits")!.slice();
    ring.set(encodeCommitSlot({ ...commit, ...change }), 4096 * commit.number);
    await expectBad(withFile(files, "commits", ring), JSON.stringify(change));
  }
});

/** The entries of the tail, as they are. */
function entriesOf(): Uint8Array[] {
  const bytes = files.get(tail)!.subarray(0, commit.tailOffset);
  return parseEntryBundle(bytes).map(({ begin, end }) => bytes.subarray(begin, end));
}

function tailOf(entries: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(files.get(tail)!.length);
  let at = 0;
  for (const entry of entries) {
    bytes[at] = entry.length >> 8;
    bytes[at + 1] = entry.length & 0xff;
    bytes.set(entry, at + 2);
    at += 2 + entry.length;
  }
  return bytes;
}

test("entries that are swapped, repeated or removed are noticed, and the first is named", async () => {
  const entries = entriesOf();
  for (let i = 0; i + 1 < entries.length; i++) {
    const swapped = entries.toSpliced(i, 2, entries[i + 1]!, entries[i]!);
    const report = await expectBad(withFile(files, tail, tailOf(swapped)), `${i} swapped`);
    assert.equal(report.problems[0]!.seq, i);
    assert.equal(report.problems[0]!.path, i === 0 ? report.problems[0]!.path : tail);
    const repeated = entries.toSpliced(i, 0, entries[i]!);
    const found = await expectBad(withFile(files, tail, tailOf(repeated)), `${i} repeated`);
    assert.equal(found.problems[0]!.seq, i + 1);
    await expectBad(withFile(files, tail, tailOf(entries.toSpliced(i, 1))), `${i} removed`);
  }
});

test("a changed event names its entry, file and byte", async () => {
  const bytes = files.get(tail)!;
  const entries = entriesOf();
  let begin = 0;
  for (const [seq, entry] of entries.entries()) {
    const changed = bytes.slice();
    const letter = entry.lastIndexOf("G".charCodeAt(0));
    if (letter >= 0 && seq > 0 && seq < entries.length - 1) {
      changed[begin + 2 + letter] = "P".charCodeAt(0);
      const { problems } = await expectBad(withFile(files, tail, changed), `entry ${seq}`);
      const { seq: named, path, byte } = problems.find(({ code }) => code === "chain")!;
      assert.deepEqual({ named, path, byte }, { named: seq, path: tail, byte: begin });
    }
    begin += 2 + entry.length;
  }
});

/** Changes an entry and everything that follows from it and needs no key: later entries, commit records. */
function rewrite(from: number, time?: string): Map<string, Uint8Array> {
  const edge = new RightEdge(sha256);
  const sizes = new Map(readCommitRing(files.get("commits")!).map((each) => [each.size, each]));
  const ring = files.get("commits")!.slice();
  const rewritten: Uint8Array[] = [];
  let prev: Uint8Array = new Uint8Array(32);
  for (const bytes of entriesOf()) {
    const entry = parseEntry(bytes);
    const event = entry.event.slice();
    if (entry.seq === from) event[event.indexOf("G".charCodeAt(0))] = "P".charCodeAt(0);
    const out = new Uint8Array(66_000);
    const isLate = entry.seq === from && time !== undefined;
    const head = { ...entry, prev, ...(isLate ? { time } : {}) };
    const changed = out.slice(0, writeEntry(out, 0, head, event, 0, event.length));
    rewritten.push(changed);
    prev = hashLeaf(sha256, changed);
    edge.append(prev);
    const record = sizes.get(edge.size);
    if (record === undefined) continue;
    ring.set(encodeCommitSlot({ ...record, root: edge.root() }), 4096 * record.number);
  }
  return withFile(withFile(files, "commits", ring), tail, tailOf(rewritten));
}

test("a history that was rewritten without the keys breaks against the published checkpoint", async () => {
  const { problems } = await expectBad(rewrite(4), "rewritten");
  assert.deepEqual(
    problems.map(({ code }) => code),
    ["checkpoint"],
  );
});

test("a time that goes back is noticed, however well the rest is rewritten", async () => {
  const { problems } = await expectBad(rewrite(4, "2001-01-01T00:00:00.000Z"), "time");
  assert.deepEqual([problems[0]!.code, problems[0]!.seq, problems[0]!.path], ["order", 4, tail]);
});

test("a checkpoint that another key signed is noticed", async () => {
  const [origin, size] = new TextDecoder().decode(files.get("checkpoint")).split("\n");
  const signers = (["ed25519", "ml-dsa-44"] as const).map((algorithm) =>
    noteSigner(sha256, origin!, generateSigner(algorithm)),
  );
  const checkpoint = { origin: origin!, size: parseDecimal(size!, "size"), root: commit.root };
  const signed = utf8(await signCheckpoint(signers, checkpoint));
  await expectBad(withFile(files, "checkpoint", signed), "signed by others");
  // One of the two signatures, or one of them twice, is not enough either.
  const lines = new TextDecoder().decode(files.get("checkpoint")).split("\n");
  for (const kept of [[4], [5], [4, 4], [5, 5], [4, 5, 5]]) {
    const text = [...lines.slice(0, 4), ...kept.map((i) => lines[i]!), ""].join("\n");
    await expectBad(withFile(files, "checkpoint", utf8(text)), `lines ${kept.join()}`);
  }
});

test("what a crash leaves behind the newest commit is a note, not damage", async () => {
  const entries = entriesOf();
  const offset = commit.tailOffset;
  const last = parseEntry(entries.at(-1)!);
  const out = new Uint8Array(66_000);
  const head = { ...last, seq: last.seq + 1, prev: hashLeaf(sha256, entries.at(-1)!) };
  const more = out.slice(0, writeEntry(out, 0, head, last.event, 0, last.event.length));
  const grown = tailOf([...entries, more]);
  const report = await verify(withFile(files, tail, grown));
  assert.equal(noticed(report), "rest");
  assert.equal(report.size, commit.size);
  const torn = grown.slice().fill(0, offset + 200);
  assert.equal(noticed(await verify(withFile(files, tail, torn))), "rest");

  // The commit record of that entry, half-written.
  const edge = new RightEdge(sha256);
  for (const entry of [...entries, more]) edge.append(hashLeaf(sha256, entry));
  const next: Commit = {
    ...{ number: commit.number + 1, size: edge.size, root: edge.root(), tailFirst: 0 },
    tailOffset: offset + 2 + more.length,
  };
  const ring = files.get("commits")!.slice();
  ring.set(encodeCommitSlot(next).subarray(0, 512), 4096 * next.number);
  const crashed = withFile(withFile(files, tail, grown), "commits", ring);
  assert.equal(noticed(await verify(crashed)), "rest,rest");
  // The same record over entries that are not there is no torn write.
  assert.equal(noticed(await verify(withFile(files, "commits", ring))), "bad");
});

test("a file that the system will not read is a problem, and nothing hangs on it", async () => {
  for (const name of files.keys()) {
    const disk = mapDisk(files);
    const open: typeof disk.open = async (full, mode) => {
      const file = await disk.open(full, mode);
      if (!full.endsWith(name)) return file;
      const read = () => Promise.reject(Object.assign(new Error("EIO"), { code: "EIO" }));
      return { ...file, read };
    };
    const report = await verifyDirectory(mapLocation, { disk: { ...disk, open }, crypto });
    const found = name.startsWith("keys/") ? report.notes : report.problems;
    assert.ok(
      found.some(({ code, path }) => code === "unreadable" && path === name),
      name,
    );
  }
});
