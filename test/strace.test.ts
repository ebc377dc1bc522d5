/**
 * Goal: no answer leaves before the syncs that cover it.
 *
 * Method: the real `cairn serve` under strace, a load of single events, batches and repeated events. The trace of each
 * thread has the time at which every call began and ended. For each answer that carries a checkpoint of some size, the
 * trace must show, one after the other: the tail written up to where the commit of that size ends, the tail synced, the
 * slot with that commit written, the ring synced, and only then the answer's first byte on its way to the socket.
 */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { parseDecimal } from "@cairnlog/core";
import { commitSlotByteLength, commitSlotCount, decodeCommitSlot, tailPath } from "@cairnlog/store";
import { initLog, origin, ServedProcess } from "./cairn-process.ts";
import { missingTool } from "./installed-tool.ts";
import { removeFolder, temporaryFolder } from "./served-log.ts";

const skip = missingTool("strace", ["--version"], "required");

const calls = "pwrite64,pwritev,pwritev2,write,writev,sendto,sendmsg,fdatasync,fsync";

/** One traced call. Times are in nanoseconds since 1970. */
interface Call {
  readonly name: string;
  /** What the descriptor is: a path, or a socket's addresses. */
  readonly target: string;
  readonly begin: bigint;
  readonly end: bigint;
  readonly bytes: Buffer;
  /** Of a pwrite. */
  readonly offset: number;
  /** Bytes that a write took. */
  readonly result: number;
}

test("no answer leaves before the syncs that cover it", { skip }, async () => {
  const data = temporaryFolder();
  const traces = temporaryFolder();
  try {
    const { key } = initLog(data);
    const format = ["--absolute-timestamps=format:unix,precision:ns", "--syscall-times=ns"];
    const under = ["strace", "-ff", "-yy", "-xx", "-s", "4096", "-e", `trace=${calls}`];
    const server = new ServedProcess(data, {
      under: [...under, ...format, "--seccomp-bpf", "-o", join(traces, "trace"), "--"],
    });
    try {
      await load(await server.url, key);
    } finally {
      // The tracer ends with what it traces.
      await server.killInner("SIGTERM");
    }
    const trace = readTraces(traces);
    const { answers, commits } = judge(trace, `${data}/main`);
    console.log(`${answers} answers over ${commits} commits, ${trace.length} calls`);
    assert.ok(answers > 150, `${answers} answers seen`);
    assert.ok(commits > 20, `${commits} commits seen`);
  } finally {
    removeFolder(data);
    removeFolder(traces);
  }
});

/** Several connections at once; each waits for its answer before it goes on. */
async function load(url: string, key: string): Promise<void> {
  const headers = { authorization: `Bearer ${key}` };
  const connection = async (at: number): Promise<void> => {
    for (let i = 0; i < 24; i++) {
      const count = at === 0 ? 40 : 1;
      const lines = Array.from({ length: count }, (_, n) => event(`${at}-${i % 20}-${n}`));
      const answer = await fetch(`${url}/v1/logs/main/events`, {
        method: "POST",
        headers: { ...headers, "content-type": "application/x-ndjson" },
        body: lines.join("\n"),
      });
      const text = await answer.text();
      assert.ok(answer.ok, text);
      if (i % 6 !== 0) continue;
      const checkpoint = await fetch(`${url}/logs/main/checkpoint`, { headers });
      const note = await checkpoint.text();
      assert.ok(checkpoint.ok, note);
    }
  };
  await Promise.all(Array.from({ length: 8 }, (_, at) => connection(at)));
}

function event(id: string): string {
  return `{"id":"${id}","type":"api.call","actor":{"id":"alice"},"action":"GET"}`;
}

/** All calls of all threads, by the time at which they began. */
function readTraces(folder: string): Call[] {
  const found = readdirSync(folder).flatMap((file) =>
    readFileSync(join(folder, file), "latin1").split("\n").flatMap(readCall),
  );
  return found.sort((a, b) => (a.begin < b.begin ? -1 : 1));
}

