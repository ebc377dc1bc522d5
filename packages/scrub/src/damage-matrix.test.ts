/**
 * Goal: whatever is done to whatever file of a log, the next look notices it, and says which file, which entry and
 * which byte; and when it is undone, the next look says so. A pass finds what no look could see.
 * Method: one log with a sealed segment and a tail, on real files. Every damage is done to every file, looked at,
 * undone, looked at again. The looks are called by the test; the clock is wound by hand.
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import {
  appendFileSync,
  copyFileSync,
  linkSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { isCairnError } from "@cairnlog/core";
import { nodeCrypto } from "@cairnlog/crypto";
import { blobPath, SegmentReader } from "@cairnlog/store";
import { SeededRandom } from "@cairnlog/testing";
import { FileBytes } from "./file-bytes.ts";
import {
  append,
  flip,
  makeLog,
  openWatched,
  overwrite,
  pass,
  removeFolders,
  type WatchedLog,
} from "./log-folder.testing.ts";
import type { Found } from "./log-watch.ts";

const sealed = "sealed/0000000000000000";
const tail = "tail/0000000000065536";
const ids = "index/ids/0000000000000000";
const content = new SeededRandom(1).bytes(1000);
const blob = blobPath(createHash("sha256").update(content).digest("hex"));
const streams = "index/streams/0000000000000000";
const fixed = [sealed, ids, streams, blob, "log.json", "keys/ed25519.pem", "keys/ml-dsa-44.pem"];
const files = [...fixed, tail, "commits", "checkpoint"];
const vital = ["keys/ed25519.pem", "keys/ml-dsa-44.pem", tail, "commits"];

let watched: WatchedLog;

before(async () => {
  watched = await openWatched(await makeLog(66_100));
  await append(watched.log, 66_100, 50);
  await watched.log.putBlob(content);
  await watched.log.publish();
  await watched.watch.look();
  await pass(watched.watch);
  assert.deepEqual(watched.reports.found, []);
});
after(async () => {
  await watched.log.close();
  removeFolders();
});

/** Damages, looks, undoes, looks. Returns what was found. */
async function tried(path: string, damage: (full: string) => void): Promise<Found> {
  const { folder, watch, reports, clock } = watched;
  const full = join(folder, path);
  const bytes = readFileSync(full);
  const aside = join(watched.data, "aside");
  rmSync(aside, { force: true });
  linkSync(full, aside);
  const already = reports.found.length;
  const mendedAlready = reports.mendedPaths.length;
  clock.advance(1000);
  await watch.look();
  const lastGoodMs = clock.now();
  clock.advance(250);
  damage(full);
  await watch.look();
  clock.advance(250);
  await watch.look();
  if (path === sealed || path === "log.json") await pass(watch);
  const found = reports.found.slice(already);
  assert.equal(found.length, 1, `${path}: told once, not ${JSON.stringify(found)}`);
  assert.equal(found[0]!.damage.path, path);
  assert.equal(found[0]!.foundMs - lastGoodMs, 250);
  assert.equal(found[0]!.lastGoodMs, lastGoodMs);
  assert.equal(found[0]!.damage.isVital, vital.includes(path), `${path} is vital`);
  rmSync(full, { force: true });
  linkSync(aside, full);
  overwrite(full, bytes);
  await watch.look();
  assert.deepEqual(reports.mendedPaths.slice(mendedAlready), [path], `${path}: mended`);
  assert.equal(reports.found.length, already + 1, "and nothing else was found");
  return found[0]!;
}

