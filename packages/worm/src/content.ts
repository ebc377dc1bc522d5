/** What is put into a bucket: bytes that are hashed first and then sent, never all in memory at once. */
import { createHash } from "node:crypto";
import { CairnError } from "@cairnlog/core";
import type { LogReader } from "@cairnlog/store";

export interface Content {
  readonly byteLength: number;
  /** SHA-256 of all of it. */
  readonly sha256: Uint8Array;
  /** The bytes, in pieces; may be asked for again. */
  pieces(): AsyncIterable<Uint8Array>;
}

const pieceByteLength = 1024 * 1024;

export function contentOf(bytes: Uint8Array): Content {
  const sha256 = createHash("sha256").update(bytes).digest();
  return {
    byteLength: bytes.length,
    sha256,
    async *pieces() {
      yield bytes;
    },
  };
}

/** A sealed file of a log. It is read twice: for its hash, then for sending. "not_found" where there is none. */
export async function fileContent(
  reader: Pick<LogReader, "read" | "byteLength">,
  path: string,
): Promise<Content> {
  const byteLength = await reader.byteLength(path);
  if (byteLength === undefined) {
    throw new CairnError("not_found", `${path} is not there`, { place: { path } });
  }
  const pieces = async function* (): AsyncGenerator<Uint8Array> {
    for (let offset = 0; offset < byteLength; offset += pieceByteLength) {
      const length = Math.min(pieceByteLength, byteLength - offset);
      const piece = await reader.read(path, offset, length);
      if (piece?.length !== length) {
        throw new CairnError("unavailable", `${path} was cut while it was copied`, {
          place: { path, byte: offset },
        });
      }
      yield piece;
    }
  };
  const hash = createHash("sha256");
  for await (const piece of pieces()) hash.update(piece);
  return { byteLength, sha256: hash.digest(), pieces };
}
