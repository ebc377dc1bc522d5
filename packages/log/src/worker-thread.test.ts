/**
 * Goal: whoever waits for a thread hears of its death, once, with "unavailable", and the next task has a thread again.
 * And what the scanning thread is handed stays the caller's. Method: real threads of a few lines, which die when they
 * are told to; the scanning thread in front of one of them, and with its own worker.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { isCairnError, utf8 } from "@cairnlog/core";
import { readNdjson } from "./event-batch.ts";
import { ScanThread } from "./scan-thread.ts";
import { WorkerThread } from "./worker-thread.ts";

interface Message {
  readonly id: number;
  readonly word: string;
}

function urlOf(source: string): URL {
  return new URL(`data:text/javascript,${encodeURIComponent(source)}`);
}

/** Answers each message twice with its own word; dies of "throw" and of "exit", and says nothing to "wait". */
const echo = urlOf(`
  import { parentPort } from "node:worker_threads";
  parentPort.on("message", (message) => {
    if (message.word === "throw") throw new Error("thrown on purpose");
    if (message.word === "exit") process.exit(7);
    if (message.word === "wait") return;
    parentPort.postMessage(message);
    parentPort.postMessage({ ...message, word: message.word + " again" });
  });
`);

function say(thread: WorkerThread<Message, Message>, word: string): Promise<string[]> {
  return new Promise((resolve, reject) => {
    const heard: string[] = [];
    const take = (message: Message): boolean => {
      heard.push(message.word);
      if (heard.length === 2) resolve(heard);
      return heard.length === 2;
    };
    thread.start((id) => ({ id, word }), { take, lost: reject });
  });
}

test("tasks get their own messages, until they say that it was the last one", async () => {
  const thread = new WorkerThread<Message, Message>("the echo", echo);
  const heard = await Promise.all(["a", "b", "c"].map((word) => say(thread, word)));
  assert.deepEqual(heard, [
    ["a", "a again"],
    ["b", "b again"],
    ["c", "c again"],
  ]);
});

for (const death of ["throw", "exit"]) {
  test(`a thread that dies (${death}) takes its tasks with it; the next one has a thread`, async () => {
    const thread = new WorkerThread<Message, Message>("the echo", echo);
    const lost = ["wait", death, "never heard"].map((word) =>
      assert.rejects(say(thread, word), (error) => {
        assert.ok(isCairnError(error, "unavailable"));
        assert.match(
          error.message,
          /the echo died \((?:thrown on purpose|it ended with status 7)\)/,
        );
        return true;
      }),
    );
    await Promise.all(lost);
    thread.post({ id: 1, word: "to nobody" });
    assert.deepEqual(await say(thread, "d"), ["d", "d again"]);
  });
}

test("the caller's bytes stay as they are, also those of a Buffer", async () => {
  const text = '{"type":"a.b", "actor":{"id":"c"}, "action":"d"}\n';
  const bytes = Buffer.concat([Buffer.from(text.repeat(2000))]);
  for (const batch of [readNdjson(bytes), await new ScanThread().scan(bytes)]) {
    assert.equal(batch.accepted, 2000);
    assert.equal(batch.bytes[batch.end[0]! - 1], 0x7d);
    assert.ok(batch.byteLength < bytes.length, "white space was left out");
    assert.equal(bytes.toString(), text.repeat(2000));
  }
});

test("a batch whose reader dies is refused as unavailable", async () => {
  const scanner = new ScanThread(
    urlOf(`
      import { parentPort } from "node:worker_threads";
      parentPort.on("message", () => process.exit(1));
    `),
  );
  const batch = utf8('{"type":"a.b"}\n');
  const isUnavailable = (error: unknown): boolean => isCairnError(error, "unavailable");
  await assert.rejects(scanner.scan(batch), isUnavailable);
  assert.equal(batch.length, 15, "the caller's bytes are still the caller's");
});
