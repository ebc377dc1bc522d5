/**
 * Objects and notes as files: written aside, made durable, then named.
 *
 * Invariants: a name appears only when the content under it is durable; an object's name never changes its
 * content; a file that is still being written has a name (`….tmp-<n>`) that readers do not list and that opening
 * the log for writing removes. Objects are readable by their owner alone and writable by nobody (0400): that
 * stops accidents, not whoever owns the file.
 */
import { CairnError, isSameBytes } from "@cairnlog/core";
import type { Disk, DiskFile } from "./disk.ts";
import { namesOf, readSome, withFile } from "./files-reader.ts";
import { checkObjectPath, folderOf, isTemporary, temporaryPath } from "./paths.ts";
import { failureCode, reporting } from "./store-error.ts";
import type { ObjectWriter } from "./store.ts";

const objectPermissions = 0o400;
const notePermissions = 0o600;
const compareChunkByteLength = 1024 * 1024;

/**
 * Makes `path` and its missing parents, durably. The names of all the folders above it are synced as well, because
 * whoever made them may have been killed before that.
 */
export async function makeFolders(disk: Disk, path: string): Promise<void> {
  await makeMissing(disk, path);
  for (let at = path; at !== "/"; at = parentOf(at)) await syncFolderOfOurs(disk, parentOf(at));
}

/** Makes `path`, whose parent is there durably. */
export async function makeFolder(disk: Disk, path: string): Promise<void> {
  await makeMissing(disk, path);
  await disk.syncFolder(parentOf(path));
}

async function makeMissing(disk: Disk, path: string): Promise<void> {
  try {
    await disk.makeFolder(path);
  } catch (error) {
    if (failureCode(error) === "EEXIST") return;
    if (failureCode(error) !== "ENOENT" || path === "/") throw error;
    await makeMissing(disk, parentOf(path));
    await disk.makeFolder(path);
  }
}

/** Somebody else's folder, which we may pass but not open or sync: its owner answers for it. */
async function syncFolderOfOurs(disk: Disk, path: string): Promise<void> {
  try {
    await disk.syncFolder(path);
  } catch (error) {
    if (!["EACCES", "EPERM", "EROFS", "EINVAL"].includes(failureCode(error) ?? "")) throw error;
  }
}

function parentOf(path: string): string {
  return folderOf(path) === "" ? "/" : folderOf(path);
}

export class ObjectFiles {
  readonly #disk: Disk;
  readonly #folder: string;
  readonly #log: string;
  /** Folders, relative to the log's, whose names are known to be durable. */
  readonly #knownFolders = new Set<string>();
  /** Objects that were begun and are neither finished nor abandoned. */
  readonly #writers = new Set<ObjectFileWriter>();
  #temporaries = 0;

  constructor(disk: Disk, folder: string, log: string) {
    this.#disk = disk;
    this.#folder = folder;
    this.#log = log;
  }

  async put(path: string, bytes: Uint8Array): Promise<void> {
    const writer = await this.begin(path);
    try {
      await writer.write(bytes);
      await writer.finish();
    } finally {
      await writer.abandon();
    }
  }

