/**
 * Goal: a frame is checked the same with the SIMD kernel and without, whatever is wrong with it: the same times, or the
 * same error at the same place. Method: frames of 256 entries from a fixed seed, with usual and unusual entries in
 * them, are changed in every way, once so that the hashes show it and once with hashes that belong to what was changed;
 * both checkers look at each.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  formatLogTime,
  isCairnError,
  leafHash,
  restoreEntry,
  utf8,
  type Hash,
} from "@cairnlog/core";
import { nodeCrypto } from "@cairnlog/crypto";
import { openSimd } from "@cairnlog/simd";
import { bundleEntries } from "./segment-format.ts";
import { FrameChecker } from "./segment-frame-check.ts";

const simd = openSimd();
assert.ok(simd !== undefined, "this platform has SIMD");
const kernel = simd.frames;
const { sha256 } = nodeCrypto;
const prev = sha256(utf8("the entry before"));

/** xorshift32: the same frames everywhere. */
function randomFrom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

const plainEvent = (i: number): string =>
  `{"id":"${i}","type":"t.u","actor":{"id":"a@example.com"},"action":"READ","n":[${i},0.5,true]}`;
/** Good ones, of which the kernel leaves some to the scanner, and bad ones. */
const goodEvents = [
  "{}",
  `{"s":"é\\u0001\\n"}`,
  `{"n":1e5,"m":9007199254740991}`,
  `{"x":"${"y".repeat(3000)}"}`,
  `{"\\u0061":1,"b":2}`,
  `{"é":1}`,
];
const badEvents = [
  `{"a":1,"a":2}`,
  `{"a":1,"\\u0061":2}`,
  `{"a": 1}`,
  `{"a":1} `,
  `{"a":"\u0001"}`,
  `{"a":1e999}`,
  `{"a":"\\ud800"}`,
  `[1,2]`,
  `{"a":1`,
  `{"a":{"b":1}`,
  `{"a":01}`,
];

function stripped(event: string, time: string, source = "api", salt = "A".repeat(24)): Uint8Array {
  return utf8(`{"salt":"${salt}","time":"${time}","source":"${source}","event":${event}}`);
}

interface Frame {
  readonly first: number;
  readonly entries: Uint8Array[];
}

/** A good frame: every 16th entry is unusual, and times pass a second now and then, and sometimes midnight. */
function makeFrame(random: (below: number) => number, first: number): Frame {
  let ms = Date.UTC(2026, 10, 23, random(24), 59, 59, 900);
  const steps = [0, 0, 0, 1, 7, 1000, random(4) === 0 ? 3_600_000 : 3];
  const entries = Array.from({ length: bundleEntries }, (_, i) => {
    ms += steps[random(steps.length)]!;
    const event = i % 16 === 9 ? goodEvents[random(goodEvents.length)]! : plainEvent(i);
    const source =
      i % 16 === 3 ? "abcdefghijklmnopqrstuvwxyz0123456789._/-".slice(random(39)) : "api";
    const salt = Buffer.from(sha256(Uint8Array.of(i, random(256))).subarray(0, 18));
    return stripped(event, formatLogTime(ms), source, salt.toString("base64"));
  });
  return { first, entries };
}

/** The leaf hashes of the entries as they are, the one before them in front. Too long entries count as empty. */
function hashesOf({ first, entries }: Frame): Uint8Array {
  const run = new Uint8Array(32 * (bundleEntries + 1));
  run.set(prev);
  let before: Hash = prev;
  for (const [i, entry] of entries.entries()) {
    const whole = new Uint8Array(entry.length + 100);
    const begun = entry.length < 2 || entry[0] !== 0x7b || entry[1] !== 0x22;
    const end = begun ? 0 : restoreEntry(whole, 0, first + i, before, entry, 0, entry.length);
    before = leafHash(sha256, whole.subarray(0, end));
    run.set(before, 32 * (i + 1));
  }
  return run;
}

function contentOf({ entries }: Frame): Uint8Array {
  return new Uint8Array(
    Buffer.concat(
      entries.flatMap((entry) => [Uint8Array.of(entry.length >> 8, entry.length & 0xff), entry]),
    ),
  );
}

type Outcome =
  | { readonly times: readonly number[] }
  | { readonly code: string; readonly message: string; readonly place: object };

const checkers = [true, false].map((isScanning) => ({
  isScanning,
  plain: new FrameChecker(isScanning),
  quick: new FrameChecker(isScanning, kernel),
}));

function outcomeOf(
  checker: FrameChecker,
  frame: Frame,
  content: Uint8Array,
  run: Uint8Array,
): Outcome {
  try {
    const place = { path: "sealed/x", byte: 16, first: frame.first };
    const { firstTimeMs, lastTimeMs } = checker.check(content.slice(), place, run, 0);
    return { times: [firstTimeMs, lastTimeMs] };
  } catch (error) {
    if (!isCairnError(error)) throw error;
    return { code: error.code, message: error.message, place: error.place };
  }
}

/** Both say the same; what they say where events are scanned. */
function compare(frame: Frame, content: Uint8Array, run: Uint8Array, what: string): Outcome {
  const [scanned] = checkers.map(({ plain, quick }) => {
    const outcome = outcomeOf(plain, frame, content, run);
    assert.deepEqual(outcomeOf(quick, frame, content, run), outcome, what);
    return outcome;
  });
  return scanned!;
}

