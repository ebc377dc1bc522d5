/**
 * Goal: connections end as they should: what was accepted is answered before the server is gone, a
 * body that does not come is given up, and all of it works over TLS as well. Method: requests that
 * are held in flight by the test itself, not by time; the only waiting is for limits that are set
 * to a few milliseconds.
 */
import assert from "node:assert/strict";
import { connect, type Socket } from "node:net";
import { test } from "node:test";
import type { Log } from "@cairnlog/log";
import {
  disguised,
  eventsPath,
  eventText,
  post,
  sendTo,
  serve,
  type TestServer,
} from "./serving.test.ts";

interface Gate {
  readonly reached: Promise<void>;
  readonly open: () => void;
  readonly disguise: (log: Log) => Log;
}

/** Holds appends back until it is opened. */
function gate(): Gate {
  const reached = Promise.withResolvers<void>();
  const opened = Promise.withResolvers<void>();
  return {
    reached: reached.promise,
    open: opened.resolve,
    disguise: (log) =>
      disguised(log, {
        append: async (batch, source) => {
          reached.resolve();
          await opened.promise;
          return await log.append(batch, source);
        },
      }),
  };
}

test("a stop answers what was accepted, refuses the rest, and ends all connections", async (t) => {
  const held = gate();
  const served = await serve(t, { disguise: held.disguise });
  const unused = await openSocket(served);
  const late = await openSocket(served);
  const request = `GET /readyz HTTP/1.1\r\nhost: 127.0.0.1:${served.port}\r\n\r\n`;
  // The second request on this connection has begun, so it is not idle when the stop begins.
  const answered = new Promise((resolve) => late.socket.once("data", resolve));
  late.socket.write(request + request.slice(0, 20));
  await answered;
  const accepted = await openSocket(served);
  const event = eventText("accepted");
  accepted.socket.write(
    `POST ${eventsPath} HTTP/1.1\r\nhost: localhost:${served.port}\r\n` +
      `authorization: Bearer ${served.key}\r\ncontent-type: application/json\r\n` +
      `content-length: ${event.length}\r\n\r\n${event}`,
  );
  await held.reached;

  const stopped = served.server.stop();
  assert.equal(served.server.stop(), stopped, "a second stop is the same one");
  await unused.closed;
  late.socket.write(request.slice(20));
  const refused = await late.closed;
  assert.ok(refused.startsWith("HTTP/1.1 200 ") && refused.includes("HTTP/1.1 503 "), refused);
  assert.ok(
    refused.includes('"code":"unavailable"') && refused.includes("retry-after: 2"),
    refused,
  );
  held.open();
  const answer = await accepted.closed;
  assert.ok(answer.startsWith("HTTP/1.1 201 ") && answer.includes("connection: close"), answer);
  await stopped;
  assert.equal(served.log.status().size, 2);
  await assert.rejects(served.send({ path: "/healthz" }), { code: "ECONNREFUSED" });
});

test("a stop does not wait for readers that wait, nor for what never ends", async (t) => {
  const held = gate();
  const served = await serve(t, { disguise: held.disguise, limits: { stopTimeoutMs: 20 } });
  const waiting = served.send({ path: `${eventsPath}?from=1&wait=60` });
  const stuck = assert.rejects(served.send(post(eventText("stuck"))), { code: "ECONNRESET" });
  await held.reached;
  await served.server.stop();
  const answer = await waiting;
  assert.deepEqual([answer.status, answer.text, answer.headers["cairn-next"]], [200, "", "1"]);
  await stuck;
  held.open();
});

