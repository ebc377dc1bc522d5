/**
 * Goal: what an opening derives is made again where it is missing or damaged, what it cannot do without is asked for by
 * its name, and a creation that was interrupted anywhere can be taken up.
 *
 * Method: a log with a sealed segment on a simulated disk, in which one file at a time is removed or changed; and a
 * creation that ends at each operation of the disk in turn, by a kill and by a loss of power.
 */
import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import { hashOfTile, isCairnError, parseEntry, utf8, type CairnErrorCode } from "@cairnlog/core";
import { filesStore, memoryStore, processLock, type LogStore, type Store } from "@cairnlog/store";
import { ManualClock, SeededRandom, SimulatedDisk } from "@cairnlog/testing";
import { auditLog } from "./audit.testing.ts";
import {
  createLog,
  openLog,
  readNdjson,
  type Log,
  type NewLog,
  type OpenOptions,
} from "./index.ts";
import { simulatedCrypto, simulatedKeys } from "./simulated-keys.testing.ts";

const name = "main";
const origin = "example.com/opened";
const folder = `/data/${name}`;
const segmentEntries = 65_536;
const { sha256 } = simulatedCrypto;
const sealed = `${folder}/sealed/0000000000000000`;
const sidecar = `${folder}/index/ids/0000000000000000`;

function storeOn(disk: SimulatedDisk): Store {
  return filesStore({ folder: "/data", disk, lock: processLock() });
}

function options(): OpenOptions {
  return {
    clock: new ManualClock(),
    crypto: simulatedCrypto,
    readKey: simulatedKeys(() => undefined),
  };
}

function isCode(code: CairnErrorCode, message = /./): (error: unknown) => boolean {
  return (error) => {
    assert.ok(isCairnError(error, code), String(error));
    assert.match(error.message, message);
    return true;
  };
}

function lines(from: number, to: number): Uint8Array {
  let text = "";
  for (let i = from; i < to; i++) {
    text += `{"id":"e${i}","type":"a.b","actor":{"id":"c"},"action":"d"}\n`;
  }
  return utf8(text);
}

