/**
 * The keys of a log that nobody has named to us: those in its entry 0, taken at the first sight and kept. From then on
 * a log under other keys is another log. Whether the first sight was the true one, only a comparison of fingerprints
 * over another way can say.
 */
import {
  CairnError,
  noteBytesMax,
  parseCheckpoint,
  parseEntryBundle,
  parseNote,
  tilePath,
  tileWidth,
  tileWidthMax,
} from "@cairnlog/core";
import { parseGenesis } from "@cairnlog/verify";
import type { TileSource } from "./follower.ts";

const bundleByteLengthMax = tileWidthMax * (2 + 0xffff);

/** The verifier keys that entry 0 names. "unverified" where there is none, or one of other software. */
export async function keysOnFirstUse(source: TileSource): Promise<readonly string[]> {
  const advice = "give its verifier key with --vkey";
  const note = parseNote(await source.get("checkpoint", noteBytesMax));
  const { origin, size } = parseCheckpoint(note.text, { allowExtensions: true });
  const width = tileWidth("entries", 0, size);
  if (width === 0) throw new CairnError("unverified", `an empty log names no keys: ${advice}`);
  const path = tilePath({ level: "entries", index: 0, width });
  const bundle = await source.get(path, bundleByteLengthMax);
  const { begin, end } = parseEntryBundle(bundle, width)[0]!;
  try {
    const genesis = parseGenesis(bundle.subarray(begin, end));
    if (genesis.origin === origin) return genesis.vkeys;
  } catch (cause) {
    const what = "its entry 0 is not Cairn's, and says nothing about keys";
    throw new CairnError("unverified", `${what}: ${advice}`, { cause });
  }
  throw new CairnError(
    "unverified",
    `its entry 0 is of another log than its checkpoint: ${advice}`,
  );
}
