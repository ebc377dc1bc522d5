/** The processes of an HTTP benchmark: `cairn serve`, the bare server, the load generator. */
import { fork, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { createKey } from "@cairnlog/server";
import type { BareOrder } from "./bare-server.ts";
import type { LoadOrder, LoadResult } from "./load.ts";

const here = fileURLToPath(new URL(".", import.meta.url));
/** The command of this checkout, or that of an unpacked `cairnlog` package, which needs no type stripping. */
const command = process.env.CAIRN_BENCH_COMMAND ?? join(here, "../packages/cli/bin/cairn.js");
const segmentEntries = 65_536;
const settleMsMax = 120_000;

export interface Server {
  readonly port: number;
  readonly token: string;
  readonly path: string;
  readonly pid: number;
}

export interface CommitTotals {
  readonly commits: number;
  readonly entries: number;
  /** From the first byte rendered to the last one durable. */
  readonly seconds: number;
}

export interface SocketAddress {
  readonly transport: string;
  readonly address: string;
}

export interface CairnProcess extends Server {
  /** Where it receives syslog, if it does. */
  readonly syslog: readonly SocketAddress[];
  /** From the start of the process until it takes requests. */
  readonly startMs: number;
  /** Totals since it started. */
  commits(): Promise<CommitTotals>;
  /** Waits until all full segments are sealed, so that the next measurement has the machine for itself. */
  settle(): Promise<void>;
  stop(): Promise<void>;
  kill(): Promise<void>;
}

/** Serves the logs of the folder `data`, of which one is called `log`, as users do. */
export async function startCairn(
  data: string,
  log: string,
  more: readonly string[] = [],
): Promise<CairnProcess> {
  const scopes = ["write", "read", "operate"] as const;
  const { token } = createKey(data, { source: "bench", logs: ["*"], scopes });
  const begun = performance.now();
  const args = ["serve", "--data", data, "--listen", "127.0.0.1:0", "--json", ...more];
  // `CAIRN_BENCH_NODE_OPTIONS=--cpu-prof` profiles the server.
  const options = (process.env.CAIRN_BENCH_NODE_OPTIONS ?? "").split(" ").filter((each) => each);
  const child = spawn(process.execPath, [...options, command, ...args], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exited = once(child, "exit");
  const { url, syslog = [] } = await Promise.race([
    firstLine(child),
    exited.then(([status]) => {
      throw new Error(`cairn serve ended with status ${String(status)}`);
    }),
  ]);
  const startMs = performance.now() - begun;
  const path = `/v1/logs/${log}/events`;
  const get = async (from: string): Promise<Response> => {
    const response = await fetch(url + from, { headers: { authorization: `Bearer ${token}` } });
    if (!response.ok) throw new Error(`${from} was answered with ${response.status}`);
    return response;
  };
  const describe = async (): Promise<{ size: number; sealedSize: number }> =>
    (await (await get(`/v1/logs/${log}`)).json()) as { size: number; sealedSize: number };
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    child.kill(signal);
    await exited;
  };
  return {
    ...{ port: Number(new URL(url).port), token, path, pid: child.pid!, startMs, syslog },
    async commits() {
      const metrics = await (await get("/metrics")).text();
      const total = (name: string): number =>
        Number(new RegExp(`^${name}\\{.*\\} (.*)$`, "m").exec(metrics)?.[1]);
      return {
        commits: total("cairn_commits_total"),
        entries: total("cairn_entries_recorded_total"),
        seconds: total("cairn_commit_duration_seconds_sum"),
      };
    },
    async settle() {
      const giveUpAt = performance.now() + settleMsMax;
      for (;;) {
        const { size, sealedSize } = await describe();
        if (size - sealedSize < segmentEntries) return;
        if (performance.now() > giveUpAt) {
          throw new Error(`${size - sealedSize} entries are still not sealed`);
        }
        await sleep(100);
      }
    },
    stop: () => end("SIGTERM"),
    kill: () => end("SIGKILL"),
  };
}

interface Announced {
  readonly url: string;
  readonly syslog?: readonly SocketAddress[];
}

async function firstLine(child: ChildProcess): Promise<Announced> {
  for await (const line of createInterface({ input: child.stdout! })) {
    if (line.startsWith("{")) return JSON.parse(line) as Announced;
  }
  throw new Error("cairn serve said no URL");
}

export interface BareProcess extends Server {
  /** What it answers from now on, and what it writes before. */
  set(order: BareOrder): Promise<void>;
  stop(): Promise<void>;
}

export async function startBare(): Promise<BareProcess> {
  const child = fork(join(here, "bare-server.ts"));
  const [{ port }] = (await once(child, "message")) as [{ port: number }];
  return {
    ...{ port, token: `cairn_${"a".repeat(10)}_${"a".repeat(43)}`, pid: child.pid! },
    path: "/v1/logs/main/events",
    async set(order) {
      child.send(order);
      await once(child, "message");
    },
    async stop() {
      const exited = once(child, "exit");
      child.disconnect();
      await exited;
    },
  };
}

export interface LoadProcess {
  run(server: Server, order: Omit<LoadOrder, "port" | "path" | "token">): Promise<LoadResult>;
  stop(): Promise<void>;
}

export function startLoad(): LoadProcess {
  const child = fork(join(here, "load.ts"));
  return {
    async run({ port, path, token }, order) {
      child.send({ ...order, port, path, token } satisfies LoadOrder);
      const [answer] = (await once(child, "message")) as [{ result?: LoadResult; error?: string }];
      if (answer.result === undefined) throw new Error(`load generator: ${answer.error}`);
      return answer.result;
    },
    async stop() {
      const exited = once(child, "exit");
      child.disconnect();
      await exited;
    },
  };
}
