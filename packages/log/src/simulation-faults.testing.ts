/** Which operations of a simulated disk fail in one life of a log, and which errors that excuses. */
import { isCairnError, type CairnErrorCode } from "@cairnlog/core";
import type { DiskOperation, Fault, FaultPlan, SeededRandom } from "@cairnlog/testing";

export interface Faults {
  readonly plan: FaultPlan;
  /** Faults so far, and those of them that flipped a bit. */
  readonly count: number;
  readonly flips: number;
  /** Throws `error` again unless it is one that the faults so far excuse. */
  expect(error: unknown): void;
}

const always: readonly CairnErrorCode[] = ["unavailable", "storage_full"];
/** What a log may take a flipped bit for. */
const afterFlips: readonly CairnErrorCode[] = [
  ...(["tampered", "unverified", "malformed", "conflict", "unsupported_version"] as const),
];

/** `isLong`: the life has thousands of operations, not a hundred. `from`: the number of its first operation. */
export function planFaults(random: SeededRandom, isLong: boolean, from: number): Faults {
  return faultsOf(planOf(random.below(12), random, isLong, from));
}

export function noFaults(): Faults {
  return faultsOf(() => "ok");
}

function faultsOf(pick: FaultPlan): Faults {
  const faults = {
    count: 0,
    flips: 0,
    plan: (operation: DiskOperation, path: string, n: number): Fault => {
      const fault = pick(operation, path, n);
      if (fault === "ok") return fault;
      faults.count++;
      if (fault === "flip") faults.flips++;
      return fault;
    },
    expect(error: unknown): void {
      const isExcused =
        faults.count > 0 &&
        isCairnError(error) &&
        (always.includes(error.code) || (faults.flips > 0 && afterFlips.includes(error.code)));
      if (!isExcused) throw error;
    },
  };
  return faults;
}

function planOf(kind: number, random: SeededRandom, isLong: boolean, from: number): FaultPlan {
  const length = isLong ? 900 : 160;
  const at = from + random.below(random.chance(0.5) ? length : length / 4);
  const until = at + 1 + random.below(40);
  const share = random.pick([0.003, 0.01, 0.05]) / (isLong ? 5 : 1);
  switch (kind) {
    case 0:
      return (_operation, _path, n) => (n === at ? random.pick(["crash", "crash-after"]) : "ok");
    case 1:
      return (operation, _path, n) => (n === at ? anyFault(operation, random) : "ok");
    case 2:
      return (operation) => (random.chance(share) ? anyFault(operation, random) : "ok");
    case 3:
      // A full disk: what would grow a file fails. The ring does not grow.
      return (operation, path, n) =>
        n >= at && n < until && isGrowth(operation, path) ? "full" : "ok";
    case 4:
      return (operation, _path, n) =>
        operation === "read" && (n === at || random.chance(share)) ? "flip" : "ok";
    case 5:
      return (operation, _path, n) => {
        if (n >= until) return n === until ? "crash" : "ok";
        return n >= at ? anyFault(operation, random) : "ok";
      };
    case 6:
    case 7:
      return atDecisive(random, random.below(isLong ? 45 : 60));
    case 8:
    case 9:
      return inCommit(random, random.below(24));
    case 10:
      // What recovery reads twice must not be believed once.
      return (operation, path) =>
        operation === "read" && path.includes("/tail/") && random.chance(0.2) ? "flip" : "ok";
    default:
      return () => "ok";
  }
}

/** A fault or a crash at one of the few operations that decide what is durable and what is there. */
function atDecisive(random: SeededRandom, at: number): FaultPlan {
  let count = 0;
  return (operation) => {
    if (operation === "read" || operation === "write" || operation === "open") return "ok";
    if (count++ !== at) return "ok";
    return random.chance(0.6) ? random.pick(["crash", "crash-after"]) : anyFault(operation, random);
  };
}

/** A fault or a crash in the middle of a commit: where a rest is left behind. */
function inCommit(random: SeededRandom, at: number): FaultPlan {
  let count = 0;
  return (operation, path) => {
    if (operation !== "write" && operation !== "datasync") return "ok";
    if (!path.includes("/tail/") && !path.endsWith("/commits")) return "ok";
    if (count++ !== at) return "ok";
    return random.chance(0.7) ? random.pick(["crash", "crash-after"]) : anyFault(operation, random);
  };
}

function anyFault(operation: DiskOperation, random: SeededRandom): Fault {
  if (operation === "read") return random.pick(["fail", "flip"]);
  if (operation === "write") return random.pick(["fail", "fail-after", "torn", "full"]);
  return random.pick(["fail", "fail-after"]);
}

function isGrowth(operation: DiskOperation, path: string): boolean {
  if (operation === "create" || operation === "makeFolder") return true;
  return operation === "write" && !path.endsWith("/commits");
}
