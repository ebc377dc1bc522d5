/**
 * Goal: tiles and entry bundles exactly as C2SP tlog-tiles has them, in one spelling. Method: the
 * specification's own examples; paths there and back, and every near miss refused; widths, lists of
 * tiles and nodes against naive counting; every cut of an entry bundle.
 */
import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import { hex } from "./encoding.ts";
import { isCairnError } from "./errors.ts";
import type { Sha256 } from "./hash.ts";
import { rangeRoot } from "./merkle.ts";
import {
  hashOfTile,
  nodeFromTile,
  parseEntryBundle,
  parseTilePath,
  tileOfNode,
  tilePath,
  tilesForSize,
  tileWidth,
  type TileName,
} from "./tile.ts";

const sha256: Sha256 = (bytes) => hash("sha256", bytes, "buffer");
const malformed = { code: "malformed" } as const;
const seed = 20_260_102;

test("paths: the examples of the specification, and every width and level, there and back", () => {
  assert.equal(tilePath({ level: 0, index: 1_234_067, width: 256 }), "tile/0/x001/x234/067");
  assert.equal(tilePath({ level: "entries", index: 273, width: 112 }), "tile/entries/273.p/112");
  assert.equal(tilePath({ level: 63, index: 1000, width: 1 }), "tile/63/x001/000.p/1");
  const indexes = [0, 1, 999, 1000, 999_999, 1_000_000, 2 ** 32 + 1, Number.MAX_SAFE_INTEGER];
  const levels = ["entries" as const, ...Array.from({ length: 64 }, (_, level) => level)];
  for (const level of levels) {
    for (const index of indexes) {
      for (let width = 1; width <= 256; width += level === 0 ? 1 : 51) {
        const tile: TileName = { level, index, width };
        assert.deepEqual(parseTilePath(tilePath(tile)), tile);
      }
    }
  }
});

test("paths: every other spelling is refused", () => {
  const wrong = [
    "",
    "tile",
    "/tile/0/000",
    "tile/0/000/",
    "tile/0/00",
    "tile/0/0000",
    "tile/0/x000/000",
    "tile/0/x000/x001/000",
    "tile/0/001/000",
    "tile/0/x001/x000",
    "tile/0/X001/000",
    "tile/0/x001000",
    "tile/00/000",
    "tile/01/000",
    "tile/64/000",
    "tile/100/000",
    "tile/-1/000",
    "tile/+1/000",
    "tile/1.0/000",
    "tile/Entries/000",
    "tile/data/000",
    "tile/0/000.p",
    "tile/0/000.p/",
    "tile/0/000.p/0",
    "tile/0/000.p/256",
    "tile/0/000.p/01",
    "tile/0/000.p/1/",
    "tile/0/000.p/1000",
    "tile/0/000.p/-1",
    "tile/0/000p/1",
    "tile/0/000.P/1",
    "tile/0/000\n",
    "tile/0/000\0",
    "tile/0/٠٠٠",
    "tile/0/x009/x007/x199/x254/x740/992", // 2^53
    "tile/0/x999/x999/x999/x999/x999/999",
    "tile/0/x001/x000/x000/x000/x000/x000/000",
    "https://log.example/tile/0/000",
  ];
  for (const path of wrong) assert.throws(() => parseTilePath(path), malformed, path);
  const pieces = [
    "tile/",
    "0",
    "1",
    "63",
    "/",
    "x",
    "000",
    "001",
    "x001/",
    ".p/",
    "255",
    "256",
    "entries",
  ];
  let read = 0;
  const property = fc.property(fc.array(fc.constantFrom(...pieces), { maxLength: 9 }), (parts) => {
    const path = `tile/${parts.join("")}`;
    try {
      assert.equal(tilePath(parseTilePath(path)), path);
      read++;
    } catch (error) {
      assert.ok(isCairnError(error, "malformed"), String(error));
    }
  });
  fc.assert(property, { seed, numRuns: 20_000 });
  assert.ok(read > 10, `${read} were paths`);
  for (const tile of [
    { level: 64, index: 0, width: 1 },
    { level: -1, index: 0, width: 1 },
    { level: 0.5, index: 0, width: 1 },
    { level: 0, index: -1, width: 1 },
    { level: 0, index: 2 ** 53, width: 1 },
    { level: 0, index: 0, width: 0 },
    { level: 0, index: 0, width: 257 },
    { level: 0, index: 0, width: 1.5 },
  ]) {
    assert.throws(() => tilePath(tile), malformed, JSON.stringify(tile));
  }
});

test("the tree of 70,000 entries has the tiles that the specification lists", () => {
  const tiles = [...tilesForSize(70_000)];
  const count = (level: number, isFull: boolean): number =>
    tiles.filter((tile) => tile.level === level && (tile.width === 256) === isFull).length;
  assert.equal(count(0, true), 273);
  assert.equal(count(1, true), 1);
  assert.equal(count(2, true), 0);
  const partial = tiles.filter((tile) => tile.width < 256);
  assert.deepEqual(partial.map(tilePath), [
    "tile/0/273.p/112",
    "tile/1/001.p/17",
    "tile/2/000.p/1",
  ]);
  assert.deepEqual([...tilesForSize(256)].map(tilePath), ["tile/0/000", "tile/1/000.p/1"]);
  assert.deepEqual([...tilesForSize(0)], []);
  assert.throws(() => [...tilesForSize(1, 2)], malformed);
});

