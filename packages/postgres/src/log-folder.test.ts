/**
 * Goal: every line that is ever written to the files of a folder is read once, whatever rotation does to the files.
 * Method: real files; rotation by renaming, by a new name, by copying and truncating; a name and an inode that another
 * file takes; a line that a killed server left torn.
 */
import assert from "node:assert/strict";
import {
  appendFileSync,
  copyFileSync,
  mkdtempSync,
  renameSync,
  rmSync,
  truncateSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { readLogFolder, type LogPiece, type LogPosition } from "./log-folder.ts";

describe("a folder of log files", () => {
  let folder = "";
  let position: LogPosition = {};
  let lost: LogPiece["lost"] = [];
  let time = 1_764_000_000;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "cairn-logs-"));
    position = {};
    lost = [];
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  const path = (name: string): string => join(folder, name);
  /** Appends, a second later than the last time. */
  const write = (name: string, text: string | Uint8Array): void => {
    appendFileSync(path(name), text);
    utimesSync(path(name), ++time, time);
  };
  const read = async (): Promise<string[]> => {
    const all: string[] = [];
    for (let i = 0; i < 100; i++) {
      const piece = await readLogFolder(folder, position);
      // The position lies in a file between two runs.
      position = JSON.parse(JSON.stringify(piece.position)) as LogPosition;
      lost = [...lost, ...piece.lost];
      if (piece.lines.length === 0) return all;
      all.push(...piece.lines.map(({ text }) => text));
    }
    throw new Error("it does not end");
  };

  it("reads what was appended, line by line, and no torn line", async () => {
    write("a.json", "1\n2\n3");
    assert.deepEqual(await read(), ["1", "2"]);
    write("a.json", "3\n\n4\n");
    assert.deepEqual(await read(), ["33", "4"]);
    assert.deepEqual(await read(), []);
  });

  it("waits for the first line to be whole", async () => {
    write("a.json", "fir");
    assert.deepEqual(await read(), []);
    write("a.json", "st\n");
    assert.deepEqual(await read(), ["first"]);
  });

  it("goes on in the next file, after the end of the one before", async () => {
    write("pg-2.json", "1\n");
    assert.deepEqual(await read(), ["1"]);
    write("pg-2.json", "2\n");
    write("pg-1.json", "3\n");
    assert.deepEqual(await read(), ["2", "3"]);
  });

  it("knows a file that was renamed, and one that took its name", async () => {
    write("pg.json", "1\n");
    assert.deepEqual(await read(), ["1"]);
    write("pg.json", "2\n");
    renameSync(path("pg.json"), path("pg.json.1"));
    write("pg.json", "3\n");
    assert.deepEqual(await read(), ["2", "3"]);
    assert.deepEqual(await read(), []);
  });

  it("follows a copy when the file itself is truncated", async () => {
    write("pg.json", "1\n");
    assert.deepEqual(await read(), ["1"]);
    write("pg.json", "2\n");
    copyFileSync(path("pg.json"), path("pg.json-old"));
    utimesSync(path("pg.json-old"), time, time);
    truncateSync(path("pg.json"));
    write("pg.json", "3\n");
    assert.deepEqual(await read(), ["2", "3"]);
  });

  it("takes the longer one of two copies", async () => {
    write("pg.json", "1\n");
    copyFileSync(path("pg.json"), path("pg.json-old"));
    write("pg.json", "2\n");
    utimesSync(path("pg.json-old"), time + 1, time + 1);
    assert.deepEqual(await read(), ["1", "2"]);
  });

  it("reads files that were written in the same tick by the time of their first lines", async () => {
    writeFileSync(path("b.json"), "1\n");
    writeFileSync(path("a.json"), "2\n");
    for (const name of ["a.json", "b.json"]) utimesSync(path(name), time, time);
    assert.deepEqual(await read(), ["1", "2"]);
  });

  it("takes another file with the same name and inode for another", async () => {
    write("pg.json", "1\n2\n");
    assert.deepEqual(await read(), ["1", "2"]);
    truncateSync(path("pg.json"));
    write("pg.json", "3\n4\n5\n");
    assert.deepEqual(await read(), ["3", "4", "5"]);
  });

  it("reads a torn last line once another file has come", async () => {
    write("pg-1.json", "1\n{torn");
    assert.deepEqual(await read(), ["1"]);
    write("pg-2.json", "2\n");
    assert.deepEqual(await read(), ["{torn", "2"]);
    assert.deepEqual(await read(), []);
  });

  it("says what was removed before it was read, and nothing of what was read", async () => {
    write("pg-1.json", "1\n");
    write("pg-2.json", "2\n");
    assert.deepEqual(await read(), ["1", "2"]);
    write("pg-2.json", "unread\n");
    await readLogFolder(folder, position).then(
      (piece) => (position = { ...position, ...seen(piece) }),
    );
    unlinkSync(path("pg-1.json"));
    unlinkSync(path("pg-2.json"));
    assert.deepEqual(await read(), []);
    assert.deepEqual(
      lost.map(({ name, offset, size }) => [name, offset, size]),
      [["pg-2.json", 2, 9]],
    );
  });

  it("leaves other files alone: packed ones, and the log of other formats", async () => {
    for (const name of ["pg.log", "pg.csv", "pg.json.gz", "pg.json.zst"]) write(name, "x\n");
    assert.deepEqual(await read(), []);
  });

  it("reads lines beyond the size of a piece, and bytes that are no UTF-8", async () => {
    const long = "y".repeat(3 * 1024 * 1024);
    writeFileSync(path("a.json"), `first\n${long}\n`);
    write("a.json", Uint8Array.of(0x41, 0xff, 0x0a));
    const lines = await read();
    assert.deepEqual(
      lines.map((line) => line.length),
      [5, long.length, 2],
    );
    assert.equal(lines[2], "A\ufffd");
  });
});

/** What a reader knows that saw the new size and was stopped before it read on. */
function seen({ position }: LogPiece): LogPosition {
  return Object.fromEntries(
    Object.entries(position).map(([key, file]) => [
      key,
      file.name === "pg-2.json" ? { ...file, offset: 2 } : file,
    ]),
  );
}
