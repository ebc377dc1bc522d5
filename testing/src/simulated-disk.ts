/**
 * A disk in memory that keeps its promises to the letter and not one more: content is durable after `datasync`,
 * names after `syncFolder`, and a power loss takes, keeps, tears and reorders the rest as a seed decides. A plan
 * makes any operation fail in any of the ways that disks do.
 *
 * Not modelled: permissions, symbolic links, time. Each operation takes a few turns of the microtask queue, as
 * many as the seed says, so that concurrent callers meet in many orders.
 */
import type { Disk, DiskEntry, DiskFile, OpenMode } from "@cairnlog/store";
import type { SeededRandom } from "./seeded.ts";
import { prefix, SimulatedFile } from "./simulated-file.ts";
import { SimulatedFolder, type SimulatedNode, type Survival } from "./simulated-folder.ts";

export type DiskOperation =
  | "open"
  | "create"
  | "read"
  | "write"
  | "datasync"
  | "byteLength"
  | "makeFolder"
  | "entries"
  | "rename"
  | "link"
  | "unlink"
  | "syncFolder"
  | "freeBytes";

/**
 * What happens to an operation. "fail": not done, EIO. "fail-after": done, EIO all the same. "torn": partly done,
 * EIO. "full": partly done at most, ENOSPC. "flip": a read succeeds with one bit changed. "crash", "crash-after":
 * the machine stops before or after it. A failed "datasync" leaves nobody knowing what is durable.
 */
export type Fault =
  "ok" | "fail" | "fail-after" | "torn" | "full" | "flip" | "crash" | "crash-after";

/** Decides about operation number `n` (from 0) of this disk. Called once for each, in order. */
export type FaultPlan = (operation: DiskOperation, path: string, n: number) => Fault;

export interface SimulatedDiskOptions {
  readonly random: SeededRandom;
  readonly fault?: FaultPlan;
  /** Bytes of content that fit; endless by default. */
  readonly capacity?: number;
}

function failure(code: string, operation: string, path: string): Error {
  return Object.assign(new Error(`${code}: simulated, ${operation} '${path}'`), { code });
}

export class SimulatedDisk implements Disk {
  fault: FaultPlan;
  readonly #random: SeededRandom;
  readonly #capacity: number;
  #root = new SimulatedFolder();
  #count = 0;
  #isStopped = false;

  constructor({ random, fault, capacity }: SimulatedDiskOptions) {
    this.#random = random;
    this.fault = fault ?? (() => "ok");
    this.#capacity = capacity ?? Number.POSITIVE_INFINITY;
  }

  /** Operations so far. */
  get operations(): number {
    return this.#count;
  }

  /** True after a "crash": whatever is called rejects, and `powerLoss` or `kill` gives the next disk. */
  get isStopped(): boolean {
    return this.#isStopped;
  }

