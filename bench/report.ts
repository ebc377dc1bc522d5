/**
 * What a benchmark has found, and how it is shown: lines while it runs, a table at the end, JSON, Markdown. An aim that
 * is missed is marked and no more: a benchmark reports, and what is to be made of it is for people.
 */
import { cpus, totalmem } from "node:os";
import { spreadOf, type Noise, type Spread } from "./measure.ts";

export interface Baseline {
  readonly what: string;
  readonly value: Spread;
}

export interface Row {
  readonly what: string;
  readonly unit: string;
  readonly value: Spread;
  readonly baseline?: Baseline;
  /** `value` divided by the baseline: median by median. */
  readonly ratio?: number;
  readonly aim?: Aim;
}

export interface Aim {
  readonly atLeast?: number;
  readonly atMost?: number;
  readonly ratioAtLeast?: number;
  readonly ratioAtMost?: number;
}

export interface BenchmarkResult {
  readonly name: string;
  readonly claim: string;
  readonly rows: readonly Row[];
  /** Conditions that a reader must know to judge the figures. */
  readonly notes: readonly string[];
}

export interface RunResult extends BenchmarkResult {
  readonly noise: { readonly before: Noise; readonly after: Noise };
  readonly seconds: number;
}

export interface NewRow {
  readonly what: string;
  readonly unit: string;
  readonly values: readonly number[];
  readonly baseline?: { readonly what: string; readonly values: readonly number[] };
  readonly aim?: Aim;
}

export function row({ what, unit, values, baseline, aim }: NewRow): Row {
  const value = spreadOf(values);
  const more = aim === undefined ? {} : { aim };
  if (baseline === undefined) return { what, unit, value, ...more };
  const base = spreadOf(baseline.values);
  return {
    ...{ what, unit, value, ...more },
    baseline: { what: baseline.what, value: base },
    ratio: value.median / base.median,
  };
}

export interface Machine {
  readonly node: string;
  readonly platform: string;
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGib: number;
}

export function machine(): Machine {
  const all = cpus();
  return {
    node: process.version,
    platform: `${process.platform} ${process.arch}`,
    cpu: all[0]?.model.trim() ?? "unknown",
    cores: all.length,
    memoryGib: Math.round(totalmem() / 2 ** 30),
  };
}

/** `1,234`, `12.3`, `0.123`: three digits where there are few, all where there are many. */
export function formatNumber(value: number): string {
  if (!Number.isFinite(value)) return "-";
  if (Math.abs(value) >= 1000) return Math.round(value).toLocaleString("en-US");
  if (Math.abs(value) >= 100) return value.toFixed(0);
  if (Math.abs(value) >= 10) return value.toFixed(1);
  return value.toFixed(Math.abs(value) >= 1 ? 2 : 3);
}

/** The rows of one benchmark, for the terminal. */
export function formatResult({ rows, notes, noise, seconds }: RunResult): string {
  const lines = table(
    ["measured", "median", "rounds", "baseline", "ratio", "aim"],
    rows.map((each) => [
      each.what,
      `${formatNumber(each.value.median)} ${each.unit}`,
      formatRange(each.value),
      formatBaseline(each),
      formatRatio(each.ratio),
      formatAim(each),
    ]),
  );
  const { before, after } = noise;
  const share = (busy: number): string => `${Math.round(busy * 100)} %`;
  return [
    ...lines.map((line) => `  ${line}`),
    ...notes.map((note) => `  · ${note}`),
    `  · ${seconds.toFixed(0)} s; load average ${before.load} before, ${after.load} after; ` +
      `the machine was ${share(before.busy)} busy before and ${share(after.busy)} after, without us`,
  ].join("\n");
}

/** All of it once more, short. */
export function formatSummary(results: readonly RunResult[]): string {
  return table(summaryHead, summaryRows(results)).join("\n");
}

/** For a README. */
export function formatMarkdown(results: readonly RunResult[]): string {
  const { node, cpu, cores, memoryGib, platform } = machine();
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  return [
    `Node ${node.slice(1)}, ${platform}, ${cores} × ${cpu}, ${memoryGib} GiB.`,
    "",
    line(summaryHead),
    line(summaryHead.map(() => "---")),
    ...summaryRows(results).map(line),
  ].join("\n");
}

const summaryHead = ["benchmark", "measured", "median", "baseline, same run", "ratio", "aim"];

function summaryRows(results: readonly RunResult[]): string[][] {
  return results.flatMap(({ name, rows }) =>
    rows.map((each) => [
      ...[name, each.what, `${formatNumber(each.value.median)} ${each.unit}`],
      ...[formatBaseline(each), formatRatio(each.ratio), formatAim(each)],
    ]),
  );
}

function formatRange({ min, max }: Spread): string {
  return min === max ? "" : `${formatNumber(min)} to ${formatNumber(max)}`;
}

function formatBaseline({ baseline, unit }: Row): string {
  if (baseline === undefined) return "";
  return `${formatNumber(baseline.value.median)} ${unit} (${baseline.what})`;
}

function formatRatio(ratio: number | undefined): string {
  return ratio === undefined ? "" : ratio.toFixed(2);
}

function formatAim({ aim, value, ratio }: Row): string {
  if (aim === undefined) return "";
  const parts: string[] = [];
  let isMet = true;
  const part = (text: string, met: boolean): void => {
    parts.push(text);
    isMet &&= met;
  };
  const { atLeast, atMost, ratioAtLeast, ratioAtMost } = aim;
  if (atLeast !== undefined) part(`≥ ${formatNumber(atLeast)}`, value.median >= atLeast);
  if (atMost !== undefined) part(`≤ ${formatNumber(atMost)}`, value.median <= atMost);
  if (ratioAtLeast !== undefined) {
    part(`ratio ≥ ${ratioAtLeast.toFixed(2)}`, (ratio ?? 0) >= ratioAtLeast);
  }
  if (ratioAtMost !== undefined) {
    part(`ratio ≤ ${ratioAtMost.toFixed(2)}`, (ratio ?? Infinity) <= ratioAtMost);
  }
  return `${parts.join(", ")} ${isMet ? "✓" : "✗"}`;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const widths = head.map((name, i) =>
    Math.max(name.length, ...rows.map((each) => each[i]!.length)),
  );
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, i) => cell.padEnd(widths[i]!))
      .join("  ")
      .trimEnd();
  return [line(head), line(widths.map((width) => "─".repeat(width))), ...rows.map(line)];
}
