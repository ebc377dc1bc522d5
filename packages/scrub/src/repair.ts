/**
 * Restores damaged files of a log from another copy, or from its tiles: only what verifies, with every entry byte for
 * byte as it was, and with the damaged bytes kept.
 *
 * What decides is the root of the log's own newest commit record. A sealed file counts if it is sealed by the log's
 * keys and its root, in its place, comes with all others to that root; entries of the tail count if they do. If the
 * whole does not come to the root, nothing is touched. What is derived (tiles, id hashes) is made again from what is
 * then sound.
 *
 * From tiles a sealed file is made again from its entries, under the seal that is still in the damaged one, if it comes
 * out with the very hash that the seal holds; where the seal is lost as well, the log's own keys seal it anew.
 *
 * On a log that a process holds open, files that are written once are restored, and the process sees it; its tail is
 * not touched.
 */
import { basename, dirname } from "node:path";
import { CairnError, formatLogTime, isCairnError, parseVkey, type Crypto } from "@cairnlog/core";
import { nodeCrypto } from "@cairnlog/crypto";
import { readSettings, systemClock, type Clock } from "@cairnlog/log";
import { filesStore, type LogReader } from "@cairnlog/store";
import type { Fetch } from "@cairnlog/verify";
import { planDerived } from "./repair-derived.ts";
import { RepairFiles } from "./repair-files.ts";
import type { RepairContext, RestoredFile, Staged, TakenAway } from "./repair-context.ts";
import { planEntries, type EntriesPlan } from "./repair-entries.ts";
import { planBlobs } from "./repair-blobs.ts";
import { planCheckpoint } from "./repair-checkpoint.ts";
import { planStreams } from "./repair-streams.ts";
import { repairSource, type RepairSource } from "./repair-source.ts";

export interface RepairOptions {
  readonly crypto?: Crypto;
  readonly clock?: Clock;
  readonly fetch?: Fetch;
  /** API key for an address. */
  readonly key?: string;
}

const attemptsMax = 3;

export interface RepairReport {
  readonly log: string;
  readonly restored: readonly RestoredFile[];
  /** Damage that stays, and why. */
  readonly left: readonly { readonly path: string; readonly why: string }[];
  /** Where the damaged bytes are, relative to the log's folder. */
  readonly kept: string | undefined;
  /** True if another process has the log open. */
  readonly isRunning: boolean;
}

/**
 * Repairs the log in the folder `location` from `from`: a folder, an address, or a source that somebody else opened.
 * "not_found", "unverified" where nothing that was found comes to the log's own root; then nothing was changed.
 */
export async function repairLog(
  location: string,
  from: string | RepairSource,
  options: RepairOptions = {},
): Promise<RepairReport> {
  const { crypto = nodeCrypto, clock = systemClock } = options;
  const { reader, isRunning } = await openFor(location);
  const time = formatLogTime(Math.floor(clock.now()));
  const files = new RepairFiles(location, time.replaceAll(/[-:]/g, "").toLowerCase());
  try {
    const settings = await readSettings(reader);
    const [commit] = await reader.commits();
    if (commit === undefined) {
      throw new CairnError(
        "tampered",
        `${location} has no valid commit record: nothing says what the log was, so that nothing can be restored to it`,
        { place: { log: reader.name, path: "commits" } },
      );
    }
    const source =
      typeof from === "string" ? await repairSource(from, crypto.sha256, options) : from;
    const vkeys = settings.vkeys.map((vkey) => parseVkey(crypto.sha256, vkey));
    const context = { location, reader, settings, vkeys, crypto, commit, source, files, isRunning };
    return await repair(context, time);
  } finally {
    files.close();
    await reader.close();
  }
}

async function repair(context: RepairContext, time: string): Promise<RepairReport> {
  const { files, reader, isRunning } = context;
  const { staged, roots } = await planned(context);
  const derived = await planDerived(context, roots, staged);
  const checkpoint = await planCheckpoint(context);
  const blobs = await planBlobs(context, staged, roots.length);
  const others = [...checkpoint, ...blobs];
  const whole = [...staged, ...derived, ...others.filter((each) => "staged" in each)];
  const all = [...whole, ...(await planStreams(context))];
  if (all.length > 0) apply(context, time, all);
  return {
    log: reader.name,
    restored: all.map(({ path, damage, how }) => ({ path, damage, how })),
    left: others.filter((each) => "why" in each),
    kept: all.length === 0 ? undefined : files.keptFolder,
    isRunning,
  };
}

/** A log that is open may seal a tail while it is looked at: then it is looked at again. */
async function planned(context: RepairContext): Promise<EntriesPlan> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await planEntries(context);
    } catch (error) {
      const isAgain = context.isRunning && attempt < attemptsMax;
      if (!isAgain || !isCairnError(error, "unverified")) throw error;
    }
  }
}

/** Keeps, announces, replaces; in this order. */
function apply(
  { files, source, reader }: RepairContext,
  time: string,
  staged: readonly (Staged | TakenAway)[],
): void {
  const kept = staged.map(({ path }) => files.keep(path));
  files.announce({
    log: reader.name,
    time,
    from: source.where,
    files: staged.map(({ path, damage, how }, i) => ({ path, damage, how, kept: kept[i] ?? null })),
  });
  for (const { path, staged: aside } of staged) {
    if (aside === undefined) files.takeAway(path);
    else files.replace(path, aside);
  }
}

/** Holds the log if nobody else does; else it is looked at only, and what is written once can be restored. */
async function openFor(location: string): Promise<{ reader: LogReader; isRunning: boolean }> {
  const store = filesStore({ folder: dirname(location) });
  const name = basename(location);
  try {
    return { reader: await store.open(name), isRunning: false };
  } catch (error) {
    if (!isCairnError(error, "locked")) throw error;
    return { reader: await store.openReader(name), isRunning: true };
  }
}
