/**
 * Goal: logs come and go while a witness runs, without forgetting; what a log signed against itself is kept and cannot
 * be pushed out; nobody can use up another one's share; whatever bytes come, nothing false is signed.
 * Method: a witness behind its server in this process; the list of logs is changed through a second connection to its
 * memory, as the command line does; bodies are damaged from a seed.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, it } from "node:test";
import {
  formatAddCheckpoint,
  formatVkey,
  isCairnError,
  makeVkey,
  parseVkey,
  utf8,
  type CairnError,
} from "@cairnlog/core";
import { nodeCrypto } from "@cairnlog/crypto";
import { withSeed, type SeededRandom } from "@cairnlog/testing";
import { GrowingLog } from "./growing-log.testing.ts";
import { openLogList } from "./log-list.ts";
import { RateLimiter } from "./rate-limit.ts";
import { pathOf, startWitness } from "./running-witness.testing.ts";

describe("the list of logs", () => {
  it("changes while the witness runs; a log that comes back goes on where it was", async () => {
    const log = new GrowingLog("example.com/comes");
    const liar = new GrowingLog("example.com/comes", { branch: "other" });
    const bench = await startWitness([]);
    const list = openLogList(bench.folder);
    assert.equal((await bench.post(await log.request(0, 3))).status, 404);
    assert.deepEqual(list.add(log.vkeys), [
      { origin: log.origin, change: "added", size: undefined },
    ]);
    assert.equal((await bench.post(await log.request(0, 3))).status, 200);
    list.remove(log.origin);
    assert.equal((await bench.post(await log.request(3, 5))).status, 404);
    assert.equal((await bench.get(pathOf(log))).status, 200);
    assert.deepEqual(
      list.list().map(({ origin, isListed, size }) => [origin, isListed, size]),
      [[log.origin, false, 3]],
    );
    assert.throws(
      () => list.remove(log.origin),
      (error) => isCairnError(error, "not_found"),
    );
    assert.deepEqual(list.add(log.vkeys), [{ origin: log.origin, change: "added", size: 3 }]);
    assert.deepEqual((await bench.post(await liar.request(0, 9))).body, "3\n");
    assert.equal((await bench.post(await liar.request(3, 9))).status, 422);
    assert.equal((await bench.post(await log.request(3, 5))).status, 200);
    list.close();
    await bench.close();
  });

  it("gives a log other keys, and refuses those that can be no log's", async () => {
    const [old, fresh] = [1, 2].map((seed) => new GrowingLog("example.com/rotates", { seed }));
    const bench = await startWitness([old!]);
    const list = openLogList(bench.folder);
    assert.equal((await bench.post(await old!.request(0, 3))).status, 200);
    assert.equal(list.add(fresh!.vkeys)[0]?.change, "keys changed");
    assert.equal(list.add(fresh!.vkeys)[0]?.change, "nothing");
    assert.equal((await bench.post(await old!.request(3, 5))).status, 403);
    assert.equal((await bench.post(await fresh!.request(3, 5))).status, 200);
    const parsed = parseVkey(nodeCrypto.sha256, old!.vkeys[0]!);
    const witnessKey = formatVkey(makeVkey(nodeCrypto.sha256, { ...parsed, type: 0x04 }));
    for (const vkey of [witnessKey, bench.witness.vkeys[1]!, "example.com/x+00000000+AAAA"]) {
      assert.throws(
        () => list.add([vkey]),
        (error) => isCairnError(error, "usage"),
      );
    }
    for (const origin of ["", "a\nb", "a".repeat(256)]) {
      assert.throws(
        () => list.add(old!.vkeys, origin),
        (error) => isCairnError(error, "usage"),
      );
    }
    list.close();
    await bench.close();
  });

  it("a log that is removed between check and commit is not cosigned", async () => {
    const log = new GrowingLog("example.com/leaves");
    const bench = await startWitness([log]);
    const list = openLogList(bench.folder);
    const body = utf8(await log.request(0, 3));
    const answer = bench.witness.addCheckpoint(body, "test");
    // A step begins when this turn of the event loop is over, so the request is checked and waits.
    for (let i = 0; i < 50 && bench.witness.waitingCount === 0; i++) await Promise.resolve();
    assert.equal(bench.witness.waitingCount, 1);
    list.remove(log.origin);
    assert.equal((await answer).status, 503);
    assert.equal((await bench.get(pathOf(log))).status, 404);
    list.close();
    await bench.close();
  });

  it("holds thousands of logs", async () => {
    const bench = await startWitness([]);
    const [vkey] = new GrowingLog("example.com/many").vkeys;
    const parsed = parseVkey(nodeCrypto.sha256, vkey!);
    const names = Array.from({ length: 5000 }, (_, i) => `example.com/many/${i}`);
    bench.witness.addLogs(
      names.map((name) => formatVkey(makeVkey(nodeCrypto.sha256, { ...parsed, name }))),
    );
    assert.equal(bench.witness.countLogs(), 5000);
    await bench.close();
  });
});

describe("evidence", () => {
  it("two roots for one size are kept, whatever old size they came with, and no flood ousts them", async () => {
    const log = new GrowingLog("example.com/forks");
    const liar = new GrowingLog("example.com/forks", { branch: "other" });
    const bench = await startWitness([log]);
    assert.equal((await bench.post(await log.request(0, 6))).status, 200);
    const held = await (await bench.get(pathOf(log))).text();
    const list = openLogList(bench.folder);
    assert.equal((await bench.post(await liar.request(0, 6))).status, 409);
    assert.deepEqual(list.list()[0]?.evidence, { split: 1, unproven: 0 });
    assert.equal((await bench.post(await liar.request(6, 6))).status, 422);
    for (let size = 7; size < 40; size++) {
      const checkpoint = await log.checkpoint(size);
      const body = formatAddCheckpoint({ oldSize: 6, proof: [], checkpoint });
      assert.equal((await bench.post(body)).status, 422);
    }
    // What nobody signed is no evidence.
    const stranger = new GrowingLog("example.com/forks", { seed: 2 });
    assert.equal((await bench.post(await stranger.request(6, 6))).status, 403);
    assert.deepEqual(list.list()[0]?.evidence, { split: 1, unproven: 16 });
    const split = list.evidence(log.origin).filter(({ kind }) => kind === "split");
    assert.deepEqual(
      split.map(({ size, note, held: before }) => [size, note, before]),
      [[6, await liar.checkpoint(6), held]],
    );
    list.close();
    const metrics = await bench.metrics();
    assert.match(
      metrics,
      /^cairn_witness_evidence\{origin="example.com\/forks",kind="split"\} 1$/m,
    );
    assert.equal((await bench.post(await log.request(6, 8))).status, 200);
    await bench.close();
  });
});

describe("limits", () => {
  it("429 with Retry-After for one log, while another one is served", async () => {
    const logs = ["a", "b"].map((each) => new GrowingLog(`example.com/rate/${each}`));
    const bench = await startWitness(logs, { rateLimit: { perSecond: 0.5, burst: 2 } });
    const statusOf = async (log: GrowingLog): Promise<number> =>
      (await bench.post(await log.request(9, 9))).status;
    assert.deepEqual([await statusOf(logs[0]!), await statusOf(logs[0]!)], [409, 409]);
    const { status, headers } = await bench.post(await logs[0]!.request(0, 1));
    assert.deepEqual([status, headers.get("retry-after")], [429, "2"]);
    assert.equal(await statusOf(logs[1]!), 409);
    bench.clock.advance(2000);
    assert.deepEqual([await statusOf(logs[0]!), await statusOf(logs[0]!)], [409, 429]);
    await bench.close();
  });

  it("a bucket is of one log and one client, fills up to its burst, and cannot be flooded away", () => {
    let now = 0;
    const limiter = new RateLimiter({ perSecond: 10, burst: 1 }, () => now);
    assert.equal(limiter.take("log", "a"), undefined);
    assert.equal(limiter.take("log", "a"), 100);
    assert.equal(limiter.take("log", "b"), undefined);
    assert.equal(limiter.take("other", "a"), undefined);
    now = 99;
    assert.notEqual(limiter.take("log", "a"), undefined);
    now = 100_000;
    assert.equal(limiter.take("log", "a"), undefined);
    assert.equal(limiter.take("log", "a"), 100);
    for (let i = 0; i < 20_000; i++) limiter.take("log", `flood ${i}`);
    assert.equal(limiter.take("log", "a"), undefined);
  });
});

describe("a failing medium", () => {
  it("503 from the first failed commit on, and nothing is signed any more", async () => {
    const log = new GrowingLog("example.com/fails");
    const failures: CairnError[] = [];
    const bench = await startWitness([log], { onFailure: (error) => failures.push(error) });
    assert.equal((await bench.post(await log.request(0, 3))).status, 200);
    const other = new DatabaseSync(join(bench.folder, "witness.db"));
    other.exec("CREATE TRIGGER fail BEFORE UPDATE ON heads BEGIN SELECT RAISE(ABORT, 'no'); END");
    assert.equal((await bench.post(await log.request(3, 5))).status, 503);
    other.exec("DROP TRIGGER fail");
    other.close();
    const again = await bench.post(await log.request(3, 5));
    assert.deepEqual([again.status, again.headers.get("retry-after")], [503, "5"]);
    const health = await bench.get("/healthz");
    assert.deepEqual([health.status, await health.text()], [503, "not ok\n"]);
    assert.equal(failures.length, 1);
    await bench.close();
    // Started again, it stands where it was.
    const next = await startWitness([], { folder: bench.folder });
    assert.equal((await next.post(await log.request(3, 5))).status, 200);
    await next.close();
  });
});

describe("damaged requests", () => {
  it("are refused, and move nothing", () =>
    withSeed(20_261_123, async (random) => {
      const log = new GrowingLog("example.com/fuzz");
      const bench = await startWitness([log], { rateLimit: { perSecond: 1e9, burst: 1e9 } });
      assert.equal((await bench.post(await log.request(0, 20))).status, 200);
      const honest = utf8(await log.request(20, 33));
      const seen = new Set<number>();
      for (let i = 0; i < 1500; i++) {
        const body = damaged(random, honest, random.chance(0.5) ? honest.length : 300);
        if (Buffer.compare(body, honest) === 0) continue;
        const { status } = await bench.witness.addCheckpoint(body, "test");
        assert.ok([400, 403, 404, 409, 422].includes(status), `${status}, round ${i}`);
        seen.add(status);
      }
      assert.deepEqual(seen, new Set([400, 403, 404, 409, 422]));
      assert.equal((await bench.witness.addCheckpoint(honest, "test")).status, 200);
      await bench.close();
    }));
});

/** The bytes with something wrong among the first `limit` of them. */
function damaged(random: SeededRandom, bytes: Uint8Array, limit: number): Uint8Array {
  const at = random.below(Math.min(limit, bytes.length));
  const length = 1 + random.below(48);
  const [head, tail] = [bytes.subarray(0, at), bytes.subarray(at)];
  const digit = utf8(String(random.below(10)));
  switch (random.below(6)) {
    case 0: {
      const flipped = Uint8Array.from(bytes);
      flipped[at]! ^= 1 << random.below(8);
      return flipped;
    }
    case 1:
      return Uint8Array.from([...head, ...tail.subarray(length)]);
    case 2:
      return Uint8Array.from([...head, ...tail.subarray(0, length), ...tail]);
    case 3:
      return Uint8Array.from([...head, ...random.bytes(length), ...tail]);
    case 4:
      return Uint8Array.from(head);
    default: {
      // Digits where the sizes are: what still parses goes further.
      const replaced = Uint8Array.from(bytes);
      replaced.set(digit, 4 + random.below(2));
      return replaced;
    }
  }
}
