/** Logs on real files for the tests of this package: a large one made once and copied, and one that is watched. */
import { cpSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { utf8 } from "@cairnlog/core";
import { nodeCrypto } from "@cairnlog/crypto";
import { createLog, openLog, readNdjson, type Log, type LogOptions } from "@cairnlog/log";
import { filesStore } from "@cairnlog/store";
import { ManualClock } from "@cairnlog/testing";
import type { Found, PassReport, WatchListener } from "./log-watch.ts";
import { LogWatch } from "./log-watch.ts";
import { restingLog } from "./resting-log.ts";
import { settingsHash } from "./scrubber.ts";

export const logName = "main";
export const origin = "example.com/logs/main";
const eventsPerAppend = 2000;

const folders: string[] = [];

export function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "cairn-scrub-"));
  folders.push(folder);
  return folder;
}

export function removeFolders(): void {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
}

export function events(from: number, count: number): Uint8Array {
  let text = "";
  for (let i = from; i < from + count; i++) {
    text += `{"id":"e${i}","type":"api.call","actor":{"id":"a"},"action":"GET","details":{"i":${i}}}\n`;
  }
  return utf8(text);
}

export async function append(log: Log, from: number, count: number): Promise<void> {
  for (let at = from; at < from + count; at += eventsPerAppend) {
    const batch = readNdjson(events(at, Math.min(eventsPerAppend, from + count - at)));
    await log.append(batch, "api");
  }
}

/** A data folder with a closed log of `count` events and entry 0. */
export async function makeLog(count: number, options: LogOptions = {}): Promise<string> {
  const data = newFolder();
  const log = await createLog(filesStore({ folder: data }), { name: logName, origin }, options);
  await append(log, 0, count);
  await log.publish();
  await log.sealed();
  await log.close();
  return data;
}

export function copyOf(data: string): string {
  const copy = newFolder();
  cpSync(data, copy, { recursive: true });
  return copy;
}

/** What a watch has reported, in order. */
export class Reports implements WatchListener {
  readonly found: Found[] = [];
  readonly mendedPaths: string[] = [];
  readonly passes: PassReport[] = [];

  damaged(found: Found): void {
    this.found.push(found);
  }

  mended(path: string): void {
    this.mendedPaths.push(path);
  }

  passed(pass: PassReport): void {
    this.passes.push(pass);
  }
}

export interface WatchedLog {
  readonly data: string;
  /** The log's folder. */
  readonly folder: string;
  readonly log: Log;
  readonly clock: ManualClock;
  readonly watch: LogWatch;
  readonly reports: Reports;
}

/** Opens the log in `data` and a watch over it, whose looks the test calls. */
export async function openWatched(data: string, options: LogOptions = {}): Promise<WatchedLog> {
  const log = await openLog(filesStore({ folder: data }), logName, options);
  await log.sealed();
  const clock = new ManualClock();
  const reports = new Reports();
  const folder = join(data, logName);
  const watch = new LogWatch({
    ...{ location: folder, resting: restingLog(log), crypto: nodeCrypto, clock },
    ...{ listener: reports, settingsSha256: await settingsHash(log) },
  });
  await watch.open();
  return { data, folder, log, clock, watch, reports };
}

/** Reads all files once. */
export async function pass(watch: LogWatch): Promise<void> {
  do await watch.step();
  while (watch.isPassing);
}

/** Turns the bits of one byte, in place. */
export function flip(path: string, byte: number): void {
  const bytes = readFileSync(path);
  bytes[byte] = bytes[byte]! ^ 0xff;
  overwrite(path, bytes);
}

/** Other content under the same inode, whatever the file's mode. */
export function overwrite(path: string, bytes: Uint8Array): void {
  writeFileSync(path, bytes, { mode: statSync(path).mode });
}
