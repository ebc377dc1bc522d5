/**
 * The small files: what is written once is compared with what it was when the log was opened (which has checked it
 * then); the published checkpoint with the one in memory.
 */
import { isCairnError, isSameBytes, noteBytesMax, utf8, verifyCheckpoint } from "@cairnlog/core";
import { readIdSidecar } from "@cairnlog/store";
import { damaged, firstDifference, refused, sound, unsettled } from "./damage.ts";
import type { CheckContext, Verdict } from "./damage.ts";
import { withFileBytes } from "./file-bytes.ts";
import { checkpointPath } from "./file-kinds.ts";

/** A file that never changes. `known`: SHA-256 when it was last found sound. */
export async function checkFixed(
  context: CheckContext,
  path: string,
  known: string | undefined,
  isVital: boolean,
): Promise<Verdict> {
  return reading(path, isVital, () =>
    withFileBytes(context.location, path, context.mode, (file) => {
      const found = file.sha256();
      const { byteLength } = file;
      if (known === undefined || found === known) return sound(byteLength, found);
      const what = "its content is not what it was";
      return damaged(path, what, { expected: known, found, isVital, byteLength, byte: 0 });
    }),
  );
}

/** The id hashes of a sealed segment. They hold their own digest. */
export async function checkIds(
  context: CheckContext,
  first: number,
  path: string,
  known: string | undefined,
): Promise<Verdict> {
  return reading(path, false, () =>
    withFileBytes(context.location, path, context.mode, (file) => {
      const found = file.sha256();
      const { byteLength } = file;
      if (found === known) return sound(byteLength, found);
      const isWhole =
        readIdSidecar(context.crypto.sha256, first, file.at(0, byteLength)) !== undefined;
      if (isWhole && known === undefined) return sound(byteLength, found);
      const what = isWhole
        ? "it is whole, but it is another file than the one that was checked before"
        : "the id hashes of this segment are not whole";
      return damaged(path, what, { expected: known, found, seq: first, byteLength, byte: 0 });
    }),
  );
}

/**
 * The published checkpoint. A publishing under way has the next one on the medium a moment before memory has it: a
 * note that all of the log's keys signed, not smaller than the last and of the log's own root, is waited for.
 */
export async function checkCheckpoint(context: CheckContext): Promise<Verdict> {
  const path = checkpointPath;
  const { resting, crypto, vkeys } = context;
  const { published } = await resting.atRest();
  return reading(path, false, async () => {
    const bytes = await withFileBytes(context.location, path, "cached", (file) =>
      file.at(0, noteBytesMax + 1),
    );
    if (bytes === undefined) return published.size === 0 ? sound(0) : undefined;
    const expected = utf8(published.note);
    const byteLength = bytes.length;
    if (isSameBytes(bytes, expected)) return sound(byteLength);
    const byte = firstDifference(bytes, expected);
    const what = "it is not the checkpoint that was published";
    try {
      const { checkpoint } = await verifyCheckpoint(crypto, bytes, vkeys, resting.origin);
      const { size, root } = checkpoint;
      const isOurs = size >= published.size && isSameBytes(await resting.root(size), root);
      return isOurs ? unsettled : damaged(path, what, { byte, byteLength });
    } catch (error) {
      if (!isCairnError(error)) throw error;
      return damaged(path, what, { byte, byteLength });
    }
  });
}

async function reading(
  path: string,
  isVital: boolean,
  work: () => Promise<Verdict | undefined>,
): Promise<Verdict> {
  try {
    return (await work()) ?? damaged(path, "the file is gone", { isVital });
  } catch (error) {
    return refused(path, error, { isVital });
  }
}
