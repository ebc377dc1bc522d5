/** What an operator's Prometheus sees of a witness. Figures of its memory are read when they are asked for. */
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from "prom-client";
import { addGauges, type GaugeRow } from "./gauges.ts";
import type { Witness } from "./witness.ts";

const buckets = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5];

export class WitnessMetrics {
  readonly registry = new Registry();
  /** Time of each add-checkpoint request from its head to its answer, by status. */
  readonly requests: Histogram<"status">;

  constructor(witness: Witness) {
    const registers = [this.registry];
    this.requests = new Histogram({
      name: "cairn_witness_add_checkpoint_duration_seconds",
      help: "Time of add-checkpoint from a request's head to its answer.",
      labelNames: ["status"],
      buckets,
      registers,
    });
    const { counters } = witness;
    const totals: readonly GaugeRow[] = [
      ["cairn_witness_commits_total", "Durable commits.", () => counters.commits],
      ["cairn_witness_commit_seconds_total", "Time of those.", () => counters.commitSeconds],
      ["cairn_witness_changes_total", "Heads and evidence made durable.", () => counters.changes],
    ];
    for (const [name, help, read] of totals) {
      new Counter({
        name,
        help,
        registers,
        collect() {
          this.reset();
          this.inc(read());
        },
      });
    }
    addGauges(this.registry, [
      ["cairn_witness_logs", "Logs that are cosigned for.", () => witness.countLogs()],
      ["cairn_witness_waiting", "Requests that wait for a commit.", () => witness.waitingCount],
      [
        "cairn_witness_failed",
        "1 once nothing can be made durable any more.",
        () => (witness.failure === undefined ? 0 : 1),
      ],
    ]);
    new Gauge({
      name: "cairn_witness_evidence",
      help: "Signed checkpoints that contradict what was cosigned. split: two roots signed for one size.",
      labelNames: ["origin", "kind"],
      registers,
      collect() {
        this.reset();
        for (const { origin, kind, count } of witness.countEvidence()) {
          this.set({ origin, kind }, count);
        }
      },
    });
    collectDefaultMetrics({ register: this.registry });
  }
}
