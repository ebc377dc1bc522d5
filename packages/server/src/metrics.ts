/**
 * What an operator's Prometheus sees. Figures of the logs are read when they are asked for, so that
 * recording an event costs nothing here; what has to be counted on the way is counted per request,
 * per commit or per refusal.
 */
import type { CairnErrorCode } from "@cairnlog/core";
import type { Log, LogStatus, WitnessHealth } from "@cairnlog/log";
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from "prom-client";
import type { BodyBudget } from "./body-budget.ts";
import type { Companion, Figure } from "./companion.ts";
import type { LogRegistry } from "./registry.ts";

const requestBuckets = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5, 30];
const commitBuckets = [0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1];

const gauges: readonly [string, string, (status: LogStatus) => number][] = [
  ["cairn_log_size", "Entries that are durable.", (status) => status.size],
  ["cairn_log_published_size", "Size of the published checkpoint.", (s) => s.publishedSize],
  ["cairn_log_sealed_size", "Entries that are in sealed segments.", (s) => s.sealedSize],
  ["cairn_log_queued_events", "Events that wait for a commit.", (s) => s.queuedEvents],
  ["cairn_log_queued_bytes", "Bytes of the events that wait.", (s) => s.queuedBytes],
  [
    "cairn_log_failed",
    "1 while nothing can be appended.",
    (status) => (status.failure === undefined ? 0 : 1),
  ],
  [
    "cairn_scrub_pass_seconds",
    "How long the last pass over all files of the log took.",
    (status) => (status.scrubbing?.lastPass?.durationMs ?? 0) / 1000,
  ],
  [
    "cairn_scrub_pass_bytes",
    "Bytes that the last pass over all files of the log verified.",
    (status) => status.scrubbing?.lastPass?.byteLength ?? 0,
  ],
  ["cairn_log_alarms", "What somebody must look at.", (status) => status.alarms.length],
  [
    "cairn_log_quorum_missing",
    "1 while too few witnesses cosign.",
    (status) => (status.quorumFailure === undefined ? 0 : 1),
  ],
];

/** By witness; what is not known yet is 0. */
const witnessGauges: readonly [string, string, (witness: WitnessHealth) => number][] = [
  ["cairn_witness_size", "Size that the witness cosigned last.", (w) => w.size ?? 0],
  [
    "cairn_witness_timestamp_seconds",
    "When it did, by its own clock, in seconds since 1970.",
    (w) => w.timestamp ?? 0,
  ],
  [
    "cairn_witness_cosigning",
    "1 while the witness's last answer was a cosignature.",
    (w) => (w.state === "cosigning" ? 1 : 0),
  ],
];

const totals: readonly [string, string, (status: LogStatus) => number][] = [
  ["cairn_entries_recorded_total", "Entries recorded.", (s) => s.counters.entries],
  ["cairn_entry_bytes_total", "Bytes of the entries recorded.", (s) => s.counters.entryBytes],
  ["cairn_duplicates_total", "Events that had been recorded.", (s) => s.counters.duplicates],
  ["cairn_conflicts_total", "Ids that came with other bytes.", (s) => s.counters.conflicts],
  ["cairn_overloads_total", "Appends refused for load.", (s) => s.counters.refusedForOverload],
  ["cairn_commits_total", "Durable commits.", (s) => s.counters.commits],
  [
    "cairn_scrub_passes_total",
    "Passes over all files of the log.",
    (status) => status.scrubbing?.passes ?? 0,
  ],
  ["cairn_segments_sealed_total", "Segments sealed.", (s) => s.counters.segmentsSealed],
];

export class Metrics {
  readonly registry = new Registry();
  /** Single events that were refused, also inside batches that were taken. */
  readonly eventsRefused: Counter<"log" | "code">;
  readonly #blobs: Counter<"log">;
  readonly #blobBytes: Counter<"log">;
  readonly #problems: Counter<"code">;
  readonly #authFailures: Counter<"code">;
  readonly requests: Histogram<"method" | "route" | "status">;
  readonly #commits: Histogram<"log">;
  readonly #watched = new WeakSet<Log>();
  readonly #logs: LogRegistry;

