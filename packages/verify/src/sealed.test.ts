/**
 * Goal: damage in a log with sealed files is noticed and named, whichever thread looks. Method: a real log with two
 * sealed segments and a tail; bytes changed in every part of its files; files swapped, lost and left over; and the
 * same log verified while it grows.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { before, test } from "node:test";
import { SeededRandom } from "@cairnlog/testing";
import { verifyDirectory } from "./directory.ts";
import {
  appendSome,
  mapDisk,
  mapLocation,
  readFiles,
  withFile,
  withLog,
  type FileMap,
} from "./file-map.testing.ts";
import { verifyFile } from "./file.ts";
import { verifySealedFile } from "./sealed-file.ts";

const first = "sealed/0000000000000000";
const second = "sealed/0000000000065536";
const ids = "index/ids/0000000000000000";
const streams = "index/streams/0000000000000000";
const tail = "tail/0000000000131072";

/** One sealed segment: damage is looked for here, as it is verified many times. */
let small: Map<string, Uint8Array>;
let large: Map<string, Uint8Array>;
/** The tail file of the first segment, before it was sealed. */
let leftover: Uint8Array;
let vkeys: string[];

before(async () => {
  [small, large] = await withLog(async (log, folder) => {
    for (let i = 0; i < 15; i++) await appendSome(log, 4096, `a${i}`);
    leftover = readFiles(folder).get("tail/0000000000000000")!;
    for (let i = 0; i < 2; i++) await appendSome(log, 2200, `b${i}`);
    await log.sealed();
    await log.publish();
    const one = readFiles(folder);
    for (let i = 0; i < 16; i++) await appendSome(log, 4096, `c${i}`);
    await log.sealed();
    await log.publish();
    await verifyGrowing(log, folder);
    vkeys = [...log.vkeys];
    return [one, readFiles(folder)];
  });
});

/** The log is being written, and real threads look at its real files. */
async function verifyGrowing(log: Parameters<typeof appendSome>[0], folder: string): Promise<void> {
  const state = { isDone: false };
  const growing = (async () => {
    for (let i = 0; !state.isDone && i < 400; i++) await appendSome(log, 50, `d${i}`);
  })();
  let told = 0;
  const report = await verifyDirectory(folder, {
    workers: 2,
    onProgress: ({ entriesDone }) => (told = entriesDone),
  });
  state.isDone = true;
  await growing;
  assert.deepEqual(report.problems, []);
  assert.equal(report.entriesChecked, report.size);
  assert.equal(told, report.size);
}

function verify(files: FileMap) {
  return verifyDirectory(mapLocation, { disk: mapDisk(files), workers: 0, vkeys });
}

test("a log with sealed files is verified", async () => {
  const report = await verify(large);
  assert.deepEqual([report.problems, report.notes], [[], []]);
  assert.equal(report.verdict, "verified");
  assert.equal(report.entriesChecked, report.size);
});

test("a changed byte in any part of a sealed file, or beside it, is noticed", async () => {
  const random = new SeededRandom(3);
  const length = small.get(first)!.length;
  const level1 = length - 140 - 3600 - 4096 - 8192;
  const leafHashes = level1 - 65_536 * 32;
  const places: [string, number][] = [];
  const sample = (file: string, from: number, to: number, count: number): void => {
    for (let i = 0; i < count; i++) places.push([file, from + random.below(to - from)]);
  };
  sample(first, 0, leafHashes / 4, 12);
  sample(first, leafHashes, leafHashes + 400_000, 6);
  sample(first, level1 - 4096, level1 + 4096, 3);
  sample(first, length - 8000, length, 8);
  places.push([first, length - 1], [first, length - 140], [first, 3]);
  sample(ids, 0, small.get(ids)!.length, 3);
  sample(streams, 0, small.get(streams)!.length, 8);
  for (const [file, at] of places) {
    const bytes = small.get(file)!.slice();
    bytes[at]! ^= 1 << random.below(8);
    const report = await verify(withFile(small, file, bytes));
    assert.equal(report.verdict, "failed", `${file}, byte ${at}`);
    assert.equal(report.problems[0]!.path, file, `${file}, byte ${at}`);
  }
});

test("sealed files that are lost, cut, or in another's place are noticed", async () => {
  const swapped = new Map(large).set(first, large.get(second)!).set(second, large.get(first)!);
  const cut = large.get(second)!.subarray(0, 3_000_000);
  const cases: [string, FileMap, string][] = [
    ["swapped", swapped, "sealed"],
    ["cut", withFile(large, second, cut), "sealed"],
    ["first lost", withFile(large, first, undefined), "missing"],
    ["tail lost", withFile(large, tail, undefined), "missing"],
    ["younger ring", withFile(large, "commits", small.get("commits")), "rollback"],
  ];
  for (const [what, files, code] of cases) {
    const { problems, verdict } = await verify(files);
    assert.equal(verdict, "failed", what);
    assert.ok(
      problems.some((problem) => problem.code === code),
      `${what}: ${code}`,
    );
  }
  const lost = await verify(withFile(large, second, undefined));
  assert.equal(lost.problems[0]!.seq, 65_536);
  const noIds = await verify(withFile(small, ids, undefined));
  assert.deepEqual([noIds.ok, noIds.notes[0]!.code], [true, "missing"]);
});

test("a tail file beside the sealed one must say the same", async () => {
  const name = "tail/0000000000000000";
  // It was read before its segment was full.
  const report = await verify(withFile(small, name, leftover));
  assert.equal(report.verdict, "failed");
  assert.equal(report.problems[0]!.path, name);
});

test("a pipe in a file's place is noticed and not waited for", async () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "cairn-verify-"));
  try {
    for (const name of ["checkpoint", "commits", "log.json"]) {
      execFileSync("mkfifo", [path.join(folder, name)]);
    }
    const { problems } = await verifyDirectory(folder);
    const strange = problems.filter(({ code }) => code === "unreadable").map(({ path: at }) => at);
    assert.deepEqual(new Set(strange), new Set(["checkpoint", "commits", "log.json"]));
  } finally {
    fs.rmSync(folder, { recursive: true });
  }
});

test("threads find the same, on real files, and stop when they are told to", async () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "cairn-verify-"));
  try {
    const damaged = large.get(second)!.slice();
    damaged[1000]! ^= 4;
    for (const [name, bytes] of withFile(large, second, damaged)) {
      fs.mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
      fs.writeFileSync(path.join(folder, name), bytes);
    }
    const report = await verifyDirectory(folder, { workers: 2 });
    const here = await verify(withFile(large, second, damaged));
    assert.deepEqual(report.problems, here.problems);
    const abort = new AbortController();
    const onProgress = (): void => abort.abort(new Error("enough"));
    const options = { workers: 2, onProgress, signal: abort.signal };
    await assert.rejects(verifyDirectory(folder, options), /enough/);

    const alone = path.join(folder, first);
    const size = fs.statSync(alone).size;
    assert.equal((await verifySealedFile(alone, size, { vkeys })).verdict, "verified");
    assert.equal((await verifySealedFile(alone, size)).verdict, "consistent");
    const bad = path.join(folder, second);
    assert.equal((await verifySealedFile(bad, fs.statSync(bad).size, { vkeys })).verdict, "failed");
    assert.equal((await verifyFile(new Uint8Array(0))).verdict, "failed");
  } finally {
    fs.rmSync(folder, { recursive: true });
  }
});
