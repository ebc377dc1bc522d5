/**
 * Goal: the kernel's hashes are SHA-256, whatever the length of a message and however many come at a time. Method: the
 * platform's own SHA-256 beside it, over all lengths around the ends of blocks, all counts of messages around the
 * number of lanes, a million nodes and some hundred thousand messages from a fixed seed.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { hash } from "node:crypto";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { rangeRoot } from "@cairnlog/core";
import { nodeCrypto } from "@cairnlog/crypto";
import { openSimd, withSimd, type Simd } from "./index.ts";

const found = openSimd();
assert.ok(found !== undefined, "this platform has SIMD");
const simd: Simd = found;

/** xorshift32: the same bytes everywhere. */
function bytesFrom(seed: number): (length: number) => Uint8Array {
  let state = seed;
  return (length) => {
    const words = new Uint32Array(Math.ceil(length / 4));
    for (let i = 0; i < words.length; i++) {
      state ^= state << 13;
      state ^= state >>> 17;
      state ^= state << 5;
      words[i] = state;
    }
    return new Uint8Array(words.buffer, 0, length);
  };
}

function sha256(bytes: Uint8Array): string {
  return hash("sha256", bytes, "hex");
}

/** The hash at `index` of a run, as `sha256` writes it. */
function hashAt(run: Uint8Array, index: number): string {
  return Buffer.from(run.buffer, run.byteOffset + 32 * index, 32).toString("hex");
}

test("messages of every length around the ends of blocks have their hash", () => {
  const bytes = bytesFrom(1);
  const messages = Array.from({ length: 300 }, (_, length) => bytes(length));
  for (const length of [4095, 4096, 65_535, 65_536, 300_000]) messages.push(bytes(length));
  const run = simd.sha256Many(messages);
  assert.equal(run.length, 32 * messages.length);
  for (const [i, message] of messages.entries()) {
    assert.equal(hashAt(run, i), sha256(message), `${message.length} bytes`);
  }
});

test("any number of messages, of like and unlike lengths, leaves no lane behind", () => {
  const bytes = bytesFrom(2);
  for (const count of [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 127, 128, 129, 255, 256, 257, 600]) {
    for (const length of [() => 100, (i: number) => (i % 4) * 64, (i: number) => i * i * 0.01]) {
      const messages = Array.from({ length: count }, (_, i) => bytes(Math.floor(length(i))));
      const run = simd.sha256Many(messages);
      for (const [i, message] of messages.entries()) {
        assert.equal(hashAt(run, i), sha256(message), `message ${i} of ${count}`);
      }
    }
  }
});

test("two hundred thousand messages of up to 2,000 bytes", () => {
  const bytes = bytesFrom(3);
  const pool = bytes(1 << 20);
  for (let round = 0; round < 200; round++) {
    const random = new Uint32Array(bytes(8000).buffer);
    const messages = Array.from({ length: 1000 }, (_, i) => {
      const from = random[2 * i]! % (pool.length - 2000);
      return pool.subarray(from, from + (random[2 * i + 1]! % 2001));
    });
    const run = simd.sha256Many(messages);
    for (const [i, message] of messages.entries()) {
      if (hashAt(run, i) !== sha256(message)) assert.fail(`round ${round}, message ${i}`);
    }
  }
});

test("leaves begin with 0x00", () => {
  const entries = [new Uint8Array(0), new Uint8Array(63), bytesFrom(4)(500)];
  const run = simd.hashLeaves(entries);
  for (const [i, entry] of entries.entries()) {
    assert.equal(hashAt(run, i), sha256(Uint8Array.of(0, ...entry)));
  }
});

