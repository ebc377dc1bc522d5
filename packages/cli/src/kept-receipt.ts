/**
 * What somebody kept when an event was recorded, in any form that Cairn hands out: a receipt of the
 * server (with or without the entry in it), one of the SDK, which leaves out the inclusion proof, or
 * a tlog-proof.
 */
import {
  CairnError,
  hashLeaf,
  isSameBytes,
  parseTlogProof,
  parseUtf8,
  plainJsonText,
  receiptFromJson,
  tlogProofBytesMax,
  utf8,
  verifyCheckpoint,
  verifyInclusion,
  type Crypto,
  type Hash,
  type Vkey,
} from "@cairnlog/core";

export interface KeptReceipt {
  readonly seq: number;
  readonly leafHash: Hash;
  /** Undefined for a receipt without one. */
  readonly proof: readonly Hash[] | undefined;
  readonly checkpoint: string;
}

/** A checkpoint that was verified. */
export interface KnownCheckpoint {
  readonly origin: string;
  readonly size: number;
  readonly root: Hash;
  /** The signed note, verbatim. */
  readonly note: string;
}

export function parseKeptReceipt({ sha256 }: Crypto, bytes: Uint8Array): KeptReceipt {
  if (bytes.length > tlogProofBytesMax) throw refuse(`it has ${bytes.length} bytes`);
  const text = parseUtf8(bytes);
  if (text.startsWith("c2sp.org/tlog-proof@")) {
    const { index, extra, proof, checkpoint } = parseTlogProof(bytes);
    if (extra === undefined) throw refuse("the proof does not hold the entry");
    return { seq: index, leafHash: hashLeaf(sha256, extra), proof, checkpoint };
  }
  const { entry, proof, ...rest } = membersOf(text);
  const { seq, leafHash, checkpoint, ...read } = receiptFromJson({ ...rest, proof: proof ?? [] });
  if (entry !== undefined) {
    const isText = typeof entry === "string";
    if (!isText || !isSameBytes(hashLeaf(sha256, utf8(entry)), leafHash)) {
      throw new CairnError("unverified", "the receipt's entry does not have its leaf hash", {
        place: { seq },
      });
    }
  }
  return { seq, leafHash, proof: proof === undefined ? undefined : read.proof, checkpoint };
}

/** Verifies it under the log's keys: its checkpoint, and that the entry is in there. */
export async function verifyKeptReceipt(
  crypto: Crypto,
  receipt: KeptReceipt,
  vkeys: readonly Vkey[],
  origin: string,
): Promise<KnownCheckpoint> {
  const { seq, leafHash, proof, checkpoint: note } = receipt;
  const { checkpoint } = await verifyCheckpoint(crypto, utf8(note), vkeys, origin);
  const { size, root } = checkpoint;
  if (proof !== undefined) {
    verifyInclusion(crypto.sha256, { index: seq, size, leafHash, proof, root });
  } else if (seq >= size) {
    throw new CairnError("unverified", `the receipt's checkpoint of size ${size} has no such seq`, {
      place: { seq },
    });
  }
  return { origin, size, root, note };
}

/** The members that a receipt has in all its forms; those of the SDK and of a duplicate are put aside. */
function membersOf(text: string): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw refuse("it is neither JSON nor a tlog-proof", cause);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw refuse("it is not a JSON object");
  }
  // Refuses repeated names, of which JSON.parse keeps the last, and whatever else has two readings.
  if (plainJsonText(text) !== JSON.stringify(value)) throw refuse("it has another spelling");
  const { duplicate: _, eventId: __, ...members } = value as Readonly<Record<string, unknown>>;
  return members;
}

function refuse(why: string, cause?: unknown): CairnError {
  return new CairnError("malformed", `not a receipt: ${why}`, { cause });
}
