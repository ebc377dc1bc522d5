/**
 * Goal: a segment that is full becomes a sealed file that holds exactly what was acknowledged, in the background, and a
 * log goes on from there; a tail that was changed is never sealed, and a file that comes back wrong is tried again.
 * Method: a log on real files, sealed by the worker thread, and one in memory, sealed inline, with 66,000 small events;
 * audits through the log's own reading, through the store, and by `checkSegment`.
 */
import assert from "node:assert/strict";
import { mkdtemp, open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import {
  isCairnError,
  leafHash,
  parseEntry,
  parseVkey,
  utf8,
  verifyCheckpoint,
  verifyInclusion,
  type CairnError,
} from "@cairnlog/core";
import { nodeCrypto } from "@cairnlog/crypto";
import {
  checkSegment,
  filesStore,
  memoryStore,
  sealedPath,
  segmentEntries,
  tailPath,
  type LogStore,
  type Store,
} from "@cairnlog/store";
import { ManualClock } from "@cairnlog/testing";
import { createLog, openLog, readNdjson, type Log } from "./index.ts";

const { sha256 } = nodeCrypto;
const newLog = { name: "main", origin: "example.com/logs/main" };
const batchEvents = 2000;
/** Entry 0 is the log's own: the last batch fills the segment and leaves a rest. */
const batches = 33;

const folders: string[] = [];
after(() => Promise.all(folders.map((folder) => rm(folder, { recursive: true, force: true }))));

async function newFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "cairn-sealing-"));
  folders.push(folder);
  return folder;
}

function lines(from: number, count: number): Uint8Array {
  let text = "";
  for (let i = from; i < from + count; i++) {
    text += `{"id":"e${i}","type":"api.call","actor":{"id":"a"},"action":"GET","details":{"i":${i}}}\n`;
  }
  return utf8(text);
}

async function fill(log: Log, from: number, to: number): Promise<void> {
  for (let batch = from; batch < to; batch++) {
    const appended = await log.append(readNdjson(lines(batchEvents * batch, batchEvents)), "api");
    assert.equal(appended.refused, 0);
    assert.equal(appended.seq(0), 1 + batchEvents * batch);
  }
}

/** Some entries of the log, with their proofs, against its signed checkpoint. */
async function audit(log: Log): Promise<void> {
  const vkeys = log.vkeys.map((vkey) => parseVkey(sha256, vkey));
  const durable = await log.durableCheckpoint();
  const { checkpoint } = await verifyCheckpoint(
    nodeCrypto,
    utf8(durable.note),
    vkeys,
    newLog.origin,
  );
  const { size, root } = checkpoint;
  assert.equal(size, 1 + batchEvents * batches);
  for (const seq of [0, 1, 255, 256, 40_000, 65_535, 65_536, size - 1]) {
    const { bytes } = await log.entry(seq);
    const entry = parseEntry(bytes);
    assert.equal(entry.seq, seq);
    if (seq > 0) {
      const event = JSON.parse(new TextDecoder().decode(entry.event)) as { readonly id: string };
      assert.equal(event.id, `e${seq - 1}`);
      assert.deepEqual(entry.prev, new Uint8Array(await log.leafHash(seq - 1)));
    }
    const hash = leafHash(sha256, bytes);
    const proof = await log.inclusionProof(seq, size);
    verifyInclusion(sha256, { index: seq, size, leafHash: hash, proof, root });
  }
}

const stores: [string, () => Promise<Store>][] = [
  ["files, by the thread", async () => filesStore({ folder: await newFolder() })],
  ["memory, inline", () => Promise.resolve(memoryStore())],
];

