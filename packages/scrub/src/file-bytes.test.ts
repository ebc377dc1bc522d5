/**
 * Goal: whatever way a file is read, the same bytes come: held or piece by piece, past the page cache or through it.
 * Method: a file that is held and one that is too long for it, of seeded bytes; ranges that begin and end on, before
 * and behind the borders of pages and chunks, and beyond the end.
 */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { hash } from "node:crypto";
import { FileBytes, type ReadMode } from "./file-bytes.ts";

const folder = mkdtempSync(join(tmpdir(), "cairn-file-bytes-"));
after(() => rmSync(folder, { recursive: true }));

const page = 4096;
const chunk = 1024 * 1024;

/** Bytes that differ from page to page, from a fixed start. */
function seededBytes(length: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let at = 0; at < length; at += 4)
    bytes.writeUInt32LE(Math.imul(at + 7, 0x9e3779b1) >>> 0, at);
  return bytes;
}

const files = {
  held: seededBytes(3 * chunk + 512),
  long: seededBytes(17 * chunk + page + 4),
};
for (const [name, bytes] of Object.entries(files)) writeFileSync(join(folder, name), bytes);

for (const mode of ["direct", "cached", "live"] as const satisfies readonly ReadMode[]) {
  for (const [name, bytes] of Object.entries(files)) {
    test(`${mode} reads of a ${name} file`, () => {
      const file = FileBytes.open(folder, name, mode);
      assert.ok(file !== undefined);
      assert.equal(file.byteLength, bytes.length);
      const borders = [
        0,
        1,
        page - 1,
        page,
        page + 1,
        chunk - 1,
        chunk,
        chunk + 1,
        bytes.length - 5,
      ];
      for (const from of borders) {
        for (const length of [0, 1, page, page + 1, chunk + 1, 2 * chunk, bytes.length]) {
          const found = file.at(from, length);
          const glanced = Buffer.from(file.glance(from, length));
          const what = `${length} bytes from ${from}`;
          assert.ok(Buffer.from(found).equals(bytes.subarray(from, from + length)), what);
          const short = Math.min(length, glanced.length);
          assert.ok(glanced.equals(bytes.subarray(from, from + short)), what);
          const most = Math.min(length, chunk, Math.max(0, bytes.length - from));
          assert.ok(short >= most, what);
        }
      }
      assert.equal(file.sha256(), hash("sha256", bytes, "hex"));
      file.close();
    });
  }
}

test("a file that is not there", () => {
  assert.equal(FileBytes.open(folder, "none", "direct"), undefined);
});
