/** Opens a log in a process that has done nothing else yet, says how long it took, and closes it. */
import { openLog } from "@cairnlog/log";
import { ownCpuSeconds } from "./measure.ts";

export interface OpenedOnce {
  readonly openMs: number;
  /** Processor time of all threads meanwhile. */
  readonly cpuMs: number;
  readonly size: number;
  /** When it was opened: how much recovery had to read is `size - sealedSize`. */
  readonly sealedSize: number;
}

const [data, name] = process.argv.slice(2);
const cpuBefore = ownCpuSeconds();
const begun = performance.now();
const log = await openLog(data!, name!);
const openMs = performance.now() - begun;
const cpuMs = (ownCpuSeconds() - cpuBefore) * 1000;
const { size, sealedSize } = log.status();
await log.close();
process.send!({ openMs, cpuMs, size, sealedSize } satisfies OpenedOnce);
process.disconnect();
