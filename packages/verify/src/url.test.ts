/**
 * Goal: a log over HTTP is verified by its tiles alone, and a server that lies, withholds, floods or stalls gets a bad
 * verdict in bounded time. Method: a real log behind a `fetch` that answers as a server would, honestly or not.
 */
import assert from "node:assert/strict";
import { before, test } from "node:test";
import { isCairnError, parseTilePath, utf8 } from "@cairnlog/core";
import { appendNaming, appendSome, readFiles, withLog } from "./file-map.testing.ts";
import type { Fetch } from "./fetching.ts";
import { verifyUrl, type UrlOptions } from "./url.ts";

const address = "https://log.example/logs/main/";

/** By path under the address. */
let pages: Map<string, Uint8Array>;
let vkeys: string[];
let earlier: string;

before(async () => {
  pages = await withLog(async (log) => {
    await appendSome(log, 300, "a");
    earlier = (await log.publish()).note;
    await appendSome(log, 399, "b");
    const { note, size } = await log.publish();
    vkeys = [...log.vkeys];
    const found = new Map<string, Uint8Array>([["checkpoint", utf8(note)]]);
    for (const path of ["tile/0/000", "tile/0/001", "tile/0/002.p/188", "tile/1/000.p/2"]) {
      const { level, index, width } = parseTilePath(path);
      found.set(path, (await log.tile(level as number, index, width))!);
    }
    for (const path of ["tile/entries/000", "tile/entries/001", "tile/entries/002.p/188"]) {
      const { index, width } = parseTilePath(path);
      found.set(path, (await log.entryBundle(index, width))!);
    }
    assert.equal(size, 700);
    return found;
  });
});

function serving(served: ReadonlyMap<string, Uint8Array>): Fetch {
  return async (url, init) => {
    assert.ok(url.startsWith(address), url);
    assert.equal((init.headers as Record<string, string>).authorization, "Bearer k");
    const bytes = served.get(url.slice(address.length));
    return bytes === undefined
      ? new Response("", { status: 404 })
      : new Response(bytes as Uint8Array<ArrayBuffer>);
  };
}

function verify(served: ReadonlyMap<string, Uint8Array>, options: UrlOptions = {}) {
  return verifyUrl(address, { key: "k", fetch: serving(served), ...options });
}

test("an honest server's log is consistent, and verified under keys from outside", async () => {
  const done: number[] = [];
  const report = await verify(pages, { onProgress: ({ entriesDone }) => done.push(entriesDone) });
  assert.deepEqual(report.problems, []);
  assert.equal(report.verdict, "consistent");
  assert.deepEqual(done, [256, 512, 700]);
  assert.deepEqual([report.size, report.entriesChecked, report.filesChecked], [700, 700, 8]);
  assert.equal((await verify(pages, { vkeys })).verdict, "verified");
  assert.equal((await verify(pages, { vkeys: [vkeys[1]!], parallel: 1 })).verdict, "verified");
  assert.equal((await verify(pages, { checkpoint: earlier })).verdict, "consistent");
});

test("a page that is missing, cut, longer or changed is noticed and named", async () => {
  for (const [path, bytes] of pages) {
    const changes: [string, Uint8Array | undefined][] = [
      ["missing", undefined],
      ["cut", bytes.subarray(0, bytes.length - 1)],
      ["empty", new Uint8Array(0)],
    ];
    const longer = new Uint8Array(bytes.length + 1);
    longer.set(bytes);
    changes.push(["longer", longer]);
    for (let i = 0; i < 12; i++) {
      const flipped = bytes.slice();
      flipped[Math.floor((bytes.length * i) / 12)]! ^= 1;
      changes.push([`flipped ${i}`, flipped]);
    }
    for (const [what, changed] of changes) {
      const served = new Map(pages);
      if (changed === undefined) served.delete(path);
      else served.set(path, changed);
      if (path === "checkpoint" && changed === undefined) {
        await assert.rejects(verify(served), (error) => isCairnError(error, "not_found"));
        continue;
      }
      const report = await verify(served, { vkeys });
      assert.equal(report.verdict, "failed", `${path} ${what}`);
      assert.ok(report.problems[0]!.path !== undefined, `${path} ${what}`);
    }
  }
});

