/**
 * Goal: an event that names a blob is recorded only when that blob is durable with that length, and events without
 * blobs pay nothing for it. Method: small logs in memory and on the simulated disk; blobs that are missing, late,
 * of another length, damaged, half put; a large one on real files while the memory is watched.
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { isCairnError, type CairnError, type CairnErrorCode } from "@cairnlog/core";
import { blobPath, filesStore, memoryStore, processLock, type Store } from "@cairnlog/store";
import { ManualClock, SeededRandom, SimulatedDisk } from "@cairnlog/testing";
import { createLog, openLog, readEvent, readNdjson, type Log } from "./index.ts";

const content = new SeededRandom(1).bytes(1000);
const sha256 = createHash("sha256").update(content).digest("hex");
const named = { sha256, byteLength: content.length };

async function newLog(t: TestContext, store: Store = memoryStore()): Promise<Log> {
  const options = { clock: new ManualClock() };
  const log = await createLog(store, { name: "main", origin: "example.com/main" }, options);
  t.after(() => log.close().catch(() => undefined));
  return log;
}

function event(id: string, blobs?: readonly object[], more: object = {}): string {
  const actor = { id: "alice" };
  return JSON.stringify({ id, type: "a.b", actor, action: "x", ...(blobs && { blobs }), ...more });
}

function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function isCode(code: CairnErrorCode): (error: unknown) => boolean {
  return (error) => isCairnError(error, code);
}

async function readWhole(log: Log, hash: string): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  for await (const piece of (await log.readBlob(hash)).chunks) pieces.push(piece);
  return Buffer.concat(pieces);
}

async function refusalOf(log: Log, text: string): Promise<CairnError | undefined> {
  return (await log.append(readEvent(bytes(text)), "app")).refusal(0);
}

test("an event is recorded when its blobs are there, and refused before", async (t) => {
  const log = await newLog(t);
  const early = await refusalOf(log, event("1", [named]));
  assert.equal(early?.code, "blob_missing");
  assert.equal(early.place.pointer, "/blobs/0");
  assert.equal(log.status().size, 1);

  assert.equal(await log.putBlob(content), sha256);
  assert.equal(await log.putBlob(content), sha256);
  assert.equal(await log.blobByteLength(sha256), 1000);
  assert.ok(Buffer.from(content).equals(await readWhole(log, sha256)));

  const other = { ...named, sha256: "0".repeat(64) };
  for (const [bad, at] of [
    [[{ ...named, byteLength: 999 }], 0],
    [[named, other], 1],
    [[named, named, { ...named, byteLength: 0 }], 2],
  ] as const) {
    const refusal = await refusalOf(log, event("1", bad));
    assert.equal(refusal?.code, "blob_missing");
    assert.equal(refusal.place.pointer, `/blobs/${at}`);
  }
  assert.equal(await refusalOf(log, event("1", [named, { ...named, role: "request" }])), undefined);
  assert.equal(log.status().size, 2);
});

test("in a batch only the events whose blobs are missing are refused", async (t) => {
  const log = await newLog(t);
  await log.putBlob(content);
  const missing = [{ ...named, byteLength: 1 }];
  // Beyond 64 KiB the batch is read by another thread.
  for (const filler of ["", "x".repeat(30_000)]) {
    const lines = Array.from({ length: 6 }, (_, i) =>
      event(`${filler.length}-${i}`, [undefined, missing, [named]][i % 3], { filler }),
    );
    lines.splice(3, 0, "{}");
    const { size } = log.status();
    const [appended, after] = await Promise.all([
      log.appendNdjson(bytes(lines.join("\n")), "app"),
      log.appendNdjson(bytes(event(`after-${filler.length}`)), "app"),
    ]);
    const codes = lines.map((_, i) => appended.refusal(i)?.code);
    const none = undefined;
    assert.deepEqual(codes, [none, "blob_missing", none, "invalid", none, "blob_missing", none]);
    assert.equal(appended.refused, 3);
    assert.equal(log.status().size, size + 5);
    assert.equal(
      after.seq(0),
      size + 4,
      "batches keep their order, also where one waits for blobs",
    );
  }
  const { queuedEvents, queuedBytes } = log.status();
  assert.deepEqual([queuedEvents, queuedBytes], [0, 0]);
});

test("a batch notes the events that name blobs, and no others", () => {
  const nested = event("1", undefined, { details: { blobs: [named] } });
  const spaced = event("2", [named]).replace('"blobs":[', ' "blobs" : [ ');
  const batch = readNdjson(bytes([nested, spaced, event("3"), event("4", [])].join("\n")));
  assert.deepEqual(batch.withBlobs, [1]);
  assert.deepEqual(batch.blobsOf(1), [named]);
  assert.deepEqual([...batch.refusals.keys()], [3]);
  // What is recorded has the spelling that a verifier looks for.
  const text = new TextDecoder().decode(batch.bytes.subarray(batch.start[1], batch.end[1]));
  assert.ok(text.includes('"blobs":[{'));
});

test("a blob is limited, refused without room, and refused by a log that is closed", async (t) => {
  const disk = new SimulatedDisk({ random: new SeededRandom(1), capacity: 40 * 1024 * 1024 });
  const store = filesStore({ folder: "/data", disk, lock: processLock() });
  const log = await newLog(t, store);
  assert.equal(log.blobBytesMax, 64 * 1024 * 1024);
  await log.putBlob(content);
  await assert.rejects(log.putBlob(new Uint8Array(20 * 1024 * 1024)), isCode("storage_full"));
  const tooLong = log.putBlobStream(sha256, (async function* () {})(), 65 * 1024 * 1024);
  await assert.rejects(tooLong, isCode("too_large"));
  await assert.rejects(log.readBlob("0".repeat(64)), isCode("not_found"));
  await log.close();
  await assert.rejects(log.putBlob(content), isCode("unavailable"));
});

test("the name of a blob does not count before it is durable", async (t) => {
  const disk = new SimulatedDisk({ random: new SeededRandom(2) });
  const store = filesStore({ folder: "/data", disk, lock: processLock() });
  const log = await newLog(t, store);
  const shard = blobPath(sha256).slice(0, -65);
  await log.putBlob(bytes("another one, so that folders are known"));

  // The name is given, and the folder's sync then fails: it is there, and a power loss could take it back.
  disk.fault = (operation, path) =>
    operation === "syncFolder" && path.endsWith(shard) ? "fail" : "ok";
  await assert.rejects(log.putBlob(content), isCode("unavailable"));
  assert.ok(disk.peek(`/data/main/${blobPath(sha256)}`) !== undefined);
  assert.equal(await log.blobByteLength(sha256), undefined);
  assert.equal((await refusalOf(log, event("1", [named])))?.code, "blob_missing");

  disk.fault = () => "ok";
  await log.putBlob(content);
  assert.equal(await refusalOf(log, event("1", [named])), undefined);
});

test("of all who put one blob at a time, one is told that it is new", async (t) => {
  const log = await newLog(t);
  const stream = async function* (): AsyncGenerator<Uint8Array> {
    yield content.subarray(0, 500);
    yield content.subarray(500);
  };
  const puts = await Promise.all(
    Array.from({ length: 6 }, () => log.putBlobStream(sha256, stream())),
  );
  assert.equal(puts.filter(({ isNew }) => isNew).length, 1);
  assert.ok(puts.every(({ byteLength }) => byteLength === content.length));
});

test("a log that is opened again has its blobs", async (t) => {
  const disk = new SimulatedDisk({ random: new SeededRandom(3) });
  const store = filesStore({ folder: "/data", disk, lock: processLock() });
  const log = await newLog(t, store);
  await log.putBlob(content);
  const next = disk.powerLoss();
  const after = filesStore({ folder: "/data", disk: next, lock: processLock() });
  const again = await openLog(after, "main", { clock: new ManualClock() });
  assert.equal(await refusalOf(again, event("1", [named])), undefined);
  assert.ok(Buffer.from(content).equals(await readWhole(again, sha256)));
  await again.close();
});

test("a large blob passes through without being held", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "cairn-blobs-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const log = await newLog(t, filesStore({ folder }));
  const piece = new SeededRandom(4).bytes(65_536);
  const pieces = 768;
  const hash = createHash("sha256");
  for (let i = 0; i < pieces; i++) hash.update(piece);
  const name = hash.digest("hex");
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  collect();
  const before = process.memoryUsage().arrayBuffers;
  let most = 0;
  let looks = 0;
  const look = (): void => {
    if (looks++ % 32 !== 0) return;
    collect();
    most = Math.max(most, process.memoryUsage().arrayBuffers - before);
  };
  const stream = async function* (): AsyncGenerator<Uint8Array> {
    for (let i = 0; i < pieces; i++) {
      look();
      yield piece;
    }
  };
  const put = await log.putBlobStream(name, stream());
  assert.equal(put.byteLength, pieces * piece.length);
  let read = 0;
  for await (const part of (await log.readBlob(name)).chunks) {
    look();
    read += part.length;
  }
  assert.equal(read, put.byteLength);
  assert.ok(most < 12 * 1024 * 1024, `${most} of ${read} bytes were held`);
});
