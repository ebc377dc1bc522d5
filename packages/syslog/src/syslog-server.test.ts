/**
 * Goal: sockets lose nothing that a protocol lets them keep. A log that is behind makes senders wait; RELP is answered
 * in order and only when all is durable; after a failure nothing is called safe; who may not send cannot; what UDP
 * loses is counted and told; stopping takes in what was read.
 * Method: real sockets on loopback, and a log whose commits the test allows one by one.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, it } from "node:test";
import { connect as connectTls } from "node:tls";
import { CairnError } from "@cairnlog/core";
import { ManualClock } from "@cairnlog/testing";
import { findKernelDrops } from "./kernel-drops.ts";
import type { ListenerOptions, Loss, SyslogLimits, Transport } from "./listener.ts";
import { lossEvent } from "./loss-event.ts";
import { allowedPeers } from "./peers.ts";
import { SyslogServer } from "./syslog-server.ts";

/** A log whose commits wait until they are let go. */
class HeldLog {
  readonly recorded: string[] = [];
  readonly sources = new Set<string>();
  isHeld = false;
  failure: CairnError | undefined;
  calls = 0;
  #letGo: (() => void)[] = [];

  record = async (events: readonly { event: { details?: unknown } }[], source: string) => {
    this.calls++;
    if (this.isHeld) await new Promise<void>((resolve) => this.#letGo.push(resolve));
    if (this.failure !== undefined) throw this.failure;
    this.sources.add(source);
    for (const { event } of events) {
      this.recorded.push((event.details as { message: string }).message);
    }
  };

