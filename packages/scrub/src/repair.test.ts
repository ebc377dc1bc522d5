/**
 * Goal: a repair gives back exactly the bytes that were there, from a copy or from tiles; keeps the damaged ones; is
 * told in the log; and refuses, with nothing changed, what does not come to the log's own root.
 * Method: a copy of a log with a sealed segment and a tail is damaged in each way, repaired, compared with the original
 * byte for byte, opened and verified. Tiles are served by the original log itself.
 */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, rmSync, truncateSync } from "node:fs";
import { dirname, join } from "node:path";
import { after, before, describe, it } from "node:test";
import { isCairnError, parseEntry, parseTilePath, parseUtf8, utf8 } from "@cairnlog/core";
import { openLog, type Log } from "@cairnlog/log";
import { filesStore } from "@cairnlog/store";
import { verifyDirectory, type Fetch } from "@cairnlog/verify";
import {
  append,
  copyOf,
  flip,
  logName,
  makeLog,
  newFolder,
  overwrite,
  removeFolders,
} from "./log-folder.testing.ts";
import { repairLog } from "./repair.ts";
import { Scrubber } from "./scrubber.ts";

const sealed = "sealed/0000000000000000";
const tail = "tail/0000000000065536";
const ids = "index/ids/0000000000000000";

let original = "";
before(async () => {
  original = await makeLog(66_000);
});
after(removeFolders);

function bytesOf(data: string, path: string): Buffer {
  return readFileSync(join(data, logName, path));
}

function withoutRoom(bytes: Buffer): Buffer {
  let end = bytes.length;
  while (end > 0 && bytes[end - 1] === 0) end--;
  return bytes.subarray(0, end);
}

/** Damages a copy, repairs it from `from`, and compares all of it with the original. */
async function repaired(
  paths: readonly string[],
  damage: (full: string) => void,
  from = join(original, logName),
  fetch?: Fetch,
): Promise<string> {
  const data = copyOf(original);
  const folder = join(data, logName);
  const damaged = new Map<string, Buffer | undefined>();
  for (const path of paths) {
    damage(join(folder, path));
    damaged.set(path, existsSync(join(folder, path)) ? bytesOf(data, path) : undefined);
  }
  const report = await repairLog(folder, from, fetch === undefined ? {} : { fetch });
  assert.deepEqual(report.restored.map(({ path }) => path).sort(), [...paths].sort());
  assert.deepEqual(report.left, []);
  for (const path of paths) {
    const [found, right] = [bytesOf(data, path), bytesOf(original, path)];
    // How many zeros follow in a tail means nothing.
    assert.ok(withoutRoom(found).equals(withoutRoom(right)), `${path} is as it was`);
    const kept = join(folder, report.kept!, path.replaceAll("/", "-"));
    const before = damaged.get(path);
    if (before === undefined) assert.ok(!existsSync(kept));
    else assert.ok(readFileSync(kept).equals(before), `the damaged ${path} is kept`);
  }
  const names = readdirSync(folder, { recursive: true, encoding: "utf8" });
  assert.deepEqual(
    names.filter((name) => name.includes(".tmp-")),
    [],
  );
  return data;
}

const ways: readonly [string, (full: string) => void][] = [
  ["a byte", (full) => flip(full, 2000)],
  ["a cut", (full) => truncateSync(full, 1000)],
  ["gone", (full) => rmSync(full)],
];

