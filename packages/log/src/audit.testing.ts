/** Audits a whole open log, the plain way: for tests. Not part of what is published. */
import assert from "node:assert/strict";
import {
  hashLeaf,
  parseEntry,
  parseVkey,
  RightEdge,
  utf8,
  verifyCheckpoint,
  verifyConsistency,
  verifyInclusion,
  type Crypto,
} from "@cairnlog/core";
import { nodeCrypto } from "@cairnlog/crypto";
import type { Log } from "./log.ts";

const { sha256 } = nodeCrypto;

/** Checks entries, chain, times, leaf hashes, root, signatures and proofs; returns the events' texts. */
export async function auditLog(log: Log, crypto: Crypto = nodeCrypto): Promise<string[]> {
  const vkeys = log.vkeys.map((vkey) => parseVkey(sha256, vkey));
  const durable = await log.durableCheckpoint();
  const { checkpoint } = await verifyCheckpoint(crypto, utf8(durable.note), vkeys, log.origin);
  assert.equal(checkpoint.size, durable.size);
  const edge = new RightEdge(sha256);
  let prev: Uint8Array = new Uint8Array(32);
  let lastTimeMs = 0;
  const events: string[] = [];
  for await (const { seq, bytes } of log.entries(0, durable.size)) {
    const entry = parseEntry(bytes);
    assert.equal(seq, edge.size);
    assert.equal(entry.seq, seq);
    assert.deepEqual([...entry.prev], [...prev], `entry ${seq} continues the chain`);
    assert.ok(entry.timeMs >= lastTimeMs, `the time of entry ${seq} does not go back`);
    prev = hashLeaf(sha256, bytes);
    lastTimeMs = entry.timeMs;
    edge.append(prev);
    events.push(new TextDecoder().decode(entry.event));
  }
  assert.equal(edge.size, durable.size);
  assert.deepEqual([...edge.root()], [...checkpoint.root], "the entries hash to the signed root");
  await auditProofs(log, checkpoint.size, checkpoint.root);
  const published = log.publishedCheckpoint();
  await verifyCheckpoint(crypto, utf8(published.note), vkeys, log.origin);
  assert.deepEqual([...(await log.root(published.size))], [...published.root]);
  return events;
}

async function auditProofs(log: Log, size: number, root: Uint8Array): Promise<void> {
  const step = Math.max(1, Math.floor(size / 20));
  for (let seq = 0; seq < size; seq += step) {
    const leafHash = await log.leafHash(seq);
    const proof = await log.inclusionProof(seq, size);
    verifyInclusion(sha256, { index: seq, size, leafHash, proof, root });
    const older = seq + 1;
    const root1 = await log.root(older);
    const consistency = await log.consistencyProof(older, size);
    verifyConsistency(sha256, {
      ...{ size1: older, root1, size2: size, root2: root, proof: consistency },
    });
  }
}
