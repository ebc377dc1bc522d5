/**
 * One folder of the simulated disk: the names that the running system sees, those that are durable, and the
 * changes between the two.
 */
import type { SeededRandom } from "./seeded.ts";
import type { SimulatedFile } from "./simulated-file.ts";

export type SimulatedNode = SimulatedFile | SimulatedFolder;

/** Names that come and go together: a rename is one change, as in every journalling file system. */
interface NameChange {
  readonly removed: readonly string[];
  readonly set: ReadonlyMap<string, SimulatedNode>;
}

/** How a node survives; asked once for each, so that a file with two names stays one file. */
export type Survival = (node: SimulatedNode) => SimulatedNode;

export class SimulatedFolder {
  readonly names = new Map<string, SimulatedNode>();
  readonly #durable = new Map<string, SimulatedNode>();
  #pending: NameChange[] = [];

  set(name: string, node: SimulatedNode): void {
    this.#change({ removed: [], set: new Map([[name, node]]) });
  }

  remove(name: string): void {
    this.#change({ removed: [name], set: new Map() });
  }

  rename(from: string, to: string, node: SimulatedNode): void {
    this.#change({ removed: [from], set: new Map([[to, node]]) });
  }

  sync(): void {
    for (const change of this.#pending) apply(this.#durable, change);
    this.#pending = [];
  }

  /**
   * A sync that reports failure: some of it happened. Unlike file content, names are journalled, and a change
   * that did not reach the medium stays due: a later sync does it.
   */
  failSync(random: SeededRandom): void {
    const done = random.below(this.#pending.length + 1);
    for (const change of this.#pending.splice(0, done)) apply(this.#durable, change);
  }

  /** What a power loss leaves: every change that was not synced, each by itself, is lost or kept. */
  afterPowerLoss(random: SeededRandom, survive: Survival): SimulatedFolder {
    const names = new Map(this.#durable);
    for (const change of this.#pending) if (random.chance(0.5)) apply(names, change);
    const left = new SimulatedFolder();
    for (const [name, node] of names) left.set(name, survive(node));
    left.sync();
    return left;
  }

  /** What the end of the process leaves: all of it, still not synced. */
  afterKill(survive: Survival): SimulatedFolder {
    const left = new SimulatedFolder();
    const all = (nodes: ReadonlyMap<string, SimulatedNode>): Map<string, SimulatedNode> =>
      new Map([...nodes].map(([name, node]) => [name, survive(node)]));
    for (const [name, node] of all(this.#durable)) left.#durable.set(name, node);
    for (const [name, node] of all(this.names)) left.names.set(name, node);
    left.#pending = this.#pending.map(({ removed, set }) => ({ removed, set: all(set) }));
    return left;
  }

  #change(change: NameChange): void {
    apply(this.names, change);
    this.#pending.push(change);
  }
}

function apply(names: Map<string, SimulatedNode>, { removed, set }: NameChange): void {
  for (const name of removed) names.delete(name);
  for (const [name, node] of set) names.set(name, node);
}
