/** Files that follow from sealed ones: the tiles above them, and the hashes of their entries' ids. */
import { writeFileSync } from "node:fs";
import {
  EventScanner,
  hashOfTile,
  idRange,
  isSameBytes,
  parseEntry,
  parseEntryBundle,
  type Hash,
} from "@cairnlog/core";
import {
  bundleEntries,
  formatIdSidecar,
  frameCount,
  IdHasher,
  idSidecarPath,
  readIdSidecar,
  sealedPath,
  segmentEntries,
  SegmentReader,
  treeTilePath,
} from "@cairnlog/store";
import { withFileBytes } from "./file-bytes.ts";
import type { RepairContext, Staged } from "./repair-context.ts";

const lowestTileLevel = 2;

/**
 * Makes again what is missing or not as it follows. `roots`: of each sealed segment, in order; `restored`: the sealed
 * files that still lie aside.
 */
export async function planDerived(
  context: RepairContext,
  roots: readonly Hash[],
  restored: readonly Staged[],
): Promise<Staged[]> {
  const staged: Staged[] = [];
  const settle = async (path: string, right: Uint8Array): Promise<void> => {
    const found = await context.reader.get(path);
    if (found !== undefined && isSameBytes(found, right)) return;
    const damage = found === undefined ? "the file is gone" : "it is not what the entries give";
    const write = (full: string): void => writeFileSync(full, right, { mode: 0o400 });
    staged.push({ path, damage, how: "derived", staged: context.files.stage(path, write) });
  };
  let level = lowestTileLevel;
  for (let hashes = roots; hashes.length >= bundleEntries; level++) {
    const above: Hash[] = [];
    for (let i = 0; (i + 1) * bundleEntries <= hashes.length; i++) {
      const tile = Buffer.concat(hashes.slice(i * bundleEntries, (i + 1) * bundleEntries));
      await settle(treeTilePath(level, i), tile);
      above.push(hashOfTile(context.crypto.sha256, tile));
    }
    hashes = above;
  }
  for (let first = 0; first < roots.length * segmentEntries; first += segmentEntries) {
    const path = idSidecarPath(first);
    const found = await context.reader.get(path);
    const isWhole = found && readIdSidecar(context.crypto.sha256, first, found) !== undefined;
    if (isWhole === true) continue;
    const sealed = sealedPath(first);
    const aside = restored.find((each) => each.path === sealed)?.staged;
    await settle(path, await idsOf(context, first, aside ?? sealed));
  }
  return staged;
}

/** The id hashes of a sealed segment, from its entries. */
async function idsOf(context: RepairContext, first: number, path: string): Promise<Uint8Array> {
  const { location, crypto, settings } = context;
  const { sha256 } = crypto;
  const hasher = new IdHasher(settings.idKey);
  const scanner = new EventScanner();
  const idHashes = new Uint32Array(2 * segmentEntries);
  await withFileBytes(location, path, "cached", async (file) => {
    const { byteLength } = file;
    const segment = await SegmentReader.open({ reader: file, path, byteLength, sha256 });
    for (let frame = 0; frame < frameCount; frame++) {
      const bundle = await segment.entryBundle(frame);
      for (const [i, { begin, end }] of parseEntryBundle(bundle, bundleEntries).entries()) {
        const entry = bundle.subarray(begin, end);
        const { source } = parseEntry(entry, scanner);
        const id = idRange(scanner);
        if (id === undefined) continue;
        hasher.hash(hasher.sourceSeed(source), entry, id.from, id.to);
        const at = 2 * (bundleEntries * frame + i);
        idHashes[at] = hasher.high;
        idHashes[at + 1] = hasher.low;
      }
    }
  });
  return formatIdSidecar(sha256, first, idHashes);
}
