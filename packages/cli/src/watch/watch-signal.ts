/**
 * Hears from the kernel that something below a path may have changed. A hint and no more: hints may come late, twice or
 * not at all (network file systems), so that whoever uses them looks regularly besides.
 */
import { watch, type FSWatcher } from "node:fs";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

/** What comes in one go, as an editor's writing aside and renaming, is looked at together. */
const settleMs = 50;

export class WatchSignal {
  readonly #watchers: FSWatcher[] = [];
  #hinted = new AbortController();

  /** Watches what there is of the paths. `fail` hears where the kernel refuses, as for want of watches. */
  constructor(roots: readonly string[], fail: (path: string, why: string) => void) {
    for (const root of roots) {
      // A file that is replaced by a rename is another inode: its folder sees it.
      this.#add(dirname(root), false, () => {});
      this.#add(root, true, (why) => fail(root, why));
    }
  }

  /** Resolves at a hint, or after so long, or when `signal` aborts. */
  async next(intervalMs: number, signal: AbortSignal): Promise<void> {
    const either = AbortSignal.any([this.#hinted.signal, signal]);
    await sleep(intervalMs, undefined, { signal: either }).catch(() => {});
    if (signal.aborted) return;
    if (this.#hinted.signal.aborted) {
      await sleep(settleMs, undefined, { signal }).catch(() => {});
      this.#hinted = new AbortController();
    }
  }

  close(): void {
    for (const watcher of this.#watchers) watcher.close();
  }

  #add(path: string, recursive: boolean, fail: (why: string) => void): void {
    try {
      const watcher = watch(path, { recursive, persistent: false }, () => this.#hinted.abort());
      watcher.on("error", (error) => fail(String(error)));
      this.#watchers.push(watcher);
    } catch (error) {
      // What is not there yet is found by looking.
      if (error instanceof Error && "code" in error && error.code === "ENOENT") return;
      fail(String(error));
    }
  }
}
