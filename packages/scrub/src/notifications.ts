/**
 * The kernel's own notifications (inotify) for the folders whose files never change: they make the next look come at
 * once, and say where to look first. Nothing depends on them: a queue that overflows, a mapped write or a system
 * without them costs the time until the next look. The folders that the log itself writes to all the time are left to
 * the looks.
 */
import fs from "node:fs";
import { fileKind } from "./file-kinds.ts";

export class Notifications {
  readonly #location: string;
  readonly #changed: () => void;
  readonly #watchers = new Map<string, fs.FSWatcher>();
  #hints = new Set<string>();

  constructor(location: string, changed: () => void) {
    this.#location = location;
    this.#changed = changed;
  }

  /** Follows the folders that are there now. */
  follow(folders: Iterable<string>): void {
    for (const folder of folders) {
      if (isBusy(folder) || this.#watchers.has(folder)) continue;
      try {
        const watcher = fs.watch(`${this.#location}/${folder}`, { persistent: false });
        watcher.on("change", (_event, name) => {
          if (typeof name === "string") this.#heard(`${folder}/${name}`);
        });
        watcher.on("error", () => this.#forget(folder));
        this.#watchers.set(folder, watcher);
      } catch {
        // No more of them, or not on this file system: the looks see the same, later.
      }
    }
  }

  /** What was heard since the last call. */
  take(): Set<string> {
    const hints = this.#hints;
    this.#hints = new Set();
    return hints;
  }

  close(): void {
    for (const watcher of this.#watchers.values()) watcher.close();
    this.#watchers.clear();
  }

  #heard(path: string): void {
    if (fileKind(path).kind === "other") return;
    this.#hints.add(path);
    this.#changed();
  }

  #forget(folder: string): void {
    this.#watchers.get(folder)?.close();
    this.#watchers.delete(folder);
  }
}

function isBusy(folder: string): boolean {
  return folder === "" || folder === "tail" || /^blobs(?:\/|$)/.test(folder);
}
