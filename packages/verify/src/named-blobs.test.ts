/**
 * Goal: a blob that is gone, changed, longer or another one is found, and the entry that named it first is named, be
 * it in the tail or in a sealed file. Method: a small log and one with a sealed segment, with damage to their blobs;
 * the verdict names file and entry. That no byte of a blob can be flipped is in `damage.test.ts`.
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { before, test } from "node:test";
import { utf8 } from "@cairnlog/core";
import { readNdjson, type Log } from "@cairnlog/log";
import { blobPath } from "@cairnlog/store";
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

const [first, second, empty] = ["the first blob", "the second blob", ""];

function pathOf(text: string): string {
  return blobPath(createHash("sha256").update(text).digest("hex"));
}

let files: Map<string, Uint8Array>;

before(async () => {
  files = await withLog(async (log, folder) => {
    await appendSome(log, 2, "a");
    await appendNaming(log, [first, empty]);
    await appendNaming(log, [second, first]);
    await log.publish();
    return readFiles(folder);
  });
});

async function findings(damaged: FileMap) {
  const disk = mapDisk(damaged);
  const { problems, notes } = await verifyDirectory(mapLocation, { disk, workers: 0 });
  const short = ({ code, path, seq }: (typeof problems)[number]) => [code, path, seq];
  return { problems: problems.map(short), notes: notes.map(short) };
}

test("blobs that are as they were named are no news", async () => {
  assert.deepEqual(await findings(files), { problems: [], notes: [] });
});

test("a blob that is gone, longer, or another one is found with the entry that names it", async () => {
  const [one, two] = [pathOf(first), pathOf(second)];
  assert.deepEqual((await findings(withFile(files, one, undefined))).problems, [["blob", one, 3]]);
  const none = withFile(withFile(files, one, undefined), two, undefined);
  assert.deepEqual((await findings(none)).problems, [
    ["blob", one, 3],
    ["blob", two, 4],
  ]);
  // Longer: its length and its hash are not what they were.
  const longer = withFile(files, two, utf8(`${second} `));
  assert.deepEqual((await findings(longer)).problems, [
    ["blob", two, 4],
    ["blob", two, 4],
  ]);
  const longerEmpty = withFile(files, pathOf(empty), utf8("x"));
  assert.equal((await findings(longerEmpty)).problems[0]![2], 3);
  const [a, b] = [files.get(one)!, files.get(two)!];
  const swapped = withFile(withFile(files, one, b), two, a);
  assert.deepEqual(
    new Set((await findings(swapped)).problems.map((each) => each[1])),
    new Set([one, two]),
  );
  // In the folder of another hash it is not there.
  const misplaced = withFile(withFile(files, one, undefined), one.replace(/\/../, "/00"), a);
  const { problems, notes } = await findings(misplaced);
  assert.deepEqual(problems, [["blob", one, 3]]);
  assert.equal(notes[0]![0], "unknown");
});

test("a blob that no entry names is noted, and checked all the same", async () => {
  const unnamed = withFile(files, pathOf("unnamed"), utf8("unnamed"));
  assert.deepEqual(await findings(unnamed), {
    problems: [],
    notes: [["rest", "blobs", undefined]],
  });
  const changed = withFile(files, pathOf("unnamed"), utf8("Unnamed"));
  assert.deepEqual((await findings(changed)).problems, [["blob", pathOf("unnamed"), undefined]]);
});

/** Fills a segment with events, some of which name blobs, or seem to. */
async function fillSegment(log: Log): Promise<void> {
  const event = (more: object): string =>
    JSON.stringify({ type: "a.b", actor: { id: "c" }, action: "d", ...more });
  const blob = (text: string): object => {
    const byteLength = utf8(text).length;
    return { sha256: pathOf(text).slice(-64), byteLength };
  };
  await log.putBlob(utf8(first));
  await log.putBlob(utf8(second));
  const lines = Array<string>(65_600).fill(event({}));
  lines[300] = event({ details: { blobs: [blob("never put")] } });
  lines[301] = event({ details: '"blobs":[]' });
  lines[302] = event({ blobs: [blob(first)] });
  lines[303] = event({ blobs: [blob(first), blob(second)] });
  lines[65_534] = event({ blobs: [blob(second)] });
  const { refused } = await log.append(readNdjson(utf8(lines.join("\n"))), "api");
  assert.equal(refused, 0);
  await log.sealed();
  await log.publish();
}

test("blobs that sealed entries name", async () => {
  await withLog(async (log, folder) => {
    await fillSegment(log);
    // In this thread, by the plain way and the fast one; a tail follows.
    for (const workers of [0, 2]) {
      const report = await verifyDirectory(folder, { workers });
      assert.deepEqual([report.problems, report.notes], [[], []]);
    }
    fs.rmSync(path.join(folder, pathOf(first)));
    fs.chmodSync(path.join(folder, pathOf(second)), 0o600);
    fs.writeFileSync(path.join(folder, pathOf(second)), "The second blob");
    const { problems } = await verifyDirectory(folder);
    assert.deepEqual(
      problems.map(({ code, path, seq }) => [code, path, seq]),
      [
        ["blob", pathOf(first), 303],
        ["blob", pathOf(second), 304],
      ],
    );
  });
});
