/**
 * Blobs: larger things that belong to events, each a write-once object named by the SHA-256 of its bytes. What is
 * under such a name is checked before it gets the name, and again whenever it is read.
 *
 * Not here: which event names which blob. A blob knows nothing of that, and one that no event ever names stays.
 * Neither writing nor reading holds more than a piece of a blob in memory.
 */
import { createHash } from "node:crypto";
import { assert, CairnError } from "@cairnlog/core";
import type { LogReader, LogStore, StoredObject } from "./store.ts";

export const blobsFolder = "blobs";
/** Of a reading; also what is held back of a blob until all of it is known to be sound. */
const pieceByteLength = 256 * 1024;

const hexDigest = /^[0-9a-f]{64}$/;

/** Where the blob with that hash lies: `blobs/ab/abcd…`, so that no folder has too many names. */
export function blobPath(sha256: string): string {
  assert(hexDigest.test(sha256), "a blob is named by 64 lower-case hex digits");
  return `${blobsFolder}/${sha256.slice(0, 2)}/${sha256}`;
}

/** The hash in the path of a blob, or undefined for another path. */
export function findBlobHash(path: string): string | undefined {
  const sha256 = path.slice(path.lastIndexOf("/") + 1);
  return hexDigest.test(sha256) && blobPath(sha256) === path ? sha256 : undefined;
}

/** The 256 folders that blobs lie in. Few of them may be there. */
function blobFolders(): readonly string[] {
  return Array.from({ length: 256 }, (_, i) => `${blobsFolder}/${i.toString(16).padStart(2, "0")}`);
}

/** Every file in the folders of blobs, whatever its name is, in order. */
export async function* listBlobs(reader: Pick<LogReader, "list">): AsyncGenerator<StoredObject> {
  for (const folder of blobFolders()) yield* await reader.list(folder);
}

/** A blob that was written aside and has the right hash. It gets its name by `finish`. */
export interface WrittenBlob {
  readonly byteLength: number;
  /**
   * Makes it durable under its name. The same blob again succeeds; "unverified" where the name has other bytes, which
   * then are damaged.
   */
  readonly finish: () => Promise<void>;
}

/**
 * Writes the blob aside. "blob_mismatch" where the bytes have another hash, "too_large" beyond `byteLengthMax`; of
 * what is refused nothing is left. What `chunks` throws passes.
 */
export async function writeBlob(
  store: Pick<LogStore, "name" | "begin">,
  sha256: string,
  chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  byteLengthMax: number,
): Promise<WrittenBlob> {
  const path = blobPath(sha256);
  const place = { log: store.name, path };
  const object = await store.begin(path);
  const hash = createHash("sha256");
  let byteLength = 0;
  try {
    for await (const chunk of chunks) {
      byteLength += chunk.length;
      if (byteLength > byteLengthMax) throw blobTooLarge(byteLengthMax);
      hash.update(chunk);
      await object.write(chunk);
    }
    const found = hash.digest("hex");
    if (found !== sha256) throw mismatch(sha256, found, byteLength);
  } catch (error) {
    await object.abandon();
    throw error;
  }
  const finish = async (): Promise<void> => {
    try {
      await object.finish();
    } catch (cause) {
      await object.abandon();
      if (!(cause instanceof CairnError) || cause.code !== "conflict") throw cause;
      const message =
        `${path} holds other bytes than its name says: it is damaged. Keep it as evidence and restore it with ` +
        "`cairn repair`";
      throw new CairnError("unverified", message, { cause, place });
    }
  };
  return { byteLength, finish };
}

/**
 * The bytes of a blob, piece by piece. The last piece comes only when the hash of all of them is right: who has read
 * to the end has the blob, and of a damaged one nobody gets the end ("unverified").
 */
export async function* readBlob(
  reader: Pick<LogReader, "name" | "read">,
  sha256: string,
): AsyncGenerator<Uint8Array, void> {
  const path = blobPath(sha256);
  const hash = createHash("sha256");
  let held: Uint8Array | undefined;
  for (let offset = 0; ; offset += pieceByteLength) {
    const piece = await reader.read(path, offset, pieceByteLength);
    if (piece === undefined) {
      const place = { log: reader.name, path };
      throw new CairnError("not_found", `there is no blob ${sha256}`, { place });
    }
    hash.update(piece);
    if (held !== undefined && piece.length > 0) yield held;
    if (piece.length > 0) held = piece;
    if (piece.length < pieceByteLength) break;
  }
  const found = hash.digest("hex");
  if (found !== sha256) throw damagedBlob(reader.name, sha256, found);
  if (held !== undefined) yield held;
}

/** What is found under the name of a blob is not it. */
function damagedBlob(log: string, sha256: string, found: string): CairnError {
  const path = blobPath(sha256);
  return new CairnError("unverified", `${path} was changed: its bytes have the SHA-256 ${found}`, {
    place: { log, path },
  });
}

export function blobTooLarge(byteLengthMax: number): CairnError {
  return new CairnError("too_large", `a blob of this log has at most ${byteLengthMax} bytes`);
}

function mismatch(sha256: string, found: string, byteLength: number): CairnError {
  return new CairnError(
    "blob_mismatch",
    `the ${byteLength} bytes that came have the SHA-256 ${found}, not ${sha256}; nothing of them was kept`,
  );
}
