/**
 * Goal: verification holds against one who has the log's keys, or makes new ones, and knows the formats: seals under a
 * newer key, a history that was cut and went on otherwise, frames that decompress without end.
 * Method: a real log with a sealed segment, read into memory; its files are attacked with the tools that wrote them.
 */
import assert from "node:assert/strict";
import { before, test } from "node:test";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { gzipSync, zstdCompressSync } from "node:zlib";
import {
  formatVkey,
  hashLeaf,
  noteSigner,
  parseEntry,
  parseEntryBundle,
  parseNote,
  parseSeal,
  RightEdge,
  signCheckpoint,
  signSeal,
  utf8,
  writeEntry,
  type NoteSigner,
} from "@cairnlog/core";
import { generateSigner, nodeCrypto, signerFromPem } from "@cairnlog/crypto";
import { encodeCommitSlot, readCommitRing, sealedPath } from "@cairnlog/store";
import { Fetcher } from "./fetching.ts";
import { verifyDirectory } from "./directory.ts";
import {
  appendSome,
  mapDisk,
  mapLocation,
  readFiles,
  withFile,
  withLog,
  type FileMap,
} from "./file-map.testing.ts";
import type { Report } from "./report.ts";

const { sha256 } = nodeCrypto;
const origin = "example.com/logs/main";
const sealed = sealedPath(0);
const shortTail = "tail/0000000000000000";

/** With one sealed file. */
let files: Map<string, Uint8Array>;
/** Of 11 entries, all in the tail. */
let short: Map<string, Uint8Array>;
let vkeys: readonly string[];
let shortVkeys: readonly string[];

before(async () => {
  files = await withLog(async (log, folder) => {
    for (let i = 0; i < 17; i++) await appendSome(log, 4000, `a${i}`);
    await log.sealed();
    await log.publish();
    vkeys = log.vkeys;
    return readFiles(folder);
  });
  short = await withLog(async (log, folder) => {
    for (let i = 0; i < 5; i++) await appendSome(log, 2, `b${i}`);
    await log.publish();
    shortVkeys = log.vkeys;
    return readFiles(folder);
  });
});

function verify(
  attacked: FileMap,
  options: { vkeys?: readonly string[]; checkpoint?: string } = {},
): Promise<Report> {
  return verifyDirectory(mapLocation, { ...options, disk: mapDisk(attacked), workers: 0 });
}

const codesOf = ({ problems }: Report): string[] => problems.map(({ code }) => code);
const textOf = (bytes: Uint8Array | undefined): string => new TextDecoder().decode(bytes);

function newKeys(): NoteSigner[] {
  return (["ed25519", "ml-dsa-44"] as const).map((algorithm) =>
    noteSigner(sha256, origin, generateSigner(algorithm)),
  );
}

/** The same file under other keys of the same name: signatures have the same lengths. */
async function reseal(signers: readonly NoteSigner[]): Promise<Uint8Array> {
  const bytes = files.get(sealed)!.slice();
  const at = Buffer.from(bytes.buffer).lastIndexOf("cairnlog/seal/v1\n");
  const end = Buffer.from(bytes.buffer).lastIndexOf("\n", -1) + 1;
  const lines = textOf(bytes.subarray(at, end)).split("\n");
  const count = lines.findLastIndex((line) => line.startsWith("— ")) + 1;
  const note = `${lines.slice(0, count).join("\n")}\n`;
  const resealed = utf8(await signSeal(signers, parseSeal(parseNote(utf8(note)).text)));
  assert.equal(resealed.length, utf8(note).length);
  bytes.set(resealed, at);
  return bytes;
}

test("the log itself is verified", async () => {
  const report = await verify(files, { vkeys });
  assert.deepEqual([report.verdict, report.entriesChecked], ["verified", 68_001]);
});

test("a file that was sealed again with a newer key is refused, whether keys are given or not", async () => {
  const attacked = withFile(files, sealed, await reseal(newKeys()));
  for (const options of [{}, { vkeys }]) {
    const { ok, problems } = await verify(attacked, options);
    assert.equal(ok, false);
    assert.deepEqual(
      problems.map(({ code, path }) => [code, path]),
      [["sealed", sealed]],
    );
    assert.match(problems[0]!.message, /none of the 2 known keys signed/);
  }
});

test("a newer key everywhere, in seals, checkpoint and settings, is not the key of entry 0", async () => {
  const signers = newKeys();
  const newer = signers.map(({ vkey }) => formatVkey(vkey));
  const edge = readCommitRing(files.get("commits")!)[0]!;
  const signed = await signCheckpoint(signers, { origin, size: edge.size, root: edge.root });
  let settings = textOf(files.get("log.json"));
  for (const [i, vkey] of vkeys.entries()) settings = settings.replace(vkey, newer[i]!);
  let attacked = withFile(files, sealed, await reseal(signers));
  attacked = withFile(attacked, "checkpoint", utf8(signed));
  attacked = withFile(attacked, "log.json", utf8(settings));
  for (const options of [{}, { vkeys }, { vkeys: newer }]) {
    const report = await verify(attacked, options);
    assert.equal(report.ok, false);
    for (const code of ["sealed", "settings", "checkpoint"]) {
      assert.ok(codesOf(report).includes(code), code);
    }
    assert.match(report.problems.find(({ path }) => path === "log.json")!.message, /entry 0 says/);
  }
});