describe("repair from a copy", () => {
  for (const [name, damage] of ways) {
    for (const path of name === "a cut" ? [sealed, tail] : [sealed, tail, ids]) {
      it(`${path}: ${name}`, async () => void (await repaired([path], damage)));
    }
  }

  it("all at once, the checkpoint too, and the next start tells of it", async () => {
    const paths = [sealed, tail, ids, "checkpoint"];
    const data = await repaired(paths, (full) => flip(full, 100));
    const { problems } = await verifyDirectory(join(data, logName), { workers: 0 });
    assert.deepEqual(problems, []);
    const log = await openLog(filesStore({ folder: data }), logName);
    const scrubber = new Scrubber();
    const before = log.status().size;
    await scrubber.watch(log, join(data, logName));
    await log.waitBeyond(before, AbortSignal.timeout(10_000));
    await scrubber.close();
    const { event } = parseEntry((await log.entry(log.status().size - 1)).bytes);
    const { type, details } = JSON.parse(parseUtf8(event)) as {
      type: string;
      details: { files: { path: string }[] };
    };
    assert.equal(type, "system.repaired");
    assert.deepEqual(details.files.map(({ path }) => path).sort(), paths.sort());
    const { size } = log.status();
    await scrubber.close();
    const again = new Scrubber();
    await again.watch(log, join(data, logName));
    await again.close();
    assert.equal(log.status().size, size, "told once");
    await log.close();
  });

  it("a damaged index of streams is taken away, and the log makes it again", async () => {
    const path = "index/streams/0000000000000000";
    const data = copyOf(original);
    const folder = join(data, logName);
    flip(join(folder, path), 40);
    const damaged = bytesOf(data, path);
    const { restored, kept } = await repairLog(folder, join(original, logName));
    assert.deepEqual(
      restored.map(({ path: each, how }) => [each, how]),
      [[path, "derived"]],
    );
    assert.ok(readFileSync(join(folder, kept!, path.replaceAll("/", "-"))).equals(damaged));
    const { problems } = await verifyDirectory(folder, { workers: 0 });
    assert.deepEqual(problems, []);
    await (await openLog(filesStore({ folder: data }), logName)).close();
    assert.ok(bytesOf(data, path).equals(bytesOf(original, path)));
  });

  it("a copy that is behind: its entries, and the own ones that follow", async () => {
    const data = copyOf(original);
    const log = await openLog(filesStore({ folder: data }), logName);
    await append(log, 90_000, 50);
    await log.close();
    const folder = join(data, logName);
    const before = bytesOf(data, tail);
    flip(join(folder, tail), 300);
    await repairLog(folder, join(original, logName));
    assert.ok(bytesOf(data, tail).equals(before));
  });

  it("nothing to do", async () => {
    const data = copyOf(original);
    const report = await repairLog(join(data, logName), join(original, logName));
    assert.deepEqual(report.restored, []);
    assert.equal(report.kept, undefined);
  });

  it("refuses, and changes nothing: a damaged copy, another log, damage that the copy does not cover", async () => {
    const bad = copyOf(original);
    flip(join(bad, logName, sealed), 9000);
    const other = await makeLog(66_000);
    const cases: [string, string, (full: string) => void][] = [
      [sealed, join(bad, logName), (full) => flip(full, 2000)],
      [sealed, join(other, logName), (full) => rmSync(full)],
      [tail, join(other, logName), (full) => flip(full, 500)],
    ];
    for (const [path, from, damage] of cases) {
      const data = copyOf(original);
      const folder = join(data, logName);
      damage(join(folder, path));
      const before = existsSync(join(folder, path)) ? bytesOf(data, path) : undefined;
      await assert.rejects(repairLog(folder, from), (error) => isCairnError(error, "unverified"));
      assert.ok(!existsSync(join(folder, "damaged")));
      if (before === undefined) assert.ok(!existsSync(join(folder, path)));
      else assert.ok(bytesOf(data, path).equals(before));
    }
    await assert.rejects(repairLog(join(original, logName), newFolder()), (error) =>
      isCairnError(error, "usage"),
    );
  });

  it("a log that is open: sealed files are restored, and the log says that they are sound again", async () => {
    const data = copyOf(original);
    const folder = join(data, logName);
    const log = await openLog(filesStore({ folder: data }), logName);
    const bytes = bytesOf(data, sealed);
    const damaged = Buffer.from(bytes);
    damaged[70_000] = damaged[70_000]! ^ 1;
    overwrite(join(folder, sealed), damaged);
    const report = await repairLog(folder, join(original, logName));
    assert.equal(report.isRunning, true);
    assert.ok(bytesOf(data, sealed).equals(bytes));
    flip(join(folder, tail), 300);
    await assert.rejects(repairLog(folder, join(original, logName)), (error) =>
      isCairnError(error, "unverified"),
    );
    await log.close();
  });
});

