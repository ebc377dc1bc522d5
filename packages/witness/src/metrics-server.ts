/**
 * Metrics, on an address of their own: they tell of sizes, origins and evidence, and whoever may send a checkpoint or
 * read a tile need not learn those. There is no key, so it belongs on loopback or a network of one's own.
 */
import type { Registry } from "prom-client";
import { createReadingServer } from "./reading-server.ts";
import type { ReadingServer, ReadingServerOptions } from "./reading-server.ts";

export type MetricsServerOptions = Omit<ReadingServerOptions, "show">;

/** `metrics` lies under the address that `listen` resolves with. */
export function createMetricsServer(
  registry: Registry,
  options: MetricsServerOptions,
): ReadingServer {
  return createReadingServer({
    ...options,
    show: async (path) => {
      if (path !== "metrics") return undefined;
      const body = Buffer.from(await registry.metrics());
      return { status: 200, body, headers: { "content-type": registry.contentType } };
    },
  });
}
