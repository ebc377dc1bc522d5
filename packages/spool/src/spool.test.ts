/**
 * Goal: what is in a spool comes out of it, in order, once, with its number, whatever happened to the
 * process, the file and the disk meanwhile; and what is not in it was refused aloud.
 *
 * Method: spools in a fresh folder, opened again and again; files that are cut and changed at every
 * place that matters; a disk that is full by a descriptor that cannot be written.
 */
import assert from "node:assert/strict";
import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import type { CairnError } from "@cairnlog/core";
import type { Spool, SpoolStream } from "@cairnlog/client";
import { openSpool } from "./index.ts";

let folder: string;
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), "cairn-spool-"))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const textOf = (number: number, size = 20): string => `{"n":${number},"f":"${"ü".repeat(size)}"}`;

function append(stream: SpoolStream, count: number, size?: number): void {
  for (let i = 0; i < count; i++) {
    const text = textOf(stream.nextNumber, size);
    stream.append(text, Buffer.byteLength(text));
  }
}

async function numbersAfter(stream: SpoolStream, after: number): Promise<number[]> {
  const numbers: number[] = [];
  for (let from = after; ; from = numbers.at(-1)!) {
    const events = await stream.read(from, 7, 10_000);
    if (events.length === 0) return numbers;
    for (const { number, text, byteLength } of events) {
      assert.equal((JSON.parse(text) as { n: number }).n, number);
      assert.equal(byteLength, Buffer.byteLength(text));
      numbers.push(number);
    }
  }
}

const upTo = (last: number, first = 1): number[] =>
  Array.from({ length: last - first + 1 }, (_, i) => first + i);

function segmentsOf({ own }: Spool): string[] {
  return readdirSync(join(folder, own.id))
    .filter((name) => name.endsWith(".seg"))
    .sort()
    .map((name) => join(folder, own.id, name));
}

test("events come back in order, and numbers go on after each opening", async () => {
  let last = 0;
  let id: string | undefined;
  for (let round = 0; round < 4; round++) {
    const spool = await openSpool(folder);
    const { own } = spool;
    assert.equal(own.id, (id ??= own.id), "one process after the other has one stream");
    assert.equal(own.nextNumber, last + 1);
    assert.deepEqual(await numbersAfter(own, 0), upTo(last));
    append(own, 30);
    last += 30;
    await own.spooled(last);
    assert.deepEqual(await numbersAfter(own, 0), upTo(last));
    await spool.close();
  }
  const spool = await openSpool(folder);
  spool.own.release(100);
  await spool.close();
  const again = await openSpool(folder);
  assert.equal(again.own.releasedNumber, 100);
  assert.deepEqual(await numbersAfter(again.own, 100), upTo(120, 101));
  again.own.release(120);
  await again.close();
  const empty = await openSpool(folder);
  assert.deepEqual(segmentsOf(empty), [], "what is not needed is removed");
  assert.equal(empty.own.nextNumber, 121, "the cursor alone knows the number");
  await empty.close();
});

test("a read is bounded in events and in bytes, and gives at least one", async () => {
  const spool = await openSpool(folder);
  append(spool.own, 10, 1000);
  assert.equal((await spool.own.read(0, 3, 1e9)).length, 3);
  assert.equal((await spool.own.read(3, 100, 1)).length, 1);
  assert.equal((await spool.own.read(3, 100, 5000)).length, 2);
  assert.deepEqual(await spool.own.read(10, 5, 1e9), []);
  await spool.close();
});

test("segments are removed while it runs, and a full spool says so", async () => {
  const bytesMax = 1024 * 1024;
  const spool = await openSpool(folder, { bytesMax });
  const { own } = spool;
  const fill = (): CairnError => {
    for (;;) {
      try {
        append(own, 1, 1000);
      } catch (error) {
        return error as CairnError;
      }
    }
  };
  const error = fill();
  assert.equal(error.code, "overloaded");
  assert.match(error.message, /the spool is full: \d+ events wait/);
  const last = own.nextNumber - 1;
  await own.spooled(last);
  const bytes = segmentsOf(spool).reduce((sum, path) => sum + readFileSync(path).length, 0);
  assert.ok(bytes <= bytesMax, `${bytes} bytes are on disk`);
  assert.ok(segmentsOf(spool).length > 1, "more than one segment is there");
  assert.deepEqual(await numbersAfter(own, 0), upTo(last));
  const before = own.byteLength;
  own.release(Math.floor(last / 2));
  while (own.byteLength === before) await new Promise((resolve) => setImmediate(resolve));
  assert.equal(own.nextNumber, last + 1, "what was refused took no number");
  assert.equal(fill().code, "overloaded");
  assert.ok(own.nextNumber > last + 1, "there was room again");
  assert.deepEqual(
    await numbersAfter(own, own.releasedNumber),
    upTo(own.nextNumber - 1, own.releasedNumber + 1),
  );
  await spool.close();
});

test("a tail that is cut at any byte loses what was in its last block, and no more", async () => {
  const spool = await openSpool(folder);
  const { own } = spool;
  append(own, 3);
  await own.spooled(3);
  const [path] = segmentsOf(spool) as [string];
  const whole = readFileSync(path).length;
  append(own, 2);
  await own.spooled(5);
  const bytes = readFileSync(path);
  await spool.close();
  for (let length = whole; length < bytes.length; length++) {
    writeFileSync(path, bytes.subarray(0, length));
    const cut = await openSpool(folder);
    assert.equal(cut.own.nextNumber, 4, `cut at ${length}`);
    assert.deepEqual(await numbersAfter(cut.own, 0), [1, 2, 3]);
    append(cut.own, 1);
    assert.deepEqual(
      await numbersAfter(cut.own, 0),
      [1, 2, 3, 4],
      "behind the torn rest it goes on",
    );
    await cut.close();
    for (const extra of segmentsOf(cut)) if (extra !== path) rmSync(extra);
  }
  for (let at = whole; at < bytes.length; at++) {
    const flipped = Buffer.from(bytes);
    flipped[at]! ^= 1;
    writeFileSync(path, flipped);
    const cut = await openSpool(folder);
    assert.equal(cut.own.nextNumber, 4, `flipped at ${at}`);
    await cut.close();
  }
});