  async begin(path: string): Promise<ObjectWriter> {
    checkObjectPath(path);
    return reporting("create", this.#log, path, async () => {
      const { temporary, file } = await this.#createTemporary(path, objectPermissions);
      const place = { log: this.#log, folder: this.#folder, path, temporary };
      const writer: ObjectFileWriter = new ObjectFileWriter(this.#disk, file, place, () => {
        this.#writers.delete(writer);
      });
      this.#writers.add(writer);
      return writer;
    });
  }

  /** Abandons what is still being written. */
  async close(): Promise<void> {
    for (const writer of this.#writers) await writer.abandon();
  }

  async replace(path: string, bytes: Uint8Array): Promise<void> {
    checkObjectPath(path);
    await reporting("replace", this.#log, path, async () => {
      const { temporary, file } = await this.#createTemporary(path, notePermissions);
      const from = `${this.#folder}/${temporary}`;
      try {
        try {
          await file.write(bytes, 0);
          await file.datasync();
        } finally {
          await file.close();
        }
        await this.#disk.rename(from, `${this.#folder}/${path}`);
      } catch (error) {
        await dropFile(this.#disk, from);
        throw error;
      }
      await this.#disk.syncFolder(folderIn(this.#folder, path));
    });
  }

  async remove(path: string): Promise<void> {
    await reporting("remove", this.#log, path, async () => {
      try {
        await this.#disk.unlink(`${this.#folder}/${path}`);
      } catch (error) {
        if (failureCode(error) !== "ENOENT") throw error;
      }
      try {
        // Also where it was gone already: it may have gone without being durably so.
        await this.#disk.syncFolder(folderIn(this.#folder, path));
      } catch (error) {
        if (failureCode(error) !== "ENOENT") throw error;
      }
    });
  }

  /**
   * Removes what a writer left unfinished, and makes durable the names that it left: it may have been killed before it
   * could, and what is decided from a name (a tail is removed because its segment is sealed) must not outlive the name.
   * Only to be called while the log is held and nothing is begun.
   */
  async settleLeftovers(folder = ""): Promise<void> {
    const full = folder === "" ? this.#folder : `${this.#folder}/${folder}`;
    for (const { name, isFolder } of await namesOf(this.#disk, full)) {
      if (isFolder) await this.settleLeftovers(folder === "" ? name : `${folder}/${name}`);
      else if (isTemporary(name)) await this.#disk.unlink(`${full}/${name}`);
    }
    await this.#disk.syncFolder(full);
  }

  async #createTemporary(
    path: string,
    permissions: number,
  ): Promise<{ temporary: string; file: DiskFile }> {
    const folder = folderOf(path);
    if (folder !== "" && !this.#knownFolders.has(folder)) {
      await this.#makeFolder(folder);
    }
    for (;;) {
      this.#temporaries += 1;
      const temporary = temporaryPath(path, this.#temporaries);
      try {
        const file = await this.#disk.open(`${this.#folder}/${temporary}`, "create", permissions);
        return { temporary, file };
      } catch (error) {
        // Another thread of the holder writes the same object, or ended while it did: the next number is free.
        if (failureCode(error) !== "EEXIST" || this.#temporaries % 1000 === 0) throw error;
      }
    }
  }

  /** As `makeFolders`, but also syncs the name of a folder that was there: its maker may have been killed. */
  async #makeFolder(folder: string): Promise<void> {
    const parent = folderOf(folder);
    if (parent !== "" && !this.#knownFolders.has(parent)) await this.#makeFolder(parent);
    try {
      await this.#disk.makeFolder(`${this.#folder}/${folder}`);
    } catch (error) {
      if (failureCode(error) !== "EEXIST") throw error;
    }
    await this.#disk.syncFolder(folderIn(this.#folder, folder));
    this.#knownFolders.add(folder);
  }
}

/** The full path of the folder that `path`, inside the log's `folder`, lies in. */
function folderIn(folder: string, path: string): string {
  const inner = folderOf(path);
  return inner === "" ? folder : `${folder}/${inner}`;
}

/** Removes a file that failed to become one. That it fails too is no news: the next opening removes it. */
async function dropFile(disk: Disk, path: string): Promise<void> {
  try {
    await disk.unlink(path);
  } catch {
    // Left for settleLeftovers.
  }
}

/** True if both files hold the same bytes. */
async function isSameContent(disk: Disk, path: string, file: DiskFile): Promise<boolean> {
  const length = await file.byteLength();
  const isSame = await withFile(disk, path, async (other) => {
    if ((await other.byteLength()) !== length) return false;
    for (let at = 0; at < length; at += compareChunkByteLength) {
      const count = Math.min(compareChunkByteLength, length - at);
      const [left, right] = [await readSome(file, at, count), await readSome(other, at, count)];
      if (!isSameBytes(left, right)) return false;
    }
    return true;
  });
  return isSame ?? false;
}

interface ObjectPlace {
  readonly log: string;
  /** The log's folder. */
  readonly folder: string;
  readonly path: string;
  readonly temporary: string;
}

class ObjectFileWriter implements ObjectWriter {
  readonly #disk: Disk;
  readonly #file: DiskFile;
  readonly #place: ObjectPlace;
  readonly #onOver: () => void;
  #length = 0;
  #isOver = false;
  /** Calls follow each other, whether or not the caller waits for each. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(disk: Disk, file: DiskFile, place: ObjectPlace, onOver: () => void) {
    this.#disk = disk;
    this.#file = file;
    this.#place = place;
    this.#onOver = onOver;
  }

  write(bytes: Uint8Array): Promise<void> {
    const offset = this.#length;
    this.#length += bytes.length;
    return this.#next("write", () => this.#file.write(bytes, offset));
  }

  read(offset: number, length: number): Promise<Uint8Array> {
    return this.#next("read", () => readSome(this.#file, offset, length));
  }

  finish(): Promise<void> {
    return this.#next("finish", async () => {
      const { folder, path, temporary } = this.#place;
      const from = `${folder}/${temporary}`;
      const to = `${folder}/${path}`;
      await this.#file.datasync();
      try {
        await this.#disk.link(from, to);
        await this.#disk.unlink(from);
      } catch (error) {
        if (failureCode(error) !== "EEXIST") throw error;
        if (!(await isSameContent(this.#disk, to, this.#file))) throw this.#conflict();
        // What has the name was durable before it got it; the name itself may not be yet.
        await this.#disk.unlink(from);
      }
      await this.#disk.syncFolder(folderIn(folder, path));
      await this.#end();
    });
  }

  async abandon(): Promise<void> {
    await this.#last.catch(() => undefined);
    if (this.#isOver) return;
    await this.#end();
    await dropFile(this.#disk, `${this.#place.folder}/${this.#place.temporary}`);
  }

  /** Runs `work` after the calls before it; once one failed, all later ones fail in the same way. */
  #next<T>(doing: string, work: () => Promise<T>): Promise<T> {
    const { log, path } = this.#place;
    const run = this.#last.then(() => {
      if (this.#isOver) {
        throw new CairnError("unavailable", `${path} is not being written any more`, {
          place: { log, path },
        });
      }
      return reporting(doing, log, path, work);
    });
    this.#last = run;
    // Whoever waits for this call hears of its failure; that nobody waits is no reason to end the process.
    run.catch(() => undefined);
    return run;
  }

  async #end(): Promise<void> {
    this.#isOver = true;
    this.#onOver();
    await this.#file.close();
  }

  #conflict(): CairnError {
    const { log, path } = this.#place;
    return new CairnError("conflict", `${path} holds other bytes already; it is written once`, {
      place: { log, path },
    });
  }
}