  letGo(): void {
    this.isHeld = false;
    for (const go of this.#letGo.splice(0)) go();
  }
}

const cleanUp: (() => unknown)[] = [];
afterEach(async () => {
  for (const one of cleanUp.splice(0).reverse()) await one();
});

interface Bench {
  readonly log: HeldLog;
  readonly server: SyslogServer;
  readonly clock: ManualClock;
  readonly losses: Loss[];
  readonly troubles: string[];
  readonly port: number;
  counters(): Readonly<Record<string, number>>;
}

async function listen(
  transport: Transport,
  more: Partial<ListenerOptions> = {},
  limits: Partial<SyslogLimits> = {},
): Promise<Bench> {
  const log = new HeldLog();
  const clock = new ManualClock(Date.UTC(2026, 10, 24));
  const losses: Loss[] = [];
  const troubles: string[] = [];
  const options = { transport, host: "127.0.0.1", port: 0, source: "test", ...more };
  const server = await SyslogServer.start([options], {
    record: log.record,
    clock,
    limits,
    onLoss: (loss) => losses.push(loss),
    onTrouble: ({ message }) => troubles.push(message),
  });
  cleanUp.push(() => {
    log.letGo();
    return server.close();
  });
  const [listener] = server.listeners;
  const { port } = listener!.address;
  const counters = (): Record<string, number> => ({ ...listener!.counters });
  return { log, server, clock, losses, troubles, port, counters };
}

async function dial(port: number): Promise<Socket> {
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => {});
  cleanUp.push(() => socket.destroy());
  await once(socket, "connect");
  return socket;
}

/** Waits for something that is on its way; fails loudly where it does not come. */
async function until(isSo: () => boolean, what: string): Promise<void> {
  const giveUpAt = performance.now() + 5000;
  while (!isSo()) {
    if (performance.now() > giveUpAt) throw new Error(`it never came: ${what}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

const closed = (socket: Socket): Promise<unknown> =>
  new Promise((resolve) => socket.once("close", resolve));

describe("syslog over TCP", () => {
  it("is not read faster than the log takes it, and loses nothing", async () => {
    const limits = { pendingBytesMax: 100_000 };
    const { log, server, port } = await listen("tcp", {}, limits);
    log.isHeld = true;
    const socket = await dial(port);
    const line = `<13>1 - h a - - - ${"x".repeat(980)}\n`;
    const count = 30_000;
    socket.end(line.repeat(count));
    await until(() => server.pendingBytes > 60_000, "bytes that wait");
    const heldBefore = server.pendingBytes;
    for (let i = 0; i < 200; i++) await new Promise((resolve) => setImmediate(resolve));
    assert.ok(server.pendingBytes <= 100_000, `${server.pendingBytes} bytes are held`);
    assert.ok(server.pendingBytes >= heldBefore);
    assert.ok(socket.bytesWritten > 0 && !socket.writableFinished, "the sender is slowed down");
    log.letGo();
    await until(() => log.recorded.length === count, "all lines");
    assert.equal(server.pendingBytes, 0);
  });

  it("is closed, and says so, where the log cannot go on", async () => {
    const { log, port, troubles, counters } = await listen("tcp");
    log.failure = new CairnError("unavailable", "the log is closing");
    const socket = await dial(port);
    socket.write("<13>1 - h a - - - x\n");
    await closed(socket);
    assert.match(troubles.join(), /could not be recorded.*the log is closing/);
    await until(() => counters().connections === 0, "the end");
    assert.equal(counters().broken, 1);
  });

  it("takes in, when it stops, what was sent before", async () => {
    const { log, server, port } = await listen("tcp");
    const socket = await dial(port);
    socket.write("<13>1 - h a - - - one\n<13>1 - h a - - - tw");
    await until(() => log.recorded.length === 1, "the first line");
    const closing = server.close();
    // The sender sees the end, says what it has, and ends.
    socket.once("end", () => socket.end("o\n<13>1 - h a - - - three\n"));
    await closing;
    assert.deepEqual(log.recorded, ["one", "two", "three"]);
    assert.equal(server.pendingBytes, 0);
  });

  it("lets in only whom it may, and only so many", async () => {
    const limits = { connectionsMax: 3, connectionsPerPeerMax: 2 };
    const { port, counters } = await listen("tcp", { peers: ["127.0.0.0/8", "::1"] }, limits);
    await dial(port);
    await dial(port);
    await until(() => counters().connections === 2, "two connections");
    await closed(await dial(port));
    assert.equal(counters().refused, 1);
    const other = await listen("tcp", { peers: ["192.0.2.0/24"] });
    await closed(await dial(other.port));
    assert.equal(other.counters().refused, 1);
    assert.throws(() => allowedPeers(["192.0.2.0/33"]), /network/);
    assert.throws(() => allowedPeers(["host"]), /network/);
    assert.equal(allowedPeers(["192.0.2.0/24"])("::ffff:192.0.2.9"), true);
    await assert.rejects(listen("tcp", { port }), /cannot listen/);
  });
});

describe("RELP", () => {
  const open = "1 open 30 relp_version=0\ncommands=syslog\n";
  const message = (txnr: number, text: string): string => {
    const data = `<13>1 - h a - - - ${text}`;
    return `${txnr} syslog ${data.length} ${data}\n`;
  };
  const answersOf = (socket: Socket): { text: string } => {
    const got = { text: "" };
    socket.on("data", (chunk) => (got.text += String(chunk)));
    return got;
  };

  it("answers in order, and only when it is durable", async () => {
    const { log, port } = await listen("relp");
    log.isHeld = true;
    const socket = await dial(port);
    const answers = answersOf(socket);
    socket.write(open + message(2, "a") + message(3, "b"));
    await until(() => log.calls === 1, "the first batch");
    socket.write(message(4, "c"));
    await until(() => log.calls === 2, "the second batch");
    const opened = /^1 rsp \d+ 200 OK\nrelp_version=0\nrelp_software=cairn\ncommands=syslog\n$/;
    assert.match(answers.text, opened);
    log.letGo();
    await until(() => answers.text.endsWith("4 rsp 6 200 OK\n"), "answers");
    assert.match(answers.text, /\n2 rsp 6 200 OK\n3 rsp 6 200 OK\n4 rsp 6 200 OK\n$/);
    assert.deepEqual(log.recorded, ["a", "b", "c"]);
    socket.write("5 close 0\n");
    await closed(socket);
    assert.match(answers.text, /5 rsp 0\n$/);
  });

  it("breaks off without an answer where the log fails: the sender keeps what it has", async () => {
    const { log, port, troubles } = await listen("relp");
    log.isHeld = true;
    const socket = await dial(port);
    const answers = answersOf(socket);
    socket.write(open + message(2, "a"));
    await until(() => log.calls === 1, "the first");
    socket.write(message(3, "b"));
    await until(() => log.calls === 2, "the second");
    log.failure = new CairnError("unavailable", "the disk is gone");
    log.letGo();
    socket.write(message(4, "c"));
    await closed(socket);
    assert.doesNotMatch(answers.text, /[234] rsp/);
    assert.match(troubles.join(), /the disk is gone/);
  });

  it("when it stops, answers what was read, and says that it closes", async () => {
    const { log, port, server } = await listen("relp");
    log.isHeld = true;
    const socket = await dial(port);
    const answers = answersOf(socket);
    socket.write(open + message(2, "a"));
    await until(() => log.calls === 1, "the message");
    const over = closed(socket);
    const closing = server.close();
    log.letGo();
    socket.once("end", () => socket.end());
    await Promise.all([closing, over]);
    assert.match(answers.text, /2 rsp 6 200 OK\n0 serverclose 0\n$/);
  });

  it("cuts a long message into pieces, and answers when all of them are durable", async () => {
    const { log, port } = await listen("relp", {}, { messageBytesMax: 1000 });
    const socket = await dial(port);
    const answers = answersOf(socket);
    const long = "y".repeat(2500);
    socket.write(open + message(2, long) + message(3, "b"));
    await until(() => answers.text.includes("\n3 rsp 6 200 OK\n"), "answers");
    assert.equal(answers.text.match(/2 rsp/g)?.length, 1);
    assert.equal(log.recorded.slice(0, 3).join(""), long);
  });

  it("refuses who counts wrong, speaks too early, or speaks something else", async () => {
    for (const [stream, said] of [
      [message(1, "too early"), /before the session was opened/],
      [open + message(3, "skipped"), /transaction 3 came where 2/],
      ["GET / HTTP/1.1\r\n\r\n", /no frame of RELP/],
      ["1 open 15 commands=syslog\n", /relp_version/],
      [open + "2 open 30 relp_version=0\ncommands=syslog\n", /already open/],
    ] as const) {
      const { log, port, troubles } = await listen("relp");
      const socket = await dial(port);
      answersOf(socket);
      socket.write(stream);
      await closed(socket);
      assert.match(troubles.join(), said);
      assert.deepEqual(log.recorded, []);
    }
  });

  it("closes on who never opens a session", async () => {
    const { port, clock, counters } = await listen("relp");
    const socket = await dial(port);
    await until(() => counters().connections === 1, "the connection");
    clock.advance(10_001);
    await closed(socket);
  });
});

describe("syslog over TLS", () => {
  it("takes a client's name from its certificate, and nobody without one", async () => {
    const folder = mkdtempSync(join(tmpdir(), "cairn-tls-"));
    cleanUp.push(() => rmSync(folder, { recursive: true }));
    makeCertificates(folder);
    const pem = (name: string): Buffer => readFileSync(join(folder, name));
    const tls = { cert: pem("server.pem"), key: pem("server.key"), clientCa: pem("ca.pem") };
    const { log, port, counters } = await listen("tls", { tls });
    const ca = pem("ca.pem");
    const own = { cert: pem("web-1.pem"), key: pem("web-1.key") };
    const socket = connectTls({ host: "127.0.0.1", port, ca, servername: "server", ...own });
    await once(socket, "secureConnect");
    assert.match(socket.getProtocol() ?? "", /^TLSv1\.[23]$/);
    socket.end("21 <13>1 - h a - - - one");
    await until(() => log.recorded.length === 1, "the message");
    assert.deepEqual([...log.sources], ["test/web-1"]);
    const refused = async (options: object): Promise<void> => {
      const before = counters().refused!;
      const other = connectTls({ host: "127.0.0.1", port, ca, servername: "server", ...options });
      other.on("error", () => {});
      other.write("21 <13>1 - h a - - - two");
      await closed(other);
      await until(() => counters().refused! > before, "a refusal");
    };
    await refused({});
    await refused({ ...own, maxVersion: "TLSv1.1", minVersion: "TLSv1" });
    await refused({ cert: pem("strange.pem"), key: pem("strange.key") });
    assert.deepEqual(log.recorded, ["one"]);
    await assert.rejects(listen("tls"), /certificate/);
  });
});

function makeCertificates(folder: string): void {
  const run = (line: string): void => {
    const ran = spawnSync("openssl", line.split(" "), { cwd: folder, encoding: "utf8" });
    assert.equal(ran.status, 0, ran.stderr);
  };
  const key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
  run(`req -x509 ${key} -keyout ca.key -out ca.pem -days 2 -subj /CN=ca`);
  for (const [name, subject] of [
    ["server", "server"],
    ["web-1", "web-1"],
    ["strange", "a/b"],
  ]) {
    run(
      `req ${key} -keyout ${name}.key -out ${name}.csr -subj /CN=${subject!.replace("/", "\\/")}`,
    );
    run(`x509 -req -in ${name}.csr -CA ca.pem -CAkey ca.key -out ${name}.pem -days 2`);
  }
}

describe("syslog over UDP", () => {
  it("counts what it loses, tells it once a minute, and as an event", async () => {
    const { log, port, clock, losses, counters } = await listen(
      "udp",
      {},
      { datagramBytesMax: 1000 },
    );
    log.isHeld = true;
    const socket = createSocket("udp4");
    cleanUp.push(() => socket.close());
    const send = (text: string): Promise<void> =>
      new Promise((resolve, reject) => {
        socket.send(text, port, "127.0.0.1", (error) =>
          error === null ? resolve() : reject(error),
        );
      });
    const received = (): number => (counters().messages ?? 0) + (counters().lost ?? 0);
    const datagram = `<13>1 - h a - - - ${"x".repeat(282)}`;
    for (let i = 0; i < 5; i++) {
      await send(datagram);
      await until(() => received() === i + 1, "a datagram");
    }
    assert.deepEqual([counters().messages, counters().lost], [3, 2]);
    assert.equal(losses.length, 0);
    clock.advance(60_000);
    await until(() => losses.length === 1, "the report");
    const loss = losses.at(-1)!;
    assert.equal(loss.queue, 2);
    const event = lossEvent(loss);
    assert.equal(event.type, "security.log_loss");
    assert.equal((event.details as { datagrams: number }).datagrams, 2 + (loss.kernel ?? 0));
    log.letGo();
    await until(() => log.recorded.length === 3, "the others");
    await send("<13>last\n");
    await until(() => log.recorded.length === 4, "one more");
    assert.equal(log.recorded[3], "last", "the LF that some senders add ends the message");
    clock.advance(60_000);
    for (let i = 0; i < 50; i++) await new Promise((resolve) => setImmediate(resolve));
    assert.equal(losses.length, 1, "nothing lost, nothing said");
  });

  it("reads what the kernel dropped, where it says so", () => {
    const table = `   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
  345: 0100007F:1F90 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 1 2 0 17
  346: 00000000:1F90 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 1 2 0 3
  347: 00000000:1F91 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 1 2 0 9
`;
    assert.equal(findKernelDrops(table, 8080), 20);
    assert.equal(findKernelDrops(table, 8081), 9);
    assert.equal(findKernelDrops(table, 80), undefined);
    assert.equal(findKernelDrops("nonsense", 80), undefined);
  });
});
