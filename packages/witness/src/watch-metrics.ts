/** What an operator's Prometheus sees of a watch: a monitor, or the inside of a mirror. Read when it is asked for. */
import { Gauge, Registry } from "prom-client";
import { addGauges } from "./gauges.ts";
import type { WatchStatus } from "./watch.ts";

export function watchRegistry(status: () => WatchStatus): Registry {
  const registry = new Registry();
  addGauges(registry, [
    ["cairn_watch_size", "Entries that were verified.", () => status().size],
    [
      "cairn_watch_looked_timestamp_seconds",
      "When the log was last looked at and found good; 0 before the first time.",
      () => (status().lookedAt ?? 0) / 1000,
    ],
    [
      "cairn_watch_cosigned_timestamp_seconds",
      "By when a quorum had cosigned the newest checkpoint; 0 if none is known or needed.",
      () => status().cosignedAt ?? 0,
    ],
  ]);
  new Gauge({
    name: "cairn_watch_alarm",
    help: "1 for each alarm that stands.",
    labelNames: ["code"],
    registers: [registry],
    collect() {
      this.reset();
      for (const code of status().alarms) this.set({ code }, 1);
    },
  });
  return registry;
}
