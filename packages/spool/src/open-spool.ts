/**
 * A spool in a folder: one folder in it for each stream, one stream for each process that is open at a
 * time. A process takes over a stream whose owner is dead before it begins one of its own, so that
 * there are never more streams than there were processes at once, and counts go on over restarts.
 */
import { randomUUID } from "node:crypto";
import { mkdirSync, readdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { CairnError } from "@cairnlog/core";
import type { Spool, SpoolStream } from "@cairnlog/client";
import { FileStream, type StreamLimits } from "./file-stream.ts";
import { findSegments } from "./segments.ts";
import { StreamLock } from "./stream-lock.ts";

export interface SpoolOptions {
  /** Most bytes on disk, for each process. Default: 256 MiB. */
  readonly bytesMax?: number;
  /**
   * When an event counts as spooled: once the operating system has it, so that it outlives the
   * process (`os`, the default), or once it is on the medium, so that it outlives the machine
   * (`disk`).
   */
  readonly durability?: "os" | "disk";
}

const bytesMaxDefault = 256 * 1024 * 1024;
/** Room for two of the largest events in each eighth. */
const bytesMaxLeast = 1024 * 1024;
const streamName = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/**
 * Opens the spool in `folder`, which is made where it is missing. It must be on a local file system,
 * and belongs to one log: events of two logs need two. "usage", "overloaded".
 */
export async function openSpool(folder: string, options: SpoolOptions = {}): Promise<Spool> {
  const { bytesMax = bytesMaxDefault, durability = "os" } = options;
  if (!(bytesMax >= bytesMaxLeast)) {
    throw new CairnError("usage", `bytesMax must be at least ${bytesMaxLeast}, not ${bytesMax}`);
  }
  const spool = new FolderSpool(resolve(folder), { bytesMax, durability });
  await spool.open();
  return spool;
}

class FolderSpool implements Spool {
  readonly #folder: string;
  readonly #limits: StreamLimits;
  #own: FileStream | undefined;

  constructor(folder: string, limits: StreamLimits) {
    this.#folder = folder;
    this.#limits = limits;
  }

  get own(): SpoolStream {
    return this.#own!;
  }

  async open(): Promise<void> {
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
    for (const id of this.#streams()) {
      this.#own = await this.#claim(id);
      if (this.#own !== undefined) return;
    }
    const id = randomUUID();
    mkdirSync(join(this.#folder, id), { mode: 0o700 });
    this.#own = await this.#claim(id);
    if (this.#own !== undefined) return;
    throw new CairnError("unavailable", `${this.#folder}: another process took a new stream`);
  }

  async adopt(): Promise<SpoolStream | undefined> {
    for (const id of this.#streams()) {
      if (id === this.own.id || findSegments(join(this.#folder, id)).length === 0) continue;
      const stream = await this.#claim(id);
      if (stream === undefined) continue;
      if (stream.nextNumber - 1 > stream.releasedNumber) return stream;
      await stream.close();
    }
    return undefined;
  }

  async close(): Promise<void> {
    await this.#own?.close();
  }

  #streams(): string[] {
    return readdirSync(this.#folder)
      .filter((name) => streamName.test(name))
      .sort();
  }

  async #claim(id: string): Promise<FileStream | undefined> {
    const folder = join(this.#folder, id);
    const lock = await StreamLock.claim(folder);
    if (lock === undefined) return undefined;
    try {
      return new FileStream(id, folder, lock, this.#limits);
    } catch (error) {
      await lock.release();
      throw error;
    }
  }
}
