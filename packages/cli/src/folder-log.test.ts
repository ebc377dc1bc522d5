/**
 * Goal: what is read from a log's files without its lock is what the log itself would answer,
 * sealed or not, also while it is being written. Method: a log of two sealed segments and a tail,
 * read both ways; proofs verified with the log's keys.
 */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { base64, hashLeaf, parseTlogProof, parseVkey, utf8, verifyTlogProof } from "@cairnlog/core";
import { nodeCrypto } from "@cairnlog/crypto";
import { createLog, readNdjson, type Log } from "@cairnlog/log";
import { filesStore } from "@cairnlog/store";
import { FolderLog } from "./folder-log.ts";
import { Workplace } from "./run-command.testing.ts";

const work = new Workplace();
const origin = "example.com/log";
const store = filesStore({ folder: work.path("data") });
const segment = 65_536;
const size = 2 * segment + 300;
const never = new AbortController().signal;
const everything = {
  ...{ from: undefined, to: undefined, sinceMs: undefined, untilMs: undefined, limit: undefined },
  ...{ follow: false, signal: never },
};
let log: Log;
let view: FolderLog;

async function append(count: number): Promise<void> {
  const event = utf8('{"type":"api.call","actor":{"id":"a"},"action":"b"}\n'.repeat(count));
  await log.append(readNdjson(event), "test");
}

describe("a log's folder, read without its lock", () => {
  before(async () => {
    let nowMs = Date.UTC(2026, 0, 1);
    const timer = { cancel: () => {} };
    const clock = { now: () => nowMs, monotonic: () => nowMs, setTimer: () => timer };
    log = await createLog(store, { name: "main", origin }, { clock });
    // Entry 0 is the log's own.
    for (let left = size - 1; left > 0; left -= 8192) {
      nowMs += 1000;
      await append(Math.min(left, 8192));
    }
    await log.sealed();
    await log.publish();
    view = await FolderLog.open(store, "main");
  });
  after(async () => {
    await log.close();
    work.remove();
  });

  it("describes the log", async () => {
    const { vkeys } = log;
    assert.deepEqual(await view.describe(), { name: "main", origin, vkeys, public: false, size });
    assert.equal(log.status().sealedSize, 2 * segment);
  });

  it("reads single entries", async () => {
    for (const seq of [0, 255, 256, segment - 1, segment, 2 * segment - 1, 2 * segment, size - 1]) {
      assert.deepEqual((await view.entry(seq)).bytes, (await log.entry(seq)).bytes, `entry ${seq}`);
    }
    await assert.rejects(view.entry(size), { code: "not_found" });
  });

  it("reads ranges by seq and by time", async () => {
    const seqs: number[] = [];
    const range = { ...everything, from: 2 * segment - 3, to: 2 * segment + 3 };
    for await (const { seq } of view.entries(range)) seqs.push(seq);
    assert.deepEqual(
      seqs,
      [-3, -2, -1, 0, 1, 2].map((n) => 2 * segment + n),
    );
    const sinceMs = Date.UTC(2026, 0, 1, 0, 0, 5);
    const found = await view.entries({ ...everything, sinceMs }).next();
    assert.equal(found.value?.seq, await log.seqAtTime(sinceMs));
    const none = await view.entries({ ...everything, sinceMs, untilMs: sinceMs }).next();
    assert.equal(none.done, true);
  });

  it("proves entries under the published checkpoint", async () => {
    const vkeys = log.vkeys.map((vkey) => parseVkey(nodeCrypto.sha256, vkey));
    for (const seq of [0, 77, segment + 5, 2 * segment, size - 1]) {
      const proof = parseTlogProof(utf8(await view.proof(seq)));
      const leafHash = hashLeaf(nodeCrypto.sha256, proof.extra!);
      assert.deepEqual(leafHash, await log.leafHash(seq));
      await verifyTlogProof(nodeCrypto, proof, { leafHash, vkeys, origin });
    }
  });

  it("proves consistency between any sizes", async () => {
    for (const [from, to] of [
      [1, size],
      [segment, size],
      [segment + 100, 2 * segment + 7],
    ] as const) {
      const expected = (await log.consistencyProof(from, to)).map(base64);
      assert.deepEqual((await view.consistency(from, to)).proof, expected);
    }
  });

  it("follows what is recorded meanwhile, and says what no checkpoint covers yet", async () => {
    const stop = new AbortController();
    const seen: number[] = [];
    const follow = { ...everything, from: size - 1, follow: true, signal: stop.signal };
    for await (const { seq } of view.entries(follow)) {
      seen.push(seq);
      if (seq === size - 1) await append(2);
      else if (seq === size + 1) stop.abort();
    }
    assert.deepEqual(seen, [size - 1, size, size + 1]);
    await assert.rejects(view.proof(size), { code: "unavailable" });
    await log.publish();
    assert.match(await view.proof(size), /^c2sp\.org\/tlog-proof@v1\n/);
  });
});
