/**
 * Goal: no bad request is recorded, not even in part, and each is answered with the problem
 * document that fits it. Method: real requests of every bad kind; after each, the log's size is
 * what it was.
 */
import assert from "node:assert/strict";
import { connect } from "node:net";
import { test } from "node:test";
import { constants, gzipSync, zstdCompressSync } from "node:zlib";
import { CairnError, errorTable, utf8, type CairnErrorCode } from "@cairnlog/core";
import {
  disguised,
  eventsPath,
  eventText,
  post,
  postLines,
  serve,
  type Answer,
  type Sent,
  type TestServer,
} from "./serving.test.ts";

interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: string;
  readonly byte?: number;
}

function assertProblem(answer: Answer, code: CairnErrorCode, status?: number): Problem {
  const expected = status ?? errorTable[code].status;
  assert.equal(answer.status, expected, answer.text);
  assert.equal(answer.headers["content-type"], "application/problem+json");
  assert.equal(answer.headers["x-content-type-options"], "nosniff");
  const problem = JSON.parse(answer.text) as Problem;
  assert.deepEqual(
    [problem.type, problem.title, problem.status, problem.code],
    [`/errors/${code}`, errorTable[code].title, expected, code],
  );
  assert.ok(problem.detail.length > 0);
  return problem;
}

/**
 * Sends each, and sees that it fails as it should and that nothing was recorded. Returns the
 * details.
 */
async function refuses(
  served: TestServer,
  cases: readonly (readonly [string, CairnErrorCode, Sent])[],
): Promise<string[]> {
  const details: string[] = [];
  for (const [name, code, sent] of cases) {
    const { size } = served.log.status();
    const answer = await served.send(sent);
    try {
      details.push(assertProblem(answer, code).detail);
    } catch (cause) {
      throw new Error(`${name}: ${answer.status} ${answer.text}`, { cause });
    }
    assert.equal(served.log.status().size, size, name);
  }
  return details;
}

const small = {
  wireBytesMax: 120_000,
  bodyBytesMax: 300_000,
  jsonBytesMax: 200_000,
  lineBytesMax: 70_000,
  expansionMax: 20,
  expansionFreeBytes: 50_000,
  refusalsPerRequestMax: 5,
  eventsPerRequestMax: 50,
};
const gzipped = { "content-encoding": "gzip" };
const zstd = { "content-encoding": "zstd" };
const good = eventText("good");

test("bodies that are no events", async (t) => {
  const served = await serve(t, { limits: small });
  await refuses(served, [
    ["empty", "malformed", post("")],
    ["blank", "malformed", post(" \n")],
    ["not JSON", "malformed", post("event")],
    ["a number", "malformed", post("1")],
    ["two objects", "malformed", post(`${good}${good}`)],
    ["cut off", "malformed", post(good.slice(0, -1))],
    ["a second member of a name", "malformed", post('{"type":"a.b","type":"a.c"}')],
    ["without an actor", "invalid", post('{"type":"a.b","action":"x"}')],
    ["private", "private_unsupported", post(eventText("p", { private: { ssn: "1" } }))],
    ["larger than an event", "too_large", post(eventText("l", { details: "x".repeat(64_000) }))],
    ["an array that is cut off", "malformed", post(`[${good},`)],
    ["an array with something after it", "malformed", post(`[${good}]${good}`)],
    ["an array without a comma", "malformed", post(`[${good} ${good}]`)],
    ["an array with an empty place", "malformed", post(`[${good},,${good}]`)],
    ["an array with the wrong bracket", "malformed", post(`[${good},{"a":[}]`)],
    ["too many events", "too_large", postLines(`${good}\n`.repeat(51))],
    ["too many refusals", "malformed", postLines(`${good}\n${"x\n".repeat(6)}`)],
    ["too many refusals in an array", "malformed", post(`[${good}${",1".repeat(6)}]`)],
  ]);
  const answer = await served.send(post(`[${good}, ${good} x`));
  assert.equal(assertProblem(answer, "malformed").byte, 2 * good.length + 4);
});