/** The short log cut to 7 entries, going on with other ones until it is longer than it was; under its real keys. */
async function cutAndContinued(): Promise<Map<string, Uint8Array>> {
  const [commit] = readCommitRing(short.get("commits")!);
  const bytes = short.get(shortTail)!.subarray(0, commit!.tailOffset);
  const old = parseEntryBundle(bytes).map(({ begin, end }) => bytes.subarray(begin, end));
  const edge = new RightEdge(sha256);
  const tail = new Uint8Array(short.get(shortTail)!.length);
  const ring = new Uint8Array(short.get("commits")!.length);
  let prev: Uint8Array = new Uint8Array(32);
  let at = 0;
  for (let seq = 0; seq < 15; seq++) {
    const entry = parseEntry(old[Math.min(seq, old.length - 1)]!);
    const event = utf8(textOf(entry.event).replace('"GET"', seq < 7 ? '"GET"' : '"PUT"'));
    const end = writeEntry(tail, at + 2, { ...entry, seq, prev }, event, 0, event.length);
    new DataView(tail.buffer).setUint16(at, end - at - 2);
    prev = hashLeaf(sha256, tail.subarray(at + 2, end));
    edge.append(prev);
    at = end;
    const slot = {
      number: seq + 1,
      size: seq + 1,
      root: edge.root(),
      tailFirst: 0,
      tailOffset: at,
    };
    ring.set(encodeCommitSlot(slot), 4096 * (seq + 1));
  }
  const signers = ["ed25519", "ml-dsa-44"].map((name) =>
    noteSigner(sha256, origin, signerFromPem(textOf(short.get(`keys/${name}.pem`)))),
  );
  const signed = await signCheckpoint(signers, { origin, size: edge.size, root: edge.root() });
  const attacked = withFile(withFile(short, shortTail, tail), "commits", ring);
  return withFile(attacked, "checkpoint", utf8(signed));
}

test("cut, and gone on otherwise: only who kept a checkpoint can tell, and is told", async () => {
  const attacked = await cutAndContinued();
  const alone = await verify(attacked, { vkeys: shortVkeys });
  assert.deepEqual([alone.verdict, alone.size, alone.problems], ["verified", 15, []]);
  const checkpoint = textOf(short.get("checkpoint"));
  const report = await verify(attacked, { vkeys: shortVkeys, checkpoint });
  assert.equal(report.verdict, "failed");
  assert.deepEqual(codesOf(report), ["checkpoint"]);
  assert.match(report.problems[0]!.message, /given checkpoint/);
});

test("a frame that decompresses to more than any frame is refused", async () => {
  // 1 GiB of zeros in a few KiB, in the place of the first frame; what is left over is a frame to be skipped.
  const bytes = files.get(sealed)!.slice();
  const frame = Buffer.from(bytes.buffer).indexOf(Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd), 17) - 16;
  const bomb = bombOf(frame - 8);
  bytes.set(bomb, 16);
  const skipped = frame - bomb.length;
  const view = new DataView(bytes.buffer, 16 + bomb.length);
  view.setUint32(0, 0x184d2a50, true);
  view.setUint32(4, skipped - 8, true);
  const { ok, problems } = await verify(withFile(files, sealed, bytes), { vkeys });
  assert.equal(ok, false);
  const [found] = problems;
  assert.deepEqual([found!.path, found!.seq, found!.byte], [sealed, 0, 16]);
  assert.match(found!.message, /entries 0 to 255 cannot be decompressed/);
});

/** As many whole zstd frames of zeros as there is room for, or one, that come to 1 GiB. */
function bombOf(byteLengthMax: number): Uint8Array {
  const piece = zstdCompressSync(new Uint8Array(128 * 2 ** 20));
  assert.ok(piece.length <= byteLengthMax, `${piece.length} bytes in ${byteLengthMax}`);
  const count = Math.min(8, Math.floor(byteLengthMax / piece.length));
  const bomb = new Uint8Array(count * piece.length);
  for (let i = 0; i < count; i++) bomb.set(piece, i * piece.length);
  return bomb;
}

test("an answer that decompresses to more than was asked for is cut off", async (t) => {
  const bomb = gzipSync(new Uint8Array(64 * 2 ** 20));
  const server = createServer((_request, response) => {
    response.writeHead(200, { "content-encoding": "gzip", "content-length": bomb.length });
    response.end(bomb);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  const fetcher = new Fetcher(`http://127.0.0.1:${port}/`, { attempts: 1 });
  for (const path of ["checkpoint", "tile/0/000", "tile/entries/000"]) {
    await assert.rejects(fetcher.get(path, 65_536), { code: "too_large" });
  }
});
