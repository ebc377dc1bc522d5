/**
 * Goal: a log does what `log.ts` promises, on every store: order, chain, proofs, idempotency, time, limits.
 * Method: small logs on a memory store and on real files, a clock in the test's hands, and an audit of the whole log
 * after each story: every entry parsed strictly, chained, hashed, and proven against the signed checkpoint.
 */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { parseEntry, parseVkey, utf8, verifyReceipt, type CairnErrorCode } from "@cairnlog/core";
import { nodeCrypto } from "@cairnlog/crypto";
import { filesStore, memoryStore, type Store } from "@cairnlog/store";
import { ManualClock } from "@cairnlog/testing";
import { auditLog } from "./audit.testing.ts";
import { createLog, openLog, readEvent, readNdjson, receiptOf, record, toBatch } from "./index.ts";

const newLog = { name: "main", origin: "example.com/logs/main" };

function event(i: number, more: object = {}) {
  return {
    ...{ type: "database.query", actor: { id: "alice@example.com" }, action: "SELECT" },
    ...{ id: `e${i}`, details: { i }, ...more },
  };
}

function isError(code: CairnErrorCode): (error: unknown) => boolean {
  return (error) => (error as { code?: string }).code === code;
}

const folders: string[] = [];
after(() => Promise.all(folders.map((folder) => rm(folder, { recursive: true, force: true }))));

async function folderStore(): Promise<Store> {
  const folder = await mkdtemp(join(tmpdir(), "cairn-log-"));
  folders.push(folder);
  return filesStore({ folder });
}

const stores: [string, () => Promise<Store>][] = [
  ["memory", () => Promise.resolve(memoryStore())],
  ["files", folderStore],
];