test("bodies that are too large, wherever it shows", async (t) => {
  const served = await serve(t, { limits: small });
  const filler = `${eventText("f", { details: "x".repeat(9000) })}\n`;
  const noise = Array.from({ length: 34 }, (_, i) => eventText(`n${i}`, { details: noiseText(i) }));
  const details = await refuses(served, [
    ["said so", "too_large", postLines(filler.repeat(14))],
    ["did not say", "too_large", postLines(filler.repeat(14), { "transfer-encoding": "chunked" })],
    ["one that never ends its line", "too_large", post(" ".repeat(120_001))],
    ["gzip bomb", "too_large", postLines(gzipSync("\n".repeat(290_000)), gzipped)],
    ["zstd bomb", "too_large", postLines(zstdCompressSync("\n".repeat(290_000)), zstd)],
    ["large after gzip", "too_large", postLines(gzipSync(noise.join("\n")), gzipped)],
    ["large after zstd", "too_large", postLines(zstdCompressSync(noise.join("\n")), zstd)],
    [
      "JSON large after gzip",
      "too_large",
      post(gzipSync(`[${noise.slice(0, 25).join(",")}]`), gzipped),
    ],
    ["zstd window", "too_large", postLines(wideWindow(), zstd)],
  ]);
  // Each for its own reason.
  const wire = "a body has at most 120000 bytes";
  const ratio = "a body may decompress to at most 20 times its size";
  const whole = "a body has at most 300000 bytes after decompression";
  const kept = "a JSON body has at most 200000 bytes: send lines";
  const window = "a zstd window has at most 2^23 bytes";
  assert.deepEqual(details, [wire, wire, wire, ratio, ratio, whole, whole, kept, window]);
});

test("an over-long line is refused, and the others around it are not", async (t) => {
  const served = await serve(t, { limits: { lineBytesMax: 1000 } });
  const long = `{"a":"${"x".repeat(200_000)}"}`;
  const answer = await served.send(
    postLines(`${eventText("1")}\n${long}\n${eventText("2")}\n${long}`),
  );
  assert.equal(answer.status, 207);
  const { results } = JSON.parse(answer.text) as { results: { seq?: number; error?: Problem }[] };
  assert.deepEqual(
    results.map((each) => each.seq ?? each.error!.code),
    [1, "too_large", 2, "too_large"],
  );
});

test("encodings and types that are not supported, or are not what they say", async (t) => {
  const served = await serve(t, { limits: small });
  const plain = { "content-type": "text/plain" };
  const gzip = gzipSync(good);
  const frame = zstdCompressSync(good);
  await refuses(served, [
    ["text", "unsupported_media", post(good, plain)],
    ["no type", "unsupported_media", { method: "POST", path: eventsPath, body: good }],
    [
      "another charset",
      "unsupported_media",
      post(good, { "content-type": "application/json; charset=utf-16" }),
    ],
    ["a name of Object", "unsupported_media", post(good, { "content-type": "constructor" })],
    ["brotli", "unsupported_media", post(good, { "content-encoding": "br" })],
    ["two encodings", "unsupported_media", post(gzip, { "content-encoding": "gzip, gzip" })],
    ["not gzip", "malformed", post(good, gzipped)],
    ["not zstd", "malformed", post(good, zstd)],
    ["gzip cut off", "malformed", post(gzip.subarray(0, -1), gzipped)],
    ["zstd cut off", "malformed", post(frame.subarray(0, -1), zstd)],
    ["gzip flipped", "malformed", post(flipped(gzip), gzipped)],
    ["something after gzip", "malformed", post(Buffer.concat([gzip, gzip]), gzipped)],
    ["something after zstd", "malformed", post(Buffer.concat([frame, frame]), zstd)],
    ["no gzip", "malformed", post("", gzipped)],
    ["new log as text", "unsupported_media", { ...post("{}", plain), path: "/v1/logs" }],
  ]);
});

