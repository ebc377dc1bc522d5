/** `--metrics-listen`: metrics of a witness, mirror or monitor, apart from what they show to others. */
import type { MetricsServerOptions, ReadingServer } from "@cairnlog/witness";
import type { CommandContext, OptionSpec } from "./command.ts";
import type { Output } from "./output.ts";
import { addressType } from "./setting-types.ts";

export const metricsOption: OptionSpec = {
  flags: "--metrics-listen <address>",
  about: "serve /metrics there, to whoever may reach it: loopback, or a network of your own",
};

export interface ServedMetrics {
  /** Undefined where nobody asked for metrics. */
  readonly url: string | undefined;
  close(): Promise<void>;
}

/** Serves what `open` makes, if the user asked for it. */
export async function serveMetrics(
  { options, config, output }: CommandContext,
  open: (options: MetricsServerOptions) => ReadingServer,
): Promise<ServedMetrics> {
  const text = options.text("metricsListen");
  if (text === undefined) return { url: undefined, close: async () => undefined };
  const { host, port } = addressType.parse(text, "--metrics-listen");
  const server = open({ hostNames: config.values.hostName ?? [], onError: reporter(output) });
  const url = `${await server.listen(host, port)}metrics`;
  output.note(`Metrics at ${url}`);
  return { url, close: () => server.close() };
}

/** What a server of ours could not answer, for who runs it. */
export function reporter(output: Output): (error: unknown) => void {
  return (error) => output.error(`cairn: ${error instanceof Error ? error.message : "unknown"}`);
}