test("a million nodes have their hash, in runs of any length", () => {
  const bytes = bytesFrom(5);
  const node = new Uint8Array(65).fill(1);
  let checked = 0;
  for (const count of [0, 1, 2, 3, 4, 5, 127, 128, 129, 1000, 998_602]) {
    const children = bytes(64 * count);
    const run = simd.hashNodes(children);
    assert.equal(run.length, 32 * count);
    for (let i = 0; i < count; i++) {
      node.set(children.subarray(64 * i, 64 * i + 64), 1);
      if (hashAt(run, i) !== sha256(node)) assert.fail(`node ${i} of ${count}`);
      checked++;
    }
  }
  assert.equal(checked, 1_000_001);
});

test("each last byte of a node has its own second block", () => {
  const children = bytesFrom(6)(64 * 256);
  for (let i = 0; i < 256; i++) children[64 * i + 63] = i;
  const run = simd.hashNodes(children);
  for (let i = 0; i < 256; i++) {
    const node = Uint8Array.of(1, ...children.subarray(64 * i, 64 * i + 64));
    assert.equal(hashAt(run, i), sha256(node), `last byte ${i}`);
  }
});

test("roots of tiles are the core's", () => {
  const bytes = bytesFrom(7);
  for (let count = 1; count <= 256; count *= 2) {
    for (let round = 0; round < 20; round++) {
      const run = bytes(32 * count);
      const before = run.slice();
      assert.deepEqual(simd.rootOfTile(run), rangeRoot(nodeCrypto.sha256, run));
      assert.deepEqual(run, before, "the hashes are left as they are");
    }
  }
  assert.throws(() => simd.rootOfTile(bytes(32 * 3)));
  assert.throws(() => simd.rootOfTile(bytes(32 * 512)));
  assert.throws(() => simd.hashNodes(bytes(96)));
});

test("without WebAssembly, or where it is forbidden, there is no kernel", () => {
  const platform = globalThis as { WebAssembly?: unknown };
  const { WebAssembly } = platform;
  const forbidding = {
    validate: () => true,
    Module: function refuse() {
      throw new EvalError("refused by the page's policy");
    },
  };
  try {
    for (const other of [undefined, { validate: () => false }, forbidding]) {
      platform.WebAssembly = other;
      assert.equal(openSimd(), undefined);
    }
  } finally {
    platform.WebAssembly = WebAssembly;
  }
  assert.ok(openSimd() !== undefined);
});

test("the binary is what its sources give", () => {
  const script = fileURLToPath(new URL("../../../scripts/build-simd.mjs", import.meta.url));
  execFileSync(process.execPath, [script, "--check"], { stdio: "pipe" });
});

test("a core that hashes with it builds the same trees, and nodes over their own children", () => {
  const many = withSimd(nodeCrypto.sha256);
  const leaves = bytesFrom(11)(32 * 700);
  for (let count = 1; count <= 700; count += count < 20 ? 1 : 17) {
    const run = leaves.subarray(0, 32 * count);
    assert.deepEqual(rangeRoot(many, run), rangeRoot(nodeCrypto.sha256, run), `${count} leaves`);
  }
  for (const [begin, end] of [
    [0, 1],
    [0, 350],
    [5, 7],
    [3, 6],
    [100, 331],
  ] as const) {
    const expected = leaves.slice();
    for (let i = begin; i < end; i++) {
      const node = Uint8Array.of(0x01, ...leaves.subarray(64 * i, 64 * i + 64));
      expected.set(nodeCrypto.sha256(node), 32 * i);
    }
    const separate = new Uint8Array(leaves.length);
    many.parents!(leaves, separate, begin, end);
    const [from, to] = [32 * begin, 32 * end];
    assert.deepEqual(separate.subarray(from, to), expected.subarray(from, to));
  }
  // Level by level in one run, as `rangeRoot` does it.
  const inPlace = leaves.slice(0, 32 * 512);
  for (let width = 256; width >= 1; width /= 2) many.parents!(inPlace, inPlace, 0, width);
  const root = rangeRoot(nodeCrypto.sha256, leaves.subarray(0, 32 * 512));
  assert.deepEqual(inPlace.slice(0, 32), root);
});
