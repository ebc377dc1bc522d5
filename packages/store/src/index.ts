/** Where bytes rest: one interface, one conformance suite, several implementations. */
export {
  blobPath,
  blobsFolder,
  blobTooLarge,
  findBlobHash,
  listBlobs,
  readBlob,
  writeBlob,
} from "./blob-files.ts";
export { findSegmentBlobs, recordedBlobs, type OnBlob } from "./blob-finder.ts";
export {
  commitSlotByteLength,
  commitSlotCount,
  decodeCommitSlot,
  encodeCommitSlot,
  readCommitRing,
} from "./commit-slot.ts";
export type { Disk, DiskEntry, DiskFile, OpenMode } from "./disk.ts";
export { filesStore, type FilesStoreOptions } from "./files.ts";
export {
  formatIdSidecar,
  IdHasher,
  idSidecarByteLength,
  idSidecarPath,
  readIdSidecar,
} from "./id-sidecar.ts";
export { openSealingFiles, type SealingFiles } from "./sealing-files.ts";
export { processLock, sqliteLock, type HeldLock, type LockStrategy } from "./lock.ts";
export { memoryStore } from "./memory.ts";
export { nodeDisk } from "./node-disk.ts";
export { findTailFirst, tailPath, treeTilePath } from "./paths.ts";
export type {
  Commit,
  LogReader,
  LogStore,
  ObjectWriter,
  Store,
  StoredObject,
  TailPart,
} from "./store.ts";
export { bundleEntries, frameCount, sealedPath, segmentEntries } from "./segment-format.ts";
export { SegmentReader, type OpenSegmentOptions, type SegmentSource } from "./segment-reader.ts";
export { findHolding, type EntryFilter } from "./entry-filter.ts";
export { searchSegment } from "./segment-search.ts";
export { compressFrameHere } from "./segment-compress.ts";
export { writeSegment, type WriteSegmentOptions, type WrittenSegment } from "./segment-writer.ts";
export {
  checkSegment,
  type CheckedSegment,
  type CheckSegmentOptions,
  type ExpectedSegment,
  type SegmentHashes,
} from "./segment-check.ts";
export { noteBuffers } from "./buffer-garbage.ts";
