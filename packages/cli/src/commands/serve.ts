/**
 * `cairn serve`: all logs of a data folder behind one server, until a signal or a log that cannot
 * go on ends it.
 */
import { existsSync, readFileSync } from "node:fs";
import { CairnError } from "@cairnlog/core";
import type * as ServerModule from "@cairnlog/server";
import type { CairnServer } from "@cairnlog/server";
import { systemClock, type LogOptions } from "@cairnlog/log";
import { filesStore } from "@cairnlog/store";
import type { CommandContext, CommandSpec } from "../command.ts";
import type { Exit } from "../io.ts";
import { FolderRegistry } from "../folder-registry.ts";
import { PipeClosed, type Output } from "../output.ts";
import { describeError } from "../report-error.ts";
import { asciiJson } from "../safe-text.ts";
import { startScrubber } from "../scrubbing.ts";
import type { Settings } from "../settings.ts";
import { SyslogSockets } from "../syslog-sockets.ts";
import { WormCopies } from "../worm-copies.ts";
import { witnessOptions } from "../witness-settings.ts";

export const serveCommand: CommandSpec = {
  name: "serve",
  summary: "serve all logs of a data folder over HTTP",
  description:
    "Opens all logs of the data folder and serves them until Ctrl-C or SIGTERM: then it answers what it has accepted, and ends. " +
    "A second signal ends it at once. It does not start where a log was tampered with, and says how to go on.",
  settings: [
    "data",
    "listen",
    "hostName",
    "tlsCert",
    "tlsKey",
    "publishInterval",
    "scrub",
    "scrubRate",
    "alarmWebhook",
    "alarmSecret",
    "alarmSecretFile",
    "worm",
    "wormRetentionDays",
    "wormInterval",
    "s3Endpoint",
    "s3Region",
    "s3PathStyle",
    "witnessPolicy",
    "requireWitnesses",
    "startWithoutWitnesses",
    "witnessTimeout",
    "syslogTcp",
    "syslogTls",
    "syslogUdp",
    "relp",
    "relpTls",
    "syslogLog",
    "syslogSource",
    "syslogPeers",
    "syslogZone",
    "syslogTlsCert",
    "syslogTlsKey",
    "syslogClientCa",
    "syslogMessageMax",
    "bodyBytesMax",
    "decompressedBytesMax",
    "blobBytesMax",
    "queueEventsMax",
    "queueBytesMax",
  ],
  examples: [
    { line: "cairn serve", about: "serve ./cairn-data at http://127.0.0.1:8080" },
    {
      line: "cairn serve --data /var/lib/cairn --listen 0.0.0.0:443 --host-name audit.example.com --tls-cert cert.pem --tls-key key.pem",
      about: "serve a network, with TLS",
    },
    {
      line: "cairn serve --worm s3://example-audit/logs --worm-retention-days 400",
      about: "and keep write-once copies in a bucket with Object Lock",
    },
    {
      line: "cairn serve --witness-policy witnesses.policy --require-witnesses",
      about: "acknowledge only what a quorum of witnesses has seen",
    },
    {
      line: "cairn serve --relp 127.0.0.1:2514 --syslog-tls 0.0.0.0:6514 --syslog-tls-cert cert.pem --syslog-tls-key key.pem",
      about: "and receive syslog, from rsyslog without losing any",
    },
  ],
  run,
};

async function run(context: CommandContext): Promise<Exit> {
  const { io, output, config } = context;
  const { values } = config;
  const { data } = values;
  // Loaded only here: no other command needs the HTTP framework. Meanwhile the logs are read.
  const loading = import("@cairnlog/server");
  const failed = Promise.withResolvers<CairnError>();
  const store = filesStore({ folder: data });
  const tls = readTls(values);
  if (!existsSync(data) || ((await store.logs()).length === 0 && !(await hasKeys(data, loading)))) {
    throw new CairnError(
      "not_found",
      `there is no log in ${data}: make one with \`cairn init --data ${data}\``,
      {
        place: { path: data },
      },
    );
  }
  const scrubber = startScrubber(values, (line) => output.error(line));
  const logOptions = logOptionsOf(values, output, (error) => failed.resolve(error));
  const logs = new FolderRegistry(store, io.hostName, logOptions, scrubber);
  let server: CairnServer | undefined;
  let worm: WormCopies | undefined;
  let syslog: SyslogSockets | undefined;
  try {
    await logs.openAll((line) => output.error(`cairn: ${line}`));
    const tell = (line: string): void => output.error(`cairn: ${line}`);
    const { apiKeysPath, createServer, keyRing, sourceRing, sourcesPath } = await loading;
    worm = await WormCopies.start(values, { list: () => logs.list(), store, tell });
    syslog = await SyslogSockets.start(values, { find: (name) => logs.get(name), tell });
    server = await createServer({
      logs,
      keys: keyRing(apiKeysPath(data), systemClock),
      sources: sourceRing(sourcesPath(data), systemClock),
      hostNames: values.hostName ?? [],
      limits: { wireBytesMax: values.bodyBytesMax, bodyBytesMax: values.decompressedBytesMax },
      ...(tls === undefined ? {} : { tls }),
      companions: [worm, syslog].filter((each) => each !== undefined),
      logger: { write: (line) => writeLog(output, values.logLevel, line) },
    });
    const url = await server.listen(values.listen);
    try {
      await announce(output, url, logs, syslog);
    } catch (error) {
      // Whoever read the address has gone (`| head -n 1`). That is no reason to stop serving.
      if (!(error instanceof PipeClosed)) throw error;
    }
    const ended = await Promise.race([failed.promise, aborted(io.interrupted)]);
    if (ended === undefined) return await stop(context, server, logs, worm, syslog);
    output.error(describeError(ended));
    output.error(
      "cairn: the server ends, so that nothing false is signed. What was acknowledged is safe.",
    );
    await syslog?.close();
    await server.stop();
    // A log that has failed may not close well. Why it failed has been said.
    await logs.closeAll().catch(() => {});
    return 3;
  } finally {
    await syslog?.close();
    await server?.stop();
    await worm?.close();
    await logs.closeAll();
  }
}

