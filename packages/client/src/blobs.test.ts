/**
 * Goal: a blob is put whatever the network does, its name is right, and what comes back is what was put; who closes the
 * client waits for it, and not for ever. Method: a client with a clock that does not wait, against a real HTTP server
 * that fails as told.
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, test } from "node:test";
import { isCairnError, type CairnErrorCode } from "@cairnlog/core";
import { CairnClient, type CairnClientOptions } from "./index.ts";
import { FastClock, until } from "./scripted-log.testing.ts";

type Step = "ok" | "drop" | "hang" | { readonly status: number; readonly code?: string };

const kept = new Map<string, Buffer>();
let script: Step[];
let puts: { url: string; authorization: string | undefined; body: Buffer }[];
let clock: FastClock;
let server: Server;

beforeEach(async () => {
  kept.clear();
  script = [];
  puts = [];
  clock = new FastClock();
  server = createServer((request, response) => void answer(request, response));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
});
afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { url = "", headers, method } = request;
  const name = url.slice(url.lastIndexOf("/") + 1);
  if (method === "GET") {
    const bytes = kept.get(name);
    response.writeHead(bytes === undefined ? 404 : 200).end(bytes);
    return;
  }
  const pieces: Buffer[] = [];
  for await (const piece of request) pieces.push(piece as Buffer);
  const body = Buffer.concat(pieces);
  puts.push({ url, authorization: headers.authorization, body });
  const step = script.shift() ?? "ok";
  if (step === "hang") return;
  if (step === "drop") {
    request.socket.destroy();
    return;
  }
  if (step === "ok") kept.set(name, body);
  const status = step === "ok" ? 201 : step.status;
  const problem = step === "ok" ? {} : { code: step.code, detail: "as the script says" };
  response.writeHead(status, { "content-type": "application/problem+json", "retry-after": "1" });
  response.end(JSON.stringify(problem));
}

function open(options: Partial<CairnClientOptions> = {}): CairnClient {
  const { port } = server.address() as AddressInfo;
  return new CairnClient({
    url: `http://127.0.0.1:${port}`,
    key: "k-1",
    clock,
    random: (bytes) => bytes.fill(0),
    onError: () => undefined,
    ...options,
  });
}

const bytes = Uint8Array.from({ length: 100_000 }, (_, i) => i % 251);
const sha256 = createHash("sha256").update(bytes).digest("hex");

function isCode(code: CairnErrorCode): (error: unknown) => boolean {
  return (error) => isCairnError(error, code);
}

test("a blob is put under its hash, and named with what was said of it", async () => {
  const cairn = open();
  const described = { mediaType: "text/plain", role: "request" };
  const given = bytes.slice();
  const putting = cairn.putBlob(given, described);
  given.fill(0);
  assert.deepEqual(await putting, { sha256, byteLength: bytes.length, ...described });
  assert.deepEqual(await cairn.putBlob(bytes), { sha256, byteLength: bytes.length });
  assert.equal(puts[0]!.url, `/v1/logs/main/blobs/${sha256}`);
  assert.equal(puts[0]!.authorization, "Bearer k-1");
  assert.ok(puts[0]!.body.equals(bytes));
  assert.deepEqual(await cairn.getBlob(sha256), bytes);
  await cairn.close();
  await assert.rejects(cairn.putBlob(bytes), isCode("usage"));
});

test("what passes is tried again, and what does not is told", async () => {
  script = ["drop", { status: 503 }, { status: 429 }, { status: 507 }, "ok"];
  const cairn = open();
  await cairn.putBlob(bytes);
  assert.equal(puts.length, 5);
  assert.ok(clock.delays.filter((ms) => ms >= 1000).length >= 3, "Retry-After is respected");
  for (const [status, code] of [
    [413, "too_large"],
    [403, "forbidden"],
    [422, "blob_mismatch"],
    [404, "not_found"],
  ] as const) {
    script = [{ status, code }];
    await assert.rejects(cairn.putBlob(bytes), isCode(code));
  }
  assert.equal(puts.length, 9);
  script = Array.from({ length: 100 }, () => ({ status: 503 }));
  const impatient = open({ retryForMs: 5000 });
  await assert.rejects(impatient.putBlob(bytes), isCode("unavailable"));
  await cairn.close();
});

test("closing waits for what is being put, and gives up in time", async () => {
  const cairn = open();
  script = [{ status: 503 }];
  const putting = cairn.putBlob(bytes);
  await cairn.close();
  assert.equal((await putting).sha256, sha256);

  const stuck = open();
  script = ["hang"];
  const never = assert.rejects(stuck.putBlob(bytes), isCode("unavailable"));
  const before = puts.length;
  await until(() => puts.length > before);
  const closed = assert.rejects(stuck.close(), isCode("unavailable"));
  clock.expire(30_000);
  await Promise.all([never, closed]);
});

test("what comes back is checked", async () => {
  const cairn = open();
  await cairn.putBlob(bytes);
  kept.set(sha256, Buffer.from("something else"));
  await assert.rejects(cairn.getBlob(sha256), isCode("unverified"));
  await assert.rejects(cairn.getBlob("0".repeat(64)), isCode("not_found"));
  await assert.rejects(cairn.getBlob(`../${sha256}`), isCode("usage"));
  await cairn.close();
});