describe("repair from tiles", () => {
  const mirror = "https://mirror.example.com/logs/main/";
  let log: Log;
  let data = "";
  const fetch: Fetch = async (url) => {
    const path = new URL(url).pathname.slice("/logs/main/".length);
    if (path === "checkpoint") return new Response(log.publishedCheckpoint().note);
    const { level, index, width } = parseTilePath(path);
    const bytes =
      level === "entries"
        ? await log.entryBundle(index, width)
        : await log.tile(level, index, width);
    return bytes === undefined ? new Response("", { status: 404 }) : new Response(bytes.slice());
  };
  before(async () => {
    data = copyOf(original);
    log = await openLog(filesStore({ folder: data }), logName);
  });
  after(() => log.close());

  it("a sealed file whose seal is whole is made again, byte for byte; and the tail", async () => {
    await repaired([sealed], (full) => flip(full, 2000), mirror, fetch);
    await repaired([tail], (full) => flip(full, 2000), mirror, fetch);
  });

  it("a sealed file that is gone is made again too, and the log's keys seal it anew", async () => {
    const data = copyOf(original);
    const folder = join(data, logName);
    rmSync(join(folder, sealed));
    const { restored } = await repairLog(folder, mirror, { fetch });
    assert.deepEqual(
      restored.map(({ path, how }) => [path, how]),
      [[sealed, "resealed"]],
    );
    const { vkeys } = log;
    const { verdict, problems } = await verifyDirectory(folder, { workers: 0, vkeys });
    assert.deepEqual([verdict, problems], ["verified", []]);
    // All but the signatures is what it was: one of the two algorithms signs with randomness.
    const [made, was] = [bytesOf(data, sealed), bytesOf(original, sealed)];
    const note = was.lastIndexOf("cairnlog/seal/v1\n");
    assert.ok(made.subarray(0, note).equals(was.subarray(0, note)));
  });

  it("not without the log's keys, nor on a log that is open, nor where the entries are others", async () => {
    const cases: readonly [RegExp, (folder: string) => Promise<Log | undefined>, Fetch][] = [
      [/ed25519.pem cannot be read/, async (folder) => gone(folder, "keys/ed25519.pem"), fetch],
      [
        /stop the log for that/,
        (folder) => openLog(filesStore({ folder: dirname(folder) }), logName),
        fetch,
      ],
      [/does not come to the root of the newest commit/, async () => undefined, otherEntries],
    ];
    for (const [why, prepare, served] of cases) {
      const folder = join(copyOf(original), logName);
      const open = await prepare(folder);
      rmSync(join(folder, sealed));
      const before = readdirSync(folder, { recursive: true });
      await assert.rejects(repairLog(folder, mirror, { fetch: served }), (error) => {
        assert.ok(isCairnError(error, "unverified"));
        assert.match(error.message, why);
        return true;
      });
      assert.deepEqual(readdirSync(folder, { recursive: true }), before);
      await open?.close();
    }
  });

  function gone(folder: string, path: string): undefined {
    rmSync(join(folder, path));
  }

  /** The newest entry of the sealed ones is another one: nothing else would show it but the root. */
  const otherEntries: Fetch = async (url, init) => {
    const response = await fetch(url, init);
    if (!url.endsWith("tile/entries/255")) return response;
    const bytes = new Uint8Array(await response.arrayBuffer());
    const at = Buffer.from(bytes.buffer).lastIndexOf('"GET"');
    bytes.set(utf8('"PUT"'), at);
    return new Response(bytes);
  };
});
