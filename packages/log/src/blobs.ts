/**
 * The blobs of one log: put before the event that names them, found when it comes, read for as long as the log lasts.
 *
 * A name alone is no promise: it may be there before it is durable. So who asks whether a blob is there waits for
 * those who are just giving it its name, and a name whose making failed does not count until it was made again. Names
 * that were there when the log was opened were made durable then.
 *
 * Nothing is deleted: a blob that was put and is never named stays.
 */
import { createHash } from "node:crypto";
import { CairnError } from "@cairnlog/core";
import { blobPath, blobTooLarge, readBlob, writeBlob, type LogStore } from "@cairnlog/store";
import type { EventBatch } from "./event-batch.ts";
import type { PutBlob, StoredBlob } from "./log.ts";

const defaultBlobBytesMax = 64 * 1024 * 1024;
/** Left on the medium for the log itself, which needs room to seal its entries. */
const roomLeft = 32 * 1024 * 1024;
/** Bytes that are there at once are hashed and written in such pieces, so that others get their turn. */
const pieceByteLength = 1024 * 1024;

export class Blobs {
  readonly byteLengthMax: number;
  readonly #store: LogStore;
  /** Names that are being made, one after another for each. */
  readonly #naming = new Map<string, Promise<unknown>>();
  /** Names that may be there without being durable. */
  readonly #unsure = new Set<string>();

  readonly #failure: () => CairnError | undefined;

  /** `failure`: why the log records nothing any more; undefined while it does. */
  constructor(
    store: LogStore,
    failure: () => CairnError | undefined,
    byteLengthMax: number = defaultBlobBytesMax,
  ) {
    this.#store = store;
    this.#failure = failure;
    this.byteLengthMax = byteLengthMax;
  }

  async putBytes(bytes: Uint8Array): Promise<string> {
    if (bytes.length > this.byteLengthMax) throw blobTooLarge(this.byteLengthMax);
    const hash = createHash("sha256");
    for (const piece of piecesOf(bytes)) {
      hash.update(piece);
      if (piece.length === pieceByteLength) await new Promise<void>((next) => setImmediate(next));
    }
    const sha256 = hash.digest("hex");
    await this.put(sha256, piecesOf(bytes), bytes.length);
    return sha256;
  }

  async put(
    sha256: string,
    chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
    expectedByteLength: number = this.byteLengthMax,
  ): Promise<PutBlob> {
    const failure = this.#failure();
    if (failure !== undefined) throw failure;
    if (expectedByteLength > this.byteLengthMax) throw blobTooLarge(this.byteLengthMax);
    await this.#checkRoom(expectedByteLength);
    const { byteLength, finish } = await writeBlob(this.#store, sha256, chunks, this.byteLengthMax);
    const before = this.#naming.get(sha256);
    const naming = (before ?? Promise.resolve())
      .catch(() => undefined)
      .then(() => this.#name(sha256, finish));
    this.#naming.set(sha256, naming);
    try {
      return { sha256, byteLength, isNew: await naming };
    } finally {
      if (this.#naming.get(sha256) === naming) this.#naming.delete(sha256);
    }
  }

  /** Length of the blob; undefined where it is not there, or not durable. */
  async byteLength(sha256: string): Promise<number | undefined> {
    await this.#naming.get(sha256)?.catch(() => undefined);
    if (this.#unsure.has(sha256)) return undefined;
    return this.#store.byteLength(blobPath(sha256));
  }

  async read(sha256: string): Promise<StoredBlob> {
    const byteLength = await this.byteLength(sha256);
    const { name } = this.#store;
    if (byteLength === undefined) {
      throw new CairnError("not_found", `the log ${name} has no blob ${sha256}`, {
        place: { log: name },
      });
    }
    return { sha256, byteLength, chunks: readBlob(this.#store, sha256) };
  }

  /** Refuses each event of the batch that names a blob which is not there, or has another length. */
  async check(batch: EventBatch): Promise<void> {
    for (const i of batch.withBlobs) {
      for (const [at, blob] of batch.blobsOf(i).entries()) {
        const found = await this.byteLength(blob.sha256);
        if (found === blob.byteLength) continue;
        batch.refuseAccepted(i, this.#missing(at, blob, found));
        break;
      }
    }
  }

  /** True if it was not there before. */
  async #name(sha256: string, finish: () => Promise<void>): Promise<boolean> {
    const path = blobPath(sha256);
    const wasThere = await this.#store.byteLength(path);
    const isNew = wasThere === undefined || this.#unsure.has(sha256);
    if (isNew) this.#unsure.add(sha256);
    try {
      await finish();
      this.#unsure.delete(sha256);
      return isNew;
    } catch (error) {
      // Where there is no name at all, there is nothing to be unsure of.
      const left = await this.#store.byteLength(path).catch(() => 0);
      if (left === undefined) this.#unsure.delete(sha256);
      throw error;
    }
  }

  async #checkRoom(byteLength: number): Promise<void> {
    const free = await this.#store.freeBytes();
    if (free === undefined || free >= byteLength + roomLeft) return;
    const { name } = this.#store;
    throw new CairnError(
      "storage_full",
      `the disk of the log ${name} has ${free} bytes left: no room for a blob of ${byteLength} beside what the log ` +
        "itself may need",
      { place: { log: name } },
    );
  }

  #missing(
    at: number,
    blob: { readonly sha256: string; readonly byteLength: number },
    found: number | undefined,
  ): CairnError {
    const pointer = `/blobs/${at}`;
    const what =
      found === undefined
        ? `there is no blob ${blob.sha256}`
        : `the blob ${blob.sha256} has ${found} bytes, not ${blob.byteLength}`;
    return new CairnError(
      "blob_missing",
      `${pointer}: ${what}. Put it first, then send the event again.`,
      { place: { log: this.#store.name, pointer } },
    );
  }
}

function* piecesOf(bytes: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += pieceByteLength) {
    yield bytes.subarray(at, at + pieceByteLength);
  }
}
