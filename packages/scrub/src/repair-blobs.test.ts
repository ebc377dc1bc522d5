/**
 * Goal: damaged and lost blobs come back from a copy, byte for byte, and from nowhere else; what cannot be restored is
 * said. Method: a small log whose blobs are damaged in every way; its copy, whole or as bad.
 */
import assert from "node:assert/strict";
import { mkdirSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { utf8 } from "@cairnlog/core";
import { openLog, readEvent } from "@cairnlog/log";
import { blobPath, filesStore } from "@cairnlog/store";
import { verifyDirectory } from "@cairnlog/verify";
import { copyOf, flip, logName, makeLog, overwrite, removeFolders } from "./log-folder.testing.ts";
import { repairLog } from "./repair.ts";

let original: string;
let named: string[];
let unnamed: string;

before(async () => {
  original = await makeLog(3);
  const log = await openLog(filesStore({ folder: original }), logName);
  const blobs: { sha256: string; byteLength: number }[] = [];
  for (const text of ["the first", "the second"]) {
    blobs.push({ sha256: await log.putBlob(utf8(text)), byteLength: text.length });
  }
  unnamed = blobPath(await log.putBlob(utf8("unnamed")));
  const event = { type: "a.b", actor: { id: "c" }, action: "d", blobs };
  const appended = await log.append(readEvent(utf8(JSON.stringify(event))), "api");
  assert.equal(appended.refused, 0);
  await log.close();
  named = blobs.map(({ sha256 }) => blobPath(sha256));
});
after(removeFolders);

const ways: readonly [string, (full: string) => void][] = [
  ["a byte", (full) => flip(full, 3)],
  ["a cut", (full) => truncateSync(full, 2)],
  ["another blob", (full) => overwrite(full, utf8("the other"))],
  ["gone, with its folder", (full) => rmSync(dirname(full), { recursive: true })],
];

test("what is damaged or gone comes back from a copy", async () => {
  for (const [name, damage] of ways) {
    const data = copyOf(original);
    const folder = join(data, logName);
    for (const path of named) damage(join(folder, path));
    const report = await repairLog(folder, join(original, logName));
    assert.deepEqual(report.restored.map(({ path }) => path).toSorted(), named.toSorted(), name);
    assert.deepEqual(report.left, []);
    for (const path of named) {
      const right = readFileSync(join(original, logName, path));
      assert.ok(readFileSync(join(folder, path)).equals(right), name);
    }
    const { problems } = await verifyDirectory(folder, { workers: 0 });
    assert.deepEqual(problems, []);
  }
});

test("a blob that no entry names is restored where it is damaged", async () => {
  const data = copyOf(original);
  const full = join(data, logName, unnamed);
  flip(full, 1);
  await repairLog(join(data, logName), join(original, logName));
  assert.equal(readFileSync(full, "utf8"), "unnamed");
});

test("what the copy does not have, or has damaged, is left and said", async () => {
  for (const isGone of [true, false]) {
    const [data, copy] = [copyOf(original), copyOf(original)];
    const folder = join(data, logName);
    const path = named[0]!;
    flip(join(folder, path), 3);
    const inCopy = join(copy, logName, path);
    if (isGone) rmSync(inCopy);
    else flip(inCopy, 3);
    const before = readFileSync(join(folder, path));
    const report = await repairLog(folder, join(copy, logName));
    assert.deepEqual(report.restored, []);
    assert.deepEqual(
      report.left.map((each) => each.path),
      [path],
    );
    assert.match(report.left[0]!.why, /its SHA-256 is [0-9a-f]{64}; .* does not have it/);
    assert.ok(readFileSync(join(folder, path)).equals(before), "nothing was changed");
    const names = readdirSync(dirname(join(folder, path)));
    assert.equal(names.filter((name) => name.includes(".tmp-")).length, 0);
  }
});

test("a file of another name among the blobs is nobody's", async () => {
  const data = copyOf(original);
  const stray = join(data, logName, "blobs/00/stray");
  mkdirSync(dirname(stray), { recursive: true });
  writeFileSync(stray, "stray");
  const report = await repairLog(join(data, logName), join(original, logName));
  assert.deepEqual([report.restored, report.left], [[], []]);
});