describe("a log with a sealed segment", () => {
  /** One that ends with its segment, and one with a tail beyond it. */
  let exact: SimulatedDisk;
  let longer: SimulatedDisk;

  before(async () => {
    exact = new SimulatedDisk({ random: new SeededRandom(1) });
    const clock = new ManualClock();
    const log = await createLog(storeOn(exact), { name, origin }, { clock });
    let failures = 0;
    exact.fault = (operation, path) =>
      operation === "syncFolder" && path === `${folder}/sealed` && failures++ === 0 ? "fail" : "ok";
    for (let from = 1; from < segmentEntries; from += 8192) {
      await log.append(readNdjson(lines(from, Math.min(from + 8192, segmentEntries))), "api");
    }
    // The name is there, and nobody knows whether it is durable. The next try has to come to the same bytes.
    await assert.rejects(log.sealed(), isCode("unavailable"));
    clock.advance(10_000);
    await log.sealed();
    await log.close();
    exact.fault = () => "ok";
    longer = exact.copy(new SeededRandom(2));
    const again = await openLog(storeOn(longer), name, { clock: new ManualClock() });
    await again.append(readNdjson(lines(segmentEntries, segmentEntries + 3)), "api");
    await again.close();
  });

  /** Opens a copy of the log in which something was done to its files. */
  async function opened(
    from: SimulatedDisk,
    change: (disk: SimulatedDisk) => void | Promise<void>,
  ): Promise<{ readonly log: Log; readonly disk: SimulatedDisk }> {
    const disk = from.copy(new SeededRandom(3));
    await change(disk);
    return { log: await openLog(storeOn(disk), name, { clock: new ManualClock() }), disk };
  }

  async function knowsItsIds(log: Log): Promise<void> {
    const again = await log.append(readNdjson(lines(1, 1000)), "api");
    for (let i = 0; i < again.count; i++) {
      assert.equal(again.seq(i), i + 1);
      assert.ok(again.isDuplicate(i));
    }
  }

  function flip(disk: SimulatedDisk, path: string, byte: number): void {
    const bytes = disk.peek(path)!;
    bytes[byte < 0 ? bytes.length + byte : byte]! ^= 1;
    disk.tamper(path, bytes);
  }

  it("has it in a sealed file, and no tail of it any more", () => {
    assert.ok(exact.peek(sealed) !== undefined);
    assert.ok(exact.peek(sidecar) !== undefined);
    assert.equal(exact.peek(`${folder}/tail/0000000000000000`), undefined);
  });

  it("goes on from the end of a segment", async () => {
    const { log } = await opened(exact, () => undefined);
    const appended = await log.append(readNdjson(lines(segmentEntries, segmentEntries + 2)), "api");
    assert.equal(appended.seq(0), segmentEntries);
    await continuesTheSegment(log);
    await log.close();
  });

  it("makes the ids again where they are missing, and stores them", async () => {
    const { log, disk } = await opened(longer, (it) => it.unlink(sidecar));
    await knowsItsIds(log);
    assert.deepEqual(disk.peek(sidecar), longer.peek(sidecar));
    await log.close();
  });

  it("makes the ids again where they are damaged", async () => {
    const { log } = await opened(longer, (it) => flip(it, sidecar, 5000));
    await knowsItsIds(log);
    await log.close();
  });

  it("finishes a sealing that ended before the tail was removed", async () => {
    const tailPath = `${folder}/tail/0000000000000000`;
    const { log, disk } = await opened(longer, async (it) => {
      const left = await it.open(tailPath, "create");
      await left.write(utf8("what was sealed"), 0);
      await left.datasync();
      await left.close();
      await it.syncFolder(`${folder}/tail`);
    });
    assert.equal(disk.peek(tailPath), undefined);
    await log.close();
  });

  it("keeps that tail where the sealed file proves to be another one", async () => {
    const tailPath = `${folder}/tail/0000000000000000`;
    const disk = longer.copy(new SeededRandom(3));
    await (await disk.open(tailPath, "create")).close();
    flip(disk, sealed, placeOf(disk, await truth.root(segmentEntries)));
    await assert.rejects(
      openLog(storeOn(disk), name, { clock: new ManualClock() }),
      isCode("tampered"),
    );
    assert.ok(disk.peek(tailPath) !== undefined, "nobody has removed it");
  });

  it("refuses a sealed file that is missing, by its name", async () => {
    const missing = opened(longer, (it) => it.unlink(sealed));
    await assert.rejects(missing, isCode("tampered", /sealed\/0{16}|tail\/0{16}/));
  });

  it("does not continue the chain from a last entry that was changed", async () => {
    const last = await truth.leafHash(segmentEntries - 1);
    const before = await truth.leafHash(segmentEntries - 2);
    const tile = hashOfTile(sha256, (await truth.tile(0, 255, 256))!);
    for (const [what, hash] of Object.entries({ last, before, tile })) {
      const disk = exact.copy(new SeededRandom(3));
      flip(disk, sealed, placeOf(disk, hash));
      const opened = openLog(storeOn(disk), name, { clock: new ManualClock() });
      await assert.rejects(opened, (error) => isCairnError(error), what);
    }
  });

  /** Where `hash` lies in the sealed file, the last time. */
  function placeOf(disk: SimulatedDisk, hash: Uint8Array): number {
    const at = Buffer.from(disk.peek(sealed)!).lastIndexOf(hash);
    assert.ok(at > 0, "the hash is in the file");
    return at;
  }

  async function continuesTheSegment(log: Log): Promise<void> {
    const { bytes } = await log.entry(segmentEntries);
    assert.deepEqual(parseEntry(bytes).prev, await truth.leafHash(segmentEntries - 1));
  }

  let truth: Log;
  before(async () => {
    truth = await openLog(storeOn(longer.copy(new SeededRandom(5))), name, {
      clock: new ManualClock(),
    });
  });
});

