/**
 * Goal: an export holds exactly the entries that were asked for, and its own record, whatever they lie in; it verifies
 * under the log's keys; what cannot be exported leaves no file, and no record where nobody asked for anything sensible.
 * Method: a log on real files with a sealed segment and an open one, compared with a filter over all its entries; a
 * byte of the sealed file changed; a log whose witnesses are away.
 */
import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { constants, zstdCompressSync, zstdDecompressSync } from "node:zlib";
import {
  evidenceHeaderBytesMax,
  isCairnError,
  parseEntry,
  parseUtf8,
  parseVkey,
  policyOfKeys,
  utf8,
  verifyEvidence,
  type CairnErrorCode,
  type EvidenceVerdict,
} from "@cairnlog/core";
import { nodeCrypto } from "@cairnlog/crypto";
import { filesStore, SegmentReader } from "@cairnlog/store";
import { ManualClock, SeededRandom } from "@cairnlog/testing";
import {
  createLog,
  exportEvidence,
  openLog,
  parseSeqRange,
  readNdjson,
  type EvidenceRequest,
  type EvidenceSelection,
  type Log,
} from "./index.ts";
import { append, down, eventsOf, makeSetting, opened } from "./witnessed-log.testing.ts";

const { sha256 } = nodeCrypto;
const origin = "example.com/logs/main";
const types = ["database.query", "database.login", "api.call"];
const count = 66_000;
const batch = 2000;
const folder = mkdtempSync(join(tmpdir(), "cairn-evidence-"));
after(() => rmSync(folder, { recursive: true, force: true }));

function request(selection: EvidenceSelection, more: Partial<EvidenceRequest> = {}) {
  return { selection, who: "auditor", why: "case 17", nowMs: 1_795_410_000_000, ...more };
}

async function taken(
  log: Log,
  selection: EvidenceSelection,
  more?: Partial<EvidenceRequest>,
): Promise<EvidenceVerdict> {
  const exported = await exportEvidence(log, request(selection, more));
  const bytes = Buffer.concat([...exported.pieces]);
  const vkeys = log.vkeys.map((vkey) => parseVkey(sha256, vkey));
  const verdict = await verifyEvidence(nodeCrypto, bytes, policyOfKeys(sha256, vkeys));
  assert.deepEqual(verdict.evidence.header, exported.header);
  assert.equal(verdict.verdict, "verified");
  assert.ok(verdict.isExportRecorded, "the export's own entry is in the file");
  assert.equal(verdict.evidence.parsed.at(-1)!.seq, exported.header.recorded);
  return verdict;
}

/** The seqs in a file but the last one, which is that of the export itself. */
const seqsOf = ({ evidence }: EvidenceVerdict): number[] =>
  evidence.parsed.slice(0, -1).map(({ seq }) => seq);

function refuses(code: CairnErrorCode, words: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(isCairnError(error, code), String(error));
    assert.match(error.message, words);
    return true;
  };
}

const random = new SeededRandom(8);
const json = (text: string): string => JSON.stringify(text);
/** With what has to be escaped, what may be, and what never is. */
const oddNames = ["a/b", 'say "a"', String.raw`C:\a`, "ä€😀", "two\nlines", "a\u{7f}b"];