/** One line of a trace: time, name(descriptor<target>, arguments) = result <duration>. */
function readCall(line: string): Call[] {
  const shape =
    /^(\d+)\.(\d{9}) (\w+)\(\d+<(.*?)>(?:\(deleted\))?(?:, (.*))?\) += (-?\d+).*<(\d+)\.(\d{9})>$/;
  const match = shape.exec(line);
  if (match === null) return [];
  const [, seconds, nanos, name, target, rest = "", result, durationS, durationNs] = match;
  const begin = BigInt(seconds! + nanos!);
  return [
    {
      name: name!,
      target: unescaped(target!).toString("latin1"),
      begin,
      end: begin + BigInt(durationS! + durationNs!),
      bytes: unescaped(
        [...rest.matchAll(/"((?:\\x[0-9a-f]{2})*)"/g)].map(([, text]) => text).join(""),
      ),
      offset: name === "pwrite64" ? parseDecimal(/, (\d+)$/.exec(rest)?.[1] ?? "", "offset") : -1,
      result: parseDecimal(result!.replace("-", ""), "result"),
    },
  ];
}

/** strace -xx writes every byte of a string as \xhh, and leaves the rest as it is. */
function unescaped(text: string): Buffer {
  const plain = text.replace(/\\x([0-9a-f]{2})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 16)),
  );
  return Buffer.from(plain, "latin1");
}

interface DurableCommit {
  readonly size: number;
  /** When the sync of the ring that covers it ended. */
  readonly durable: bigint;
}

function judge(trace: readonly Call[], folder: string): { answers: number; commits: number } {
  const commits = trace
    .filter((call) => call.target === `${folder}/commits` && call.name.startsWith("pwrite"))
    .map((call) => durableCommit(trace, folder, call));
  let answers = 0;
  for (const call of trace) {
    if (!call.target.startsWith("TCP")) continue;
    for (const size of sizesIn(call.bytes)) {
      const commit = commits.find((each) => each.size === size);
      assert.ok(commit !== undefined, `an answer tells of size ${size}, which no commit has`);
      assert.ok(commit.durable <= call.begin, `size ${size} left before it was durable`);
      answers++;
    }
  }
  return { answers, commits: commits.length };
}

/** The sizes of the checkpoints that a piece of an answer tells of: in JSON, or plain. */
function sizesIn(bytes: Buffer): number[] {
  const text = bytes.toString("latin1");
  const found = [
    ...text.matchAll(/(?:"checkpoint":"|\r\n\r\n|^)([a-z0-9./]+)(?:\\n|\n)(\d+)(?:\\n|\n)/g),
  ];
  return found
    .filter(([, name]) => name === origin)
    .map(([, , size]) => parseDecimal(size!, "tree size"));
}

/** Follows one record back and forth: tail written, tail synced, record written, ring synced. */
function durableCommit(trace: readonly Call[], folder: string, slot: Call): DurableCommit {
  const index = slot.offset / commitSlotByteLength;
  assert.ok(Number.isInteger(index) && index < commitSlotCount, `a slot at byte ${slot.offset}`);
  const commit = decodeCommitSlot(slot.bytes, index);
  assert.ok(commit !== undefined, "what is written to the ring is a record");
  const ring = firstSync(trace, slot.target, slot.end);
  assert.ok(ring !== undefined, `the record of size ${commit.size} is synced`);
  if (commit.tailOffset > 0) {
    const tail = `${folder}/${tailPath(commit.tailFirst)}`;
    // The first write that reaches the end of the commit is its own: the zeros before it end elsewhere.
    const written = trace.findLast(
      (call) =>
        call.target === tail &&
        call.name.startsWith("pwrite") &&
        call.end <= slot.begin &&
        call.offset + call.result === commit.tailOffset,
    );
    // A record that is written again when the log is opened covers what an earlier process wrote.
    if (written !== undefined) {
      const synced = firstSync(trace, tail, written.end);
      assert.ok(synced !== undefined && synced.end <= slot.begin, "the tail is synced before");
    } else
      assert.equal(commit.number, firstNumber(trace, folder), "only the first is written again");
  }
  return { size: commit.size, durable: ring.end };
}

function firstSync(trace: readonly Call[], target: string, after: bigint): Call | undefined {
  return trace.find(
    (call) => call.name === "fdatasync" && call.target === target && call.begin >= after,
  );
}

function firstNumber(trace: readonly Call[], folder: string): number {
  const first = trace.find(
    (call) => call.target === `${folder}/commits` && call.name.startsWith("pwrite"),
  )!;
  return decodeCommitSlot(first.bytes, first.offset / commitSlotByteLength)!.number;
}
