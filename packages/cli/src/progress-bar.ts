/** A line that shows how far a verification is. */
import type { Output } from "./output.ts";

export interface Progress {
  readonly target: string;
  readonly entriesDone: number;
  readonly entriesTotal: number;
}

const everyMs = 100;
const barWidth = 30;

/** Draws at most ten times a second. */
export function progressBar(output: Output, now: () => number): (progress: Progress) => void {
  const beganMs = now();
  let nextMs = beganMs;
  return ({ entriesDone, entriesTotal }) => {
    const nowMs = now();
    if (nowMs < nextMs) return;
    nextMs = nowMs + everyMs;
    output.progress(barText(entriesDone, entriesTotal, nowMs - beganMs));
  };
}

export function barText(done: number, total: number, elapsedMs: number): string {
  const share = total === 0 ? 1 : Math.min(1, done / total);
  const full = Math.floor(share * barWidth);
  const bar = "█".repeat(full) + "░".repeat(barWidth - full);
  const rate = elapsedMs < 500 ? "" : `, ${thousands(Math.floor((done * 1000) / elapsedMs))}/s`;
  return `${bar} ${String(Math.floor(share * 100)).padStart(3)} %  ${thousands(done)} of ${thousands(total)} entries${rate}`;
}

/** 1,234,567 */
export function thousands(count: number): string {
  return String(count).replace(/\B(?=([0-9]{3})+$)/g, ",");
}