describe("a creation that is interrupted", () => {
  let created: NewLog;
  before(async () => {
    const disk = new SimulatedDisk({ random: new SeededRandom(1) });
    const old = await createLog(
      storeOn(disk),
      { name: "old", origin: "example.com/old" },
      options(),
    );
    const checkpoint = old.publishedCheckpoint().note;
    await old.close();
    created = { name, origin, succeeds: { checkpoint, reason: "the old one was damaged" } };
  });

  async function crashedAt(n: number, fault: "crash" | "crash-after"): Promise<SimulatedDisk> {
    const disk = new SimulatedDisk({ random: new SeededRandom(n) });
    disk.fault = (_operation, _path, at) => (at === n ? fault : "ok");
    try {
      await (await createLog(storeOn(disk), created, options())).close();
    } catch (error) {
      assert.ok(isCairnError(error), String(error));
    }
    return disk;
  }

  /** The log is there, as it was asked for: it was created again, or had been already. */
  async function takesUp(disk: SimulatedDisk, n: number): Promise<void> {
    let log: Log;
    try {
      log = await openLog(storeOn(disk), name, options());
    } catch (error) {
      assert.ok(isCairnError(error, "not_found"), `operation ${n}: ${String(error)}`);
      log = await createLog(storeOn(disk), created, options());
    }
    const { bytes } = await log.entry(0);
    const text = Buffer.from(parseEntry(bytes).event).toString();
    assert.match(text, /"system\.log\.created".*"succeeds":/);
    await log.append(readNdjson(lines(0, 3)), "api");
    await auditLog(log, simulatedCrypto);
    await log.close();
  }

  it("can be taken up again after a kill or a loss of power at any operation", async () => {
    const whole = await crashedAt(-1, "crash");
    const { operations } = whole;
    assert.ok(operations > 30, `${operations} operations`);
    for (let n = 0; n < operations; n++) {
      for (const fault of ["crash", "crash-after"] as const) {
        const disk = await crashedAt(n, fault);
        await takesUp(disk.copy(new SeededRandom(n)), n);
        await takesUp(disk.powerLoss(new SeededRandom(2 * n)), n);
      }
    }
  });

  it("is not taken up under another origin", async () => {
    let refused = 0;
    for (let n = 0; n < 60; n++) {
      const disk = (await crashedAt(n, "crash")).kill();
      try {
        const log = await createLog(
          storeOn(disk),
          { name, origin: "example.com/other" },
          options(),
        );
        assert.equal(log.origin, "example.com/other");
        await log.close();
      } catch (error) {
        assert.ok(isCairnError(error, "conflict"), `operation ${n}: ${String(error)}`);
        refused++;
      }
    }
    assert.ok(refused > 0);
  });
});

describe("a creation on a medium that reads wrongly", () => {
  it("is not born under a key that a bad read made up", async () => {
    const inner = memoryStore();
    const store: Store = {
      location: inner.location,
      logs: () => inner.logs(),
      open: (name) => inner.open(name),
      openReader: (name) => inner.openReader(name),
      create: async (name) => readingKeysWrongly(await inner.create(name)),
    };
    const made = { name: "main", origin: "example.com/logs/main" };
    const log = await createLog(store, made, { clock: new ManualClock() });
    await log.close();
    const again = await openLog(inner, "main", { clock: new ManualClock() });
    await auditLog(again);
    await again.close();
  });
});

/** Changes one character of a private key's seed in every read: what comes back is a key too, but another one. */
function readingKeysWrongly(logStore: LogStore): LogStore {
  const get = logStore.get.bind(logStore);
  logStore.get = async (path) => {
    const bytes = await get(path);
    if (bytes === undefined || !path.startsWith("keys/")) return bytes;
    const at = "-----BEGIN PRIVATE KEY-----\n".length + 45;
    const changed = bytes.slice();
    changed[at] = changed[at] === 0x41 ? 0x42 : 0x41;
    return changed;
  };
  return logStore;
}
