/**
 * Goal: numbers are known for ever: beyond the table of ids, beyond what is held in memory, after restarts, and when
 * the derived files are lost or damaged.
 * Method: one log of two sealed segments and a tail, with more streams than are held in memory; what was sent first is
 * sent again, by logs that were opened on sound, damaged and missing files.
 */
import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import { parseEntry, utf8 } from "@cairnlog/core";
import { nodeCrypto } from "@cairnlog/crypto";
import { filesStore, processLock, segmentEntries } from "@cairnlog/store";
import { ManualClock, SeededRandom, SimulatedDisk } from "@cairnlog/testing";
import { createLog, openLog, readNdjson, type Appended, type Log } from "../index.ts";
import { simulatedCrypto, simulatedKeys } from "../simulated-keys.testing.ts";
import { liveStreamsMax } from "./stream-table.ts";
import { readStreamFile, streamFilePath } from "./stream-file.ts";

const name = "main";
const rareStreams = liveStreamsMax + 500;
const clock = new ManualClock();

function numbered(stream: string, number: number, more = ""): string {
  return `{"type":"a.b","actor":{"id":"c"},"action":"d"${more},"sequence":{"stream":"${stream}","number":${number}}}\n`;
}

function send(log: Log, lines: readonly string[]): Promise<Appended> {
  return log.append(readNdjson(utf8(lines.join(""))), "api");
}

function open(disk: SimulatedDisk, random: SeededRandom, limits = {}): Promise<Log> {
  const store = filesStore({ folder: "/data", disk, lock: processLock() });
  return openLog(store, name, {
    ...{ clock, limits, crypto: simulatedCrypto, randomBytes: (n) => random.bytes(n) },
    readKey: simulatedKeys(() => undefined),
  });
}

const random = new SeededRandom(11);
const made = new SimulatedDisk({ random: random.fork() });
/** Seq of the first event of each rare stream, and of number n of the busy one. */
const rareSeqs: number[] = [];
const busySeqs = new Map<number, number>();

before(async () => {
  const store = filesStore({ folder: "/data", disk: made, lock: processLock() });
  const log = await createLog(
    store,
    { name, origin: "example.com/logs/main" },
    {
      ...{ clock, crypto: simulatedCrypto, randomBytes: (n) => random.bytes(n) },
      readKey: simulatedKeys(() => undefined),
    },
  );
  const rare = Array.from({ length: rareStreams }, (_, i) => numbered(`rare-${i}`, 1));
  const answer = await send(log, rare);
  for (let i = 0; i < rareStreams; i++) rareSeqs.push(answer.seq(i));
  let number = 0;
  while (log.status().size < 2 * segmentEntries + 3000) {
    const numbers: number[] = [];
    // Number 5,000 is lost, 6,000 comes in the next segment; most events have no number.
    while (numbers.length < 4000) if (++number !== 5000 && number !== 6000) numbers.push(number);
    if (number > 40_000 && !busySeqs.has(6000)) numbers.push(6000);
    const lines = numbers.flatMap((n) => [
      numbered("busy", n),
      '{"type":"a.b","actor":{"id":"c"},"action":"d"}\n',
    ]);
    const recorded = await send(log, lines);
    for (const [i, n] of numbers.entries()) busySeqs.set(n, recorded.seq(2 * i));
  }
  await log.sealed();
  assert.equal(log.status().sealedSize, 2 * segmentEntries);
  await log.close();
});

const folder = `/data/${name}/`;
const paths = [0, segmentEntries].map((first) => folder + streamFilePath(first));

