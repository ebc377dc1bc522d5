/**
 * Logs as maps from path to bytes, so that thousands of damages cost no disk: for tests. Not part of what is published.
 */
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { utf8 } from "@cairnlog/core";
import { createLog, readNdjson, type Log } from "@cairnlog/log";
import { filesStore, type Disk, type DiskEntry, type DiskFile } from "@cairnlog/store";

export type FileMap = ReadonlyMap<string, Uint8Array>;

/** The place of a `FileMap` on its disk. */
export const mapLocation = "/data/main";

/** A log made the usual way, in a folder of its own; `work` may append to it and look at its folder. */
export async function withLog<T>(
  work: (log: Log, folder: string) => Promise<T>,
  name = "main",
): Promise<T> {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "cairn-verify-"));
  try {
    const store = filesStore({ folder });
    const log = await createLog(store, { name, origin: `example.com/logs/${name}` });
    try {
      return await work(log, path.join(folder, name));
    } finally {
      await log.close();
    }
  } finally {
    fs.rmSync(folder, { recursive: true });
  }
}

/** Appends `count` events, of which every third has an id. */
export async function appendSome(log: Log, count: number, mark: string): Promise<void> {
  let lines = "";
  for (let i = 0; i < count; i++) {
    const id = i % 3 === 0 ? { id: `${mark}-${i}` } : {};
    const event = { ...id, type: "api.call", actor: { id: "alice@example.com" }, action: "GET" };
    lines += `${JSON.stringify({ ...event, details: { mark, i } })}\n`;
  }
  const { refused } = await log.append(readNdjson(utf8(lines)), "api");
  if (refused > 0) throw new Error("an event of the test was refused");
}

/** Puts blobs, and appends one event that names them all. */
export async function appendNaming(log: Log, texts: readonly string[]): Promise<void> {
  const blobs: object[] = [];
  for (const text of texts) {
    const bytes = utf8(text);
    blobs.push({ sha256: await log.putBlob(bytes), byteLength: bytes.length });
  }
  const event = { type: "api.call", actor: { id: "alice@example.com" }, action: "PUT", blobs };
  const { refused } = await log.append(readNdjson(utf8(JSON.stringify(event))), "api");
  if (refused > 0) throw new Error("an event of the test was refused");
}

/** Every file under a folder but LOCK. */
export function readFiles(folder: string): Map<string, Uint8Array> {
  const files = new Map<string, Uint8Array>();
  for (const each of fs.readdirSync(folder, { recursive: true, withFileTypes: true })) {
    const full = path.join(each.parentPath, each.name);
    if (!each.isFile() || each.name === "LOCK") continue;
    files.set(path.relative(folder, full), new Uint8Array(fs.readFileSync(full)));
  }
  return files;
}

/** A copy with one file changed; undefined removes it. */
export function withFile(
  files: FileMap,
  name: string,
  bytes: Uint8Array | undefined,
): Map<string, Uint8Array> {
  const changed = new Map(files);
  if (bytes === undefined) changed.delete(name);
  else changed.set(name, bytes);
  return changed;
}

/** A disk on which the files lie under `mapLocation`. Reading only. */
export function mapDisk(files: FileMap): Disk {
  const fail = (code: string): never => {
    throw Object.assign(new Error(code), { code });
  };
  const readOnly = (): never => fail("EROFS");
  return {
    async open(full): Promise<DiskFile> {
      const bytes = files.get(full.slice(mapLocation.length + 1)) ?? fail("ENOENT");
      return {
        async read(into, at) {
          const part = bytes.subarray(at, at + into.length);
          into.set(part);
          return part.length;
        },
        async byteLength() {
          return bytes.length;
        },
        async close() {
          return undefined;
        },
        ...{ write: readOnly, writeDurably: readOnly, datasync: readOnly },
      };
    },
    async entries(full): Promise<DiskEntry[]> {
      const begin = full === mapLocation ? "" : `${full.slice(mapLocation.length + 1)}/`;
      const found = new Map<string, DiskEntry>();
      for (const [name, { length }] of files) {
        if (!name.startsWith(begin)) continue;
        const [first, more] = name.slice(begin.length).split("/") as [string, string | undefined];
        const isFolder = more !== undefined;
        found.set(first, { name: first, isFolder, byteLength: isFolder ? 0 : length });
      }
      return [...found.values()];
    },
    ...{ makeFolder: readOnly, rename: readOnly, link: readOnly, unlink: readOnly },
    ...{ syncFolder: readOnly, freeBytes: readOnly },
  };
}
