/** Gauges whose values are read when somebody asks for them. */
import { Gauge, type Registry } from "prom-client";

/** Name, help and reader of each. */
export type GaugeRow = readonly [name: string, help: string, read: () => number];

export function addGauges(registry: Registry, rows: readonly GaugeRow[]): void {
  for (const [name, help, read] of rows) {
    new Gauge({
      name,
      help,
      registers: [registry],
      collect() {
        this.set(read());
      },
    });
  }
}