test("damage in the middle is told with its numbers, and what follows is read", async () => {
  const bytesMax = 1024 * 1024;
  const spool = await openSpool(folder, { bytesMax });
  while (segmentsOf(spool).length < 3) {
    append(spool.own, 10, 1000);
    await spool.own.spooled(spool.own.nextNumber - 1);
  }
  const last = spool.own.nextNumber - 1;
  const [, second = ""] = segmentsOf(spool);
  await spool.close();
  const bytes = readFileSync(second);
  bytes[bytes.length - 1]! ^= 1;
  writeFileSync(second, bytes);
  const again = await openSpool(folder, { bytesMax });
  const told: CairnError[] = [];
  again.own.onDamage = (error) => told.push(error);
  const numbers = await numbersAfter(again.own, 0);
  assert.equal(told.length, 1);
  assert.equal(told[0]?.code, "unverified");
  const [, from, to] = /events (\d+) to (\d+) of/.exec(told[0].message)!.map(Number);
  const lost = upTo(to!, from);
  assert.ok(lost.length > 0 && to! < last);
  assert.deepEqual(
    [...numbers, ...lost].sort((a, b) => a - b),
    upTo(last),
  );
  assert.equal(told[0].place.path, second);
  await again.close();
});

test("two at a time have streams of their own; what one leaves behind another takes over", async () => {
  const first = await openSpool(folder);
  const second = await openSpool(folder);
  assert.notEqual(first.own.id, second.own.id);
  append(first.own, 5);
  assert.equal(await second.adopt(), undefined, "its owner lives");
  await first.close();
  const adopted = await second.adopt();
  assert.equal(adopted?.id, first.own.id);
  assert.equal(await (await openSpool(folder)).adopt(), undefined, "one at a time");
  assert.deepEqual(await numbersAfter(adopted, 0), upTo(5));
  adopted.release(5);
  await adopted.close();
  assert.equal(await second.adopt(), undefined);
  await second.close();
});

test("many who ask for the same stream at once: one gets it", async () => {
  const spool = await openSpool(folder);
  append(spool.own, 1);
  await spool.close();
  for (let round = 0; round < 5; round++) {
    const spools = await Promise.all(Array.from({ length: 6 }, () => openSpool(folder)));
    const ids = spools.map(({ own }) => own.id);
    assert.equal(new Set(ids).size, ids.length, "each has one of its own");
    await Promise.all(spools.map((each) => each.close()));
  }
  assert.ok(readdirSync(folder).length <= 12, "streams do not multiply with each round");
});

test("a full disk rejects what it cannot take, and its numbers are given to the next", async () => {
  const spool = await openSpool(folder);
  const { own } = spool;
  append(own, 2);
  await own.spooled(2);
  await spool.close();
  const full = await openSpool(folder);
  const lost: [number, string][] = [];
  full.own.onLost = (from, { code }) => lost.push([from, code]);
  // Whatever is written to this file is answered with ENOSPC.
  const next = join(folder, own.id, `${"3".padStart(16, "0")}.seg`);
  symlinkSync("/dev/full", next);
  append(full.own, 3);
  await assert.rejects(full.own.spooled(5), { code: "storage_full" });
  assert.deepEqual(lost, [[3, "storage_full"]]);
  assert.equal(full.own.nextNumber, 3);
  // There is room again.
  append(full.own, 2);
  await full.own.spooled(4);
  assert.deepEqual(await numbersAfter(full.own, 0), [1, 2, 3, 4]);
  await full.close();
});

test("a folder that is taken away fails what it cannot keep, and says where", async () => {
  const spool = await openSpool(folder);
  rmSync(join(folder, spool.own.id), { recursive: true });
  append(spool.own, 1);
  const place = { path: join(folder, spool.own.id) };
  await assert.rejects(spool.own.spooled(1), { code: "unavailable", place });
  assert.equal(spool.own.nextNumber, 1);
  await spool.close();
});

test("a long path has a lock too, and options that cannot work are refused", async () => {
  const long = join(folder, "x".repeat(120));
  const spool = await openSpool(long);
  const other = await openSpool(long);
  assert.notEqual(spool.own.id, other.own.id);
  await spool.close();
  await other.close();
  await assert.rejects(openSpool(folder, { bytesMax: 1000 }), { code: "usage" });
});

test("a cursor of which one slot was torn falls back to the other", async () => {
  const spool = await openSpool(folder);
  append(spool.own, 4);
  await spool.own.spooled(4);
  spool.own.release(2);
  spool.own.release(3);
  await spool.close();
  const cursor = join(folder, spool.own.id, "cursor");
  const bytes = readFileSync(cursor);
  for (const at of [0, 33]) {
    const torn = Buffer.from(bytes);
    torn[at]! ^= 1;
    writeFileSync(cursor, torn);
    const again = await openSpool(folder);
    assert.equal(again.own.releasedNumber, at === 0 ? 3 : 2, "never beyond what was let go of");
    await again.close();
  }
  truncateSync(cursor, 0);
  const none = await openSpool(folder);
  assert.equal(none.own.releasedNumber, 0);
  assert.equal(none.own.nextNumber, 5);
  await none.close();
});
