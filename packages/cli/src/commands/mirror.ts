/** `cairn mirror`: keeps a full, verified copy of somebody else's log, and serves it. */
import { mkdirSync } from "node:fs";
import { resolve } from "node:path";
import { nodeCrypto } from "@cairnlog/crypto";
import type { CommandContext, CommandSpec } from "../command.ts";
import type { Exit } from "../io.ts";
import { tilesAddress } from "../key-arguments.ts";
import { reporter, serveMetrics } from "../metrics-listen.ts";
import { asciiJson } from "../safe-text.ts";
import { openWatch, watchOptions } from "../watching.ts";
import { onceExit } from "./monitor.ts";

export const mirrorCommand: CommandSpec = {
  name: "mirror",
  parameters: [{ usage: "<url>", about: "where the log's tiles lie, or its server" }],
  summary: "keep a verified copy of a log, and serve it",
  description:
    "Copies a log of anybody who serves C2SP tlog-tiles, entry by entry, verifies each before it counts, and serves the copy over the same API. " +
    "It goes on where it was stopped, alarms like `cairn monitor`, and never gives up the history that it has seen.",
  settings: ["log", "key", "keyFile", "listen", "hostName"],
  options: [
    ...watchOptions,
    { flags: "--to <path>", about: "the folder of the copy (default: cairn-mirror)" },
  ],
  examples: [
    {
      line: "cairn mirror https://audit.example.com --log payments --policy payments.policy --listen 0.0.0.0:8081",
      about: "keep and serve a copy",
    },
    {
      line: "cairn mirror http://127.0.0.1:8080 --once --to /mnt/copy",
      about: "bring a copy up to date, and end",
    },
  ],
  run,
};

async function run(context: CommandContext): Promise<Exit> {
  const { io, output, options, config, parameters } = context;
  const { createMetricsServer, createMirrorServer, MirrorFiles, watchRegistry } =
    await import("@cairnlog/witness");
  const url = tilesAddress(parameters[0]!, config.values.log);
  const folder = resolve(io.cwd, options.text("to") ?? "cairn-mirror");
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const files = new MirrorFiles(folder, nodeCrypto.sha256);
  const watch = await openWatch(context, url, files, files);
  if (options.has("once")) {
    const status = await watch.lookOnce();
    if (output.isJson) await output.line(asciiJson(status));
    return onceExit(status);
  }
  const server = createMirrorServer({
    files,
    state: () => watch.state(),
    status: () => watch.status(),
    hostNames: config.values.hostName ?? [],
    onError: reporter(output),
  });
  const { host, port } = config.values.listen;
  const address = await server.listen(host, port);
  const metrics = await serveMetrics(context, (served) =>
    createMetricsServer(
      watchRegistry(() => watch.status()),
      served,
    ),
  );
  try {
    const json = { url: address, mirrors: url, ...(metrics.url && { metrics: metrics.url }) };
    if (output.isJson) await output.line(asciiJson(json));
    else await output.line(`Serving the copy of ${url} at ${output.paint("bold", address)}`);
    output.note("Ctrl-C stops it.");
    await watch.run(AbortSignal.any([io.interrupted, output.closed]));
  } finally {
    await metrics.close();
    await server.close();
  }
  return watch.status().alarms.length === 0 ? 0 : 1;
}
