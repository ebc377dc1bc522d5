/** A file that becomes a blob: read once for its hash, and again to be sent, never held whole. */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import type { Readable } from "node:stream";
import { CairnError, type NamedBlob } from "@cairnlog/core";

export interface BlobFile {
  readonly name: NamedBlob;
  /** Its bytes. If the file was changed since it was hashed, whoever keeps them refuses. */
  readonly open: () => Readable;
}

/** `shown` is what messages call it. */
export async function readBlobFile(path: string, shown: string): Promise<BlobFile> {
  const hash = createHash("sha256");
  let byteLength = 0;
  try {
    for await (const piece of createReadStream(path) as AsyncIterable<Buffer>) {
      hash.update(piece);
      byteLength += piece.length;
    }
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new CairnError("usage", `--blob: ${shown} cannot be read: ${why}`, {
      cause,
      place: { path: shown },
    });
  }
  return {
    name: { sha256: hash.digest("hex"), byteLength },
    open: () => createReadStream(path),
  };
}

/** Passes the pieces on; throws "unverified" behind the last one if they are not the blob. */
export async function* checkedBlob(
  sha256: string,
  pieces: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array, void> {
  const hash = createHash("sha256");
  for await (const piece of pieces) {
    hash.update(piece);
    yield piece;
  }
  const found = hash.digest("hex");
  if (found === sha256) return;
  throw new CairnError("unverified", `what came for the blob ${sha256} has the SHA-256 ${found}`);
}
