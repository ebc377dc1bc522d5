/**
 * Verifies what lies on a disk: a log's folder, or a data folder with several. It needs nobody's leave and nobody's
 * help: no lock, no server, no network. A log that is being written meanwhile is verified up to the commit that was
 * its newest when the verification began.
 */
import { CairnError, type Crypto } from "@cairnlog/core";
import { nodeCrypto } from "@cairnlog/crypto";
import type { Disk } from "@cairnlog/store";
import { LogFolder, type FolderListing } from "./folder.ts";
import { LogCheck } from "./log-check.ts";
import type { Report } from "./report.ts";
import { summaryOfLogs } from "./summary.ts";
import { trustedKeys, type TrustOptions } from "./trust.ts";

export interface Progress {
  /** The log's folder. */
  readonly target: string;
  readonly entriesDone: number;
  readonly entriesTotal: number;
}

/** Without keys or a policy from outside the keys in the log are believed, and the verdict says so. */
export interface DirectoryOptions extends TrustOptions {
  /** A checkpoint from outside (a signed note): the log must be an extension of what it names. */
  readonly checkpoint?: string;
  /** In a data folder: only this log. */
  readonly log?: string;
  /** Threads; default: one per core. 0 for none. */
  readonly workers?: number;
  readonly onProgress?: (progress: Progress) => void;
  readonly signal?: AbortSignal;
  readonly crypto?: Crypto;
  /** Where the folder is. Default: the real disk. */
  readonly disk?: Disk;
}

const logFiles = ["log.json", "commits", "checkpoint"];
const logFolders = ["tail", "sealed"];

/**
 * Verifies `folder`. "not_found" where there is no log; whatever is wrong with a log itself is in the report. Rejects
 * with the signal's reason when aborted.
 */
export async function verifyDirectory(
  folder: string,
  options: DirectoryOptions = {},
): Promise<Report> {
  const { crypto = nodeCrypto, disk, log } = options;
  const pinned = trustedKeys(crypto, options);
  const check = async (place: LogFolder, known?: FolderListing): Promise<Report> =>
    new LogCheck(place, crypto, pinned, options).run(known);
  const location = folder.length > 1 ? folder.replace(/\/+$/, "") : folder;
  const whole = new LogFolder(location, disk);
  const listing = await whole.list();
  const paths = [...listing.files.keys(), ...listing.strange];
  const top: Names = { files: paths, folders: listing.folders };
  if (log === undefined && isLog(top)) return check(whole, listing);
  const names = [...new Set(top.folders.map((path) => path.split("/")[0]!))].filter((name) =>
    isLog(inside(top, name)),
  );
  if (log !== undefined && !names.includes(log)) {
    throw new CairnError("not_found", `there is no log ${JSON.stringify(log)} in ${location}`);
  }
  const chosen = log === undefined ? names : [log];
  if (chosen.length === 0) {
    throw new CairnError(
      "not_found",
      `${location} holds no log: give the folder of a log, or one whose folders are logs`,
    );
  }
  const reports: Report[] = [];
  for (const name of chosen) reports.push(await check(new LogFolder(`${location}/${name}`, disk)));
  return reports.length === 1 && log !== undefined ? reports[0]! : summaryOfLogs(location, reports);
}

interface Names {
  readonly files: readonly string[];
  readonly folders: readonly string[];
}

function inside(names: Names, name: string): Names {
  const begin = `${name}/`;
  const under = (paths: readonly string[]): string[] =>
    paths.filter((path) => path.startsWith(begin)).map((path) => path.slice(begin.length));
  return { files: under(names.files), folders: under(names.folders) };
}

/** A log that has lost a file is still a log. */
function isLog({ files, folders }: Names): boolean {
  return (
    files.some((path) => logFiles.includes(path)) ||
    folders.some((path) => logFolders.includes(path) && files.some((f) => f.startsWith(`${path}/`)))
  );
}
