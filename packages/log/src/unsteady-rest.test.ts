/**
 * Goal: one bad read while a log recovers never becomes what lies on the disk: kept entries are written again exactly
 * as they were, or not at all.
 *
 * Method: a log whose last entry was written and never committed is opened on a disk that flips one bit in one read:
 * each byte of that entry with its length, in each read that covers it. Whatever that opening does, the next one, on a
 * sound disk, finds every entry, and so does the one after it.
 */
import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { before, describe, it } from "node:test";
import { isCairnError, parseUtf8, utf8 } from "@cairnlog/core";
import { filesStore, processLock, type Disk, type DiskFile } from "@cairnlog/store";
import { ManualClock, SeededRandom, SimulatedDisk } from "@cairnlog/testing";
import { createLog, openLog, readNdjson, type OpenOptions } from "./index.ts";
import { simulatedCrypto, simulatedKeys } from "./simulated-keys.testing.ts";

const tail = "/data/main/tail/0000000000000000";
const event = (n: number): Uint8Array =>
  utf8(`{"id":"e${n}","type":"a.b","actor":{"id":"c"},"action":"d"}\n`);

interface Recovered {
  readonly details?: { readonly lost?: readonly { path: string; sha256: string }[] };
}

function options(): OpenOptions {
  const readKey = simulatedKeys(() => undefined);
  return { clock: new ManualClock(), crypto: simulatedCrypto, readKey };
}

function storeOn(disk: Disk): ReturnType<typeof filesStore> {
  return filesStore({ folder: "/data", disk, lock: processLock() });
}

/** What a proxy that changes nothing gives: methods that still know their object. */
function memberOf(target: object, member: string | symbol): unknown {
  const value: unknown = Reflect.get(target, member);
  return typeof value === "function" ? (value.bind(target) as unknown) : value;
}

/**
 * A disk whose `nth` read of byte `at` of the files whose path begins so comes back with another lowest bit; `reads`
 * counts such reads.
 */
function flipping(
  disk: SimulatedDisk,
  path: string,
  at: number,
  nth: number,
): { disk: Disk; reads: number } {
  const counted = { disk: disk as Disk, reads: 0 };
  const open = async (...args: Parameters<Disk["open"]>): Promise<DiskFile> => {
    const file = await (disk as Disk).open(...args);
    if (!args[0].startsWith(path)) return file;
    return new Proxy(file, {
      get(target, member) {
        if (member !== "read") return memberOf(target, member);
        return async (into: Uint8Array, from: number): Promise<number> => {
          const count = await target.read(into, from);
          if (from > at || at >= from + count) return count;
          if (counted.reads++ === nth) into[at - from]! ^= 1;
          return count;
        };
      },
    });
  };
  counted.disk = new Proxy(disk, {
    get(target, member) {
      return member === "open" ? open : memberOf(target, member);
    },
  });
  return counted;
}

describe("a rest that is read wrongly once", () => {
  let rest: SimulatedDisk;
  let from = 0;
  let to = 0;

  before(async () => {
    const disk = new SimulatedDisk({ random: new SeededRandom(1) });
    const log = await createLog(
      storeOn(disk),
      { name: "main", origin: "example.com/rest" },
      options(),
    );
    await log.append(readNdjson(event(1)), "api");
    const { bytes } = await log.entry(0);
    const second = await log.entry(1);
    from = 4 + bytes.length + second.bytes.length;
    disk.fault = (operation, path) =>
      operation === "write" && path.endsWith("/commits") ? "crash" : "ok";
    await assert.rejects(log.append(readNdjson(event(2)), "api"));
    rest = disk.kill();
    const written = rest.peek(tail)!;
    to = from + 2 + written[from]! * 256 + written[from + 1]!;
    assert.ok(to > from + 200, "an entry was written and not committed");
  });

  it("is kept as it was, or nothing is changed", async () => {
    let openings = 0;
    let refused = 0;
    for (let at = from; at < to; at += at < from + 4 ? 1 : 37) {
      for (let nth = 0; ; nth++) {
        const disk = rest.copy(new SeededRandom(1));
        const faulty = flipping(disk, tail, at, nth);
        openings++;
        try {
          await (await openLog(storeOn(faulty.disk), "main", options())).close();
        } catch (error) {
          assert.ok(
            isCairnError(error, "unavailable"),
            `byte ${at}, read ${nth}: ${String(error)}`,
          );
          refused++;
        }
        for (let again = 0; again < 2; again++) {
          const log = await openLog(storeOn(disk), "main", options());
          const { size } = log.status();
          for (let seq = 0; seq < size; seq++) await log.entry(seq);
          assert.ok(size >= 2, `byte ${at}, read ${nth}: ${size} entries`);
          await log.close();
        }
        if (faulty.reads <= nth) break;
      }
    }
    assert.ok(openings > 20 && refused > 10, `${openings} openings, ${refused} refused`);
  });

  it("is told of as it lies there, where it was put aside, or not at all", async () => {
    let told = 0;
    let refused = 0;
    for (let nth = 0; ; nth++) {
      const disk = rest.copy(new SeededRandom(1));
      // The entry is not whole any more: it is put aside.
      disk.tamper(tail, disk.peek(tail)!.fill(0, to - 9, to));
      const faulty = flipping(disk, "/data/main/lost/", 5, nth);
      try {
        const log = await openLog(storeOn(faulty.disk), "main", options());
        await log.close();
      } catch (error) {
        assert.ok(isCairnError(error, "unavailable"), String(error));
        refused++;
      }
      const log = await openLog(storeOn(disk), "main", options());
      for (let seq = 2; seq < log.status().size; seq++) {
        const { bytes } = await log.entry(seq);
        const { event } = JSON.parse(parseUtf8(bytes)) as { event: Recovered };
        for (const { path, sha256 } of event.details?.lost ?? []) {
          const found = disk.peek(`/data/main/${path}`);
          assert.equal(sha256, hash("sha256", found!, "hex"), `read ${nth}`);
          told++;
        }
      }
      await log.close();
      if (faulty.reads <= nth) break;
    }
    assert.ok(told > 2 && refused > 1, `${told} told, ${refused} refused`);
  });
});