function logOptionsOf(
  values: Settings,
  output: Output,
  fail: (error: CairnError) => void,
): LogOptions {
  const witnesses = witnessOptions(values);
  return {
    ...(witnesses === undefined ? {} : { witnesses }),
    publishIntervalMs: values.publishInterval,
    blobBytesMax: values.blobBytesMax,
    limits: { queueEventsMax: values.queueEventsMax, queueBytesMax: values.queueBytesMax },
    onFailure: (error) => {
      // A log that was tampered with signs nothing any more, and says so to everybody who appends. What verifies of it
      // can still be read, and the alarm be seen.
      if (error.code === "tampered") output.error(describeError(error));
      else fail(error);
    },
    onAlarm: (error) => output.error(describeError(error)),
  };
}

type Loading = Promise<Pick<typeof ServerModule, "apiKeysPath">>;

/** Logs can be made over HTTP: a folder with keys is enough. */
async function hasKeys(data: string, loading: Loading): Promise<boolean> {
  return existsSync((await loading).apiKeysPath(data));
}

async function announce(
  output: Output,
  url: string,
  logs: FolderRegistry,
  syslog: SyslogSockets | undefined,
): Promise<void> {
  const names = logs.list().map((log) => log.name);
  if (output.isJson) {
    const sockets = syslog === undefined ? {} : { syslog: syslog.addresses() };
    await output.line(asciiJson({ url, logs: names, ...sockets }));
    return;
  }
  await output.line(`Serving at ${output.paint("bold", url)}`);
  for (const log of logs.list()) {
    await output.line(`  ${log.name}  ${log.status().size} entries  ${log.origin}`);
  }
  for (const { transport, address } of syslog?.addresses() ?? []) {
    const what = transport.startsWith("relp") ? transport : `syslog over ${transport}`;
    await output.line(`Receiving ${what} at ${output.paint("bold", address)}`);
  }
  output.note("Ctrl-C stops it.");
}

async function stop(
  { output }: CommandContext,
  server: CairnServer,
  logs: FolderRegistry,
  worm: WormCopies | undefined,
  syslog: SyslogSockets | undefined,
): Promise<0> {
  output.note("Stopping: what was accepted is committed and answered.");
  await Promise.all([syslog?.close(), server.stop()]);
  await worm?.close();
  await logs.closeAll();
  return 0;
}

function readTls({ tlsCert, tlsKey }: Settings): { cert: Buffer; key: Buffer } | undefined {
  if (tlsCert === undefined && tlsKey === undefined) return undefined;
  if (tlsCert === undefined || tlsKey === undefined) {
    throw new CairnError("usage", "--tls-cert and --tls-key go together");
  }
  return { cert: readPem(tlsCert), key: readPem(tlsKey) };
}

function readPem(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new CairnError("usage", `the file for TLS cannot be read: ${why}`, {
      cause,
      place: { path },
    });
  }
}

const levels = { debug: 20, info: 30, warn: 40, error: 50 } as const;

/** The server's own lines are JSON (pino): their level stands first. */
function writeLog(output: Output, wanted: Settings["logLevel"], line: string): void {
  const level = /^\{"level":([0-9]{2})/.exec(line)?.[1];
  if (level !== undefined && level >= String(levels[wanted])) output.error(line.trimEnd());
}

function aborted(signal: AbortSignal): Promise<undefined> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve(undefined);
    signal.addEventListener("abort", () => resolve(undefined), { once: true });
  });
}
