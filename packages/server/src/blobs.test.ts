/**
 * Goal: a blob arrives whole or not at all, by those who may put it, and leaves so that nobody's browser runs it.
 * Method: real requests, good and of every bad kind; after each bad one no blob is there. What only files show is
 * tested on files.
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import { CairnError, errorTable, type CairnErrorCode } from "@cairnlog/core";
import { createLog } from "@cairnlog/log";
import { blobPath, filesStore, memoryStore } from "@cairnlog/store";
import { SeededRandom } from "@cairnlog/testing";
import { disguised, eventText, post, serve, type Answer, type Sent } from "./serving.test.ts";

const content = Buffer.from(new SeededRandom(1).bytes(300_000));
const sha256 = hashOf(content);
const path = pathOf(sha256);

function hashOf(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

function pathOf(name: string): string {
  return `/v1/logs/main/blobs/${name}`;
}

function put(body: Uint8Array, name = hashOf(body), more: Partial<Sent> = {}): Sent {
  return { method: "PUT", path: pathOf(name), body, ...more };
}

function assertProblem(answer: Answer, code: CairnErrorCode): void {
  assert.equal(answer.status, errorTable[code].status, answer.text);
  assert.equal((JSON.parse(answer.text) as { code: string }).code, code);
}

/** Sends the head of a put, its target spelled as it is, and the beginning of its body. */
async function begin(
  port: number,
  key: string,
  target: string,
  declared: number,
  sent: number,
): Promise<Socket> {
  const socket = connect(port, "127.0.0.1");
  await new Promise((resolve) => socket.once("connect", resolve));
  const head = [
    `PUT ${target} HTTP/1.1`,
    `host: localhost:${port}`,
    `authorization: Bearer ${key}`,
    `content-length: ${declared}`,
  ];
  socket.write(`${head.join("\r\n")}\r\n\r\n`);
  socket.write(content.subarray(0, sent));
  return socket;
}

/** The answer to such a put, when the server has closed the connection or nothing more comes. */
async function answerTo(
  port: number,
  key: string,
  target: string,
  declared = content.length,
): Promise<string> {
  const socket = await begin(port, key, target, declared, content.length);
  let text = "";
  for await (const chunk of socket) {
    text += String(chunk);
    if (text.endsWith("}")) break;
  }
  return text;
}

test("a blob is put, put again, named, and read", async (t) => {
  const { send } = await serve(t);
  const blobs = [{ sha256, byteLength: content.length, mediaType: "text/html" }];
  assertProblem(await send(post(eventText("1", { blobs }))), "blob_missing");
  for (const status of [201, 200]) {
    const answer = await send(put(content));
    assert.equal(answer.status, status, answer.text);
    assert.deepEqual(JSON.parse(answer.text), { sha256, byteLength: content.length });
  }
  // Chunked, and with a type that a browser would run.
  const html = Buffer.from("<script>alert(1)</script>");
  const headers = { "transfer-encoding": "chunked", "content-type": "text/html" };
  assert.equal((await send(put(html, hashOf(html), { headers }))).status, 201);
  assert.equal((await send(put(Buffer.alloc(0)))).status, 201);
  assert.equal((await send(post(eventText("1", { blobs })))).status, 201);

  for (const body of [content, html, Buffer.alloc(0)]) {
    for (const method of ["GET", "HEAD"]) {
      const answer = await send({ method, path: pathOf(hashOf(body)) });
      assert.equal(answer.status, 200);
      assert.ok(answer.bytes.equals(method === "GET" ? body : Buffer.alloc(0)));
      assert.equal(answer.headers["content-length"], String(body.length));
      assert.equal(answer.headers["content-type"], "application/octet-stream");
      assert.equal(answer.headers["x-content-type-options"], "nosniff");
      assert.match(answer.headers["content-disposition"]!, /^attachment; filename="[0-9a-f]{64}"$/);
      assert.match(answer.headers["content-security-policy"] as string, /sandbox/);
      assert.equal(answer.headers["cache-control"], "private, max-age=31536000, immutable");
      assert.equal(answer.headers.etag, `"${hashOf(body)}"`);
    }
  }
  for (const method of ["GET", "HEAD"]) {
    const tagged = { method, path, headers: { "if-none-match": `"x", W/"${sha256}"` } };
    assert.equal((await send(tagged)).status, 304);
    assert.equal((await send({ method, path: pathOf("0".repeat(64)) })).status, 404);
  }
  const metrics = await send({ path: "/metrics" });
  assert.match(metrics.text, /^cairn_blobs_put_total\{log="main"\} 3$/m);
  assert.match(metrics.text, /^cairn_blob_bytes_put_total\{log="main"\} 300025$/m);
  assert.match(metrics.text, /^cairn_body_bytes 0$/m);
});

