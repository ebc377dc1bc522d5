/** The part of the store's conformance suite about blobs: named by their hash, checked before and after. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { it } from "node:test";
import { CairnError } from "@cairnlog/core";
import { blobPath, listBlobs, readBlob, writeBlob, type LogStore } from "@cairnlog/store";
import { SeededRandom } from "./seeded.ts";
import { bytes, rejects, withLog, type MakeStore } from "./store-conformance-kit.ts";

const byteLengthMax = 2_000_000;

function sha256(content: Uint8Array): string {
  return createHash("sha256").update(content).digest("hex");
}

/** The pieces of a body that arrives slowly; breaks off where `cut` says so. */
async function* arriving(content: Uint8Array, pieceByteLength: number, cut = Infinity) {
  for (let at = 0; at < content.length; at += pieceByteLength) {
    await Promise.resolve();
    if (at >= cut) throw new CairnError("timeout", "the body broke off");
    yield content.subarray(at, at + pieceByteLength);
  }
}

async function put(log: LogStore, content: Uint8Array, hash = sha256(content)): Promise<void> {
  const written = await writeBlob(log, hash, arriving(content, 65_536), byteLengthMax);
  assert.equal(written.byteLength, content.length);
  await written.finish();
}

async function readWhole(log: LogStore, hash: string): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  for await (const piece of readBlob(log, hash)) pieces.push(piece);
  return Buffer.concat(pieces);
}

async function blobs(log: LogStore): Promise<string[]> {
  const paths: string[] = [];
  for await (const { path } of listBlobs(log)) paths.push(path);
  return paths;
}

export function describeBlobs(make: MakeStore): void {
  it("keeps blobs of any length under their hash, and takes them again", async (t) => {
    await withLog(make, t, async (log) => {
      const random = new SeededRandom(3);
      const lengths = [0, 1, 65_536, 262_143, 262_144, 262_145, 524_288, byteLengthMax];
      const contents = lengths.map((length) => random.bytes(length));
      for (const content of [...contents, ...contents]) await put(log, content);
      for (const content of contents) {
        assert.ok(Buffer.from(content).equals(await readWhole(log, sha256(content))));
      }
      assert.deepEqual(await blobs(log), contents.map((each) => blobPath(sha256(each))).sort());
    });
  });

  it("shows no blob before it has its name", async (t) => {
    await withLog(make, t, async (log) => {
      const content = bytes("blob");
      const hash = sha256(content);
      const written = await writeBlob(log, hash, [content], byteLengthMax);
      assert.equal(await log.byteLength(blobPath(hash)), undefined);
      assert.deepEqual(await blobs(log), []);
      await rejects(readWhole(log, hash), "not_found");
      await written.finish();
      assert.deepEqual(await blobs(log), [blobPath(hash)]);
    });
  });

  it("keeps nothing of a blob with another hash, a longer one, or one that breaks off", async (t) => {
    await withLog(make, t, async (log) => {
      const content = new SeededRandom(4).bytes(300_000);
      const hash = sha256(content);
      const others = [content.subarray(1), content.subarray(0, -1), bytes(""), bytes("other")];
      for (const other of others) await rejects(put(log, other, hash), "blob_mismatch");
      await rejects(put(log, new Uint8Array(byteLengthMax + 1)), "too_large");
      const broken = writeBlob(log, hash, arriving(content, 1000, 200_000), byteLengthMax);
      await rejects(broken, "timeout");
      assert.deepEqual(await blobs(log), []);
      await put(log, content);
    });
  });

  it("lets all who put one blob at a time succeed", async (t) => {
    await withLog(make, t, async (log) => {
      const content = new SeededRandom(5).bytes(100_000);
      await Promise.all(Array.from({ length: 8 }, () => put(log, content)));
      assert.ok(Buffer.from(content).equals(await readWhole(log, sha256(content))));
      assert.equal((await blobs(log)).length, 1);
    });
  });

  it("gives nobody the end of a damaged blob, and does not take it for the blob", async (t) => {
    await withLog(make, t, async (log) => {
      for (const length of [10, 262_144, 600_000]) {
        const content = new SeededRandom(length).bytes(length);
        const hash = sha256(content);
        await put(log, content);
        const flipped = content.slice();
        flipped[length - 1]! ^= 1;
        for (const damaged of [flipped, content.subarray(1), Buffer.concat([content, flipped])]) {
          await log.replace(blobPath(hash), damaged);
          let seen = 0;
          const reading = async (): Promise<void> => {
            for await (const piece of readBlob(log, hash)) seen += piece.length;
          };
          await rejects(reading(), "unverified", new RegExp(hash));
          assert.ok(seen < damaged.length);
          await rejects(put(log, content), "unverified", /damaged/);
        }
      }
    });
  });
}