test("connections are used again, also after a batch was refused", async (t) => {
  const served = await serve(t);
  const { socket, closed } = await openSocket(served);
  const refused = eventText("x").replace("actor", "axtor");
  for (const body of [eventText("1"), refused, eventText("2")]) {
    socket.write(
      `POST ${eventsPath} HTTP/1.1\r\nhost: localhost:${served.port}\r\n` +
        "content-type: application/json\r\n" +
        `authorization: Bearer ${served.key}\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
    );
  }
  socket.write(`GET /healthz HTTP/1.1\r\nhost: [::1]:${served.port}\r\nconnection: close\r\n\r\n`);
  const statuses = [...(await closed).matchAll(/HTTP\/1\.1 (\d+)/g)].map((match) => match[1]);
  assert.deepEqual(statuses, ["201", "422", "201", "200"]);
});

test("a request that does not arrive is given up with 408, and not recorded", async (t) => {
  const limits = { headersTimeoutMs: 30, requestTimeoutMs: 60 };
  const served = await serve(t, { limits });
  const line = eventText("slow");
  const heads = [
    "POST",
    `POST ${eventsPath} HTTP/1.1\r\nhost: localhost:${served.port}\r\n` +
      `authorization: Bearer ${served.key}\r\n` +
      `content-type: application/x-ndjson\r\ncontent-length: 4000\r\n\r\n${line}\n`,
  ];
  for (const head of heads) {
    const { socket, closed } = await openSocket(served);
    socket.write(head);
    const answer = await closed;
    assert.ok(answer.startsWith("HTTP/1.1 408 "), answer);
    assert.ok(answer.includes('"type":"/errors/timeout"'), answer);
  }
  assert.equal(served.log.status().size, 1);
});

test("a client that leaves in the middle of its body leaves nothing behind", async (t) => {
  const served = await serve(t, { limits: { inFlightBytesMax: 200_000 } });
  for (const encoding of ["identity", "gzip"]) {
    for (let i = 0; i < 10; i++) {
      const { socket } = await openSocket(served);
      const request =
        `POST ${eventsPath} HTTP/1.1\r\nhost: localhost:${served.port}\r\n` +
        `authorization: Bearer ${served.key}\r\n` +
        `content-type: application/x-ndjson\r\ncontent-encoding: ${encoding}\r\n` +
        "content-length: 90000\r\n\r\n";
      await new Promise((resolve) =>
        socket.write(request + eventText(`${i}`).repeat(200), resolve),
      );
      socket.resetAndDestroy();
    }
  }
  // Had one of them kept its share, this would be refused for want of memory.
  const body = `${eventText("b", { details: "x".repeat(30_000) })}\n`.repeat(3);
  const answer = await served.send(post(body, { "content-type": "application/x-ndjson" }));
  assert.equal(answer.status, 200, answer.text);
  assert.equal(served.log.status().size, 2);
});

test("a client that leaves before its answer: the event is recorded, the server goes on", async (t) => {
  const held = gate();
  const served = await serve(t, { disguise: held.disguise });
  const { socket, closed } = await openSocket(served);
  const event = eventText("left");
  socket.write(
    `POST ${eventsPath} HTTP/1.1\r\nhost: localhost:${served.port}\r\n` +
      `authorization: Bearer ${served.key}\r\ncontent-type: application/json\r\n` +
      `content-length: ${event.length}\r\n\r\n${event}`,
  );
  await held.reached;
  socket.resetAndDestroy();
  await closed;
  held.open();
  const again = await served.send(post(event));
  assert.deepEqual([again.status, served.log.status().size], [200, 2], again.text);
});

test("TLS", async (t) => {
  const served = await serve(t, { tls: { cert: testCertificate, key: testKey } });
  assert.ok(served.url.startsWith("https://127.0.0.1:"));
  const sent = { key: served.key, ...post(eventText("tls")) };
  assert.equal((await sendTo(served.url, sent, testCertificate)).status, 201);
  await assert.rejects(sendTo(served.url, sent), { code: "DEPTH_ZERO_SELF_SIGNED_CERT" });
  await assert.rejects(sendTo(`http://127.0.0.1:${served.port}`, sent));
  await served.server.stop();
});

interface OpenSocket {
  readonly socket: Socket;
  /** All that came back, once the other side has closed. */
  readonly closed: Promise<string>;
}

function openSocket({ port }: TestServer): Promise<OpenSocket> {
  return new Promise((resolve, reject) => {
    let answer = "";
    const closed = Promise.withResolvers<string>();
    const socket = connect(port, "127.0.0.1", () => resolve({ socket, closed: closed.promise }));
    socket.setEncoding("latin1").on("data", (chunk: string) => (answer += chunk));
    socket.on("error", reject).on("close", () => closed.resolve(answer));
  });
}

// Self-signed, for localhost and 127.0.0.1, valid for a hundred years, worth nothing.
const testCertificate = `-----BEGIN CERTIFICATE-----
MIIBmjCCAUGgAwIBAgIUGBLO4ycC+O0n8hQ5QvtIZP/H7eowCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyMzE5MTAzN1oYDzIxMjYxMDMw
MTkxMDM3WjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAASHvp+b9kr7HaEg7CS4L7Dsiqj0xw+PC1tsrUAemq3NH/D16DvCQT/B
eAti++3z+kdHHKDZ+MT+JVM1scqn9Mo0o28wbTAdBgNVHQ4EFgQUeOXwZCIXpn6Z
bKMIMM+DQmnzXP4wHwYDVR0jBBgwFoAUeOXwZCIXpn6ZbKMIMM+DQmnzXP4wDwYD
VR0TAQH/BAUwAwEB/zAaBgNVHREEEzARgglsb2NhbGhvc3SHBH8AAAEwCgYIKoZI
zj0EAwIDRwAwRAIgJfX1yXR771nY4AiTkEiqNrmHenW7q+GGkQORAc89NpsCIG1V
erXKx9uavRaQg7r49CC0bZ4mHqS0ye2HFxoEauPx
-----END CERTIFICATE-----
`;
const testKey = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgcx9KhNsaC8LA6B+X
rxk5BnWCbzSZ65oazM9o0SnH5AyhRANCAASHvp+b9kr7HaEg7CS4L7Dsiqj0xw+P
C1tsrUAemq3NH/D16DvCQT/BeAti++3z+kdHHKDZ+MT+JVM1scqn9Mo0
-----END PRIVATE KEY-----
`;
