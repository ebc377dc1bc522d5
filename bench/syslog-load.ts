/**
 * The load generator of the syslog benchmark, a process of its own: the same messages over TLS (octet counting), over
 * RELP, or, as the events that they become, in batches of NDJSON over HTTP. Over RELP and HTTP it is over when the last
 * one was answered, over TLS when the last one was sent.
 */
import { connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { captureSyslog, renderCaptured } from "@cairnlog/capture";
import { SeededRandom } from "../testing/src/seeded.ts";
import { LoadConnection } from "./load-connection.ts";

export interface SyslogOrder {
  readonly way: "tls" | "relp" | "http";
  readonly port: number;
  readonly token: string;
  readonly path: string;
  readonly connections: number;
  /** Over all connections; a multiple of `blockMessages` times `connections`. */
  readonly messages: number;
}

/** Messages are made once, and sent in blocks of so many, which `syslog.ts` knows. */
const blockMessages = 512;
const blocks = 16;
const relpWindow = 1024;

const messages = makeMessages(blockMessages * blocks);
const counted = blocksOf((message) => `${Buffer.byteLength(message)} ${message}`);
const events = blocksOf((message) => {
  const captured = captureSyslog(Buffer.from(message), { peer: "127.0.0.1" });
  return `${Buffer.from(renderCaptured(captured, () => "").bytes).toString()}\n`;
});

/** What a busy fleet says: sign-ins, sudo, PAM, cron, services. Some 190 bytes each. */
function makeMessages(count: number): string[] {
  const random = new SeededRandom(5424);
  const ip = (): string => `203.0.113.${random.below(256)}`;
  const port = (): number => 1024 + random.below(60_000);
  const name = (): string => random.pick(["alice", "bob", "carol", "deploy", "root", "admin"]);
  const key = "ED25519 SHA256:sQpUDB2YVp54cqBRaec1w28NaZnMeHCOobUa5eSjoz8";
  const says: readonly (() => [string, string])[] = [
    () => ["sshd", `Accepted publickey for ${name()} from ${ip()} port ${port()} ssh2: ${key}`],
    () => ["sshd", `Failed password for invalid user ${name()} from ${ip()} port ${port()} ssh2`],
    () => [
      "sshd",
      `pam_unix(sshd:session): session opened for user ${name()}(uid=1000) by (uid=0)`,
    ],
    () => [
      "sudo",
      `   ${name()} : TTY=pts/0 ; PWD=/home ; USER=root ; COMMAND=/usr/bin/systemctl restart app`,
    ],
    () => ["CRON", `(root) CMD (command -v debian-sa1 > /dev/null && debian-sa1 1 1)`],
    () => [
      "app",
      `request ${random.next()} GET /v1/orders/${random.below(99_999)} 200 in ${random.below(90)} ms`,
    ],
  ];
  return Array.from({ length: count }, (_, i) => {
    const [app, text] = random.pick(says)();
    const time = new Date(Date.UTC(2026, 10, 24) + i * 7).toISOString();
    return `<86>1 ${time} web-${random.below(40)}.example.com ${app} ${random.below(32_768)} - - ${text}`;
  });
}

function blocksOf(spell: (message: string) => string): Buffer[] {
  return Array.from({ length: blocks }, (_, i) =>
    Buffer.from(
      messages
        .slice(i * blockMessages, (i + 1) * blockMessages)
        .map(spell)
        .join(""),
    ),
  );
}

const ways = { tls: sendTls, relp: sendRelp, http: sendHttp } as const;

async function run(order: SyslogOrder): Promise<void> {
  const each = order.messages / order.connections / blockMessages;
  const send = ways[order.way];
  await Promise.all(Array.from({ length: order.connections }, () => send(order, each)));
}

async function sendTls({ port }: SyslogOrder, count: number): Promise<void> {
  // The benchmark's own certificate, of its own making.
  const socket = connectTls({ host: "127.0.0.1", port, rejectUnauthorized: false });
  const over = settled(socket);
  for (let i = 0; i < count; i++) {
    if (socket.write(counted[i % blocks]!)) continue;
    await Promise.race([over, new Promise((resolve) => socket.once("drain", resolve))]);
  }
  socket.end();
  await over;
}

/** Resolves when the socket is closed; rejects where it failed. */
function settled(socket: Socket): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once("error", reject);
    socket.once("close", () => resolve());
    socket.resume();
  });
}

async function sendRelp({ port }: SyslogOrder, blocksToSend: number): Promise<void> {
  const socket = connect(port, "127.0.0.1");
  const over = settled(socket);
  const count = blocksToSend * blockMessages;
  const offers = "relp_version=1\ncommands=syslog";
  socket.write(`1 open ${offers.length} ${offers}\n`);
  let sent = 0;
  let answered = -1;
  let rest = "";
  socket.on("data", (chunk: Buffer) => {
    rest += chunk.toString("latin1");
    let end = 0;
    for (const { index, 0: whole } of rest.matchAll(/ rsp \d+ 200 OK\n/g)) {
      answered++;
      end = index + whole.length;
    }
    // The answer to `open` has offers, which look like no answer.
    if (answered < 0 && rest.includes("commands=syslog\n")) {
      answered = 0;
      end = rest.length;
    }
    rest = rest.slice(end);
    if (answered < 0) return;
    let text = "";
    while (sent < count && sent - answered < relpWindow) {
      const message = messages[sent % messages.length]!;
      text += `${sent + 2} syslog ${Buffer.byteLength(message)} ${message}\n`;
      sent++;
    }
    if (text !== "") socket.write(text);
    if (answered === count && socket.writable) socket.end(`${sent + 2} close 0\n`);
  });
  await over;
}

function sendHttp({ port, path, token }: SyslogOrder, count: number): Promise<void> {
  const requests = events.map((body) =>
    Buffer.concat([
      Buffer.from(
        `POST ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nAuthorization: Bearer ${token}\r\n` +
          `Content-Type: application/x-ndjson\r\nContent-Length: ${body.length}\r\n\r\n`,
      ),
      body,
    ]),
  );
  return new Promise((resolve, reject) => {
    let next = 0;
    const connection = new LoadConnection(port, {
      answered({ status }) {
        if (status < 200 || status > 299) reject(new Error(`answered with ${status}`));
        if (next === count) {
          connection.close();
          resolve();
        } else connection.send(requests[next++ % blocks]!);
      },
      failed: reject,
    });
    connection.send(requests[next++ % blocks]!);
  });
}

process.on("message", (order: SyslogOrder) => {
  run(order).then(
    () => process.send!({}),
    (error: unknown) => process.send!({ error: String(error) }),
  );
});
process.on("disconnect", () => process.exit());
