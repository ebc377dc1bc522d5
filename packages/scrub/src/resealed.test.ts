/**
 * Goal: who holds the log's keys can make a sealed file that is whole, chained and signed, and holds other entries. It
 * verifies on its own; in a running log it is found all the same, because the log remembers what it committed.
 * Method: a real sealed file is written again with one event changed and everything behind it chained anew, under the
 * real keys, and put in the place of the real one: before the scrubber has ever read it, and after.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import {
  entryByteLengthMax,
  genesisPrev,
  hashLeaf,
  isCairnError,
  noteSigner,
  parseEntry,
  parseEntryBundle,
  rangeRoot,
  signSeal,
  utf8,
  writeEntry,
  type Hash,
} from "@cairnlog/core";
import { nodeCrypto, signerFromPem } from "@cairnlog/crypto";
import { bundleEntries, frameCount, segmentEntries, SegmentReader } from "@cairnlog/store";
import { writeSegment } from "@cairnlog/store";
import { verifySealedFile } from "@cairnlog/verify";
import { FileBytes } from "./file-bytes.ts";
import {
  copyOf,
  logName,
  makeLog,
  openWatched,
  origin,
  overwrite,
  pass,
  removeFolders,
} from "./log-folder.testing.ts";
import { RepairFiles } from "./repair-files.ts";

const { sha256 } = nodeCrypto;
const sealed = "sealed/0000000000000000";
const changedSeq = 40_000;

let template = "";
let forged: Uint8Array;
before(async () => {
  template = await makeLog(66_000);
  forged = await forge(join(copyOf(template), logName));
});
after(removeFolders);

/** The sealed file of the log in `folder` with another event at `changedSeq`. */
async function forge(folder: string): Promise<Uint8Array> {
  const signers = ["ed25519", "ml-dsa-44"].map((name) => {
    const pem = readFileSync(join(folder, `keys/${name}.pem`), "utf8");
    return noteSigner(sha256, origin, signerFromPem(pem));
  });
  const bundles: Uint8Array[] = [];
  const leafHashes = new Uint8Array(segmentEntries * 32);
  let prev: Hash = genesisPrev();
  for await (const [seq, bytes] of entriesOf(folder)) {
    const entry = parseEntry(bytes);
    const text = Buffer.from(entry.event).toString();
    const event = utf8(seq === changedSeq ? text.replace('"GET"', '"PUT"') : text);
    const framed = new Uint8Array(2 + entryByteLengthMax);
    const end = writeEntry(framed, 2, { ...entry, prev }, event, 0, event.length);
    new DataView(framed.buffer).setUint16(0, end - 2);
    prev = hashLeaf(sha256, framed.subarray(2, end));
    leafHashes.set(prev, 32 * seq);
    const frame = Math.floor(seq / bundleEntries);
    bundles[frame] = Buffer.concat([bundles[frame] ?? new Uint8Array(0), framed.subarray(0, end)]);
  }
  const level1 = new Uint8Array(frameCount * 32);
  for (let i = 0; i < frameCount; i++) {
    const tile = leafHashes.subarray(32 * bundleEntries * i, 32 * bundleEntries * (i + 1));
    level1.set(rangeRoot(sha256, tile), 32 * i);
  }
  const { staged, object } = new RepairFiles(folder, "forged").stageObject(sealed);
  await writeSegment({
    ...{ object, path: sealed, crypto: nodeCrypto, origin, first: 0, prev: genesisPrev() },
    root: rangeRoot(sha256, level1),
    hashes: { leafHashes, level1 },
    readEntries: async (frame) => Uint8Array.from(bundles[frame]!),
    sign: (seal) => signSeal(signers, seal),
  });
  return new Uint8Array(readFileSync(join(folder, staged)));
}

async function* entriesOf(folder: string): AsyncGenerator<[number, Uint8Array]> {
  const file = FileBytes.open(folder, sealed, "cached")!;
  const { byteLength } = file;
  const segment = await SegmentReader.open({ reader: file, path: sealed, byteLength, sha256 });
  for (let frame = 0; frame < frameCount; frame++) {
    const bundle = await segment.entryBundle(frame);
    for (const [i, { begin, end }] of parseEntryBundle(bundle).entries()) {
      yield [frame * bundleEntries + i, bundle.subarray(begin, end)];
    }
  }
  file.close();
}

describe("a sealed file that was edited, and signed again with the right keys", () => {
  it("verifies on its own, under the log's keys", async () => {
    const folder = join(copyOf(template), logName);
    const full = join(folder, sealed);
    overwrite(full, forged);
    const vkeys = readFileSync(join(folder, "log.json"), "utf8").match(
      /[^"]+\+[0-9a-f]{8}\+[^"]+/g,
    )!;
    const { verdict, problems } = await verifySealedFile(full, forged.length, { vkeys });
    assert.deepEqual([verdict, problems], ["verified", []]);
  });

  it("is found by the first pass: its root is not the one that the log committed", async () => {
    const { folder, log, watch, reports } = await openWatched(copyOf(template));
    overwrite(join(folder, sealed), forged);
    await pass(watch);
    const [found, ...others] = reports.found;
    assert.deepEqual(others, []);
    const { path, seq, byte, what, isVital } = found!.damage;
    assert.deepEqual([path, seq, isVital], [sealed, 0, false]);
    assert.ok(byte !== undefined && byte < forged.length);
    assert.match(what, /root is not that of the log/);
    // Nobody gets to see the other event, nor those that it was chained under.
    await assert.rejects(log.entry(changedSeq), (error) => isCairnError(error));
    await log.close();
  });

  it("is found at once where the real one was read before", async () => {
    const { folder, log, watch, reports } = await openWatched(copyOf(template));
    await pass(watch);
    overwrite(join(folder, sealed), forged);
    await watch.look();
    assert.equal(reports.found.length, 1);
    const { path, what, expected, found } = reports.found[0]!.damage;
    assert.equal(path, sealed);
    assert.match(what, /root is not that of the log/);
    assert.notEqual(expected, found);
    await log.close();
  });
});
