/**
 * Syslog over TLS and over RELP, from the first message sent until the last one is durable, against the same events in
 * batches of NDJSON over HTTP, which come as the events that syslog's messages become.
 */
import { fork, spawnSync } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { createLog } from "@cairnlog/log";
import { filesStore } from "@cairnlog/store";
import type { Benchmark, BenchmarkContext } from "./benchmark.ts";
import { byTurns, cpuSecondsOf } from "./measure.ts";
import { startCairn, type CairnProcess } from "./processes.ts";
import { row, type Row } from "./report.ts";
import type { SyslogOrder } from "./syslog-load.ts";

type Way = SyslogOrder["way"];

interface Measured {
  readonly perSecond: number;
  readonly cpuMicros: number;
}

const connections = 4;
const blockMessages = 512;
const logName = "main";

export const syslog: Benchmark = {
  name: "syslog",
  claim: "syslog over TLS: 30,000 durable messages/s on 2 cores",
  async run(context) {
    const { folder, isQuick } = context;
    const log = await createLog(filesStore({ folder }), {
      name: logName,
      origin: "bench.example.com/logs/main",
    });
    await log.close();
    const bench = new SyslogBench(context, await startCairn(folder, logName, tlsArguments(folder)));
    try {
      const found = await byTurns(isQuick ? 1 : 5, {
        tls: () => bench.run("tls"),
        http: () => bench.run("http"),
        relp: () => bench.run("relp"),
      });
      return {
        rows: [
          ...rowsOf("over TLS", found.tls, found.http, 30_000),
          ...rowsOf("over RELP", found.relp, found.http),
        ],
        notes: [
          `${bench.messages.toLocaleString("en-US")} messages a round over ${connections} connections, ` +
            `batches of ${blockMessages} over HTTP`,
        ],
      };
    } finally {
      await bench.stop();
    }
  },
};

class SyslogBench {
  readonly messages: number;
  readonly #cairn: CairnProcess;
  readonly #load = fork(fileURLToPath(new URL("syslog-load.ts", import.meta.url)));

  constructor({ isQuick }: BenchmarkContext, cairn: CairnProcess) {
    this.#cairn = cairn;
    this.messages = connections * blockMessages * (isQuick ? 10 : 80);
  }

  async run(way: Way): Promise<Measured> {
    const cairn = this.#cairn;
    await cairn.settle();
    const { entries } = await cairn.commits();
    const cpuBefore = cpuSecondsOf(cairn.pid);
    const begun = performance.now();
    this.#load.send(this.#order(way));
    const [{ error }] = (await once(this.#load, "message")) as [{ error?: string }];
    if (error !== undefined) throw new Error(`load generator: ${error}`);
    // Over TLS the sender is not told: the log is asked.
    while ((await cairn.commits()).entries < entries + this.messages) await sleep(10);
    const seconds = (performance.now() - begun) / 1000;
    const cpu = cpuSecondsOf(cairn.pid) - cpuBefore;
    return { perSecond: this.messages / seconds, cpuMicros: (cpu / this.messages) * 1e6 };
  }

  async stop(): Promise<void> {
    const exited = once(this.#load, "exit");
    this.#load.disconnect();
    await exited;
    await this.#cairn.stop();
  }

  #order(way: Way): SyslogOrder {
    const { messages } = this;
    const { port, token, path, syslog: sockets } = this.#cairn;
    const address = sockets.find(({ transport }) => transport === way)?.address ?? `:${port}`;
    return { way, port: Number(address.split(":").at(-1)), token, path, connections, messages };
  }
}

/** The sockets, and a certificate that OpenSSL makes. */
function tlsArguments(folder: string): string[] {
  const [key, cert] = [join(folder, "tls.key"), join(folder, "tls.pem")];
  const line = `req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=bench`;
  const ran = spawnSync("openssl", [...line.split(" "), "-keyout", key, "-out", cert]);
  if (ran.status !== 0) throw new Error(`openssl: ${String(ran.stderr)}`);
  const tls = ["--syslog-tls-cert", cert, "--syslog-tls-key", key];
  return ["--syslog-tls", "127.0.0.1:0", "--relp", "127.0.0.1:0", ...tls];
}

function rowsOf(
  what: string,
  measured: readonly Measured[],
  http: readonly Measured[],
  atLeast?: number,
): Row[] {
  const baseline = (pick: (one: Measured) => number) => ({
    what: "the same events as NDJSON over HTTP",
    values: http.map(pick),
  });
  return [
    row({
      what: `durable, ${what}`,
      unit: "messages/s",
      values: measured.map(({ perSecond }) => perSecond),
      baseline: baseline(({ perSecond }) => perSecond),
      ...(atLeast === undefined ? {} : { aim: { atLeast } }),
    }),
    row({
      what: `processor time of the server, ${what}`,
      unit: "µs/message",
      values: measured.map(({ cpuMicros }) => cpuMicros),
      baseline: baseline(({ cpuMicros }) => cpuMicros),
    }),
  ];
}
