/**
 * Goal: messages are cut out of a stream in the same way wherever the network cut it, every byte of it is kept, and
 * memory stays bounded; frames of RELP are read strictly.
 * Method: streams of both framings, cut at every place and at random ones (fixed seed), against a naive reading of the
 * whole; damaged frames; messages beyond the limit.
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isCairnError, utf8 } from "@cairnlog/core";
import fc from "fast-check";
import { RelpFrames, parseOffers, relpFrame } from "./relp-frames.ts";
import { StreamFrames } from "./stream-frames.ts";

const text = (bytes: Uint8Array): string => new TextDecoder("latin1").decode(bytes);

/** What comes of a stream in these pieces; torn messages end in "!", pieces of long ones in their number. */
function cutUp(chunks: readonly string[], messageBytesMax = 1000, isClean = true): string[] {
  const frames = new StreamFrames(messageBytesMax);
  const found: string[] = [];
  const add = ({ bytes, piece, isTorn }: ReturnType<StreamFrames["push"]>[0]): void => {
    const number = piece === undefined ? "" : `#${piece.number}${piece.isLast ? "." : ""}`;
    found.push(`${text(bytes)}${number}${isTorn === true ? "!" : ""}`);
  };
  for (const chunk of chunks) frames.push(utf8(chunk)).forEach(add);
  const rest = frames.end(isClean);
  if (rest !== undefined) add(rest);
  return found;
}

function chunksOf(stream: string, cuts: readonly number[]): string[] {
  const at = [0, ...cuts.map((cut) => cut % (stream.length + 1)).toSorted((a, b) => a - b)];
  return at.map((from, i) => stream.slice(from, at[i + 1] ?? stream.length));
}

const counted = (messages: readonly string[]): string =>
  messages.map((message) => `${message.length} ${message}`).join("");
const lines = (messages: readonly string[]): string =>
  messages.map((message) => `${message}\n`).join("");

describe("messages of a stream", () => {
  it("are the same wherever it is cut, in both framings", () => {
    const message = fc.string({ unit: fc.constantFrom("a", "<", "7", " ", "\n"), maxLength: 12 });
    const messages = fc.array(
      message.map((rest) => `<13>${rest}`),
      { minLength: 1, maxLength: 6 },
    );
    const cuts = fc.array(fc.nat(100), { maxLength: 8 });
    fc.assert(
      fc.property(messages, cuts, (all, places) => {
        assert.deepEqual(cutUp(chunksOf(counted(all), places)), all);
        const flat = all.map((one) => one.replaceAll("\n", ""));
        assert.deepEqual(cutUp(chunksOf(lines(flat), places)), flat);
      }),
      { seed: 6587, numRuns: 500 },
    );
  });

  it("are told apart by how the stream begins", () => {
    assert.deepEqual(cutUp(["5 <1>ab4 <1>c"]), ["<1>ab", "<1>c"]);
    assert.deepEqual(cutUp(["12 monkeys\n5 <1>ab\n"]), ["12 monkeys", "5 <1>ab"], "a line of text");
    assert.deepEqual(cutUp(["2026-11-24 x\n"]), ["2026-11-24 x"]);
    assert.deepEqual(cutUp(["05 <1>a\n"]), ["05 <1>a"]);
    assert.deepEqual(cutUp(["1234567890 <1>\n"]), ["1234567890 <1>"]);
    assert.deepEqual(cutUp(["<1>a\n\n\n<1>b\r\n"]), ["<1>a", "<1>b\r"], "empty lines are none");
    assert.deepEqual(cutUp(["5 <1>ab\n<1>stray line\n4 <1>c"]), ["<1>ab", "<1>stray line", "<1>c"]);
  });

  it("that end in the middle are kept, and marked", () => {
    assert.deepEqual(cutUp(["<1>a\n<1>b"]), ["<1>a", "<1>b"]);
    assert.deepEqual(cutUp(["<1>a\n<1>b"], 1000, false), ["<1>a", "<1>b!"]);
    assert.deepEqual(
      cutUp(["5 <1>ab9 <1>c"]),
      ["<1>ab", "<1>c#1.!"].map((one) => one.replace("#1.", "")),
    );
    assert.deepEqual(cutUp(["12"]), ["12"]);
    assert.deepEqual(cutUp([]), []);
  });

  it("beyond the limit come in pieces, whole together", () => {
    const long = `<13>${"x".repeat(26)}`;
    const expected = ["<13>xxxxxx#1", "xxxxxxxxxx#2", "xxxxxxxxxx#3."];
    assert.deepEqual(cutUp([`${long}\n<1>b\n`], 10), [...expected, "<1>b"]);
    assert.deepEqual(cutUp([`30 ${long}4 <1>b`], 10), [...expected, "<1>b"]);
    assert.deepEqual(cutUp([...`30 ${long}4 <1>b`], 10), [...expected, "<1>b"]);
    assert.deepEqual(cutUp([...`${long}\n<1>b\n`], 10), [...expected, "<1>b"]);
    assert.deepEqual(
      cutUp([`${"y".repeat(10)}\n`], 10),
      ["y".repeat(10)],
      "the limit itself is whole",
    );
  });
});

