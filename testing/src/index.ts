/** What several packages' tests share. Never part of what is published. */
export { ManualClock } from "./manual-clock.ts";
export { SeededRandom, withSeed } from "./seeded.ts";
export {
  SimulatedDisk,
  type DiskOperation,
  type Fault,
  type FaultPlan,
  type SimulatedDiskOptions,
} from "./simulated-disk.ts";
export { describeStore } from "./store-conformance.ts";
export type { MakeStore } from "./store-conformance-kit.ts";
