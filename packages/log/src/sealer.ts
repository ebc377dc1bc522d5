/**
 * Seals full segments in the background, in order, without stopping the writer: the sealed file first, durable and
 * re-read; then what is derived from it; only then is the tail file removed. A crash between any two of these steps
 * leaves the entries in at least one place, and the next opening goes on from there.
 */
import {
  CairnError,
  formatSeal,
  isCairnError,
  isSameBytes,
  type Crypto,
  type Hash,
  type Seal,
} from "@cairnlog/core";
import {
  bundleEntries,
  formatIdSidecar,
  frameCount,
  idSidecarPath,
  type LogStore,
  segmentEntries,
  tailPath,
  treeTilePath,
} from "@cairnlog/store";
import type { Clock, Timer } from "./clock.ts";
import type { LogIdentity } from "./identity.ts";
import type { LogTree } from "./log-tree.ts";
import type { OpenSegment } from "./open-segment.ts";
import { sealSegment, type SealingJob, type SignSeal } from "./seal-segment.ts";
import { sealingThread } from "./sealing-thread.ts";

const retryMs = 5000;
const segmentTileLevel = 2;
const segmentLevel = 16;
const tileHeight = 8;

export interface SealerParts {
  readonly store: LogStore;
  readonly tree: LogTree;
  readonly identity: LogIdentity;
  readonly crypto: Crypto;
  readonly clock: Clock;
  durableSize(): number;
  /** Leaf hash of the entry before a segment that is about to be sealed. */
  prevOf(first: number): Promise<Hash>;
  /** Makes what else is derived from a segment, durably. */
  putDerived(first: number): Promise<void>;
  sealed(first: number): void;
  /** The tail is not what was committed. */
  tampered(error: CairnError): void;
}

export class Sealer {
  readonly #parts: SealerParts;
  #working: Promise<void> | undefined;
  #retry: Timer | undefined;
  #closed = false;
  /** The last seal that was signed. An attempt that is repeated must write the same bytes, and signatures differ. */
  #signed: { readonly text: string; readonly note: string } | undefined;
  /** Why the last attempt failed; undefined when there is none to report. */
  failure: CairnError | undefined;
  segmentsSealed = 0;

  constructor(parts: SealerParts) {
    this.#parts = parts;
  }

  /** Full and durable segments that wait. */
  get backlog(): number {
    const { tree } = this.#parts;
    return tree.open.filter((segment) => this.#isReady(segment)).length;
  }

  /** Starts sealing if there is something to seal. */
  kick(): void {
    if (this.#working !== undefined || this.#closed || this.#retry !== undefined) return;
    if (this.backlog === 0) return;
    this.#working = this.#work().finally(() => {
      this.#working = undefined;
      if (this.failure === undefined) this.kick();
    });
  }

  /** Resolves when nothing is left to seal, or sealing failed. */
  async settled(): Promise<void> {
    this.kick();
    while (this.#working !== undefined) await this.#working;
    if (this.failure !== undefined) throw this.failure;
  }

  /** Lets the segment that is being sealed be finished, and starts no other. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#retry?.cancel();
    while (this.#working !== undefined) await this.#working;
  }

  #isReady(segment: OpenSegment): boolean {
    return segment.isFull && this.#parts.durableSize() >= segment.first + segmentEntries;
  }

  async #work(): Promise<void> {
    try {
      for (let next = this.#next(); next !== undefined; next = this.#next()) {
        await this.#seal(next);
        this.failure = undefined;
      }
    } catch (error) {
      if (!isCairnError(error)) throw error;
      this.failure = error;
      if (error.code === "tampered" || error.code === "unverified" || error.code === "malformed") {
        this.#parts.tampered(error);
        return;
      }
      this.#retry = this.#parts.clock.setTimer(() => {
        this.#retry = undefined;
        this.kick();
      }, retryMs);
    }
  }

  #next(): OpenSegment | undefined {
    const first = this.#parts.tree.open[0];
    return first !== undefined && !this.#closed && this.#isReady(first) ? first : undefined;
  }

  async #seal(segment: OpenSegment): Promise<void> {
    const { store, tree, crypto } = this.#parts;
    const { first } = segment;
    const job = await this.#jobOf(segment);
    const sign: SignSeal = (seal) => {
      // The seal is signed here, where the true root is known, and for no other one.
      const root = segment.tree.node(segmentLevel, 0);
      if (seal.first === first && isSameBytes(seal.root, root)) return this.#sign(seal);
      return Promise.reject(
        new CairnError("tampered", `the tail of segment ${first} is not what was committed`),
      );
    };
    if (store.workerFolder !== undefined) {
      await sealingThread.seal(store.workerFolder, store.name, job, sign);
    } else await sealSegment(store, job, crypto, sign);
    await store.put(
      idSidecarPath(first),
      formatIdSidecar(crypto.sha256, first, segment.idHashes()),
    );
    await this.#parts.putDerived(first);
    await this.#putTreeTiles(first + segmentEntries);
    tree.dropSealed(segment);
    this.segmentsSealed++;
    this.#parts.sealed(first);
    await store.remove(tailPath(first));
  }

  /** All that is known of the segment without its tail file. The hashes are views: complete nodes never change. */
  async #jobOf(segment: OpenSegment): Promise<SealingJob> {
    const { first, tree } = segment;
    return {
      origin: this.#parts.identity.settings.origin,
      first,
      prev: await this.#parts.prevOf(first),
      root: tree.node(segmentLevel, 0),
      hashes: {
        leafHashes: tree.hashes(0, 0, segmentEntries),
        level1: tree.hashes(tileHeight, 0, frameCount),
      },
      frameEnds: Float64Array.from({ length: frameCount }, (_, frame) =>
        segment.offsetOf(bundleEntries * (frame + 1)),
      ),
    };
  }

  async #sign(seal: Seal): Promise<string> {
    const text = formatSeal(seal);
    if (this.#signed?.text !== text) {
      this.#signed = { text, note: await this.#parts.identity.signSeal(seal) };
    }
    return this.#signed.note;
  }

  /** Stores every upper tile that the sealed size has just completed. They are derived, so this may be repeated. */
  async #putTreeTiles(sealedSize: number): Promise<void> {
    const { store, tree } = this.#parts;
    for (let level = segmentTileLevel; ; level++) {
      const span = bundleEntries ** (level + 1);
      if (sealedSize % span !== 0) return;
      const index = sealedSize / span - 1;
      const tile = tree.upperTile(level, index);
      if (tile === undefined) return;
      await store.put(treeTilePath(level, index), tile.slice(0, 32 * bundleEntries));
    }
  }
}
