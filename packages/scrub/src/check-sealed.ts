/**
 * One sealed file. The first time all of it is verified: seal, signatures, every hash, every entry, and that its root
 * is the one in the log's memory. What passed is remembered by its SHA-256, so that from then on one hash over the
 * file says the same (a tenth of the cost); only where it differs everything is verified again, to find the place.
 */
import { isSameBytes } from "@cairnlog/core";
import { checkSegment, sealedPath, segmentEntries } from "@cairnlog/store";
import { damaged, refused, sound, type CheckContext, type Verdict } from "./damage.ts";
import { withFileBytes, type FileBytes } from "./file-bytes.ts";

/** Hashes in a tile. */
const tileWidth = 256;
const hashByteLength = 32;
const segmentTileLevel = 2;

/** `known`: SHA-256 of the file when it was last found sound. */
export async function checkSealed(
  context: CheckContext,
  first: number,
  known: string | undefined,
): Promise<Verdict> {
  const path = sealedPath(first);
  try {
    const verdict = await withFileBytes(context.location, path, context.mode, (file) =>
      checkFile(context, file, first, known),
    );
    return verdict ?? damaged(path, "the file is gone", { seq: first });
  } catch (error) {
    return refused(path, error, { seq: first });
  }
}

async function checkFile(
  context: CheckContext,
  file: FileBytes,
  first: number,
  known: string | undefined,
): Promise<Verdict> {
  const { path, byteLength } = file;
  const { crypto, vkeys, resting } = context;
  const found = file.sha256();
  if (found === known) return sound(byteLength, found);
  const more = { byteLength, ...(known === undefined ? {} : { expected: known, found }) };
  try {
    const root = await segmentRoot(context, first);
    const { origin } = resting;
    const expected = { origin, first, ...(root === undefined ? {} : { root }) };
    const checked = await checkSegment({
      reader: file,
      path,
      byteLength,
      crypto,
      expected,
      vkeys,
      scanEvents: false,
    });
    for (const vkey of vkeys) {
      if (checked.verified.some((each) => each.vkey === vkey)) continue;
      return damaged(path, "the seal lacks a signature of the log", { ...more, seq: first });
    }
  } catch (error) {
    return refused(path, error, { ...more, seq: first });
  }
  if (known === undefined) return sound(byteLength, found);
  // Only whoever holds the log's keys can make another file that verifies.
  const what = "it verifies, but it is another file than the one that was checked before";
  return damaged(path, what, { ...more, seq: first });
}

/** The root that the log has for a segment; undefined where the log cannot say, because a tile is damaged. */
async function segmentRoot(context: CheckContext, first: number): Promise<Uint8Array | undefined> {
  const index = first / segmentEntries;
  const tile = Math.floor(index / tileWidth);
  const width = (index % tileWidth) + 1;
  try {
    const hashes = await context.resting.tile(segmentTileLevel, tile, width);
    return hashes?.slice(-hashByteLength);
  } catch {
    // That tile is a file of its own, and found damaged there. The seal vouches for the root meanwhile.
    return undefined;
  }
}

/** Hashes of level 2 and above that the log has in memory or has verified, as its tile files should hold them. */
export async function checkTile(
  context: CheckContext,
  level: number,
  index: number,
  path: string,
  known: string | undefined,
): Promise<Verdict> {
  const verdict = await withFileBytes(context.location, path, context.mode, async (file) => {
    const bytes = file.at(0, tileWidth * hashByteLength + 1);
    const sha256 = file.sha256();
    if (sha256 === known) return sound(file.byteLength, sha256);
    const { byteLength } = file;
    const firstSeq = index * tileWidth ** (level + 1);
    try {
      const expected = await context.resting.tile(level, index, tileWidth);
      if (expected === undefined) return damaged(path, "the log has no such tile", { byteLength });
      if (isSameBytes(expected, bytes)) return sound(byteLength, sha256);
      const differs = bytes.findIndex((byte, i) => byte !== expected[i]);
      const byte = differs < 0 ? bytes.length : differs;
      const below = tileWidth ** level * Math.floor(byte / hashByteLength);
      const what = "the tile is not what the entries hash to";
      return damaged(path, what, { byteLength, byte, seq: firstSeq + below });
    } catch (error) {
      // The log reads the same file where it no longer holds the tile, and has found that it does not verify.
      return refused(path, error, { byteLength, byte: 0, seq: firstSeq });
    }
  });
  return verdict ?? damaged(path, "the file is gone");
}