  /** The machine lost its power: this disk is dead; the one returned holds what survived, with no faults planned. */
  powerLoss(random: SeededRandom = this.#random): SimulatedDisk {
    this.#isStopped = true;
    return this.#next(
      this.#random.fork(),
      (survive) => this.#root.afterPowerLoss(random, survive),
      (file) => file.afterPowerLoss(random),
      (folder, survive) => folder.afterPowerLoss(random, survive),
    );
  }

  /** The process was killed: the disk returned holds all that was written, and what was not synced still is not. */
  kill(): SimulatedDisk {
    this.#isStopped = true;
    return this.copy(this.#random.fork());
  }

  /** Another disk with the same content, synced or not, that goes its own way; this one lives on. No faults planned. */
  copy(random: SeededRandom): SimulatedDisk {
    return this.#next(
      random,
      (survive) => this.#root.afterKill(survive),
      (file) => file.afterKill(),
      (folder, survive) => folder.afterKill(survive),
    );
  }

  /** What is at `path` now, or undefined. No operation, no fault. */
  peek(path: string): Uint8Array | undefined {
    const node = this.#find(path);
    return node instanceof SimulatedFile ? node.bytes().slice() : undefined;
  }

  /** Puts `bytes` in place of an existing file's content, durably, as an attacker with the medium in hand would. */
  tamper(path: string, bytes: Uint8Array): void {
    this.#file(path, "tamper").overwrite(bytes);
  }

  /** The paths of all files, in order. */
  paths(): string[] {
    const found: string[] = [];
    const walk = (folder: SimulatedFolder, at: string): void => {
      for (const [name, node] of folder.names) {
        if (node instanceof SimulatedFolder) walk(node, `${at}/${name}`);
        else found.push(`${at}/${name}`);
      }
    };
    walk(this.#root, "");
    return found.sort();
  }

  async open(path: string, mode: OpenMode): Promise<DiskFile> {
    const kind = mode === "create" ? "create" : "open";
    return this.#do(kind, path, () => {
      if (mode !== "create") return this.#handle(path, this.#file(path, kind));
      const { folder, name } = this.#parent(path, kind);
      if (folder.names.has(name)) throw failure("EEXIST", kind, path);
      const file = new SimulatedFile();
      folder.set(name, file);
      return this.#handle(path, file);
    });
  }

  async makeFolder(path: string): Promise<void> {
    await this.#do("makeFolder", path, () => {
      const { folder, name } = this.#parent(path, "makeFolder");
      if (folder.names.has(name)) throw failure("EEXIST", "makeFolder", path);
      folder.set(name, new SimulatedFolder());
    });
  }

  async entries(path: string): Promise<DiskEntry[]> {
    return this.#do("entries", path, () =>
      [...this.#folder(path, "entries").names].map(([name, node]) => ({
        name,
        isFolder: node instanceof SimulatedFolder,
        byteLength: node instanceof SimulatedFile ? node.bytes().length : 0,
      })),
    );
  }

  async rename(from: string, to: string): Promise<void> {
    await this.#do("rename", to, () => {
      const { folder, source, target, file } = this.#pair(from, to, "rename");
      // POSIX: where both names are one file already, nothing happens.
      if (folder.names.get(target) !== file) folder.rename(source, target, file);
    });
  }

  async link(from: string, to: string): Promise<void> {
    await this.#do("link", to, () => {
      const { folder, target, file } = this.#pair(from, to, "link");
      if (folder.names.has(target)) throw failure("EEXIST", "link", to);
      folder.set(target, file);
    });
  }

  async unlink(path: string): Promise<void> {
    await this.#do("unlink", path, () => {
      const { folder, name } = this.#parent(path, "unlink");
      this.#file(path, "unlink");
      folder.remove(name);
    });
  }

  async syncFolder(path: string): Promise<void> {
    await this.#do(
      "syncFolder",
      path,
      () => {
        this.#folder(path, "syncFolder").sync();
      },
      () => {
        this.#folder(path, "syncFolder").failSync(this.#random);
      },
    );
  }

  async freeBytes(path: string): Promise<number> {
    return this.#do("freeBytes", path, () =>
      Math.max(0, Math.min(this.#capacity, Number.MAX_SAFE_INTEGER) - this.#used()),
    );
  }

  #handle(path: string, file: SimulatedFile): DiskFile {
    let isClosed = false;
    const use = <T>(operation: DiskOperation, done: () => T, failed?: () => void): Promise<T> => {
      if (isClosed) return Promise.reject(failure("EBADF", operation, path));
      return this.#do(operation, path, done, failed);
    };
    const opened: DiskFile = {
      read: async (into, at) => {
        const before = this.#count;
        const count = await use("read", () => {
          const bytes = file.bytes().subarray(at, at + into.length);
          into.set(bytes);
          return bytes.length;
        });
        if (this.#flips.delete(before) && count > 0) {
          const flipped = this.#random.below(count);
          into[flipped] = into[flipped]! ^ (1 << this.#random.below(8));
        }
        return count;
      },
      write: (bytes, at) =>
        use(
          "write",
          () => {
            this.#write(file, path, bytes, at);
          },
          () => {
            file.write(prefix(bytes, at, this.#random), at);
          },
        ),
      writeDurably: async (bytes, at) => {
        await opened.write(bytes, at);
        await opened.datasync();
      },
      datasync: () =>
        use(
          "datasync",
          () => {
            file.sync();
          },
          () => {
            file.failSync(this.#random);
          },
        ),
      byteLength: () => use("byteLength", () => file.bytes().length),
      close: async () => {
        isClosed = true;
      },
    };
    return opened;
  }

  /** Reads whose result is to be changed, by number. */
  readonly #flips = new Set<number>();

  /**
   * One operation with whatever the plan has for it. `partly` is what a torn one, a full disk, or a failing sync
   * leaves behind.
   */
  async #do<T>(
    operation: DiskOperation,
    path: string,
    done: () => T,
    partly: () => void = () => undefined,
  ): Promise<T> {
    if (this.#isStopped) throw failure("EIO", `the machine stopped before ${operation}`, path);
    const n = this.#count;
    this.#count += 1;
    const fault = this.fault(operation, path, n);
    for (let turns = this.#random.below(4); turns > 0; turns--) await Promise.resolve();
    if (this.#isStopped) throw failure("EIO", `the machine stopped before ${operation}`, path);
    const isSync = operation === "datasync" || operation === "syncFolder";
    switch (fault) {
      case "ok":
        return done();
      case "flip":
        this.#flips.add(n);
        return done();
      case "crash":
        this.#isStopped = true;
        throw failure("EIO", `the machine stopped before ${operation}`, path);
      case "crash-after":
        done();
        this.#isStopped = true;
        throw failure("EIO", `the machine stopped after ${operation}`, path);
      case "fail-after":
        done();
        throw failure("EIO", operation, path);
      case "fail":
        if (isSync) partly();
        throw failure("EIO", operation, path);
      case "torn":
        partly();
        throw failure("EIO", operation, path);
      case "full":
        partly();
        throw failure("ENOSPC", operation, path);
    }
  }

  #write(file: SimulatedFile, path: string, bytes: Uint8Array, at: number): void {
    const room = this.#capacity - this.#used();
    const growth = at + bytes.length - file.bytes().length;
    if (growth <= room) {
      file.write(bytes, at);
      return;
    }
    const fits = bytes.length - (growth - room);
    if (fits > 0) file.write(bytes.subarray(0, fits), at);
    throw failure("ENOSPC", "write", path);
  }

  #used(): number {
    if (this.#capacity === Number.POSITIVE_INFINITY) return 0;
    return this.paths().reduce((sum, path) => sum + this.#file(path, "stat").bytes().length, 0);
  }

  #next(
    random: SeededRandom,
    surviveRoot: (survive: Survival) => SimulatedFolder,
    surviveFile: (file: SimulatedFile) => SimulatedFile,
    surviveFolder: (folder: SimulatedFolder, survive: Survival) => SimulatedFolder,
  ): SimulatedDisk {
    const known = new Map<SimulatedNode, SimulatedNode>();
    const survive: Survival = (node) => {
      const left =
        known.get(node) ??
        (node instanceof SimulatedFile ? surviveFile(node) : surviveFolder(node, survive));
      known.set(node, left);
      return left;
    };
    const next = new SimulatedDisk({ random, capacity: this.#capacity });
    next.#root = surviveRoot(survive);
    return next;
  }

  #find(path: string): SimulatedNode | undefined {
    let node: SimulatedNode | undefined = this.#root;
    for (const name of path.split("/").filter((each) => each !== "")) {
      node = node instanceof SimulatedFolder ? node.names.get(name) : undefined;
    }
    return node;
  }

  #folder(path: string, operation: string): SimulatedFolder {
    const node = this.#find(path);
    if (node instanceof SimulatedFolder) return node;
    throw failure(node === undefined ? "ENOENT" : "ENOTDIR", operation, path);
  }

  #file(path: string, operation: string): SimulatedFile {
    const node = this.#find(path);
    if (node instanceof SimulatedFile) return node;
    throw failure(node === undefined ? "ENOENT" : "EISDIR", operation, path);
  }

  #parent(path: string, operation: string): { folder: SimulatedFolder; name: string } {
    const slash = path.lastIndexOf("/");
    return {
      folder: this.#folder(path.slice(0, slash), operation),
      name: path.slice(slash + 1),
    };
  }

  #pair(
    from: string,
    to: string,
    operation: string,
  ): { folder: SimulatedFolder; source: string; target: string; file: SimulatedFile } {
    const { folder, name: source } = this.#parent(from, operation);
    const { folder: other, name: target } = this.#parent(to, operation);
    if (folder !== other) throw new Error("the simulated disk renames within one folder only");
    return { folder, source, target, file: this.#file(from, operation) };
  }
}