test("widths and new tiles, against counting", () => {
  const sizes = [0, 1, 2, 255, 256, 257, 300, 511, 512, 513, 65_535, 65_536, 65_537, 66_000];
  for (const size of sizes) {
    const paths = [...tilesForSize(size)].map(tilePath);
    const counted: string[] = [];
    for (let level = 0; level < 4; level++) {
      // floor(s / 256^l) hashes, dealt out in runs of 256.
      let hashes = Math.floor(size / 256 ** level);
      for (let index = 0; index < 300; index++) {
        const width = Math.min(256, hashes);
        hashes -= width;
        assert.equal(tileWidth(level, index, size), width, `${level}/${index} of ${size}`);
        if (level === 0) assert.equal(tileWidth("entries", index, size), width);
        if (width > 0) counted.push(tilePath({ level, index, width }));
      }
    }
    assert.deepEqual(paths, counted, `tiles of ${size}`);
    for (const oldSize of sizes.filter((each) => each <= size)) {
      const old = new Set([...tilesForSize(oldSize)].map(tilePath));
      const fresh = [...tilesForSize(size, oldSize)].map(tilePath);
      assert.deepEqual(
        fresh,
        paths.filter((path) => !old.has(path)),
        `${oldSize} to ${size}`,
      );
    }
  }
  const top = Number.MAX_SAFE_INTEGER;
  assert.equal(tileWidth(0, Math.floor(top / 256), top), 255);
  assert.equal(tileWidth(6, 0, top), 31);
  assert.equal(tileWidth(7, 0, top), 0);
  assert.equal(tileWidth(63, 0, top), 0);
});

test("nodes are found in their tiles", () => {
  const leaves = new Uint8Array(600 * 32);
  for (let i = 0; i < 600; i++) leaves.set(sha256(Uint8Array.of(i % 256, i / 256)), i * 32);
  for (let level = 0; level <= 7; level++) {
    const width = 2 ** level;
    for (let index = 0; (index + 1) * width <= 600; index++) {
      const slice = tileOfNode(level, index);
      const last = tileWidth(slice.level, slice.index, 600);
      const from = slice.index * 8192;
      const tile = leaves.subarray(from, from + last * 32);
      const expected = rangeRoot(
        sha256,
        leaves.slice(index * width * 32, (index + 1) * width * 32),
      );
      assert.equal(hex(nodeFromTile(sha256, tile, slice)), hex(expected), `${level}/${index}`);
      const narrow = tile.subarray(0, (slice.first + slice.count - 1) * 32);
      assert.throws(() => nodeFromTile(sha256, narrow, slice), malformed);
    }
  }
  const tile = leaves.slice(0, 8192);
  assert.equal(hex(hashOfTile(sha256, tile)), hex(rangeRoot(sha256, tile)));
  assert.throws(() => hashOfTile(sha256, tile.subarray(32)), malformed);
  assert.throws(() => hashOfTile(sha256, tile.subarray(1)), malformed);
  const buffer = Buffer.from(tile);
  const copy = nodeFromTile(sha256, buffer, tileOfNode(0, 3));
  buffer.fill(0);
  assert.equal(hex(copy), hex(tile.subarray(96, 128)), "a hash of its own, not a view of the tile");
  // A node of level 8 is a hash of tile level 1; far ones are found without loss.
  assert.deepEqual(tileOfNode(8, 257), { level: 1, index: 1, first: 1, count: 1 });
  assert.deepEqual(tileOfNode(0, 2 ** 53 - 2), {
    level: 0,
    index: 2 ** 45 - 1,
    first: 254,
    count: 1,
  });
  assert.deepEqual(tileOfNode(15, 3), { level: 1, index: 1, first: 128, count: 128 });
  assert.deepEqual(tileOfNode(52, 0), { level: 6, index: 0, first: 0, count: 16 });
});

test("entry bundles: exact to the byte", () => {
  const entries = [0, 1, 300, 65_535, 2].map((length, i) => Buffer.alloc(length, i + 1));
  const parts: Buffer[] = [];
  const ends = new Set<number>();
  let length = 0;
  for (const entry of entries) {
    parts.push(Buffer.of(Math.floor(entry.length / 256), entry.length % 256), entry);
    length += 2 + entry.length;
    ends.add(length);
  }
  const bundle = Buffer.concat(parts);
  const ranges = parseEntryBundle(bundle, 5);
  for (const [i, { begin, end }] of ranges.entries()) {
    assert.ok(bundle.subarray(begin, end).equals(entries[i]!), `entry ${i}`);
  }
  assert.equal(ranges.length, 5);
  for (let cut = 0; cut < bundle.length; cut += cut > 400 && cut < 65_700 ? 97 : 1) {
    const short = bundle.subarray(0, cut);
    if (ends.has(cut)) assert.ok(parseEntryBundle(short).length < 5);
    else assert.throws(() => parseEntryBundle(short), malformed, `cut at ${cut}`);
    assert.throws(() => parseEntryBundle(short, 5), malformed, `cut at ${cut}, width known`);
  }
  assert.throws(() => parseEntryBundle(Buffer.concat([bundle, Buffer.of(0)])), {
    ...malformed,
    place: { byte: bundle.length },
  });
  assert.equal(parseEntryBundle(new Uint8Array(512)).length, 256);
  assert.throws(() => parseEntryBundle(new Uint8Array(514)), {
    ...malformed,
    place: { byte: 512 },
  });
  assert.throws(() => parseEntryBundle(new Uint8Array(0)), malformed);
});
