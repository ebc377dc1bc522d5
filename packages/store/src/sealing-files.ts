/**
 * What a worker thread needs of a log's files to seal a segment: reading, and writing one object. The lock is held by
 * the log's writer, in the same process.
 */
import { FilesReader } from "./files-reader.ts";
import { nodeDisk } from "./node-disk.ts";
import { ObjectFiles } from "./object-files.ts";
import type { LogReader, LogStore } from "./store.ts";

export type SealingFiles = LogReader & Pick<LogStore, "begin">;

/** Opens the log in `folder` (`LogStore.workerFolder`). */
export function openSealingFiles(folder: string, log: string): SealingFiles {
  const reader = new FilesReader(nodeDisk, folder, log);
  const objects = new ObjectFiles(nodeDisk, folder, log);
  return Object.assign(reader, { begin: (path: string) => objects.begin(path) });
}
