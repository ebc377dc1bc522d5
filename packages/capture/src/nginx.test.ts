/**
 * Goal: every request that a real nginx answers is an event, whatever bytes its client chose, and none can pass for
 * another or for somebody else's.
 * Method: Debian's nginx with the very configuration that `setup` prints, on a port of loopback that the system chose;
 * requests over plain sockets with what no HTTP library would send; its log file through the adapter. Without nginx
 * that part is skipped, loudly.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { EventScanner, checkEvent, isCairnError, utf8, type CairnEvent } from "@cairnlog/core";
import { findProgram, missingProgram } from "@cairnlog/testing";
import { nginxLogFormat } from "./nginx-format.ts";
import { nginxAdapter } from "./nginx.ts";

const program = findProgram([
  "/usr/sbin/nginx",
  "/usr/local/sbin/nginx",
  "/opt/homebrew/bin/nginx",
]);
const missing = missingProgram(
  program,
  "nginx is not installed (apt-get install nginx-light)",
  "tests with a real nginx",
);

function capture(body: Uint8Array) {
  const delivery = { method: "POST", path: "", query: new URLSearchParams(), headers: {}, body };
  return nginxAdapter.capture(delivery, { name: "edge", secrets: ["token"], options: {} });
}

function eventsOf(body: Uint8Array): CairnEvent[] {
  return capture(body).events.map(({ event }) => event);
}

const trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const basic = (pair: string): string => Buffer.from(pair).toString("base64");

/** Requests as bytes, each with the action, outcome and actor that must come of it. */
const requests: readonly (readonly [string, string, string, string])[] = [
  ["GET /orders/7?token=hunter2 HTTP/1.1", "GET /orders/7", "success", "anonymous"],
  [
    `GET /private HTTP/1.1\r\nAuthorization: Basic ${basic("eve:no")}`,
    "GET /private",
    "denied",
    "eve",
  ],
  [
    `GET /private HTTP/1.1\r\nAuthorization: Basic ${basic("alice:wonder")}`,
    "GET /private",
    "failure",
    "alice",
  ],
  ["DELETE /forbidden HTTP/1.1", "DELETE /forbidden", "denied", "anonymous"],
  ["GET /missing HTTP/1.1", "GET /missing", "failure", "anonymous"],
  [`GET /traced HTTP/1.1\r\ntraceparent: ${trace}`, "GET /traced", "success", "anonymous"],
  ['GET /"},{"id":"x" HTTP/1.1', 'GET /"},{"id":"x"', "success", "anonymous"],
  [
    'GET /\u00ff\u00fe HTTP/1.1\r\nUser-Agent: \u0001\u00c3\\"\t',
    "GET /\ufffd\ufffd",
    "success",
    "anonymous",
  ],
  ["no request at all", "? ?", "failure", "anonymous"],
];