test("parameters that are missing, wrong or misspelt", async (t) => {
  const served = await serve(t);
  const json = { "content-type": "application/json" };
  const create = (body: string): Sent => ({
    method: "POST",
    path: "/v1/logs",
    headers: json,
    body,
  });
  await refuses(served, [
    ["receipt", "usage", { ...post(good), path: `${eventsPath}?receipt=long` }],
    ["reciept", "usage", { ...post(good), path: `${eventsPath}?reciept=full` }],
    ["seq", "usage", { path: `${eventsPath}/01` }],
    ["seq beyond 2^53", "malformed", { path: `${eventsPath}/9999999999999999` }],
    ["seq beyond the log", "not_found", { path: `${eventsPath}/1` }],
    ["proof beyond the log", "not_found", { path: `${eventsPath}/1/proof` }],
    [
      "JSON proof beyond the log",
      "not_found",
      { path: `${eventsPath}/1/proof`, headers: { accept: "application/json" } },
    ],
    ["from", "usage", { path: `${eventsPath}?from=-1` }],
    ["from twice", "usage", { path: `${eventsPath}?from=0&from=1` }],
    ["from beyond to", "usage", { path: `${eventsPath}?from=1&to=0` }],
    ["from beyond the log", "not_found", { path: `${eventsPath}?from=2` }],
    ["limit 0", "usage", { path: `${eventsPath}?limit=0` }],
    ["limit", "usage", { path: `${eventsPath}?limit=10001` }],
    ["wait", "usage", { path: `${eventsPath}?wait=61` }],
    ["since", "usage", { path: `${eventsPath}?since=yesterday` }],
    ["until", "usage", { path: `${eventsPath}?until=2026-02-30T00:00:00Z` }],
    ["unknown parameter", "usage", { path: `${eventsPath}?form=0` }],
    ["consistency without from", "usage", { path: "/v1/logs/main/consistency" }],
    ["consistency from 0", "usage", { path: "/v1/logs/main/consistency?from=0" }],
    ["consistency backwards", "usage", { path: "/v1/logs/main/consistency?from=1&to=0" }],
    ["consistency beyond the log", "not_found", { path: "/v1/logs/main/consistency?from=1&to=2" }],
    ["name", "usage", create('{"name":"Main"}')],
    ["no name", "usage", create("{}")],
    ["unknown member", "usage", create('{"name":"a","pubic":true}')],
    ["wrong member", "usage", create('{"name":"a","public":"yes"}')],
    ["taken name", "conflict", create('{"name":"main"}')],
    ["not JSON", "malformed", create("{")],
    ["too much", "too_large", create(`{"name":"${"a".repeat(70_000)}"}`)],
    ["tile", "not_found", { path: "/logs/main/tile/0/1" }],
    ["tile that is escaped", "not_found", { path: "/logs/main/tile/0/00%30.p/1" }],
    ["tile that is too wide", "not_found", { path: "/logs/main/tile/0/000.p/2" }],
    ["bundle that is not full", "not_found", { path: "/logs/main/tile/entries/000" }],
    ["bundle of a strange name", "not_found", { path: "/logs/main/tile/entries/000.p/01" }],
    ["level", "usage", { path: "/logs/main/tile/data/000" }],
    ["error code", "not_found", { path: "/errors/constructor" }],
    ["path", "not_found", { path: "/v2/logs" }],
    ["host", "misdirected", { path: "/healthz", headers: { host: "evil.example" } }],
  ]);
  const wrongMethod = await served.send({ method: "DELETE", path: eventsPath });
  assertProblem(wrongMethod, "method_not_allowed");
  assert.equal(wrongMethod.headers["allow"], "GET, HEAD, POST");
});

test("what the log says, and what nobody expected", async (t) => {
  let failure: Error = new Error("the salt of the soup is lost");
  const lines: string[] = [];
  const served = await serve(t, {
    logger: { write: (line) => lines.push(line) },
    disguise: (log) => disguised(log, { append: () => Promise.reject(failure) }),
  });
  const answer = await served.send(post(good));
  assertProblem(answer, "internal");
  assert.ok(!answer.text.includes("salt"), "insides stay inside");
  assert.ok(
    lines.some((line) => line.includes("salt of the soup")),
    "and go to the server's log",
  );
  const cases: [CairnErrorCode, number | undefined, string | undefined][] = [
    ["overloaded", 2500, "3"],
    ["overloaded", undefined, "1"],
    ["unavailable", undefined, "2"],
    ["storage_full", undefined, "30"],
    ["tampered", undefined, undefined],
  ];
  for (const [code, retryAfterMs, retryAfter] of cases) {
    const options = retryAfterMs === undefined ? {} : { retryAfterMs };
    failure = new CairnError(code, "as the log says", options);
    for (const sent of [post(good), postLines(good)]) {
      const refused = await served.send(sent);
      assertProblem(refused, code);
      assert.equal(refused.headers["retry-after"], retryAfter);
    }
  }
  const told = lines.filter((line) => line.includes('"code":"storage_full"'));
  assert.equal(told.length, 1, "the same failure again soon is not another line");
  const all = lines.join("");
  assert.ok(
    !all.includes("alice") && !all.includes(served.key),
    "neither events nor keys are logged",
  );
});

