/**
 * Goal: a sealed segment gives back every entry bit for bit, and no damage to it, or to the tail that it is made from,
 * goes unseen. Method: one log of 65,536 small entries (and a few extreme ones) with fixed contents is sealed into
 * the memory store; the file is then read through `SegmentReader`, and damaged in every region: each byte where a
 * check is quick, samples from a fixed seed elsewhere.
 */
import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import {
  eventByteLengthMax,
  formatLogTime,
  genesisPrev,
  hashOfTile,
  isCairnError,
  leafHash,
  noteSigner,
  parseEntryBundle,
  rangeRoot,
  signSeal,
  subtreeLevels,
  utf8,
  writeEntry,
  entryByteLengthMax,
  type CairnError,
  type Hash,
  type NoteSigner,
  type Seal,
} from "@cairnlog/core";
import { nodeCrypto, signerFromSeed } from "@cairnlog/crypto";
import { memoryStore } from "./memory.ts";
import { checkSegment, type CheckedSegment, type ExpectedSegment } from "./segment-check.ts";
import {
  bundleEntries,
  frameCount,
  magic,
  sealedPath,
  segmentEntries,
  trailerByteLength,
} from "./segment-format.ts";
import { SegmentReader, type SegmentSource } from "./segment-reader.ts";
import { writeSegment, type WrittenSegment } from "./segment-writer.ts";
import type { LogStore } from "./store.ts";

const { sha256 } = nodeCrypto;
const origin = "example.com/audit";
const first = segmentEntries;
const path = sealedPath(first);
const prev = sha256(utf8("the entry before"));
const startMs = 1_795_410_000_000;
const previousTime = formatLogTime(startMs);

/** xorshift32: fixed contents, whatever the platform. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
}

function eventOf(index: number): Uint8Array {
  if (index === 0) return utf8("{}");
  if (index === 70 || index === 65_535) {
    return utf8(`{"type":"big","x":"${"é\\u0001\\\\".repeat(4000)}"}`);
  }
  if (index === 71) return utf8(`{"x":"${"a".repeat(eventByteLengthMax - 8)}"}`);
  return utf8(`{"type":"t","n":${index}}`);
}

interface Tail {
  readonly first: number;
  readonly prev: Hash;
  readonly bundles: Uint8Array[];
  readonly leafHashes: Hash[];
}

interface TailOptions {
  readonly first?: number;
  readonly prev?: Hash;
  readonly event?: (index: number) => Uint8Array;
  readonly frames?: number;
}

/** Frames of whole entries, as the tail file holds them. */
function makeTail(options: TailOptions = {}): Tail {
  const { first: firstSeq = first, prev: prevHash = prev, event: makeEvent = eventOf } = options;
  const random = randomFrom(7);
  const bundles: Uint8Array[] = [];
  const leafHashes: Hash[] = [];
  const entry = new Uint8Array(entryByteLengthMax);
  let before = prevHash;
  let ms = startMs;
  for (let frame = 0; frame < (options.frames ?? frameCount); frame++) {
    const parts: Uint8Array[] = [];
    for (let i = 0; i < bundleEntries; i++) {
      const index = frame * bundleEntries + i;
      const salt = new Uint8Array(18);
      new DataView(salt.buffer).setUint32(random() % 14, random());
      ms += random() % 3;
      const event = makeEvent(index);
      const source = index % 1000 === 5 ? "s".repeat(64) : "api";
      const head = { seq: firstSeq + index, prev: before, salt, time: formatLogTime(ms), source };
      const bytes = entry.slice(0, writeEntry(entry, 0, head, event, 0, event.length));
      before = leafHash(sha256, bytes);
      leafHashes.push(before);
      parts.push(Uint8Array.of(bytes.length >> 8, bytes.length & 0xff), bytes);
    }
    bundles.push(new Uint8Array(Buffer.concat(parts)));
  }
  return { first: firstSeq, prev: prevHash, bundles, leafHashes };
}

const signer: NoteSigner = noteSigner(
  sha256,
  origin,
  signerFromSeed("ed25519", new Uint8Array(32).fill(3)),
);
const vkeys = [signer.vkey];

async function seal(store: Pick<LogStore, "begin">, tail: Tail): Promise<WrittenSegment> {
  const leafHashes = new Uint8Array(32 * segmentEntries);
  leafHashes.set(Buffer.concat(tail.leafHashes));
  const levels = subtreeLevels(sha256, leafHashes);
  return writeSegment({
    object: await store.begin(path),
    path,
    crypto: nodeCrypto,
    origin,
    first: tail.first,
    prev: tail.prev,
    previousTime,
    root: levels[16]!,
    hashes: { leafHashes, level1: levels[8]! },
    readEntries: async (frame) => Promise.resolve(tail.bundles[frame]!.slice()),
    sign: async (text) => signSeal([signer], text),
  });
}

