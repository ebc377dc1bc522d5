/**
 * Puts right files in the place of damaged ones, so that a crash at any moment leaves the damaged bytes in one of two
 * places and the right ones in one of two places. Nothing is ever deleted but our own unfinished files, and what was
 * copied to `damaged/` before.
 *
 * Order: the new file is written aside and made durable; it is verified there, as it lies; the damaged one is copied to
 * `damaged/<time>/`, durable; what is about to happen is written beside it; only then the new one takes the name.
 */
import fs from "node:fs";
import { dirname, join } from "node:path";
import { utf8 } from "@cairnlog/core";
import type { ObjectWriter } from "@cairnlog/store";
import { damagedFolder } from "./file-kinds.ts";

export class RepairFiles {
  readonly #location: string;
  readonly #name: string;
  readonly #staged: string[] = [];

  /** `time`: as in a path, `20261123t050000.123z`. */
  constructor(location: string, time: string) {
    this.#location = location;
    this.#name = `${damagedFolder}/${time}`;
  }

  /** Where the damaged bytes are kept, relative to the log's folder. */
  get keptFolder(): string {
    return this.#name;
  }

  /** A new file that is to be at `path`: written here, it lies beside it. Returns its path in the log's folder. */
  stage(path: string, write: (full: string) => void): string {
    const staged = this.#newStaged(path);
    write(join(this.#location, staged));
    syncFile(join(this.#location, staged));
    return staged;
  }

  /** The same, for who writes an object piece by piece. */
  stageObject(path: string): { readonly staged: string; readonly object: ObjectWriter } {
    const staged = this.#newStaged(path);
    const descriptor = fs.openSync(join(this.#location, staged), "wx+", 0o400);
    let length = 0;
    let isOpen = true;
    const close = (): void => {
      if (isOpen) fs.closeSync(descriptor);
      isOpen = false;
    };
    const object: ObjectWriter = {
      write(bytes) {
        fs.writeSync(descriptor, bytes, 0, bytes.length, length);
        length += bytes.length;
        return Promise.resolve();
      },
      read(offset, count) {
        const bytes = new Uint8Array(count);
        const read = fs.readSync(descriptor, bytes, 0, count, offset);
        return Promise.resolve(bytes.subarray(0, read));
      },
      finish() {
        fs.fdatasyncSync(descriptor);
        close();
        return Promise.resolve();
      },
      abandon() {
        close();
        return Promise.resolve();
      },
    };
    return { staged, object };
  }

  /** Keeps what is at `path` as evidence; undefined where nothing is there. */
  keep(path: string): string | undefined {
    const full = join(this.#location, path);
    if (!fs.existsSync(full)) return undefined;
    const kept = `${this.#name}/${path.replaceAll("/", "-").toLowerCase()}`;
    makeFolders(join(this.#location, this.#name), this.#location);
    fs.copyFileSync(full, join(this.#location, kept), fs.constants.COPYFILE_EXCL);
    fs.chmodSync(join(this.#location, kept), 0o400);
    syncFile(join(this.#location, kept));
    syncFile(join(this.#location, this.#name));
    return kept;
  }

  /** Says what is about to be put right; who opens the log next makes an entry of it. */
  announce(manifest: object): void {
    makeFolders(join(this.#location, this.#name), this.#location);
    writeDurably(join(this.#location, this.#name, "repair.json"), manifest);
  }

  /** The staged file takes its name. */
  replace(path: string, staged: string): void {
    const full = join(this.#location, path);
    fs.renameSync(join(this.#location, staged), full);
    syncFile(dirname(full));
  }

  /** The file is gone from its place; `keep` has a copy of it. */
  takeAway(path: string): void {
    const full = join(this.#location, path);
    fs.rmSync(full, { recursive: true });
    syncFile(dirname(full));
  }

  /** Removes what was staged and not used. */
  close(): void {
    for (const staged of this.#staged) fs.rmSync(join(this.#location, staged), { force: true });
  }

  #newStaged(path: string): string {
    makeFolders(dirname(join(this.#location, path)), this.#location);
    // A number that no writer of this process or another counts up to.
    const staged = `${path}.tmp-${Date.now()}${String(this.#staged.length).padStart(6, "0")}`;
    this.#staged.push(staged);
    return staged;
  }
}

/** A repair that no entry tells of yet: `told` is called once one does. */
export interface UntoldRepair {
  readonly manifest: object;
  told(): void;
}

/** Repairs of the log in `location` that no entry tells of yet, oldest first. */
export function untoldRepairs(location: string): UntoldRepair[] {
  const folder = join(location, damagedFolder);
  if (!fs.existsSync(folder)) return [];
  const untold: UntoldRepair[] = [];
  for (const name of fs.readdirSync(folder).sort()) {
    const manifest = join(folder, name, "repair.json");
    const mark = join(folder, name, "told");
    if (!fs.existsSync(manifest) || fs.existsSync(mark)) continue;
    const parsed = parseManifest(fs.readFileSync(manifest, "utf8"));
    if (parsed === undefined) continue;
    untold.push({ manifest: parsed, told: () => writeDurably(mark, {}) });
  }
  return untold;
}

function parseManifest(text: string): object | undefined {
  try {
    const value = JSON.parse(text) as unknown;
    return typeof value === "object" && value !== null ? value : undefined;
  } catch {
    // Not whole: what it was about to announce did not happen.
    return undefined;
  }
}

function writeDurably(path: string, value: object): void {
  const descriptor = fs.openSync(path, "wx", 0o400);
  try {
    fs.writeSync(descriptor, utf8(`${JSON.stringify(value, undefined, 2)}\n`));
    fs.fdatasyncSync(descriptor);
  } finally {
    fs.closeSync(descriptor);
  }
  syncFile(dirname(path));
}

/** Makes a folder with its missing parents below `top`, durably. */
function makeFolders(path: string, top: string): void {
  if (path === top || fs.existsSync(path)) return;
  makeFolders(dirname(path), top);
  fs.mkdirSync(path, { mode: 0o700 });
  syncFile(dirname(path));
}

/** Makes the content of a file, or the names in a folder, durable. */
function syncFile(path: string): void {
  const descriptor = fs.openSync(path, "r");
  try {
    fs.fsyncSync(descriptor);
  } finally {
    fs.closeSync(descriptor);
  }
}