/** What must hold, on whatever is left of the files. */
async function checkMemory(disk: SimulatedDisk): Promise<void> {
  const log = await open(disk, random.fork());
  try {
    const { size } = log.status();
    const known = log.sources.streams();
    assert.ok(known.length < liveStreamsMax, "quiet streams are not in memory");
    const old = [1, 2, 4999, 6000, 10_000].map((n) => numbered("busy", n));
    const busy = await send(log, old);
    for (const [i, n] of [1, 2, 4999, 6000, 10_000].entries()) {
      assert.equal(busy.refusal(i), undefined);
      assert.equal(busy.seq(i), busySeqs.get(n), `number ${n}`);
    }
    const forged = await send(log, [numbered("busy", 77, ',"outcome":"denied"')]);
    assert.equal(forged.refusal(0)?.code, "conflict");
    assert.equal(forged.refusal(0)?.place.seq, busySeqs.get(77));
    // The conflict is told; nothing else was recorded.
    assert.equal(log.status().size, size + 1);
    const rare = [0, 17, rareStreams - 1];
    const again = await send(
      log,
      rare.map((i) => numbered(`rare-${i}`, 1)),
    );
    assert.deepEqual(
      rare.map((_, i) => again.seq(i)),
      rare.map((i) => rareSeqs[i]),
    );
    // A stream that was quiet for two segments goes on where it was.
    const next = await send(log, [
      numbered("rare-17", 2),
      numbered("rare-18", 4),
      numbered("new", 1),
    ]);
    assert.equal(next.refused, 0);
    for (let turns = 0; turns < 20; turns++) await new Promise((resolve) => setImmediate(resolve));
    const { bytes } = await log.entry(log.status().size - 1);
    const gap = JSON.parse(new TextDecoder().decode(parseEntry(bytes).event)) as {
      readonly details: { readonly streams: readonly { readonly stream: string }[] };
    };
    const missing = [{ from: 2, to: 3, after: rareSeqs[18], before: next.seq(1) }];
    // The other stream is the busy one, of which something waited to be told.
    assert.deepEqual(
      gap.details.streams.filter(({ stream }) => stream !== "busy"),
      [{ stream: "rare-18", missing, filled: [], forgotten: 0, open: 2 }],
    );
    const late = await send(log, [numbered("busy", 5000)]);
    assert.ok(!late.isDuplicate(0) && late.seq(0) > size, "what was lost may still come");
  } finally {
    await log.close();
  }
}

describe("numbers in sealed segments", () => {
  it("are known when the log is opened again", () => checkMemory(made.copy(random.fork())));

  it("are held for no more streams than the bound, and found again", async () => {
    const log = await open(made.copy(random.fork()), random.fork());
    const lines = Array.from({ length: rareStreams }, (_, i) => numbered(`rare-${i}`, 1));
    const answer = await send(log, lines);
    assert.equal(answer.refused, 0);
    for (let i = 0; i < rareStreams; i++) assert.equal(answer.seq(i), rareSeqs[i]);
    // Each commit lets go of some.
    for (let i = 0; i < 20; i++) await send(log, [numbered("busy", 1)]);
    assert.ok(log.sources.streams().length <= liveStreamsMax);
    await log.close();
  });

  it("are right for a batch of more streams than are held, over many commits", async () => {
    const log = await open(made.copy(random.fork()), random.fork(), { commitBytesMax: 300_000 });
    const lines = Array.from({ length: rareStreams }, (_, i) => numbered(`rare-${i}`, 1 + (i % 2)));
    const answer = await send(log, lines);
    assert.equal(answer.refused, 0);
    for (let i = 0; i < rareStreams; i++) {
      assert.equal(answer.isDuplicate(i), i % 2 === 0, `stream ${i}`);
      if (i % 2 === 0) assert.equal(answer.seq(i), rareSeqs[i]);
    }
    await log.close();
  });

  it("do not depend on the files that are derived from the entries", async () => {
    const sound = paths.map((path) => made.peek(path)!);
    for (const [i, path] of paths.entries()) {
      const first = i * segmentEntries;
      assert.ok(readStreamFile(nodeCrypto.sha256, first, sound[i]!) !== undefined, path);
      for (const at of [0, 20, 100, sound[i]!.length - 1]) {
        const bytes = sound[i]!.slice();
        bytes[at]! ^= 1;
        assert.equal(readStreamFile(nodeCrypto.sha256, first, bytes), undefined, `byte ${at}`);
      }
    }
    const missing = made.copy(random.fork());
    for (const path of paths) await missing.unlink(path);
    await checkMemory(missing);
    for (const [i, path] of paths.entries()) {
      assert.deepEqual(missing.peek(path), sound[i], "made again, byte for byte");
    }
  });

  it("are right where such a file is damaged", async () => {
    const damaged = made.copy(random.fork());
    for (const path of paths) {
      const bytes = damaged.peek(path)!.slice();
      bytes[200]! ^= 4;
      await damaged.unlink(path);
      const file = await damaged.open(path, "create");
      await file.write(bytes, 0);
      await file.datasync();
      await file.close();
    }
    await checkMemory(damaged);
  });
});