  constructor(logs: LogRegistry, budget: BodyBudget, companions: readonly Companion[] = []) {
    const registers = [this.registry];
    this.#logs = logs;
    this.eventsRefused = new Counter({
      name: "cairn_events_refused_total",
      help: "Events refused, by error code.",
      labelNames: ["log", "code"],
      registers,
    });
    this.#blobs = new Counter({
      name: "cairn_blobs_put_total",
      help: "Blobs that were put and had not been there.",
      labelNames: ["log"],
      registers,
    });
    this.#blobBytes = new Counter({
      name: "cairn_blob_bytes_put_total",
      help: "Bytes of the blobs that were put and had not been there.",
      labelNames: ["log"],
      registers,
    });
    this.#problems = new Counter({
      name: "cairn_http_problems_total",
      help: "Requests answered with a problem, by error code.",
      labelNames: ["code"],
      registers,
    });
    this.#authFailures = new Counter({
      name: "cairn_auth_failures_total",
      help: "Requests without a key that may do what was asked.",
      labelNames: ["code"],
      registers,
    });
    this.requests = new Histogram({
      name: "cairn_http_request_duration_seconds",
      help: "Time from a request's head to the end of its answer.",
      labelNames: ["method", "route", "status"],
      buckets: requestBuckets,
      registers,
    });
    this.#commits = new Histogram({
      name: "cairn_commit_duration_seconds",
      help: "Time of one commit: rendering, hashing, and making it durable.",
      labelNames: ["log"],
      buckets: commitBuckets,
      registers,
    });
    this.#addLogFigures();
    for (const companion of companions) this.#addFigures(companion);
    new Gauge({
      name: "cairn_body_bytes",
      help: "Memory held for bodies that arrive or wait for their commit.",
      registers,
      collect() {
        this.set(budget.heldBytes);
      },
    });
    collectDefaultMetrics({ register: this.registry });
  }

  /** Sees to it that the commits of every log are measured, also of those that were added since. */
  watch(): void {
    for (const log of this.#logs.list()) {
      if (this.#watched.has(log)) continue;
      this.#watched.add(log);
      const commits = this.#commits.labels(log.name);
      log.onCommit = (commit) => commits.observe((commit.renderMs + commit.syncMs) / 1000);
    }
  }

  async text(): Promise<string> {
    this.watch();
    return await this.registry.metrics();
  }

  /** A request was answered with a problem document. */
  problem(code: CairnErrorCode): void {
    this.#problems.inc({ code });
    if (code === "unauthenticated" || code === "forbidden") this.#authFailures.inc({ code });
  }

  refused(log: Log, code: CairnErrorCode): void {
    this.eventsRefused.inc({ log: log.name, code });
  }

  blobPut(log: Log, byteLength: number): void {
    this.#blobs.inc({ log: log.name });
    this.#blobBytes.inc({ log: log.name }, byteLength);
  }

  #addFigures(companion: Companion): void {
    for (const [i, { name, help, kind }] of companion.figures().entries()) {
      const values = (): Figure["values"] => companion.figures()[i]!.values;
      const common = { name, help, labelNames: ["log"] as const, registers: [this.registry] };
      if (kind === "gauge") {
        new Gauge({
          ...common,
          collect() {
            this.reset();
            for (const { log, value } of values()) this.set({ log }, value);
          },
        });
        continue;
      }
      new Counter({
        ...common,
        collect() {
          this.reset();
          for (const { log, value } of values()) this.inc({ log }, value);
        },
      });
    }
  }

  #addLogFigures(): void {
    const statuses = (): (readonly [string, LogStatus])[] =>
      this.#logs.list().map((log) => [log.name, log.status()] as const);
    const common = { labelNames: ["log"] as const, registers: [this.registry] };
    for (const [name, help, read] of gauges) {
      new Gauge({
        ...common,
        name,
        help,
        collect() {
          this.reset();
          for (const [log, status] of statuses()) this.set({ log }, read(status));
        },
      });
    }
    for (const [name, help, read] of witnessGauges) {
      new Gauge({
        name,
        help,
        labelNames: ["log", "witness"] as const,
        registers: [this.registry],
        collect() {
          this.reset();
          for (const [log, { witnesses }] of statuses()) {
            for (const each of witnesses) this.set({ log, witness: each.name }, read(each));
          }
        },
      });
    }
    for (const [name, help, read] of totals) {
      new Counter({
        ...common,
        name,
        help,
        collect() {
          this.reset();
          for (const [log, status] of statuses()) this.inc({ log }, read(status));
        },
      });
    }
  }
}
