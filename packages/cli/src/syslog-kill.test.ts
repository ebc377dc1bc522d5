/**
 * Goal: kill -9 of the receiver in the middle of a stream. Over RELP every message that the sender was told is safe is
 * in the log; over plain TCP, which tells the sender nothing, what was handed to the kernel and not yet committed is
 * lost, and no more than that: what is in the log is the stream's beginning, without a gap.
 * Method: `cairn serve` in a process of its own; a sender that remembers what it was told. It is killed after a number
 * of answers that a seed chooses, several times.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { after, describe, it } from "node:test";
import { withSeed } from "@cairnlog/testing";
import { Receiver, messages } from "./syslog-receiver.testing.ts";

const seed = 5424;

describe("kill -9 while RELP is received", () => {
  const receiver = new Receiver();
  after(() => receiver.close());

  it("loses nothing that was answered", () =>
    withSeed(seed, async (random) => {
      await receiver.init();
      await receiver.start("--relp", "127.0.0.1:0");
      const sender = new RelpSender();
      for (let round = 0; round < 3; round++) {
        const killAfter = sender.safe.size + 200 + random.below(600);
        await sender.stream(receiver.ports.get("relp")!, () => sender.safe.size >= killAfter);
        await receiver.end("SIGKILL");
        await sender.over;
        const told = new Set(sender.safe);
        await receiver.start(...receiver.samePorts());
        const found = new Set(messages(await receiver.entries(), "relp"));
        const lost = [...told].filter((text) => !found.has(text));
        assert.deepEqual(lost, [], `of ${told.size} that were answered`);
        assert.ok(told.size >= killAfter);
      }
      await receiver.end("SIGTERM");
      await receiver.work.ok("verify");
    }));
});

describe("kill -9 while plain TCP is received", () => {
  const receiver = new Receiver();
  after(() => receiver.close());

  it("loses what was on its way, and nothing before it", async () => {
    await receiver.init();
    await receiver.start("--syslog-tcp", "127.0.0.1:0");
    const socket = connect(receiver.ports.get("tcp")!, "127.0.0.1");
    socket.on("error", () => {});
    await once(socket, "connect");
    let handed = 0;
    const over = new AbortController();
    socket.once("close", () => over.abort());
    const flooding = (async () => {
      for (let i = 0; !over.signal.aborted && i < 1_000_000; i++) {
        const isRoom = socket.write(`<13>1 - host plain - - - message ${i}\n`, (error) => {
          if (error === undefined || error === null) handed++;
        });
        if (!isRoom) await Promise.race([once(socket, "drain"), once(socket, "close")]);
      }
    })().catch(() => {});
    await receiver.untilSize(2000);
    await receiver.end("SIGKILL");
    await flooding;
    await receiver.start(...receiver.samePorts());
    const found = messages(await receiver.entries(), "plain");
    assert.deepEqual(
      found,
      found.map((_, i) => `message ${i}`),
    );
    assert.ok(found.length >= 1000);
    const lost = handed - found.length;
    process.stderr.write(`plain TCP: of ${handed} that were handed over, ${lost} are lost\n`);
    assert.ok(lost >= 0);
    await receiver.end("SIGTERM");
  });
});

/** A sender of RELP that keeps what it was told. Its window is librelp's: 128. */
class RelpSender {
  readonly safe = new Set<string>();
  over: Promise<unknown> = Promise.resolve();
  #sent = 0;

  /** Sends over one connection, until `isEnough` of it was answered. Goes on sending afterwards. */
  async stream(port: number, isEnough: () => boolean): Promise<void> {
    const socket = connect(port, "127.0.0.1");
    socket.on("error", () => {});
    this.over = new Promise((resolve) => socket.once("close", resolve));
    const waiting = new Map<number, string>();
    let txnr = 1;
    let rest = "";
    socket.write(frame(txnr, "open", "relp_version=0\ncommands=syslog"));
    const enough = Promise.withResolvers<void>();
    socket.on("data", (chunk: Buffer) => {
      rest += chunk.toString("latin1");
      rest = this.#readAnswers(rest, waiting);
      while (waiting.size < 128 && !socket.destroyed) {
        const text = `message ${this.#sent++}`;
        txnr++;
        waiting.set(txnr, text);
        socket.write(frame(txnr, "syslog", `<13>1 - host relp - - - ${text}`));
      }
      if (isEnough()) enough.resolve();
    });
    await Promise.race([enough.promise, this.over]);
  }

  #readAnswers(text: string, waiting: Map<number, string>): string {
    let at = 0;
    for (const answer of text.matchAll(/(\d+) rsp (\d+) (200 OK)?[^]*?\n(?=\d|$)/g)) {
      const [whole, txnr, , ok] = answer;
      const number = JSON.parse(txnr!) as number;
      const message = waiting.get(number);
      if (ok !== undefined && message !== undefined) this.safe.add(message);
      waiting.delete(number);
      at = answer.index + whole.length;
    }
    return text.slice(at);
  }
}

function frame(txnr: number, command: string, data: string): string {
  return `${txnr} ${command} ${data.length} ${data}\n`;
}