test("good frames, at every change of length of a seq", () => {
  const seed = 11;
  const random = randomFrom(seed);
  for (const first of [0, 1, 9, 90, 999, 65_536, 99_840, 999_999, 2 ** 32 - 128, 2 ** 53 - 256]) {
    const frame = makeFrame(random, first);
    const outcome = compare(frame, contentOf(frame), hashesOf(frame), `seed ${seed}, seq ${first}`);
    assert.ok("times" in outcome, JSON.stringify(outcome));
  }
});

test("the kernel accepts usual frames whole, and long ones in parts", () => {
  const time = formatLogTime(Date.UTC(2026, 10, 23));
  for (const size of [10, 1000, 3000, 60_000]) {
    const event = `{"x":"${"y".repeat(size)}"}`;
    const frame = { first: 7, entries: Array.from({ length: 256 }, () => stripped(event, time)) };
    const content = contentOf(frame);
    const run = hashesOf(frame);
    kernel.load(content, run);
    assert.equal(kernel.check(1, frame.entries[0]!.length + 2, 7, 0, true), 256);
    assert.deepEqual(kernel.unscanned(256), []);
    assert.equal(kernel.startOf(256), content.length);
    assert.ok("times" in compare(frame, content, run, `events of ${size} bytes`));
    run[32 * 200 + 5]! ^= 1;
    const found = compare(frame, content, run, `a wrong hash, events of ${size} bytes`);
    assert.ok("place" in found && found.place.constructor === Object);
  }
});

test("each byte of a hash counts, of the first entry and of others", () => {
  const random = randomFrom(17);
  const frame = makeFrame(random, 500);
  const content = contentOf(frame);
  const run = hashesOf(frame);
  for (const index of [0, 1, 2, 3, 4, 128, 255]) {
    for (let byte = 0; byte < 32; byte++) {
      const at = 32 * (index + 1) + byte;
      const wrong = run.with(at, run[at]! ^ (1 << random(8)));
      const found = compare(frame, content, wrong, `byte ${byte} of hash ${index}`);
      assert.deepEqual("code" in found ? [found.code, found.place] : [], [
        "unverified",
        { path: "sealed/x", byte: 16, seq: 500 + index },
      ]);
    }
  }
});

test("entries that are wrong, with hashes that are right", () => {
  const seed = 23;
  const random = randomFrom(seed);
  const ms = Date.UTC(2026, 10, 23, 5);
  const good = formatLogTime(ms);
  const later = (text: string): string => text.replace("T05", "T06");
  const wrong = [
    ...badEvents.map((event) => stripped(event, later(good))),
    ...["T24:00", "T23:60", "T2a:00", " 05:00", "T05-00"].map((part) =>
      stripped("{}", good.replace("T05:00", part)),
    ),
    ...[good.replace("Z", "z"), good.replace("00.000", "60.000"), good.replace(".", ","), "x"].map(
      (time) => stripped("{}", time),
    ),
    stripped("{}", formatLogTime(ms - 1)),
    ...["", "1", "{", "12"].map((event) => stripped(event, later(good), "source")),
    stripped("{}", later(good), ""),
    stripped("{}", later(good), "A"),
    stripped("{}", later(good), "s".repeat(64)),
    stripped("{}", later(good), "s".repeat(65)),
    stripped("{}", later(good), "api", "A".repeat(23) + "="),
    stripped("{}", later(good), "api", "A".repeat(23)),
    stripped("{}", later(good), "api", "-".repeat(24)),
    stripped(`{"a":"${"x".repeat(64_100)}"}`, later(good)),
    stripped(`{"a":"${"x".repeat(65_400)}"}`, later(good)),
    utf8("{}"),
    utf8(""),
  ];
  const noon = formatLogTime(ms + 7_200_000);
  for (const [number, entry] of wrong.entries()) {
    for (const index of [0, 1, 100, 255]) {
      const entries = Array.from({ length: bundleEntries }, (_, i) =>
        stripped(plainEvent(random(100)), i < index ? good : noon),
      );
      entries[index] = entry;
      const frame = { first: 65_536, entries };
      compare(frame, contentOf(frame), hashesOf(frame), `entry ${number} at ${index}`);
    }
  }
});

test("random changes, with hashes of before and with hashes of what was changed", () => {
  const seed = 37;
  const random = randomFrom(seed);
  let refused = 0;
  for (let round = 0; round < 60; round++) {
    const frame = makeFrame(random, random(1 << 20));
    const run = hashesOf(frame);
    for (let change = 0; change < 8; change++) {
      const entries = [...frame.entries];
      for (let times = 1 + random(2); times > 0; times--) {
        const index = random(bundleEntries);
        const entry = entries[index]!;
        const at = random(4) === 0 ? random(entry.length) : random(Math.min(entry.length, 110));
        const byte = random(2) === 0 ? entry[at]! ^ (1 << random(8)) : random(128);
        entries[index] =
          random(8) === 0
            ? Uint8Array.of(...entry.subarray(0, at), ...entry.subarray(at + 1))
            : entry.with(at, byte);
      }
      const changed = { first: frame.first, entries };
      const what = `seed ${seed}, round ${round}, change ${change}`;
      const content = contentOf(changed);
      compare(frame, content, run, what);
      if ("code" in compare(frame, content, hashesOf(changed), what)) refused++;
    }
    // Bytes of the frame itself: lengths, and its end.
    const content = contentOf(frame);
    compare(frame, content.subarray(0, random(content.length)), run, `seed ${seed}, cut`);
    compare(frame, Uint8Array.of(...content, 0, 0), run, `seed ${seed}, longer`);
    const flipped = random(content.length);
    compare(frame, content.with(flipped, content[flipped]! ^ 4), run, `seed ${seed}, flipped`);
  }
  assert.ok(refused > 200, `seed ${seed}: ${refused} refused`);
});
