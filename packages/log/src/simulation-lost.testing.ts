/**
 * Watches what recovery does to the tails: bytes that were there before an opening and are not there afterwards must
 * lie in `lost/`, byte for byte.
 */
import assert from "node:assert/strict";
import type { SimulatedDisk } from "@cairnlog/testing";

export class LostWatch {
  readonly #folder: string;
  #tails = new Map<string, Uint8Array>();
  #lost = new Set<string>();
  /** Files in `lost/` so far. */
  seen = 0;

  constructor(folder: string) {
    this.#folder = folder;
  }

  before(disk: SimulatedDisk): void {
    const paths = disk.paths();
    const tails = paths.filter((path) => path.startsWith(`${this.#folder}/tail/`));
    this.#tails = new Map(tails.map((path) => [path, disk.peek(path)!]));
    this.#lost = new Set(this.#lostPaths(disk));
  }

  /** `isExact`: no read lied meanwhile. */
  after(disk: SimulatedDisk, isExact: boolean): void {
    const lost = this.#lostPaths(disk);
    this.seen = lost.length;
    if (!isExact) return;
    const pieces = lost.map((path) => ({ path, ...placeOf(path), bytes: disk.peek(path)! }));
    for (const [path, before] of this.#tails) {
      const now = disk.peek(path);
      if (now === undefined) continue;
      const first = Number(path.slice(path.lastIndexOf("/") + 1));
      const own = pieces.filter((piece) => piece.first === first);
      for (const { path: lostPath, from, bytes } of own) {
        if (this.#lost.has(lostPath)) continue;
        const was = before.subarray(from, from + bytes.length);
        assert.equal(Buffer.compare(was, bytes), 0, `${lostPath} holds what was in ${path}`);
      }
      if (Buffer.compare(before, now.subarray(0, before.length)) === 0) continue;
      for (let i = 0; i < before.length; i++) {
        if (before[i] === 0 || before[i] === now[i]) continue;
        const isKept = own.some(({ from, bytes }) => bytes[i - from] === before[i]);
        assert.ok(isKept, `byte ${i} of ${path} was put aside before it was changed`);
      }
    }
  }

  #lostPaths(disk: SimulatedDisk): string[] {
    return disk.paths().filter((path) => path.startsWith(`${this.#folder}/lost/`));
  }
}

/** Where a piece was, from its name: <commit>-<first seq>-<offset>, and a number where that name was taken. */
function placeOf(path: string): { first: number; from: number } {
  const parts = path.slice(path.lastIndexOf("/") + 1).split("-");
  return { first: Number(parts[1]), from: Number(parts[2]) };
}