test("what is not HTTP is answered and the connection closed", async (t) => {
  const served = await serve(t);
  const cases: [string, number][] = [
    ["nonsense\r\n\r\n", 400],
    ["GET /healthz HTTP/1.1\r\n\r\n", 421],
    [`GET /healthz HTTP/1.1\r\nx: ${"y".repeat(20_000)}\r\n\r\n`, 413],
    [`POST ${eventsPath} HTTP/1.1\r\nhost: h\r\ncontent-length: -1\r\n\r\n`, 400],
  ];
  for (const [text, status] of cases) {
    const answer = await talk(served.port, text);
    assert.ok(answer.startsWith(`HTTP/1.1 ${status} `), answer);
    assert.ok(answer.toLowerCase().includes("content-type: application/problem+json"), answer);
  }
});

test("whoever is refused may send on a little, and is then cut off", async (t) => {
  const served = await serve(t);
  const line = "x".repeat(65_536);
  const head = `POST ${eventsPath} HTTP/1.1\r\nhost: localhost:${served.port}\r\n`;
  let answer = "";
  const socket = connect(served.port, "127.0.0.1");
  const closed = new Promise<void>((resolve) => socket.on("close", () => resolve()));
  socket.setEncoding("latin1").on("data", (chunk: string) => (answer += chunk));
  socket.on("error", () => {});
  socket.write(`${head}transfer-encoding: chunked\r\n\r\n`);
  let sent = 0;
  for (; !socket.destroyed && sent < 200; sent++) {
    const wasTaken = Promise.withResolvers<void>();
    socket.write(`10000\r\n${line}\r\n`, () => wasTaken.resolve());
    await Promise.race([wasTaken.promise, closed]);
  }
  await closed;
  assert.ok(answer.startsWith("HTTP/1.1 401 "), answer.slice(0, 100));
  assert.ok(sent >= 64 && sent < 200, `${sent} pieces of 64 KiB`);
});

test("the memory for bodies is bounded for all of them together", async (t) => {
  const served = await serve(t, { limits: { inFlightBytesMax: 300_000 } });
  const body = `${eventText("b", { details: "x".repeat(50_000) })}\n`.repeat(8);
  const answer = await served.send(postLines(body));
  assertProblem(answer, "overloaded");
  assert.equal(answer.headers["retry-after"], "1");
  assert.equal(served.log.status().size, 1);
  // What was held is given back, however the request ended.
  for (let i = 0; i < 20; i++) {
    assert.equal(
      (await served.send(post(eventText(`b${i}`, { details: "x".repeat(50_000) })))).status,
      201,
    );
    await served.send(post(`[${eventText("x", { details: "x".repeat(50_000) })}`));
  }
});

/** Sends raw bytes; resolves with all that came back until the server closed. */
function talk(port: number, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = "";
    const socket = connect(port, "127.0.0.1", () =>
      socket.write(text.replace("\r\n\r\n", "\r\nconnection: close\r\n\r\n")),
    );
    socket.setEncoding("latin1").on("data", (chunk: string) => (answer += chunk));
    socket.on("error", reject).on("close", () => resolve(answer));
  });
}

/** Text that does not compress well, from a fixed generator (xorshift). */
function noiseText(seed: number): string {
  let state = seed + 1;
  let text = "";
  for (let i = 0; i < 10_000; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    text += String.fromCharCode(97 + ((state >>> 8) & 3));
  }
  return text;
}

function wideWindow(): Uint8Array {
  const { ZSTD_c_windowLog, ZSTD_c_contentSizeFlag } = constants;
  const params = { [ZSTD_c_windowLog]: 24, [ZSTD_c_contentSizeFlag]: 0 };
  const frame = zstdCompressSync(utf8(good), { params });
  // The library narrows the window to the content. This frame header says 2^24: exponent 14,
  // mantissa 0.
  frame[4] = frame[4]! & ~0x20;
  frame[5] = 14 << 3;
  return frame;
}

function flipped(bytes: Uint8Array): Uint8Array {
  const changed = bytes.slice();
  changed[15]! ^= 0x10;
  return changed;
}