test("nothing is left of what is refused", async (t) => {
  const served = await serve(t);
  const { send, log, port, key } = served;
  const cases: [string, CairnErrorCode, Sent][] = [
    ["other bytes", "blob_mismatch", put(content.subarray(1), sha256)],
    ["no bytes", "blob_mismatch", put(Buffer.alloc(0), sha256)],
    [
      "compressed",
      "unsupported_media",
      {
        ...put(gzipSync(content), sha256),
        headers: { "content-encoding": "gzip" },
      },
    ],
    ["upper case", "usage", put(content, sha256.toUpperCase())],
    ["short", "usage", put(content, sha256.slice(1))],
    ["long", "usage", put(content, `${sha256}0`)],
    ["another log", "not_found", { ...put(content), path: path.replace("main", "other") }],
  ];
  for (const [name, code, sent] of cases) {
    const answer = await send(sent);
    assert.equal(answer.status, errorTable[code].status, `${name}: ${answer.text}`);
    assertProblem(answer, code);
  }
  const hexEscaped = `%${sha256.charCodeAt(0).toString(16)}${sha256.slice(1)}`;
  for (const name of [`../blobs/${sha256}`, `%2e%2e/${sha256}`, hexEscaped, `${sha256}%00`]) {
    assert.match(await answerTo(port, key, pathOf(name)), /^HTTP\/1\.1 404 .*"not_found"/s, name);
  }
  const large = answerTo(port, key, path, 64 * 1024 * 1024 + 1);
  assert.match(await large, /^HTTP\/1\.1 413 .*at most 67108864 bytes/s);
  assert.equal(await log.blobByteLength(sha256), undefined);
  for (const method of ["POST", "DELETE", "PATCH"]) {
    const answer = await send({ method, path, body: content });
    assert.equal(answer.status, 405);
    assert.equal(answer.headers.allow, "GET, HEAD, PUT");
  }
});

test("a body that says no length is counted", async (t) => {
  const store = memoryStore();
  const small = await createLog(
    store,
    { name: "main", origin: "example.com/m" },
    { blobBytesMax: 1000 },
  );
  t.after(() => small.close());
  const { send } = await serve(t, { disguise: () => small });
  const headers = { "transfer-encoding": "chunked" };
  // Most of it is still to come when it is refused: the client gets to read the answer all the same.
  const long = Buffer.alloc(3_000_000);
  assertProblem(await send(put(long, sha256, { headers })), "too_large");
  assertProblem(await send(put(content)), "too_large");
  assert.equal((await send(put(content.subarray(0, 1000)))).status, 201);
});

test("many who put one blob at once all succeed, and one is told that it is new", async (t) => {
  const { send } = await serve(t);
  const answers = await Promise.all(Array.from({ length: 8 }, () => send(put(content))));
  const created = answers.filter(({ status }) => status === 201).length;
  assert.deepEqual([created, answers.length - created], [1, 7]);
  assert.ok(answers.every(({ status }) => status === 201 || status === 200));
  assert.ok((await send({ path })).bytes.equals(content));
});

test("a body that is cut off, or too slow, leaves nothing and holds nothing", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "cairn-blobs-"));
  const log = await createLog(filesStore({ folder }), { name: "main", origin: "example.com/m" });
  t.after(async () => {
    await log.close();
    rmSync(folder, { recursive: true });
  });
  const limits = { requestTimeoutMs: 700, headersTimeoutMs: 400 };
  const served = await serve(t, { disguise: () => log, limits });
  const shard = join(folder, "main", blobPath(sha256), "..");
  const files = (): string[] => readdirSync(shard, { withFileTypes: true }).map((e) => e.name);
  const until = async (done: () => boolean): Promise<void> => {
    for (let i = 0; i < 400 && !done(); i++) await sleep(10);
    assert.ok(done());
  };
  const isUnderWay = (): boolean => {
    try {
      return files().length === 1;
    } catch {
      return false;
    }
  };

  const cut = await begin(served.port, served.key, path, content.length, 100_000);
  await until(isUnderWay);
  cut.destroy();
  await until(() => files().length === 0);

  const slow = await begin(served.port, served.key, path, content.length, 100_000);
  const heard: Buffer[] = [];
  slow.on("data", (chunk: Buffer) => heard.push(chunk));
  await new Promise((resolve) => slow.once("close", resolve));
  assert.match(Buffer.concat(heard).toString(), /^HTTP\/1\.1 408 /);
  await until(() => files().length === 0);
  const metrics = await served.send({ path: "/metrics" });
  assert.match(metrics.text, /^cairn_body_bytes 0$/m);
  assert.equal((await served.send(put(content))).status, 201);
  assert.deepEqual(files(), [sha256]);
});

test("a full disk and a full budget are said, and a damaged blob is not given out", async (t) => {
  const full = new CairnError("storage_full", "the disk is full");
  const failing = await serve(t, {
    disguise: (log) => disguised(log, { putBlobStream: () => Promise.reject(full) }),
  });
  assertProblem(await failing.send(put(content)), "storage_full");

  const small = await serve(t, { limits: { inFlightBytesMax: 100_000 } });
  const answer = await small.send(put(content));
  assertProblem(answer, "overloaded");
  assert.equal(answer.headers["retry-after"], "1");

  const damaged = (pieces: readonly Buffer[]) =>
    serve(t, {
      disguise: (log) =>
        disguised(log, {
          readBlob: () =>
            Promise.resolve({
              sha256,
              byteLength: content.length,
              chunks: (async function* () {
                yield* pieces;
                await Promise.resolve();
                throw new CairnError("unverified", "the blob was changed");
              })(),
            }),
        }),
    });
  assertProblem(await (await damaged([])).send({ path }), "unverified");
  const broken = await damaged([content.subarray(0, 1000)]);
  await assert.rejects(broken.send({ path }));
});
