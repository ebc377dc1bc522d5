/**
 * Goal: the real command in real processes: streams, pipes that close, signals.
 * Method: start `bin.ts` under this Node in a folder of its own; a server on a free port of loopback.
 */
import assert from "node:assert/strict";
import { spawn, spawnSync, type ChildProcess, type ChildProcessByStdio } from "node:child_process";
import { once } from "node:events";
import type { Readable } from "node:stream";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { Workplace } from "./run-command.testing.ts";

const bin = fileURLToPath(new URL("bin.ts", import.meta.url));
const work = new Workplace();
const isWindows = process.platform === "win32";
type Server = ChildProcessByStdio<null, Readable, Readable>;

function cairn(line: string, input = ""): { exit: number | null; out: string; err: string } {
  const ran = spawnSync(process.execPath, [bin, ...line.split(" ")], {
    cwd: work.folder,
    input,
    encoding: "utf8",
    timeout: 30_000,
  });
  return { exit: ran.status, out: ran.stdout, err: ran.stderr };
}

/** Nobody is left behind by a test that failed half-way. */
const children: ChildProcess[] = [];
after(() => children.forEach((child) => child.kill("SIGKILL")));

/** Starts a server and waits for its URL. */
async function serve(): Promise<{ readonly server: Server; readonly url: string }> {
  const server = spawn(process.execPath, [bin, "serve", "--listen", "0"], {
    cwd: work.folder,
    stdio: ["ignore", "pipe", "pipe"],
  });
  children.push(server);
  let text = "";
  for await (const piece of server.stdout) {
    text += String(piece);
    const url = /Serving at (\S+)/.exec(text)?.[1];
    if (url !== undefined) return { server, url };
  }
  throw new Error(`the server ended before it served: ${text}`);
}

describe("cairn as a process", { skip: isWindows }, () => {
  const events = Array.from({ length: 3000 }, (_, i) =>
    JSON.stringify({ id: `e${i}`, type: "api.call", actor: { id: "alice" }, action: `step ${i}` }),
  ).join("\n");
  let key = "";

  before(() => {
    const { exit, out, err } = cairn("init --json");
    assert.equal(exit, 0, err);
    ({ key } = JSON.parse(out) as { key: string });
  });
  after(() => work.remove());

  it("serves, records, reads, proves, verifies, and ends on SIGTERM with what it accepted", async () => {
    const { server, url } = await serve();
    const sent = cairn(`append - --json --url ${url} --key ${key}`, events);
    assert.equal(sent.exit, 0, sent.err);
    assert.equal(sent.out.split("\n").length, 3001);
    assert.match(cairn(`tail -n 1 --url ${url} --key ${key}`).out, /step 2999/);
    assert.match(cairn(`proof 7 --url ${url} --key ${key}`).out, /^c2sp\.org\/tlog-proof@v1/);
    assert.equal(cairn("verify").exit, 0);
    server.kill("SIGTERM");
    const [exit, signal] = (await once(server, "exit")) as [number | null, string | null];
    assert.deepEqual([exit, signal], [0, null]);
    assert.equal(cairn("verify").exit, 0);
  });

  it("ends quietly when the reader of a pipe goes", () => {
    const script = `{ "${process.execPath}" "${bin}" tail --from 0 --json; echo "exit $?" >&2; } | head -n 1`;
    const ran = spawnSync("sh", ["-c", script], { cwd: work.folder, encoding: "utf8" });
    assert.match(ran.stdout, /^\{"seq":0,/);
    assert.equal(ran.stderr, "exit 0\n");
  });

  it("goes on recording when nobody reads the receipts", () => {
    const script = `{ "${process.execPath}" "${bin}" append - ; echo "exit $?" >&2; } | head -n 1`;
    const input = events.replaceAll('"id":"e', '"id":"again');
    const ran = spawnSync("sh", ["-c", script], { cwd: work.folder, encoding: "utf8", input });
    assert.match(ran.stderr, /Recorded 3000, .*\nexit 0\n$/s);
  });

  it("tail -f ends at Ctrl-C", async () => {
    const tail = spawn(process.execPath, [bin, "tail", "-f"], {
      cwd: work.folder,
      stdio: ["ignore", "pipe", "inherit"],
    });
    children.push(tail);
    await once(tail.stdout, "data");
    tail.kill("SIGINT");
    assert.deepEqual(await once(tail, "exit"), [0, null]);
  });

  it("a mistake ends with 2, on standard error", () => {
    assert.deepEqual(cairn("tial"), {
      ...{ exit: 2, out: "" },
      err: "cairn: unknown command 'tial'. Did you mean tail?\n",
    });
  });

  it("a server that was killed starts again with all that it answered for", async () => {
    const { server, url } = await serve();
    assert.equal(cairn(`append --type a.b --actor x --action y --url ${url} --key ${key}`).exit, 0);
    server.kill("SIGKILL");
    await once(server, "exit");
    assert.match(cairn("tail -n 1").out, /a\.b {2}x {2}y/);
    assert.equal(cairn("append --type a.b --actor x --action z").exit, 0);
    assert.equal(cairn("verify").exit, 0);
  });
});