test("an older state, another log and keys of somebody else are noticed", async () => {
  const other = await withLog(async (log, folder) => {
    await appendSome(log, 10, "a");
    const { note } = await log.publish();
    assert.ok(readFiles(folder).size > 0);
    return { note, vkeys: [...log.vkeys] };
  });
  assert.equal((await verify(pages, { vkeys: other.vkeys })).verdict, "failed");
  assert.equal((await verify(pages, { checkpoint: other.note })).verdict, "failed");
  const served = new Map(pages).set("checkpoint", utf8(other.note));
  assert.equal((await verify(served)).verdict, "failed");
  const newest = new TextDecoder().decode(pages.get("checkpoint"));
  const older = new Map(pages).set("checkpoint", utf8(earlier));
  const report = await verify(older, { checkpoint: newest, vkeys });
  assert.equal(report.verdict, "failed");
  assert.ok(report.problems.some(({ code }) => code === "rollback"));
});

test("a busy server is waited for a few times, and no more", async () => {
  let refusals = 0;
  const honest = serving(pages);
  const busy = (times: number): Fetch => {
    let count = 0;
    return (url, init) => {
      if (!url.endsWith("/001") || count++ >= times) return honest(url, init);
      refusals++;
      return Promise.resolve(new Response("", { status: 429, headers: { "retry-after": "0" } }));
    };
  };
  assert.equal((await verify(pages, { fetch: busy(4) })).verdict, "consistent");
  assert.equal(refusals, 4);
  const report = await verify(pages, { fetch: busy(1000) });
  assert.equal(report.verdict, "failed");
  assert.equal(report.problems[0]!.code, "unreadable");
});

test("an answer without end is cut off, and an abort ends the work", async () => {
  const endless: Fetch = async (url, init) => {
    if (!url.includes("tile/0/")) return serving(pages)(url, init);
    const body = new ReadableStream<Uint8Array>({
      pull: (controller) => controller.enqueue(new Uint8Array(65_536)),
    });
    return new Response(body);
  };
  const report = await verify(pages, { fetch: endless });
  assert.equal(report.verdict, "failed");
  assert.match(report.problems[0]!.message, /longer than 8192 bytes/);
  const signal = AbortSignal.abort(new Error("enough"));
  await assert.rejects(verify(pages, { signal }), /enough/);
});

test("blobs are fetched by who has a key, and else said to be unchecked", async () => {
  const text = "a blob";
  const { tiles, sha256 } = await withLog(async (log) => {
    await appendNaming(log, [text]);
    const { note, size } = await log.publish();
    const found = new Map<string, Uint8Array>([["checkpoint", utf8(note)]]);
    found.set(`tile/0/000.p/${size}`, (await log.tile(0, 0, size))!);
    found.set(`tile/entries/000.p/${size}`, (await log.entryBundle(0, size))!);
    return { tiles: found, sha256: await log.putBlob(utf8(text)) };
  });
  const blobAddress = `https://log.example/v1/logs/main/blobs/${sha256}`;
  const check = async (blob: string | number, key?: string, at = address): Promise<string[]> => {
    const report = await verifyUrl(at, {
      ...(key === undefined ? {} : { key }),
      fetch: async (url) => {
        if (url === blobAddress) {
          return typeof blob === "number" ? new Response("", { status: blob }) : new Response(blob);
        }
        const bytes = tiles.get(url.slice(at.length));
        return new Response(bytes as Uint8Array<ArrayBuffer> | undefined, {
          status: bytes === undefined ? 404 : 200,
        });
      },
    });
    assert.ok(report.problems.every(({ path, seq }) => path === `blobs/${sha256}` && seq === 1));
    return [...report.problems.map((each) => each.code), ...report.notes.map(() => "note")];
  };
  assert.deepEqual(await check(text, "k"), []);
  for (const wrong of ["A blob", "a blo", "a blob and more", ""]) {
    assert.deepEqual(await check(wrong, "k"), ["blob"], wrong);
  }
  assert.deepEqual(await check(404, "k"), ["blob"]);
  assert.deepEqual(await check(403, "k"), ["note"]);
  assert.deepEqual(await check(text), ["note"]);
  assert.deepEqual(await check(text, "k", "https://tiles.example/somewhere/"), ["note"]);
});