for (const [storeName, makeStore] of stores) {
  test(`a full segment is sealed on ${storeName}, and the log goes on from it`, async (t) => {
    const store = await makeStore();
    const clock = new ManualClock();
    let log = await createLog(store, newLog, { clock });
    t.after(() => log.close());
    await fill(log, 0, batches);
    await log.sealed();
    assert.equal(log.status().sealedSize, segmentEntries);
    assert.equal(log.status().counters.segmentsSealed, 1);
    await audit(log);
    const root = await log.root(segmentEntries);
    await log.close();

    const reader = await store.openReader(newLog.name);
    const paths = async (folder: string) => (await reader.list(folder)).map(({ path }) => path);
    assert.deepEqual(await paths("sealed"), [sealedPath(0)]);
    assert.deepEqual(await paths("tail"), [tailPath(segmentEntries)]);
    assert.deepEqual(await paths("index/ids"), ["index/ids/0000000000000000"]);
    const byteLength = (await reader.byteLength(sealedPath(0)))!;
    const vkeys = log.vkeys.map((vkey) => parseVkey(sha256, vkey));
    const checked = await checkSegment({
      reader,
      path: sealedPath(0),
      byteLength,
      crypto: nodeCrypto,
      expected: { origin: newLog.origin, first: 0, root },
      vkeys,
    });
    assert.equal(checked.verified.length, vkeys.length);
    await reader.close();

    log = await openLog(store, newLog.name, { clock });
    assert.equal(log.status().sealedSize, segmentEntries);
    await audit(log);
    const again = await log.append(readNdjson(lines(0, 3)), "api");
    assert.deepEqual([again.seq(0), again.seq(2), again.isDuplicate(2)], [1, 3, true]);
    const last = await log.append(readNdjson(lines(batchEvents * batches - 1, 2)), "api");
    assert.deepEqual([last.isDuplicate(0), last.isDuplicate(1)], [true, false]);
    assert.equal(last.seq(1), 1 + batchEvents * batches);
  });
}

describe("what sealing does when something is wrong", () => {
  test("a tail that was changed is not sealed: the log stops, and names entry and byte", async (t) => {
    const folder = await newFolder();
    let failure: CairnError | undefined;
    const log = await createLog(filesStore({ folder }), newLog, {
      clock: new ManualClock(),
      onFailure: (error) => (failure = error),
    });
    t.after(() => log.close());
    await fill(log, 0, batches - 1);
    const path = join(folder, newLog.name, tailPath(0));
    const file = await open(path, "r+");
    const byte = 3_000_000;
    const { buffer } = await file.read(new Uint8Array(1), 0, 1, byte);
    await file.write(Uint8Array.of(buffer[0]! ^ 1), 0, 1, byte);
    await file.close();
    await fill(log, batches - 1, batches);
    await assert.rejects(log.sealed(), (error: unknown) => {
      assert.ok(isCairnError(error, "tampered"), String(error));
      assert.equal(error.place.path, tailPath(0));
      const at = error.place.byte!;
      assert.ok(at <= byte && at > byte - 1000, `byte ${at}`);
      return true;
    });
    assert.equal(failure?.code, "tampered");
    await assert.rejects(log.append(readNdjson(lines(1e6, 1)), "api"), isCairnError);
    const reader = await filesStore({ folder }).openReader(newLog.name);
    assert.deepEqual(await reader.list("sealed"), []);
  });

  test("a file that comes back wrong is written again; the log goes on meanwhile", async (t) => {
    let faults = 1;
    const clock = new ManualClock();
    const store = memoryStore();
    const faulty: Store = {
      location: store.location,
      logs: () => store.logs(),
      create: async (name) => withFaultyReads(await store.create(name), () => faults-- > 0),
      open: (name) => store.open(name),
      openReader: (name) => store.openReader(name),
    };
    const log = await createLog(faulty, newLog, { clock });
    t.after(() => log.close());
    await fill(log, 0, batches);
    await assert.rejects(log.sealed(), (error: unknown) => isCairnError(error, "unavailable"));
    assert.equal(log.status().failure?.code, "unavailable");
    assert.equal(log.status().sealedSize, 0);
    await audit(log);
    clock.advance(10_000);
    await log.sealed();
    assert.equal(log.status().sealedSize, segmentEntries);
    assert.equal(log.status().failure, undefined);
    await audit(log);
  });
});

/** The store, whose sealed file is read back with a wrong bit in the frames while `isFaulty` says so. */
function withFaultyReads(store: LogStore, isFaulty: () => boolean): LogStore {
  const begin: LogStore["begin"] = async (path) => {
    const object = await store.begin(path);
    if (!path.startsWith("sealed/")) return object;
    return {
      write: (bytes) => object.write(bytes),
      read: async (offset, length) => {
        const bytes = await object.read(offset, length);
        const at = 100_000 - offset;
        if (at >= 0 && at < bytes.length && isFaulty()) bytes[at]! ^= 1;
        return bytes;
      },
      finish: () => object.finish(),
      abandon: () => object.abandon(),
    };
  };
  return new Proxy(store, {
    get(target, name) {
      if (name === "begin") return begin;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === "function" ? (value.bind(target) as unknown) : value;
    },
  });
}