/** The text as a JSON string, each of its characters in one of the spellings that it has, by chance. */
function spelling(chance: SeededRandom, text: string): string {
  const units = Array.from({ length: text.length }, (_, i) => text[i]!);
  // Half of a pair is never spelled by itself.
  const isWhole = !/[\ud800-\udfff]/.test(text);
  const spelled = units.map((unit) => {
    if (isWhole && chance.below(4) === 0) {
      return `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
    }
    if (unit === "/" && chance.below(2) === 0) return "\\/";
    return isWhole ? json(unit).slice(1, -1) : unit;
  });
  return `"${spelled.join("")}"`;
}

describe("an export", () => {
  const clock = new ManualClock();
  let log: Log;
  let beganMs = 0;
  let rows: readonly Row[] = [];

  before(async () => {
    log = await createLog(filesStore({ folder }), { name: "main", origin }, { clock });
    beganMs = clock.now();
    for (let from = 0; from < count; from += batch) {
      clock.advance(1000);
      const lines = Array.from({ length: batch }, (_, k) => {
        const i = from + k;
        const name = i % 100 === 8 ? oddNames[((i - 8) / 100) % oddNames.length]! : `a${i % 500}`;
        // Some are spelled with escapes: they are the same names. A type has one spelling.
        const actor = i % 10 === 8 ? spelling(random, name) : json(name);
        return `{"id":"${i}","type":"${types[i % 3]!}","actor":{"id":${actor}},"action":"x"}\n`;
      });
      const { refused } = await log.append(readNdjson(utf8(lines.join(""))), "api");
      assert.equal(refused, 0);
    }
    await log.sealed();
    assert.equal(log.status().sealedSize, 65_536);
    rows = await rowsOf(log);
  });
  after(() => log.close());

  test("ranges of seq, overlapping and in any order, across the sealed file's end", async () => {
    const seqs = [
      { from: 65_530, to: 65_540 },
      { from: 3, to: 5 },
      { from: 4, to: 7 },
      { from: 65_539, to: 65_541 },
    ];
    const verdict = await taken(log, { seqs });
    const expected = [3, 4, 5, 6, ...Array.from({ length: 11 }, (_, i) => 65_530 + i)];
    assert.deepEqual(seqsOf(verdict), expected);
    const { query } = verdict.evidence.header.export;
    assert.deepEqual(query, { seqs: ["65530-65539", "3-4", "4-6", "65539-65540"] });
  });

  test("types, actors and times: as a filter over all entries says", async () => {
    const sinceMs = beganMs + 10_000;
    const untilMs = beganMs + 14_000;
    const cases: EvidenceSelection[] = [
      { sinceMs, untilMs, types: ["database.*"], actors: ["a7", "a8"] },
      { sinceMs, untilMs, types: ["api.call"], actors: ["a7"] },
      { seqs: [{ from: 65_000, to: 66_000 }], types: ["api.*", "database.login"] },
      { actors: ["a7"] },
      { sinceMs: beganMs + 33_000, types: ["database.quer", "database.query"] },
      ...oddNames.map((name) => ({ actors: [name] })),
      { actors: oddNames, types: ["api.*"] },
      { actors: Array.from({ length: 40 }, (_, i) => `a${i}`), untilMs: beganMs + 9000 },
    ];
    for (const selection of cases) {
      const scanned: [number, number][] = [];
      const verdict = await taken(log, selection, {
        onScan: (done, total) => scanned.push([done, total]),
      });
      assert.deepEqual(seqsOf(verdict), filtered(rows, selection));
      assert.ok(scanned.length > 0 && scanned.every(([done, total]) => done < total));
    }
  });

  test("only times: whole seconds of the log, without reading its entries", async () => {
    const verdict = await taken(log, { sinceMs: beganMs + 5000, untilMs: beganMs + 6000 });
    assert.deepEqual(
      seqsOf(verdict),
      Array.from({ length: batch }, (_, i) => 1 + 4 * batch + i),
    );
  });

  test("many ranges are told by their SHA-256, so that the header stays small", async () => {
    const seqs = Array.from({ length: 300 }, (_, i) => ({ from: 7 * i, to: 7 * i + 1 }));
    const { query } = (await taken(log, { seqs })).evidence.header.export;
    const text = seqs.map(({ from }) => String(from)).join("\n");
    const rangesSha256 = Buffer.from(sha256(utf8(text))).toString("hex");
    assert.deepEqual(query, { ranges: 300, from: 0, to: 2094, rangesSha256 });
  });

  test("what makes no sense is refused before anything is recorded", async () => {
    const { size } = log.status();
    const seqs = [{ from: 1, to: 2 }];
    const none = exportEvidence(log, request({ seqs, actors: ["nobody"] }));
    await assert.rejects(none, refuses("not_found", /no entry matches/));
    const many = exportEvidence(log, request({ seqs: [{ from: 0, to: 101 }] }, { countMax: 100 }));
    await assert.rejects(many, refuses("usage", /more than 100 entries match/));
    const beyond = exportEvidence(log, request({ seqs: [{ from: 0, to: size + 1 }] }));
    await assert.rejects(beyond, refuses("not_found", new RegExp(`entry ${size} is not there`)));
    const empty = exportEvidence(log, request({ seqs: [{ from: 5, to: 5 }] }));
    await assert.rejects(empty, refuses("usage", /not a range of entries/));
    for (const [why, code] of [
      ["", "malformed"],
      ["\ud800", "malformed"],
      ["x".repeat(8193), "malformed"],
      ["\u{ffff}", "malformed"],
    ] as const) {
      await assert.rejects(exportEvidence(log, request({ seqs }, { why })), refuses(code, /./));
    }
    const actors = ["y".repeat(evidenceHeaderBytesMax - 5000)];
    const large = exportEvidence(log, request({ seqs, actors }));
    await assert.rejects(large, refuses("too_large", /say it shorter/));
    assert.equal(log.status().size, size, "nothing was recorded");
  });

  test("who has gone is not searched for, and nothing is recorded", async () => {
    const { size } = log.status();
    const gone = new AbortController();
    const reason = new Error("gone");
    const asked = request({ types: ["api.call"] }, { signal: gone.signal });
    let looked = 0;
    const onScan = (done: number): void => {
      looked++;
      if (done > 0) gone.abort(reason);
    };
    await assert.rejects(exportEvidence(log, { ...asked, onScan }), reason);
    assert.equal(looked, 2, "it ended at once");
    assert.equal(log.status().size, size);
  });

  test("more bytes than are to be held: refused, and the attempt is recorded", async () => {
    const { size } = log.status();
    const seqs = [{ from: 0, to: 1000 }];
    const large = exportEvidence(log, request({ seqs }, { entryBytesMax: 100_000 }));
    await assert.rejects(large, refuses("too_large", /export it in parts/));
    assert.equal(log.status().size, size + 1);
  });

  test("an entry that was changed so that it is not found any more is an error, not a miss", async (t) => {
    await log.close();
    const path = join(folder, "main/sealed/0000000000000000");
    const whole = readFileSync(path);
    t.after(() => writeFileSync(path, whole));
    const source = {
      read: async (_: string, at: number, length: number) => whole.subarray(at, at + length),
    };
    const options = { reader: source, path, byteLength: whole.length, sha256 };
    const segment = await SegmentReader.open(options);
    // Event 26,007 is of a7.
    const frame = 101;
    const at = segment.framePlace(frame).byte;
    const end = segment.table.ends[frame]!;
    const content = zstdDecompressSync(whole.subarray(at, end));
    content.write('"a8"', content.indexOf('"a7"'));
    // As long as the real one: what is left over is a frame that is skipped.
    const level = { [constants.ZSTD_c_compressionLevel]: 22 };
    const forged = zstdCompressSync(content, { params: level });
    const skipped = Buffer.alloc(end - at - forged.length);
    skipped.writeUInt32LE(0x184d2a50, 0);
    skipped.writeUInt32LE(skipped.length - 8, 4);
    const bytes = Buffer.from(whole);
    bytes.set(Buffer.concat([forged, skipped]), at);
    chmodSync(path, 0o600);
    writeFileSync(path, bytes);
    const again = await openLog(folder, "main", { clock });
    t.after(() => again.close());
    const first = frame * 256;
    const seqs = [{ from: first, to: first + 256 }];
    for (const actors of [["a7"], ["nobody"]]) {
      const sought = exportEvidence(again, request({ actors, seqs }));
      await assert.rejects(sought, refuses("unverified", /does not have the leaf hash/));
    }
  });

  test("a damaged sealed file is named, with the entry", async (t) => {
    const sealed = join(folder, "main", "sealed");
    const path = join(sealed, readdirSync(sealed)[0]!);
    const whole = readFileSync(path);
    chmodSync(path, 0o600);
    writeFileSync(path, whole.with(100_000, whole[100_000]! ^ 1));
    const again = await openLog(folder, "main", { clock });
    t.after(() => again.close());
    let damaged = 0;
    const wide = exportEvidence(again, request({ seqs: [{ from: 0, to: 60_000 }] }));
    await assert.rejects(wide, (error) => {
      assert.ok(isCairnError(error, "unverified"), String(error));
      assert.equal(error.place.path, "sealed/0000000000000000");
      assert.ok(error.place.seq! > 0 && error.place.seq! < 60_000);
      damaged = error.place.seq!;
      return true;
    });
    // To whoever reads it as well, it is damage, and not a mistake of theirs.
    await assert.rejects(again.entry(damaged), refuses("unverified", /sealed/));
    // Entries elsewhere in the file are as good as they were.
    const seqs = [{ from: 65_000, to: 65_010 }];
    assert.equal(seqsOf(await taken(again, { seqs })).length, 10);
  });
});

interface Row {
  readonly seq: number;
  readonly timeMs: number;
  readonly type: string;
  readonly actor: { readonly id: string };
}

async function rowsOf(log: Log): Promise<Row[]> {
  const rows: Row[] = [];
  for await (const { seq, bytes } of log.entries(0, log.status().size)) {
    const { timeMs, event } = parseEntry(bytes);
    rows.push({ ...(JSON.parse(parseUtf8(event)) as Row), seq, timeMs });
  }
  return rows;
}

function filtered(rows: readonly Row[], selection: EvidenceSelection): number[] {
  const { sinceMs = 0, untilMs = Infinity, types: wanted, actors, seqs } = selection;
  const isWanted = ({ seq, timeMs, type, actor }: Row): boolean => {
    const isType = wanted?.some((each) =>
      each.endsWith("*") ? type.startsWith(each.slice(0, -1)) : type === each,
    );
    const isPlace = seqs?.some(({ from, to }) => seq >= from && seq < to);
    const isTime = timeMs >= sinceMs && timeMs < untilMs;
    return isTime && isType !== false && isPlace !== false && actors?.includes(actor.id) !== false;
  };
  return rows.filter(isWanted).map(({ seq }) => seq);
}

describe("an export of a log with witnesses", () => {
  test("is under a checkpoint that they cosigned, the export's own entry too", async (t) => {
    const setting = await makeSetting(["w1", "w2"], 2);
    const log = await opened(t, setting);
    const seq = await append(log, 3);
    const exported = await exportEvidence(log, request({ seqs: [{ from: seq, to: seq + 1 }] }));
    const { policy } = setting.options.witnesses;
    const logs = log.vkeys.map((vkey) => ({ vkey: parseVkey(sha256, vkey) }));
    const bytes = Buffer.concat([...exported.pieces]);
    const verdict = await verifyEvidence(nodeCrypto, bytes, { ...policy, logs });
    assert.deepEqual(
      verdict.witnesses.map(({ name }) => name),
      ["w1", "w2"],
    );
    assert.ok(verdict.isExportRecorded);
  });

  test("is not to be had without their quorum; that somebody tried is recorded", async (t) => {
    const setting = await makeSetting(["w1", "w2"], 2);
    const log = await opened(t, setting);
    const seq = await append(log, 1);
    setting.witnesses[0]!.interfere = down;
    const vain = exportEvidence(log, request({ seqs: [{ from: seq, to: seq + 1 }] }));
    await assert.rejects(vain, refuses("unavailable", /quorum/));
    assert.equal((await eventsOf(log, "system.exported")).length, 1);
  });
});

test("a range of seqs has one spelling, with both its ends", () => {
  assert.deepEqual(parseSeqRange("12"), { from: 12, to: 13 });
  assert.deepEqual(parseSeqRange("5-10"), { from: 5, to: 11 });
  for (const text of ["", "-", "5-", "-5", "10-5", "05", "5-06", "5 - 6", "1-2-3", "1e3", "5..6"]) {
    assert.throws(() => parseSeqRange(text), refuses("usage", /not a range of entries/), text);
  }
});