function sourceOf(bytes: Uint8Array): SegmentSource {
  return {
    read: async (_, offset, length) => Promise.resolve(bytes.slice(offset, offset + length)),
  };
}

const expected: ExpectedSegment = { origin, first, prev, previousTime };

/** Checks in both ways, with the SIMD kernel and without, at the same time: they say the same. */
async function check(bytes: Uint8Array, other: ExpectedSegment = {}): Promise<CheckedSegment> {
  const options = {
    reader: sourceOf(bytes),
    path,
    byteLength: bytes.length,
    crypto: nodeCrypto,
    expected: { ...expected, ...other },
    vkeys,
  };
  const both = [checkSegment(options), checkSegment({ ...options, isScalar: true })] as const;
  const [quick, plain] = await Promise.allSettled(both);
  assert.deepEqual(quick, plain);
  if (quick.status === "rejected") throw quick.reason;
  return quick.value;
}

const tail = makeTail();

describe("a sealed segment", () => {
  let written: WrittenSegment;
  let file: Uint8Array;
  let segment: SegmentReader;

  before(async () => {
    const store = await memoryStore().create("log");
    written = await seal(store, tail);
    file = (await store.get(path))!;
    segment = await SegmentReader.open({
      reader: store,
      path,
      byteLength: file.length,
      sha256,
    });
  });

  async function refused(bytes: Uint8Array, other: ExpectedSegment = {}): Promise<CairnError> {
    try {
      await check(bytes, other);
    } catch (error) {
      if (isCairnError(error)) return error;
      throw error;
    }
    return assert.fail("the damage was not noticed");
  }

  /** The error that a flip of one bit at `byte` leads to. The file is whole again afterwards. */
  async function flip(byte: number): Promise<CairnError> {
    const good = file[byte]!;
    file[byte] = good ^ (1 << (byte % 8));
    try {
      const error = await refused(file);
      const code =
        byte < magic.length || byte >= file.length - magic.length ? "unsupported_version" : "";
      assert.ok(
        ["malformed", "unverified", code].includes(error.code),
        `${byte}: ${error.message}`,
      );
      assert.equal(error.place.path, path, `byte ${byte}: ${error.message}`);
      return error;
    } finally {
      file[byte] = good;
    }
  }

  test("verifies, and says what it holds", async () => {
    const checked = await check(file);
    const all = new Uint8Array(Buffer.concat(tail.leafHashes));
    assert.deepEqual(checked.root, rangeRoot(sha256, all));
    assert.deepEqual(checked.root, written.root);
    assert.deepEqual(checked.level1, written.level1);
    assert.deepEqual(checked.lastLeafHash, tail.leafHashes.at(-1));
    assert.deepEqual(checked.prev, prev);
    assert.deepEqual(written.lastLeafHash, tail.leafHashes.at(-1));
    assert.equal(checked.entries, segmentEntries);
    assert.equal(checked.lastTime, written.lastTime);
    assert.equal(written.byteLength, file.length);
    assert.equal(checked.verified.length, 1);
    assert.equal(checked.seal.origin, origin);
  });

  test("gives back every entry, hash and time", async () => {
    const level1 = await segment.level1();
    for (let frame = 0; frame < frameCount; frame++) {
      assert.deepEqual(await segment.entryBundle(frame), tail.bundles[frame]);
      const level0 = await segment.level0(frame);
      assert.deepEqual(hashOfTile(sha256, level0), level1.slice(32 * frame, 32 * frame + 32));
    }
    assert.deepEqual(await segment.leafHash(first + 12_345), tail.leafHashes[12_345]);
    const times = await segment.entryTimes(9);
    assert.equal(times[0], segment.frameTimeMs(9));
    const { begin, end } = parseEntryBundle(tail.bundles[9]!)[200]!;
    const text = new TextDecoder().decode(tail.bundles[9]!.subarray(begin, end));
    assert.equal((JSON.parse(text) as { time: string }).time, formatLogTime(times[200]!));
  });

  test("notices each flipped byte of magic, seal and trailer", async () => {
    const { note, trailer } = segment.layout;
    for (let byte = 0; byte < magic.length; byte++) await flip(byte);
    for (let byte = note; byte < trailer + trailerByteLength; byte++) await flip(byte);
  });

  test("notices flipped hashes, and names the entry", async () => {
    const { leafHashes, level1, frameTable } = segment.layout;
    for (let byte = level1; byte < frameTable; byte += 61) await flip(byte);
    for (const index of [0, 1, 255, 256, 1000]) {
      const error = await flip(leafHashes + 32 * index + 31);
      assert.equal(error.place.seq, first + index);
      assert.equal(error.place.byte, leafHashes + 32 * index);
    }
  });

  test("notices flips in the frame table", async () => {
    const { frameTable } = segment.layout;
    // The early frames, whose damage is found early: every byte.
    for (let byte = frameTable; byte < frameTable + 5 * 16; byte++) await flip(byte);
    await flip(frameTable + 16 * 200 + 7);
    await flip(frameTable + 16 * 255 + 15);
  });

  test("notices flips in frames, and names the frame's place", async () => {
    const random = randomFrom(11);
    const { ends } = segment.table;
    for (let byte = magic.length; byte < magic.length + 24; byte++) await flip(byte);
    for (let i = 0; i < 100; i++) {
      const byte = magic.length + (random() % (ends[3]! - magic.length));
      const frame = ends.findIndex((end) => byte < end);
      const error = await flip(byte);
      const { seq } = error.place;
      if (seq === undefined) {
        // A few bits of zstd change nothing in what comes out: those only the file's SHA-256 protects.
        assert.match(error.message, /entries are whole/);
        continue;
      }
      assert.equal(Math.floor((seq - first) / bundleEntries), frame, error.message);
      assert.equal(error.place.byte, frame === 0 ? magic.length : ends[frame - 1]);
    }
    for (let i = 0; i < 4; i++) await flip(random() % ends.at(-1)!);
  });

  test("notices cuts, extensions and swaps", async () => {
    const { length } = file;
    const { leafHashes, note } = segment.layout;
    for (const at of [0, 1, 16, 1000, leafHashes, note, length - 141, length - 1]) {
      await refused(file.slice(0, at));
    }
    await refused(new Uint8Array([...file.subarray(-200), ...file]));
    await refused(new Uint8Array(Buffer.concat([file, new Uint8Array(1)])));
    await refused(new Uint8Array(Buffer.concat([file, file])));
    const [end0, end1] = segment.table.ends;
    const swapped = file.slice();
    swapped.set(file.subarray(leafHashes, leafHashes + 32), leafHashes + 32);
    swapped.set(file.subarray(leafHashes + 32, leafHashes + 64), leafHashes);
    assert.equal((await refused(swapped)).place.seq, first);
    const frames = file.slice();
    frames.set(Buffer.concat([file.subarray(end0, end1), file.subarray(magic.length, end0)]), 16);
    await refused(frames);
  });

  test("is refused in another place, log or version", async () => {
    const other = sha256(utf8("another"));
    assert.match((await refused(file, { prev: other })).message, /continue/);
    assert.match((await refused(file, { first: 0 })).message, /begins with entry 65536/);
    assert.match((await refused(file, { root: other })).message, /root/);
    assert.match((await refused(file, { origin: "example.com/b" })).message, /is of the log/);
    const late = await refused(file, { previousTime: formatLogTime(startMs + 10_000) });
    assert.equal(late.place.seq, first);
    const newer = file.slice();
    newer.set(utf8("cairn-sealed-v2\n"), 0);
    const error = await refused(newer);
    assert.equal(error.code, "unsupported_version");
    assert.match(error.message, /version 2/);
  });

  test("is refused where the log that seals it holds other hashes", async () => {
    const { root } = written;
    const leafHashes = new Uint8Array(Buffer.concat(tail.leafHashes));
    const { level1 } = written;
    await check(file, { root, hashes: { leafHashes, level1 } });
    const otherLeaf = leafHashes.with(32 * 700 + 9, leafHashes[32 * 700 + 9]! ^ 1);
    const error = await refused(file, { root, hashes: { leafHashes: otherLeaf, level1 } });
    assert.equal(error.place.seq, first + 700);
    const otherLevel1 = level1.with(8191, level1[8191]! ^ 1);
    const byte = segment.layout.frameTable - 1;
    const late = await refused(file, { root, hashes: { leafHashes, level1: otherLevel1 } });
    assert.equal(late.place.byte, byte);
    await refused(file, { root, hashes: { leafHashes: leafHashes.slice(32), level1 } });
  });

  test("lies under the log's own signature are found as well", async () => {
    const { level1, frameTable, note, trailer } = segment.layout;
    const honest = (await check(file)).seal;
    const reseal = async (change: Partial<Seal>, at: number, byte: number): Promise<CairnError> => {
      const forged = file.slice();
      if (at > 0) forged[at] = forged[at]! ^ 1;
      const lie = { ...honest, fileHash: sha256(forged.subarray(0, note)), ...change };
      forged.set(utf8(await signSeal([signer], lie)), note);
      forged.set(lie.root, trailer + 12);
      forged.set(utf8(lie.firstTime + lie.lastTime), trailer + 76);
      const error = await refused(forged);
      assert.equal(error.code, "unverified");
      assert.equal(error.place.byte, byte, error.message);
      return error;
    };
    await reseal({ root: sha256(utf8("another")) }, 0, level1);
    await reseal({}, frameTable + 3 * 16 + 15, frameTable + 3 * 16 + 8);
    await reseal({ firstTime: previousTime.replace("2026", "2025") }, 0, trailer + 76);
    await reseal({ lastTime: honest.lastTime.replace("2026", "2027") }, 0, trailer + 100);
    await reseal({ fileHash: sha256(utf8("another")) }, 0, note);
  });

  test("is refused when another key signed it", async () => {
    const other = noteSigner(sha256, origin, signerFromSeed("ed25519", new Uint8Array(32).fill(4)));
    const { note, trailer } = segment.layout;
    const sealed = (await check(file)).seal;
    const forged = file.slice();
    forged.set(utf8(await signSeal([other], sealed)), note);
    assert.equal(forged.length, file.length);
    const error = await refused(forged);
    assert.equal(error.code, "unverified");
    assert.ok(error.place.byte! >= note && error.place.byte! < trailer);
  });
});

