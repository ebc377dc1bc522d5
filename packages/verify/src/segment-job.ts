/**
 * One sealed file: all that can be said about it without looking at another file. The same work runs in a worker
 * thread and in the calling one.
 */
import fs from "node:fs";
import { setImmediate } from "node:timers/promises";
import {
  CairnError,
  EventScanner,
  idRange,
  isCairnError,
  parseEntry,
  parseEntryBundle,
  parseVkey,
  type Crypto,
  type ErrorPlace,
  type Hash,
} from "@cairnlog/core";
import {
  bundleEntries,
  checkSegment,
  frameCount,
  IdHasher,
  idSidecarPath,
  readIdSidecar,
  SegmentReader,
  type SegmentSource,
} from "@cairnlog/store";
import { checkAllSigned } from "./keys.ts";
import { NamedBlobs, type FirstNaming } from "./named-blobs.ts";
import { codeOf, type FindingCode } from "./report.ts";

export interface SegmentJob {
  readonly path: string;
  readonly byteLength: number;
  readonly first: number;
  readonly origin: string | undefined;
  /** The log's own keys; none where they are unknown. */
  readonly vkeys: readonly string[];
  /** Bytes of `index/ids/<first>` and the key of its hashes, where both are at hand. */
  readonly idKey: Uint8Array | undefined;
}

export interface SoundSegment {
  readonly isSound: true;
  readonly root: Hash;
  /** Leaf hash of the entry before the first. */
  readonly prev: Hash;
  readonly lastLeafHash: Hash;
  readonly firstTime: string;
  readonly lastTime: string;
  readonly origin: string;
  /** Why its id hashes are not what its entries give; undefined where they are, or there are none. */
  readonly derivedFault: string | undefined;
  /** Each different blob that its entries name. */
  readonly blobs: readonly FirstNaming[];
}

export interface BadSegment {
  readonly isSound: false;
  readonly code: FindingCode;
  readonly message: string;
  readonly place: ErrorPlace;
}

/** Every so many frames, one is read again to compare the id hashes of its entries. */
const idFrameStep = 32;

/** Checks the file. Rejects only where something is wrong with us. */
export async function checkJob(
  job: SegmentJob,
  source: SegmentSource,
  crypto: Crypto,
  onProgress: (entries: number) => void,
): Promise<SoundSegment | BadSegment> {
  const { path, byteLength, first, origin } = job;
  try {
    const vkeys = job.vkeys.map((vkey) => parseVkey(crypto.sha256, vkey));
    const named = new NamedBlobs();
    const checked = await checkSegment({
      reader: source,
      path,
      byteLength,
      crypto,
      onProgress,
      onBlob: named.take,
      expected: {
        first,
        ...(origin === undefined ? {} : { origin }),
      },
      ...(vkeys.length === 0 ? {} : { vkeys }),
    });
    checkAllSigned(vkeys, checked.verified, `the seal of ${path}`);
    const { root, prev, lastLeafHash, firstTime, lastTime, seal } = checked;
    const derivedFault = await findIdFault(job, source, crypto);
    return {
      isSound: true,
      root,
      prev,
      lastLeafHash,
      firstTime,
      lastTime,
      origin: seal.origin,
      derivedFault,
      blobs: named.all(),
    };
  } catch (error) {
    if (!isCairnError(error)) throw error;
    const { message, place } = error;
    return { isSound: false, code: codeOf(error, "sealed"), message, place: { path, ...place } };
  }
}

/** Entries between two calls about progress. */
const progressEvery = 8192;

/** Takes job after job until there is none: `next` holds the index of the next one, and is shared by all threads. */
export async function takeJobs(
  jobs: readonly SegmentJob[],
  next: Int32Array,
  files: DirectFiles,
  crypto: Crypto,
  onEntries: (count: number) => void,
  onDone: (index: number, result: SoundSegment | BadSegment, told: number) => void,
): Promise<void> {
  try {
    for (;;) {
      const index = Atomics.add(next, 0, 1);
      const job = jobs[index];
      if (job === undefined) return;
      let told = 0;
      const result = await checkJob(job, files, crypto, (entries) => {
        if (entries - told < progressEvery) return;
        onEntries(entries - told);
        told = entries;
      });
      onDone(index, result, told);
    }
  } finally {
    files.close();
  }
}

/**
 * The id hashes only help to recognise an event that is sent again, so they are held against some entries, not all:
 * that finds a file of another log or segment. Damage of any byte is found by the digest in the file.
 */
async function findIdFault(
  job: SegmentJob,
  source: SegmentSource,
  crypto: Crypto,
): Promise<string | undefined> {
  if (job.idKey === undefined) return undefined;
  const { path, byteLength, first } = job;
  const { sha256 } = crypto;
  const bytes = await source.read(idSidecarPath(first), 0, idFileBytesMax);
  if (bytes === undefined) return undefined;
  const idHashes = readIdSidecar(sha256, first, bytes);
  if (idHashes === undefined) return "it is not a whole file of this segment's id hashes";
  const segment = await SegmentReader.open({ reader: source, path, byteLength, sha256 });
  const hasher = new IdHasher(job.idKey);
  const scanner = new EventScanner();
  for (let frame = 0; frame < frameCount; frame += idFrameStep) {
    const bundle = await segment.entryBundle(frame);
    for (const [i, { begin, end }] of parseEntryBundle(bundle, bundleEntries).entries()) {
      const entry = bundle.subarray(begin, end);
      const { source: alias } = parseEntry(entry, scanner);
      const id = idRange(scanner);
      if (id !== undefined) hasher.hash(hasher.sourceSeed(alias), entry, id.from, id.to);
      const at = 2 * (bundleEntries * frame + i);
      const high = id === undefined ? 0 : hasher.high;
      const low = id === undefined ? 0 : hasher.low;
      if (idHashes[at] === high && idHashes[at + 1] === low) continue;
      return `it has another hash for the id of entry ${first + bundleEntries * frame + i}`;
    }
  }
  return undefined;
}

const idFileBytesMax = 1024 * 1024;

/**
 * Reads files of a folder with as little around each read as there can be: for a thread that has nothing else to do, or
 * that lets others have a turn before each read.
 */
export class DirectFiles implements SegmentSource {
  readonly #folder: string;
  readonly #yields: boolean;
  #path = "";
  #descriptor: number | undefined;

  constructor(folder: string, yields = false) {
    this.#folder = folder;
    this.#yields = yields;
  }

  async read(path: string, offset: number, length: number): Promise<Uint8Array | undefined> {
    if (this.#yields) await setImmediate();
    try {
      if (this.#path !== path) this.close();
      this.#descriptor ??= fs.openSync(`${this.#folder}/${path}`, "r");
      this.#path = path;
      const rest = Math.max(0, fs.fstatSync(this.#descriptor).size - offset);
      const bytes = new Uint8Array(Math.min(length, rest));
      let filled = 0;
      while (filled < bytes.length) {
        const left = bytes.length - filled;
        const count = fs.readSync(this.#descriptor, bytes, filled, left, offset + filled);
        if (count === 0) break;
        filled += count;
      }
      return filled === bytes.length ? bytes : bytes.slice(0, filled);
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code;
      if (code === "ENOENT") return undefined;
      if (typeof code !== "string") throw error;
      throw new CairnError("unavailable", `cannot read ${path} (${code})`, {
        cause: error,
        place: { path },
      });
    }
  }

  close(): void {
    if (this.#descriptor !== undefined) fs.closeSync(this.#descriptor);
    this.#descriptor = undefined;
    this.#path = "";
  }
}
