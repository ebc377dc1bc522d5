/**
 * A sealed file that is made again from entries. It keeps its seal where that is still whole and the file comes out
 * with the very hash that it holds. Otherwise the log's own keys seal it anew: what they sign is the root of entries
 * that come, with all others, to the newest commit, or the whole repair is called off.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import {
  CairnError,
  formatVkey,
  hashLeaf,
  isCairnError,
  isSameBytes,
  noteSigner,
  rangeRoot,
  signSeal,
  verifySeal,
  type Hash,
  type NoteSigner,
  type Seal,
} from "@cairnlog/core";
import { signerFromPem } from "@cairnlog/crypto";
import {
  bundleEntries,
  compressFrameHere,
  frameCount,
  segmentEntries,
  SegmentReader,
  writeSegment,
} from "@cairnlog/store";
import { withFileBytes } from "./file-bytes.ts";
import { keyPaths } from "./file-kinds.ts";
import type { RepairContext } from "./repair-context.ts";

export interface Remade {
  /** Where it lies. */
  readonly staged: string;
  /** False where it had to be sealed anew. */
  readonly hasItsSeal: boolean;
}

/** Undefined where the source's entries are too few or not those that were sealed; "unverified" where none can seal. */
export async function remadeSegment(
  context: RepairContext,
  path: string,
  first: number,
  prev: Hash,
): Promise<Remade | undefined> {
  const { crypto, settings, files } = context;
  const { sha256 } = crypto;
  const found = await sourceEntries(context, first);
  if (found === undefined) return undefined;
  const { bundles, leafHashes } = found;
  const level1 = new Uint8Array(frameCount * 32);
  for (let i = 0; i < frameCount; i++) {
    const tile = leafHashes.subarray(32 * bundleEntries * i, 32 * bundleEntries * (i + 1));
    level1.set(rangeRoot(sha256, tile), 32 * i);
  }
  const root = rangeRoot(sha256, level1);
  const own = await ownSeal(context, path);
  if (own !== undefined && !isSameBytes(root, own.seal.root)) return undefined;
  const { staged, object } = files.stageObject(path);
  let hasItsSeal = true;
  await writeSegment({
    object,
    path,
    crypto,
    origin: settings.origin,
    first,
    prev,
    root,
    hashes: { leafHashes, level1 },
    readEntries: (frame) => Promise.resolve(Uint8Array.from(bundles[frame]!)),
    compress: compressFrameHere,
    sign: (seal) => {
      if (own !== undefined && isSameBytes(seal.fileHash, own.seal.fileHash)) {
        return Promise.resolve(own.note);
      }
      hasItsSeal = false;
      return sealAnew(context, path, seal);
    },
  });
  return { staged, hasItsSeal };
}

async function sourceEntries({ crypto, source }: RepairContext, first: number) {
  const bundles: Uint8Array[] = [];
  const leafHashes = new Uint8Array(segmentEntries * 32);
  let pieces: Uint8Array[] = [];
  let count = 0;
  for await (const framed of source.entries(first, first + segmentEntries)) {
    leafHashes.set(hashLeaf(crypto.sha256, framed.subarray(2)), 32 * count++);
    pieces.push(framed);
    if (pieces.length < bundleEntries) continue;
    bundles.push(Buffer.concat(pieces));
    pieces = [];
  }
  return count === segmentEntries ? { bundles, leafHashes } : undefined;
}

/** The seal of the damaged file, if it is whole. */
async function ownSeal({ location, crypto, vkeys, settings }: RepairContext, path: string) {
  const { sha256 } = crypto;
  try {
    return await withFileBytes(location, path, "cached", async (file) => {
      const { byteLength } = file;
      const segment = await SegmentReader.open({ reader: file, path, byteLength, sha256 });
      const note = Uint8Array.from(segment.note);
      const { seal, verified } = await verifySeal(crypto, note, vkeys, settings.origin);
      const isWhole = vkeys.every((vkey) => verified.some((each) => each.vkey === vkey));
      return isWhole ? { note, seal } : undefined;
    });
  } catch (error) {
    if (isCairnError(error)) return undefined;
    throw error;
  }
}

async function sealAnew(context: RepairContext, path: string, seal: Seal): Promise<string> {
  if (context.isRunning) {
    throw new CairnError("unverified", `${path} has to be sealed anew: stop the log for that`);
  }
  return signSeal(ownSigners(context, path), seal);
}

/** The log's keys, as they lie beside it: they must be the ones that it names. */
function ownSigners({ location, crypto, settings }: RepairContext, path: string): NoteSigner[] {
  return keyPaths.map((keyPath, i) => {
    const refuse = (why: string, cause?: unknown): CairnError =>
      new CairnError("unverified", `${path} has to be sealed anew, and ${keyPath} ${why}`, {
        cause,
      });
    let signer: NoteSigner;
    try {
      const pem = readFileSync(join(location, keyPath), "utf8");
      signer = noteSigner(crypto.sha256, settings.origin, signerFromPem(pem));
    } catch (error) {
      throw refuse("cannot be read", error);
    }
    if (formatVkey(signer.vkey) === settings.vkeys[i]) return signer;
    throw refuse("is not the key that the log names");
  });
}