describe("damage matrix", () => {
  for (const path of files) {
    it(`${path}: a byte, a cut, a file gone, moved away, or another in its place`, async () => {
      // In the part of the tail and of the ring that counts.
      const byte = path === "commits" ? newestSlot() + 40 : 60;
      const flipped = await tried(path, (full) => flip(full, byte));
      if (path === "commits" || path === "checkpoint") assert.equal(flipped.damage.byte, byte);
      await tried(path, (full) => truncateSync(full, path === "commits" ? newestSlot() : 50));
      await tried(path, (full) => rmSync(full));
      await tried(path, (full) => renameSync(full, `${full}.away`));
      rmSync(join(watched.folder, `${path}.away`));
      await tried(path, (full) => {
        const bytes = readFileSync(full);
        bytes[byte] = bytes[byte]! ^ 1;
        rmSync(full);
        writeFileSync(full, bytes);
      });
    });
  }

  for (const path of [sealed, ids, blob, "log.json", "keys/ed25519.pem", "checkpoint"]) {
    it(`${path}: bytes behind its end`, async () => {
      const { byteLength } = readFileSync(join(watched.folder, path));
      const { damage } = await tried(path, (full) => appendFileSync(full, "x"));
      assert.ok((damage.byte ?? 0) <= byteLength, "a byte that is there");
    });
  }

  it("a byte that is changed and whose times are set back", async () => {
    // A time that can be set exactly.
    utimesSync(join(watched.folder, sealed), 1000, 1000);
    await tried(sealed, (full) => {
      flip(full, 1000);
      utimesSync(full, 1000, 1000);
    });
  });

  for (const path of [tail, "commits"]) {
    it(`${path}: the same bytes in another file, which the log does not write to`, async () => {
      const { damage } = await tried(path, (full) => {
        const bytes = readFileSync(full);
        rmSync(full);
        writeFileSync(full, bytes);
      });
      assert.match(damage.what, /another file has taken its place/);
    });
  }

  it("older commit records: found, and not vital", async () => {
    const { number } = watched.log.atRest().commit;
    const older = ((number - 2) % 64) * 4096 + 30;
    const { watch, reports, folder, clock } = watched;
    const full = join(folder, "commits");
    const already = reports.found.length;
    flip(full, older);
    clock.advance(100);
    await watch.look();
    const { damage } = reports.found[already]!;
    assert.equal(damage.isVital, false);
    assert.equal(damage.byte, older - 30);
    flip(full, older);
    await watch.look();
    assert.equal(reports.mendedPaths.at(-1), "commits");
  });

  it("every part of a sealed file: the entry and the byte are named", async () => {
    const full = join(watched.folder, sealed);
    const file = FileBytes.open(watched.folder, sealed, "cached")!;
    const { layout, table } = await SegmentReader.open({
      ...{ reader: file, path: sealed, byteLength: file.byteLength, sha256: nodeCrypto.sha256 },
    });
    file.close();
    const frame = 77;
    const frameAt = table.ends[frame - 1]!;
    const inFrame = (await tried(sealed, (path) => flip(path, frameAt + 200))).damage;
    assert.ok(inFrame.seq! >= 256 * frame && inFrame.seq! < 256 * (frame + 1), `${inFrame.seq}`);
    assert.ok(inFrame.byte! >= frameAt && inFrame.byte! < table.ends[frame]!, `${inFrame.byte}`);
    const leafAt = layout.leafHashes + 32 * 40_000;
    const leaf = (await tried(sealed, (path) => flip(path, leafAt + 5))).damage;
    assert.equal(leaf.seq, 40_000);
    assert.equal(leaf.byte, leafAt);
    for (const at of [layout.level1, layout.frameTable, layout.note, layout.trailer]) {
      const { damage } = await tried(sealed, (path) => flip(path, at + 12));
      assert.ok(damage.byte! >= layout.leafHashes, `${damage.what} at ${damage.byte}`);
    }
    assert.equal(statSync(full).size, layout.byteLength);
  });

  it("every place of the tail: the entry, its byte, and both leaf hashes", async () => {
    const { log } = watched;
    const { size } = log.status();
    let at = 0;
    for (let seq = 65_536; seq < size; seq++) {
      const { bytes } = await log.entry(seq);
      if (seq === 65_536 || seq === 65_800 || seq === size - 1) {
        for (const byte of [at + 1, at + bytes.length + 1]) {
          const { damage } = await tried(tail, (full) => flip(full, byte));
          assert.equal(damage.seq, seq);
          assert.equal(damage.byte, at);
          assert.match(damage.expected!, /^[0-9a-f]{64}$/);
        }
      }
      at += 2 + bytes.length;
    }
    const beyond = watched.log.atRest().commit.tailOffset;
    const full = join(watched.folder, tail);
    const already = watched.reports.found.length;
    flip(full, beyond + 5000);
    await watched.watch.look();
    const { damage } = watched.reports.found[already]!;
    assert.equal(damage.byte, beyond + 5000);
    assert.equal(damage.isVital, false);
    flip(full, beyond + 5000);
    await watched.watch.look();
  });

  it("an older checkpoint, properly signed, put back", async () => {
    const older = watched.log.publishedCheckpoint().note;
    await append(watched.log, 70_000, 1);
    await watched.log.publish();
    await watched.watch.look();
    await tried("checkpoint", (full) => overwrite(full, Buffer.from(older)));
  });

  it("LOCK: gone, or another file", async () => {
    const { folder, watch, reports } = watched;
    const full = join(folder, "LOCK");
    const already = reports.found.length;
    renameSync(full, `${full}.away`);
    await watch.look();
    assert.equal(reports.found[already]?.damage.path, "LOCK");
    renameSync(`${full}.away`, full);
    await watch.look();
    assert.equal(reports.mendedPaths.at(-1), "LOCK");
  });

  it("a blob with other bytes than its name says, which was never seen before", async () => {
    const { folder, watch, reports } = watched;
    const already = reports.found.length;
    const planted = blob.replace(/.$/, (digit) => (digit === "0" ? "1" : "0"));
    writeFileSync(join(folder, planted), content);
    await watch.look();
    await pass(watch);
    assert.equal(reports.found[already]?.damage.path, planted);
    rmSync(join(folder, planted));
  });

  it("a sealed file where the log has none", async () => {
    const { folder, watch, reports } = watched;
    const already = reports.found.length;
    copyFileSync(join(folder, sealed), join(folder, "sealed/0000000000131072"));
    await watch.look();
    assert.equal(reports.found[already]?.damage.path, "sealed/0000000000131072");
    rmSync(join(folder, "sealed/0000000000131072"));
    await watch.look();
  });

  it("reads of damaged entries refuse, and others do not", async () => {
    const { folder, log, watch } = watched;
    const full = join(folder, sealed);
    const bytes = readFileSync(full);
    const damaged = Buffer.from(bytes);
    const frames = bytes.length - 65_536 * 32;
    const already = watched.reports.found.length;
    const watchedSeq = async (): Promise<number> => {
      await watch.look();
      return watched.reports.found[already]!.damage.seq!;
    };
    const at = Math.floor(frames / 2);
    for (let i = at; i < at + 20_000; i++) damaged[i] = damaged[i]! ^ 0x55;
    overwrite(full, damaged);
    const bad = await watchedSeq();
    await assert.rejects(log.entry(bad), (error) => isCairnError(error));
    await assert.rejects(
      async () => {
        for await (const { seq } of log.entries(bad, bad + 1)) assert.fail(`${seq} is served`);
      },
      (error) => isCairnError(error),
    );
    assert.equal((await log.entry(60_000)).seq, 60_000);
    await append(log, 80_000, 10);
    overwrite(full, bytes);
    await watch.look();
    assert.equal((await log.entry(bad)).seq, bad);
  });

  it("what changed below the kernel is found by the next pass, between two checks that say when", async () => {
    const { watch, reports, clock } = watched;
    await watch.look();
    await pass(watch);
    const goodMs = clock.now();
    clock.advance(60_000);
    // No look comes before the pass: it finds what no change time told of.
    const full = join(watched.folder, sealed);
    const already = reports.found.length;
    flip(full, 5000);
    await pass(watch);
    const found = reports.found[already]!;
    assert.equal(found.by, "pass");
    assert.equal(found.lastGoodMs, goodMs);
    assert.equal(found.foundMs, goodMs + 60_000);
    flip(full, 5000);
    await pass(watch);
    assert.equal(reports.mendedPaths.at(-1), sealed);
  });
});

function newestSlot(): number {
  return (watched.log.atRest().commit.number % 64) * 4096;
}