describe("a real nginx", { skip: missing }, () => {
  it("has each request in the log as an event, whatever the client sent", async () => {
    const folder = mkdtempSync(join(tmpdir(), "cairn-nginx-"));
    const port = await freePort();
    writeFileSync(join(folder, "nginx.conf"), configuration(folder, port));
    writeFileSync(join(folder, "users"), "alice:{PLAIN}wonder\n");
    const child = spawn(
      program!,
      ["-p", folder, "-c", join(folder, "nginx.conf"), "-e", "stderr"],
      {
        stdio: ["ignore", "ignore", "inherit"],
      },
    );
    const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
    try {
      await listening(port);
      for (const [head] of requests) await send(port, head);
      const log = join(folder, "cairn.json");
      await until(
        () => readFileSync(log).filter((byte) => byte === 0x0a).length >= requests.length,
      );
      const body = readFileSync(log);
      // For who wants to make fixtures of it.
      if (process.env.CAIRN_NGINX_KEEP !== undefined)
        writeFileSync(process.env.CAIRN_NGINX_KEEP, body);
      checkEvents(body);
    } finally {
      child.kill("SIGKILL");
      await ended;
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

function checkEvents(body: Uint8Array): void {
  const captured = capture(body);
  assert.deepEqual(captured.refused, undefined);
  const events = captured.events.map(({ event }) => event);
  const seen = events.map(({ action, outcome, actor }) => [action, outcome, actor.id]);
  assert.deepEqual(
    seen,
    requests.map(([, ...expected]) => expected),
  );
  const scanner = new EventScanner();
  for (const event of events) {
    const bytes = utf8(JSON.stringify(event));
    scanner.scan(bytes, 0, bytes.length);
    checkEvent(scanner, bytes);
    assert.match(event.time ?? "", /^2[0-9]{3}-[0-9-]+T[0-9:]+\.[0-9]{3}Z$/);
    assert.equal(event.actor["ip"], "127.0.0.1");
  }
  assert.equal(new Set(events.map(({ id }) => id)).size, events.length);
  assert.equal(events[5]?.trace, trace);
  assert.ok(!JSON.stringify(events).includes("hunter2"), "the query string is recorded");
  // What had to be changed is beside it as it was.
  const [original] = captured.events[7]?.blobs ?? [];
  assert.ok(original !== undefined && Buffer.from(original.bytes).includes(0xff));
}

describe("lines of nginx", () => {
  const line = '{"id":"a1","status":"200","method":"GET","path":"/","remote_addr":"192.0.2.1"}';

  it("that cannot be read are refused, and cost their neighbours nothing", () => {
    const { events, refused } = capture(utf8(`${line}\n{"id":\n\n${line.replace("a1", "a2")}\n`));
    assert.equal(events.length, 2);
    assert.match(refused?.join() ?? "", /^line 2 is not JSON/);
    for (const body of ["", "\n \n", "not json"]) {
      assert.throws(
        () => capture(utf8(body)),
        (error) => isCairnError(error, "malformed"),
      );
    }
  });

  it("believe a certificate only where nginx verified it", () => {
    const certificate = (verify: string): string | undefined =>
      eventsOf(utf8(line.replace("{", `{"client_verify":"${verify}","client_dn":"CN=alice",`)))[0]
        ?.actor.id;
    assert.equal(certificate("SUCCESS"), "CN=alice");
    assert.equal(certificate("FAILED:unable to verify the first certificate"), "anonymous");
    assert.equal(certificate("NONE"), "anonymous");
  });

  it("of a request that nobody answered have no outcome", () => {
    const outcome = (status: string): string | undefined =>
      eventsOf(utf8(line.replace("200", status)))[0]?.outcome;
    const outcomes = ["000", "101", "304", "400", "499", "500", "9", ""].map(outcome);
    assert.deepEqual(outcomes, [
      ...["unknown", "success", "success", "failure", "unknown", "failure", "unknown", "unknown"],
    ]);
  });
});

function configuration(folder: string, port: number): string {
  return `
    daemon off;
    master_process off;
    pid ${folder}/pid;
    error_log ${folder}/error.log crit;
    events { worker_connections 64; }
    http {
      client_body_temp_path ${folder}/1; proxy_temp_path ${folder}/2; fastcgi_temp_path ${folder}/3;
      uwsgi_temp_path ${folder}/4; scgi_temp_path ${folder}/5;
      ${nginxLogFormat}
      access_log ${folder}/cairn.json cairn;
      server {
        listen 127.0.0.1:${port};
        location / { return 200 "ok"; }
        location /private { auth_basic "x"; auth_basic_user_file ${folder}/users; root ${folder}/none; }
        location /forbidden { deny all; }
        location /missing { return 404; }
      }
    }`;
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function listening(port: number): Promise<void> {
  await until(async () => {
    const socket = connect(port, "127.0.0.1");
    const isOpen = await new Promise<boolean>((resolve) => {
      socket.once("connect", () => resolve(true));
      socket.once("error", () => resolve(false));
    });
    socket.destroy();
    return isOpen;
  });
}

async function send(port: number, head: string): Promise<void> {
  const socket = connect(port, "127.0.0.1");
  // One byte for each character: what is no ASCII goes out as it is.
  socket.end(Buffer.from(`${head}\r\nHost: shop.example\r\nConnection: close\r\n\r\n`, "latin1"));
  socket.resume();
  await new Promise((resolve) => socket.once("close", resolve));
}

async function until(isTrue: () => boolean | Promise<boolean>): Promise<void> {
  for (let i = 0; i < 500; i++) {
    if (await isTrue()) return;
    await sleep(10);
  }
  throw new Error("waited for five seconds");
}