test("a damaged tail is not sealed, and its first bad entry is named", async () => {
  const damage: readonly (readonly [string, (entry: Uint8Array) => void, string])[] = [
    ["seq", (entry) => void (entry[7] = 0x39), "unverified"],
    ["prev", (entry) => void (entry[25] = entry[25] === 0x41 ? 0x42 : 0x41), "unverified"],
    ["salt", (entry) => void (entry[76] = 0x2e), "malformed"],
    ["time", (entry) => void (entry[115] = 0x30), "unverified"],
    ["label", (entry) => void (entry[entry.indexOf(0x73, 130)] = 0x20), "malformed"],
    ["end", (entry) => void (entry[entry.length - 1] = 0x20), "malformed"],
  ];
  for (const [what, change, code] of damage) {
    const bundle = tail.bundles[1]!.slice();
    const { begin, end } = parseEntryBundle(bundle)[44]!;
    change(bundle.subarray(begin, end));
    const store = await memoryStore().create("log");
    const bundles = tail.bundles.with(1, bundle);
    await assert.rejects(seal(store, { ...tail, bundles }), (error: unknown) => {
      assert.ok(isCairnError(error), String(error));
      assert.equal(error.code, code, `${what}: ${error.message}`);
      assert.equal(error.place.seq, first + 300, what);
      return true;
    });
    assert.equal(await store.get(path), undefined, "nothing was finished");
  }
});

