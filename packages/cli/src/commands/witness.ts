/** `cairn witness`: remembers the checkpoints of other people's logs, and cosigns what continues them. */
import { CairnError } from "@cairnlog/core";
import type { Witness, WitnessServer } from "@cairnlog/witness";
import { parseCount, type CommandContext, type CommandSpec } from "../command.ts";
import { showKeys } from "../describe-log.ts";
import type { Exit } from "../io.ts";
import { readVkeys } from "../key-arguments.ts";
import { metricsOption, serveMetrics, type ServedMetrics } from "../metrics-listen.ts";
import { PipeClosed, type Output } from "../output.ts";
import { describeError } from "../report-error.ts";
import { asciiJson, safeText } from "../safe-text.ts";

const keyTypes = { "04": "ed25519", "06": "ml-dsa-44" } as const;

export const witnessCommand: CommandSpec = {
  name: "witness",
  summary: "cosign the checkpoints of logs, for those who must not trust them",
  description:
    "Serves C2SP tlog-witness: it keeps the last checkpoint of each log, and cosigns no other than one that continues it. " +
    "Run it where the log's operator has no hands: another machine, another administrator. " +
    "The first start makes the keys, and needs a name; the verifier keys are printed, for the policies of those who trust it. " +
    "Logs can be added and removed while it runs. Never restore its folder from a backup: start a new witness instead.",
  settings: ["data", "listen", "hostName"],
  options: [
    { flags: "--name <name>", about: "its name in cosignatures, for ever: witness.example.com/w1" },
    {
      flags: "--log <vkey>",
      about:
        "cosign for the log of this verifier key, or of those in this file, one a line; may be repeated",
      isList: true,
    },
    {
      flags: "--cosign <types>",
      about: "which of its two keys cosign: 04 (Ed25519), 06 (ML-DSA-44) (default: 04,06)",
    },
    {
      flags: "--rate-limit <number>",
      about: "requests a second, for each log and client (default: 1000)",
    },
    {
      flags: "--prefix <path>",
      about: "what stands before the paths, as /witness (default: none)",
    },
    metricsOption,
  ],
  examples: [
    {
      line: "cairn witness --data /var/lib/witness --name witness.example.com/w1 --log main.vkeys --listen 0.0.0.0:8080",
      about: "a witness for the log whose keys `cairn logs show --vkeys` wrote into main.vkeys",
    },
    { line: "cairn witness --data /var/lib/witness", about: "start it again" },
  ],
  run,
};

export const witnessKeysCommand: CommandSpec = {
  name: "witness keys",
  summary: "show a witness's verifier keys",
  description:
    "Shows name, verifier keys and fingerprints of a witness, for the policies of those who trust it. Works while it runs.",
  settings: ["data"],
  options: [{ flags: "--vkeys", about: "print the verifier keys and nothing else, one a line" }],
  examples: [{ line: "cairn witness keys --data /var/lib/witness", about: "who the witness is" }],
  async run({ config, output, options }: CommandContext): Promise<0> {
    const { readCosignerNames } = await import("@cairnlog/witness");
    const { name, vkeys } = readCosignerNames(config.values.data);
    if (output.isJson) await output.line(asciiJson({ name, keys: showKeys(vkeys) }));
    else if (options.has("vkeys")) for (const vkey of vkeys) await output.line(vkey);
    else await printKeys(output, output.paint("bold", safeText(name)), vkeys);
    return 0;
  },
};

async function run(context: CommandContext): Promise<Exit> {
  const { io, config, options, output } = context;
  const { data, listen } = config.values;
  const vkeys = options.list("log").flatMap((text) => readVkeys(io.cwd, text));
  const [name, prefix, rate] = [options.text("name"), options.text("prefix"), readRate(options)];
  const { createMetricsServer, Witness, WitnessServer } = await import("@cairnlog/witness");
  const failed = Promise.withResolvers<CairnError>();
  const witness = Witness.open({
    folder: data,
    clock: { now: () => io.now(), monotonic: () => performance.now() },
    cosignWith: readTypes(options.text("cosign")),
    onFailure: (error) => failed.resolve(error),
    ...(name === undefined ? {} : { name }),
    ...(rate === undefined ? {} : { rateLimit: { perSecond: rate, burst: 2 * rate } }),
  });
  let server: WitnessServer | undefined;
  let metrics: ServedMetrics | undefined;
  try {
    witness.addLogs(vkeys);
    server = new WitnessServer(witness, prefix === undefined ? {} : { prefix });
    const { registry } = server;
    const url = await server.listen(listen);
    metrics = await serveMetrics(context, (served) => createMetricsServer(registry, served));
    try {
      await announce(output, url, witness, metrics.url);
    } catch (error) {
      // Whoever read the address has gone (`| head -n 1`). That is no reason to stop.
      if (!(error instanceof PipeClosed)) throw error;
    }
    const ended = await Promise.race([failed.promise, aborted(io.interrupted)]);
    if (ended === undefined) {
      output.note("Stopping: what was accepted is answered.");
      return 0;
    }
    output.error(describeError(ended));
    output.error("cairn: the witness ends. Nothing that left it is lost; start it again.");
    return 3;
  } finally {
    await metrics?.close();
    await server?.stop();
    await witness.close();
  }
}

async function announce(
  output: Output,
  url: string,
  witness: Witness,
  metrics: string | undefined,
): Promise<void> {
  const { name, vkeys } = witness;
  const logs = witness.countLogs();
  if (output.isJson) {
    await output.line(asciiJson({ url, name, vkeys, logs, ...(metrics && { metrics }) }));
    return;
  }
  const head = `Witness ${output.paint("bold", safeText(name))} at ${url}, for ${logs} logs`;
  await printKeys(output, head, vkeys);
  output.note("Ctrl-C stops it.");
}

/** Keys whole, for the policies of others, and fingerprints, to be compared by eye. */
async function printKeys(output: Output, head: string, vkeys: readonly string[]): Promise<void> {
  await output.line(head);
  for (const { algorithm, vkey, fingerprint } of showKeys(vkeys)) {
    await output.line(`  ${algorithm.padEnd(10)} fingerprint ${fingerprint}`);
    await output.line(`  ${vkey}`);
  }
}

function readTypes(text: string | undefined): ("ed25519" | "ml-dsa-44")[] {
  return (text ?? "04,06").split(",").map((type) => {
    if (type === "04" || type === "06") return keyTypes[type];
    throw new CairnError(
      "usage",
      `--cosign: expected 04, 06 or 04,06, not ${JSON.stringify(text)}`,
    );
  });
}

function readRate(options: CommandContext["options"]): number | undefined {
  const text = options.text("rateLimit");
  if (text === undefined) return undefined;
  const rate = parseCount(text, "--rate-limit");
  if (rate > 0) return rate;
  throw new CairnError("usage", "--rate-limit: a witness takes at least 1 request a second");
}

function aborted(signal: AbortSignal): Promise<undefined> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve(undefined);
    signal.addEventListener("abort", () => resolve(undefined), { once: true });
  });
}