describe("frames of RELP", () => {
  const read = (chunks: readonly string[], max = 1000): unknown[] => {
    const frames = new RelpFrames(max);
    return chunks.flatMap((chunk) =>
      frames.push(utf8(chunk)).map(({ txnr, command, data, piece }) => {
        const one = [txnr, command, text(data)];
        return piece === undefined ? one : [...one, piece.number, piece.isLast];
      }),
    );
  };
  const stream = "1 open 14 relp_version=0\n2 syslog 7 <13>a\nb\n3 close 0\n4 x 0 \n";
  const expected = [
    [1, "open", "relp_version=0"],
    [2, "syslog", "<13>a\nb"],
    [3, "close", ""],
    [4, "x", ""],
  ];

  it("are the same wherever the stream is cut", () => {
    assert.deepEqual(read([stream]), expected);
    assert.deepEqual(read([...stream]), expected);
    for (let at = 1; at < stream.length; at++) {
      assert.deepEqual(read([stream.slice(0, at), stream.slice(at)]), expected);
    }
  });

  it("beyond the limit come in pieces", () => {
    const long = `1 syslog 25 ${"x".repeat(25)}\n2 close 0\n`;
    const pieces = [
      [1, "syslog", "x".repeat(10), 1, false],
      [1, "syslog", "x".repeat(10), 2, false],
      [1, "syslog", "x".repeat(5), 3, true],
      [2, "close", ""],
    ];
    assert.deepEqual(read([long], 10), pieces);
    assert.deepEqual(read([...long], 10), pieces);
  });

  it("that are none are refused, as soon as that is known", () => {
    const bad = ["x", " 1 open 0\n", "1  open 0\n", "1 op3n 0\n", "1 open x", "1 open 3 abcd\n"];
    bad.push(
      "1 open 3\n",
      "1234567890 open",
      "1 open 1234567890",
      `1 ${"a".repeat(33)}`,
      "GET / HTTP/1.1",
    );
    for (const one of bad) {
      assert.throws(
        () => read([one]),
        (error) => isCairnError(error, "malformed"),
        one,
      );
      assert.throws(
        () => read([...one]),
        (error) => isCairnError(error, "malformed"),
        one,
      );
    }
  });

  it("are written as they are read, and offers are found", () => {
    assert.deepEqual(read([relpFrame(0, "serverclose"), relpFrame(7, "rsp", "200 OK\na=b")]), [
      [0, "serverclose", ""],
      [7, "rsp", "200 OK\na=b"],
    ]);
    const offers =
      "relp_version=0\nrelp_software=librelp,1.11.0,http://x\ncommands=syslog,eventlog";
    assert.deepEqual(parseOffers(utf8(offers)), { version: 0, commands: ["syslog", "eventlog"] });
    assert.equal(parseOffers(utf8("commands=syslog")), undefined);
  });
});