for (const [storeName, makeStore] of stores) {
  describe(`a log on ${storeName}`, () => {
    it("begins with entry 0, which names origin, keys and formats", async (t) => {
      const log = await createLog(await makeStore(), newLog, { clock: new ManualClock() });
      t.after(() => log.close());
      const { bytes } = await log.entry(0);
      const entry = parseEntry(bytes);
      const created = JSON.parse(new TextDecoder().decode(entry.event)) as {
        readonly type: string;
        readonly details: Record<string, unknown>;
      };
      assert.equal(entry.source, "cairn");
      assert.equal(created.type, "system.log.created");
      assert.equal(created.details["origin"], newLog.origin);
      assert.deepEqual(created.details["keys"], log.vkeys);
      assert.equal(log.publishedCheckpoint().size, 1);
      await auditLog(log);
    });

    it("answers with a receipt that holds against the log's key", async (t) => {
      const log = await createLog(await makeStore(), newLog, { clock: new ManualClock() });
      t.after(() => log.close());
      for (let i = 0; i < 20; i++) {
        const receipt = await record(log, event(i));
        const { bytes } = await log.entry(receipt.seq);
        const vkeys = log.vkeys.map((vkey) => parseVkey(nodeCrypto.sha256, vkey));
        await verifyReceipt(nodeCrypto, receipt, {
          ...{ recorded: { entry: bytes }, vkeys, origin: log.origin },
        });
      }
      await auditLog(log);
    });

    it("lets concurrent appends share commits, keeps each batch in order and together", async (t) => {
      const log = await createLog(await makeStore(), newLog, { clock: new ManualClock() });
      t.after(() => log.close());
      const batches = Array.from({ length: 40 }, (_, b) =>
        toBatch(Array.from({ length: 7 }, (_, i) => event(1000 * b + i))),
      );
      const results = await Promise.all(batches.map((batch) => log.append(batch, "api")));
      const seqs = results.flatMap((result) =>
        Array.from({ length: result.count }, (_, i) => result.seq(i)),
      );
      assert.deepEqual(
        seqs,
        Array.from({ length: 280 }, (_, i) => i + 1),
      );
      assert.ok(log.status().counters.commits < 40, "commits are shared");
      await auditLog(log);
    });

    it("survives closing and opening, again and again", async () => {
      const store = await makeStore();
      const clock = new ManualClock();
      let log = await createLog(store, newLog, { clock });
      for (let round = 0; round < 4; round++) {
        await log.append(toBatch([event(2 * round), event(2 * round + 1)]), "api");
        await log.close();
        clock.advance(1000);
        log = await openLog(store, "main", { clock });
        assert.equal(log.status().size, 1 + 2 * (round + 1));
        await auditLog(log);
      }
      assert.equal(log.publishedCheckpoint().size, 9);
      await log.close();
    });

    it("gives the first receipt again for the same id and bytes, also after a restart", async () => {
      const store = await makeStore();
      let log = await createLog(store, newLog, { clock: new ManualClock() });
      const first = await log.append(toBatch([event(1), event(2), event(1)]), "api");
      assert.deepEqual([first.seq(0), first.seq(1), first.seq(2)], [1, 2, 1]);
      assert.deepEqual([first.isDuplicate(0), first.isDuplicate(2)], [false, true]);
      for (let round = 0; round < 2; round++) {
        const again = await log.append(toBatch([event(2), event(1)]), "api");
        assert.deepEqual([again.seq(0), again.seq(1)], [2, 1]);
        assert.ok(again.isDuplicate(0) && again.isDuplicate(1));
        assert.deepEqual(again.leafHash(1), first.leafHash(0));
        const receipt = await receiptOf(log, again, 0);
        assert.equal(receipt.seq, 2);
        await log.close();
        log = await openLog(store, "main", { clock: new ManualClock() });
      }
      const other = await log.append(toBatch([event(1)]), "another-source");
      assert.equal(other.seq(0), 3, "ids belong to their source");
      await log.close();
    });

    it("refuses another event under a taken id, and records that it was tried", async (t) => {
      const log = await createLog(await makeStore(), newLog, { clock: new ManualClock() });
      t.after(() => log.close());
      await log.append(toBatch([event(1)]), "api");
      const batch = toBatch([event(2), event(1, { action: "DROP" }), event(3)]);
      const result = await log.append(batch, "api");
      assert.equal(result.refused, 1);
      assert.equal(result.refusal(1)?.code, "conflict");
      assert.deepEqual([result.seq(0), result.seq(1), result.seq(2)], [2, -1, 3]);
      await log.waitBeyond(4);
      const { bytes } = await log.entry(4);
      const conflict = JSON.parse(new TextDecoder().decode(parseEntry(bytes).event)) as {
        readonly type: string;
        readonly details: { readonly seq: number; readonly id: string };
      };
      assert.equal(conflict.type, "source.conflict");
      assert.deepEqual([conflict.details.seq, conflict.details.id], [1, "e1"]);
      await auditLog(log);
    });

    it("reports a bad event of a batch and records the others", async (t) => {
      const log = await createLog(await makeStore(), newLog, { clock: new ManualClock() });
      t.after(() => log.close());
      const lines = [event(1), event(2), event(3)].map((each) => JSON.stringify(each));
      lines.splice(1, 0, '{"type":"a.b","actor":{"id":"x"},"actor":{"id":"y"},"action":"z"}');
      lines.push('{"type":"a.b","action":"z"}', '{"private":{},"type":"a.b"}');
      const result = await log.append(readNdjson(utf8(lines.join("\n"))), "api");
      const codes = Array.from({ length: 6 }, (_, i) => result.refusal(i)?.code);
      assert.deepEqual(codes, [
        ...[undefined, "malformed", undefined, undefined],
        ...["invalid", "private_unsupported"],
      ]);
      assert.equal(log.status().size, 4);
      await auditLog(log);
    });

    it("reads large batches beside, with the same result, and keeps the order of all", async () => {
      const log = await createLog(await makeStore(), newLog, { clock: new ManualClock() });
      const large = Array.from({ length: 600 }, (_, i) =>
        JSON.stringify(event(i, { note: "x".repeat(60) })),
      );
      large[100] = '{"type":"a.b","actor":{"id":"x"},"action":"z","action":"y"}';
      large[200] = large[200]!.replaceAll(",", " , ");
      const bytes = utf8(large.join("\n"));
      assert.ok(bytes.length > 64 * 1024, "large enough for the thread");
      const small = utf8(JSON.stringify(event(1000)));
      const sent = [log.appendNdjson(bytes, "api"), log.appendNdjson(small, "api")] as const;
      const results = await Promise.all(sent);
      const direct = readNdjson(bytes);
      assert.equal(results[0].count, 600);
      assert.deepEqual(results[0].refusal(100), direct.refusals.get(100));
      assert.deepEqual([results[0].seq(0), results[0].seq(599)], [1, 599]);
      assert.equal(results[1].seq(0), 600);
      const events = await auditLog(log);
      assert.equal(
        events[200],
        new TextDecoder().decode(direct.bytes.subarray(direct.start[200], direct.end[200])),
      );
      await log.close();
    });

    it("never lets time go back, and records a step of the clock", async (t) => {
      const clock = new ManualClock();
      const log = await createLog(await makeStore(), newLog, { clock });
      t.after(() => log.close());
      await record(log, event(1));
      clock.step(-60_000);
      const stepped = await record(log, event(2));
      const { bytes } = await log.entry(stepped.seq - 1);
      assert.match(new TextDecoder().decode(bytes), /"type":"system\.clock".*"stepMs":-60000/);
      clock.advance(500);
      await record(log, event(3));
      await auditLog(log);
    });

    it("finds the first entry at or after a time", async (t) => {
      const clock = new ManualClock();
      const log = await createLog(await makeStore(), newLog, { clock });
      t.after(() => log.close());
      const times: number[] = [clock.now()];
      for (let i = 0; i < 30; i++) {
        clock.advance(100);
        times.push(clock.now());
        await record(log, event(i));
      }
      for (const [seq, time] of times.entries()) {
        assert.equal(await log.seqAtTime(time), seq);
        assert.equal(await log.seqAtTime(time - 1), seq);
        assert.equal(await log.seqAtTime(time + 1), seq + 1);
      }
    });

    it("refuses what would overfill its queue, whole, and takes it later", async (t) => {
      const limits = { queueEventsMax: 10 };
      const log = await createLog(await makeStore(), newLog, { clock: new ManualClock(), limits });
      t.after(() => log.close());
      const batch = (from: number) => toBatch(Array.from({ length: 6 }, (_, i) => event(from + i)));
      const taken = log.append(batch(0), "api");
      await assert.rejects(log.append(batch(10), "api"), isError("overloaded"));
      await taken;
      assert.equal(log.status().size, 7);
      assert.equal(log.status().counters.refusedForOverload, 6);
      await log.append(batch(10), "api");
      assert.equal(log.status().size, 13);
    });

    it("commits and answers what was accepted before it closes, and refuses what comes later", async () => {
      const store = await makeStore();
      const log = await createLog(store, newLog, { clock: new ManualClock() });
      const taken = log.append(readEvent(utf8(JSON.stringify(event(1)))), "api");
      const closed = log.close();
      await assert.rejects(log.append(toBatch([event(2)]), "api"), isError("unavailable"));
      assert.equal((await taken).seq(0), 1);
      await closed;
      const again = await openLog(store, "main", { clock: new ManualClock() });
      assert.equal(again.status().size, 2);
      await again.close();
    });

    it("publishes at its beat, with both signatures", async (t) => {
      const clock = new ManualClock();
      const log = await createLog(await makeStore(), newLog, { clock });
      t.after(() => log.close());
      await record(log, event(1));
      assert.equal(log.publishedCheckpoint().size, 1);
      clock.advance(1000);
      const published = await log.publish();
      assert.equal(published.size, 2);
      assert.equal(published.note.match(/^— /gm)?.length, 2);
    });

    it("refuses sources that are the log's own or malformed", async (t) => {
      const log = await createLog(await makeStore(), newLog, { clock: new ManualClock() });
      t.after(() => log.close());
      for (const source of ["cairn", "", "Upper", "a b", "x".repeat(65)]) {
        await assert.rejects(log.append(toBatch([event(1)]), source), isError("usage"));
      }
      assert.equal(log.status().size, 1);
    });

    it("keeps many logs apart", async () => {
      const store = await makeStore();
      const logs = await Promise.all(
        ["a", "b", "c"].map((name) =>
          createLog(store, { name, origin: `example.com/${name}` }, { clock: new ManualClock() }),
        ),
      );
      await Promise.all(logs.map((log, i) => record(log, event(i))));
      for (const log of logs) await auditLog(log);
      assert.equal(new Set(logs.flatMap((log) => log.vkeys)).size, 6);
      await Promise.all(logs.map((log) => log.close()));
      assert.deepEqual(await store.logs(), ["a", "b", "c"]);
    });

    it("refuses a succession that entry 0 could not hold, before anything is made", async () => {
      const store = await makeStore();
      const old = await createLog(store, { name: "old", origin: "example.com/old" });
      const checkpoint = old.publishedCheckpoint().note;
      await old.close();
      const line = checkpoint.split("\n").at(-2)!;
      const bad = [
        [{ checkpoint, reason: "not a character: \uffff" }, "malformed"],
        [{ checkpoint, reason: "half a character: \ud800" }, "malformed"],
        [{ checkpoint: checkpoint + `${line}\n`.repeat(20), reason: "long" }, "too_large"],
      ] as const;
      for (const [succeeds, code] of bad) {
        await assert.rejects(createLog(store, { ...newLog, succeeds }), isError(code));
      }
      await assert.rejects(
        createLog(store, { name: "main", origin: "example.com/\uffff" }),
        isError("malformed"),
      );
      assert.deepEqual(await store.logs(), ["old"]);
    });

    it("names the log that it succeeds in entry 0", async (t) => {
      const store = await makeStore();
      const old = await createLog(store, { name: "old", origin: "example.com/old" });
      const checkpoint = old.publishedCheckpoint().note;
      await old.close();
      const succeeds = { checkpoint, reason: "the disk of the old one was damaged" };
      const log = await createLog(store, { ...newLog, succeeds }, { clock: new ManualClock() });
      t.after(() => log.close());
      const text = new TextDecoder().decode((await log.entry(0)).bytes);
      assert.ok(text.includes(JSON.stringify(checkpoint)));
      assert.ok(text.includes(succeeds.reason));
    });
  });
}
