/** Whose log a folder holds: what `log.json` and entry 0 say, and whether they agree. */
import { isCairnError, parseEntryBundle, type Crypto, type Vkey } from "@cairnlog/core";
import { sealedPath, SegmentReader, tailPath } from "@cairnlog/store";
import type { FolderListing, LogFolder } from "./folder.ts";
import { parseOwnKeys } from "./keys.ts";
import type { Findings } from "./report.ts";
import {
  parseGenesis,
  parseSettings,
  settingsByteLengthMax,
  settingsConflict,
  settingsPath,
  type Genesis,
  type Settings,
} from "./settings.ts";
import { TailFrames } from "./tail-frames.ts";

export interface Identity {
  readonly origin: string | undefined;
  /** The log's own keys, as it names them itself. */
  readonly own: readonly Vkey[];
  /** What could be read of `log.json` and of entry 0. */
  readonly settings: Settings | undefined;
  readonly genesis: Genesis | undefined;
}

export const noIdentity: Identity = {
  origin: undefined,
  own: [],
  settings: undefined,
  genesis: undefined,
};

export async function identify(
  folder: LogFolder,
  listing: FolderListing,
  crypto: Crypto,
  findings: Findings,
): Promise<Identity> {
  const place = { path: settingsPath };
  let settings: Settings | undefined;
  let bytes: Uint8Array | undefined;
  try {
    bytes = await folder.get(settingsPath, settingsByteLengthMax);
    if (bytes === undefined) findings.problem("missing", "the log's settings are missing", place);
    else settings = parseSettings(bytes);
  } catch (error) {
    findings.caught(error, "settings", place);
  }
  const genesis = await readGenesis(folder, listing, crypto, findings);
  if (settings !== undefined && bytes !== undefined && genesis !== undefined) {
    const conflict = settingsConflict(crypto.sha256, settings, bytes, genesis);
    if (conflict !== undefined) {
      const what = `${settingsPath} is not what entry 0 says: ${conflict}`;
      findings.problem("settings", what, { ...place, seq: 0 });
    }
  }
  const name = folder.location.slice(folder.location.lastIndexOf("/") + 1);
  if (settings !== undefined && settings.name !== name) {
    // An auditor's copy may have any name.
    const what = `the folder is not named as the log, ${JSON.stringify(settings.name)}`;
    findings.note("settings", what, place);
  }
  // Entry 0 has the proof; a damaged file beside it changes nothing about who signed.
  const origin = genesis?.origin ?? settings?.origin;
  const vkeys = genesis?.vkeys ?? settings?.vkeys ?? [];
  return { origin, own: parseOwnKeys(crypto, vkeys, origin, findings, place), settings, genesis };
}

/** Entry 0, before it is verified with all the others; undefined where it can't be read. */
async function readGenesis(
  folder: LogFolder,
  listing: FolderListing,
  crypto: Crypto,
  findings: Findings,
): Promise<Genesis | undefined> {
  let entry: Uint8Array | undefined;
  try {
    entry = await readEntryZero(folder, listing, crypto);
  } catch (error) {
    // The check of the file itself says what is wrong with it.
    if (!isCairnError(error)) throw error;
  }
  if (entry === undefined) return undefined;
  try {
    return parseGenesis(entry);
  } catch (error) {
    findings.caught(error, "settings", { seq: 0 });
    return undefined;
  }
}

async function readEntryZero(
  folder: LogFolder,
  listing: FolderListing,
  { sha256 }: Crypto,
): Promise<Uint8Array | undefined> {
  const path = sealedPath(0);
  // Looked for in this order: a tail file may be sealed and go while we look.
  const frames = new TailFrames(folder, tailPath(0));
  if (!listing.files.has(path) && (await frames.open())) return (await frames.next())?.entry;
  const byteLength = await folder.byteLength(path);
  if (byteLength === undefined) return undefined;
  const segment = await SegmentReader.open({ reader: folder, path, byteLength, sha256 });
  const bundle = await segment.entryBundle(0);
  const range = parseEntryBundle(bundle)[0];
  return range === undefined ? undefined : bundle.slice(range.begin, range.end);
}
