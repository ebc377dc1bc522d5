/** A real log in a folder of its own, with sealed files: for tests of what is made from it. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { utf8 } from "@cairnlog/core";
import { createLog, systemClock, type Log } from "@cairnlog/log";
import { filesStore, segmentEntries, type LogReader } from "@cairnlog/store";
import type { Bucket } from "./bucket.ts";
import { WormCopier, type CopierClock } from "./copier.ts";

export interface RealLog {
  readonly log: Log;
  readonly reader: LogReader;
}

export async function withRealLog<T>(
  name: string,
  work: (real: RealLog) => Promise<T>,
): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), "cairn-worm-"));
  try {
    const store = filesStore({ folder });
    const log = await createLog(store, { name, origin: `example.com/logs/${name}` });
    const reader = await store.openReader(name);
    try {
      return await work({ log, reader });
    } finally {
      await reader.close();
      await log.close();
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const batch = 8192;

/** Appends until the log has `size` entries, and seals and publishes what is there. */
export async function growTo({ log }: RealLog, size: number): Promise<void> {
  for (let at = log.status().size; at < size; at = log.status().size) {
    const count = Math.min(batch, size - at);
    const event = { type: "api.call", actor: { id: "alice@example.com" }, action: "GET" };
    await log.appendNdjson(utf8(`${JSON.stringify(event)}\n`.repeat(count)), "api");
  }
  await log.sealed();
  await log.publish();
}

/** Sizes whose last entry is the last of a sealed file. */
export function wholeSegments(count: number): number {
  return count * segmentEntries;
}

/** A copier that copies when it is told to. */
export function copierOf(
  { log, reader }: RealLog,
  bucket: Bucket,
  retentionMs: number,
  clock: CopierClock = systemClock,
): WormCopier {
  return new WormCopier({ log, reader, bucket, clock, retentionMs });
}
