/** What a benchmark is. Each is run in a process of its own, so that none finds the heap of the one before. */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { BenchmarkResult } from "./report.ts";

export interface BenchmarkContext {
  /** `--quick`: a smoke test, with figures that are not to be quoted. */
  readonly isQuick: boolean;
  /** Entries of the large log: 1 million, or 10 with `--full`, or 200,000 with `--quick`. */
  readonly entries: number;
  /** Folder for what may be thrown away, on the disk that is measured. Emptied at the end. */
  readonly folder: string;
  /** Says what is going on, on standard error. */
  readonly say: (line: string) => void;
}

export interface Benchmark {
  readonly name: string;
  /** What we promise, in the words of the README. */
  readonly claim: string;
  run(context: BenchmarkContext): Promise<Omit<BenchmarkResult, "name" | "claim">>;
}

/** Where large logs are kept from run to run, and everything else lies meanwhile. */
export function benchFolder(): string {
  const folder = process.env.CAIRN_BENCH_DATA ?? join(tmpdir(), "cairn-bench");
  mkdirSync(folder, { recursive: true });
  return folder;
}

/** Runs `work` with a fresh folder, which is removed afterwards. */
export async function withFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(benchFolder(), "run-"));
  try {
    return await work(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