test("what comes back wrong from the medium is not finished", async () => {
  const store = await memoryStore().create("log");
  const object = await store.begin(path);
  let isFinished = false;
  const faulty = {
    write: async (bytes: Uint8Array) => object.write(bytes),
    read: async (offset: number, length: number) => {
      const bytes = await object.read(offset, length);
      if (offset <= 500 && offset + length > 500) bytes[500 - offset]! ^= 1;
      return bytes;
    },
    finish: async () => {
      isFinished = true;
      await object.finish();
    },
    abandon: async () => object.abandon(),
  };
  const begin = async () => Promise.resolve(faulty);
  await assert.rejects(seal({ begin }, tail), isCairnError);
  assert.equal(isFinished, false);
});

test("an event that is not strict I-JSON is found in an entry whose hash is right", async () => {
  const bad = utf8('{"a":1,"a":2}');
  const event = (index: number): Uint8Array => (index === 1000 ? bad : utf8("{}"));
  const store = await memoryStore().create("log");
  await seal(store, makeTail({ first: 0, prev: genesisPrev(), event }));
  const { length: byteLength } = (await store.get(path))!;
  const options = { reader: store, path, byteLength, crypto: nodeCrypto };
  const { first: firstSeq, prev: before } = await checkSegment({ ...options, scanEvents: false });
  assert.deepEqual([firstSeq, before], [0, genesisPrev()]);
  await assert.rejects(checkSegment(options), (error: unknown) => {
    assert.ok(isCairnError(error, "malformed"), String(error));
    assert.equal(error.place.seq, 1000);
    return true;
  });
});

test("the first segment of a log follows on 32 zero bytes", async () => {
  const store = await memoryStore().create("log");
  await assert.rejects(seal(store, makeTail({ first: 0, frames: 1 })), (error: unknown) => {
    assert.ok(isCairnError(error, "unverified"), String(error));
    assert.match(error.message, /continue/);
    return true;
  });
});
