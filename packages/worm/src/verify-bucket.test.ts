/**
 * Goal: copies that are whole verify, by the locked versions; whatever was laid over them, is missing, differs, or is
 * not locked any more is named. Method: a real log with two sealed files, copied into an S3 in this process; then what
 * it holds is changed, one thing at a time.
 */
import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import {
  cosignCheckpoint,
  cosigner,
  formatNote,
  formatVkey,
  noteSigner,
  parseNote,
  parsePolicy,
  parseUtf8,
  signCheckpoint,
  utf8,
  type NoteSigner,
} from "@cairnlog/core";
import { generateSigner, nodeCrypto, signerFromPem, signerFromSeed } from "@cairnlog/crypto";
import { FakeS3, type FakeVersion } from "@cairnlog/testing";
import type { Finding } from "@cairnlog/verify";
import { Bucket, openClient } from "./bucket.ts";
import { openLockedCopy } from "./locked-copy.ts";
import { copierOf, growTo, wholeSegments, withRealLog } from "./real-log.testing.ts";
import { verifyBucket, type VerifyBucketOptions } from "./verify-bucket.ts";

const credentials = { accessKeyId: "a", secretAccessKey: "b" };
const dayMs = 24 * 3_600_000;
const fake = new FakeS3();
let s3: { endpoint: string; pathStyle: boolean; credentials: typeof credentials };
let whole: readonly FakeVersion[];
let vkeys: readonly string[];
/** The log's own. */
const signers: NoteSigner[] = [];
let roots: Map<number, Uint8Array>;

const key = (name: string): string => `worm/main/${name}`;
const numbered = (folder: string, n: number): string => `${folder}/${String(n).padStart(16, "0")}`;
const first = numbered("sealed", 0);
const second = numbered("sealed", 65_536);
const sizes = [1, 300, 70_000, wholeSegments(1), 90_001, wholeSegments(2), 140_000];

before(async () => {
  s3 = { endpoint: await fake.listen(), pathStyle: true, credentials };
  const bucket = new Bucket(openClient(s3), { bucket: "bucket", prefix: "worm/main" });
  await withRealLog("main", async (real) => {
    const copier = copierOf(real, bucket, 30 * dayMs);
    for (const size of sizes.toSorted((a, b) => a - b)) {
      await growTo(real, size);
      await copier.copyNow();
    }
    assert.deepEqual(copier.status().alarms, []);
    vkeys = [...real.log.vkeys];
    for (const path of ["keys/ed25519.pem", "keys/ml-dsa-44.pem"]) {
      const pem = parseUtf8((await real.reader.get(path))!);
      signers.push(noteSigner(nodeCrypto.sha256, real.log.origin, signerFromPem(pem)));
    }
    roots = new Map();
    for (const size of sizes) roots.set(size, await real.log.root(size));
  });
  bucket.close();
  whole = fake.versions.slice();
});
beforeEach(() => {
  fake.requests.length = 0;
  fake.versions.splice(0, Infinity, ...whole.map((version) => ({ ...version })));
});
after(() => fake.close());

const verify = (options: VerifyBucketOptions = {}, target = "s3://bucket/worm/main") =>
  verifyBucket(target, { s3, vkeys, ...options });

/** The only version of a key, as it lies there now. */
function at(name: string): FakeVersion {
  const [version] = fake.of(key(name));
  assert.ok(version !== undefined, name);
  return version;
}

function remove(name: string): void {
  fake.versions.splice(fake.versions.indexOf(at(name)), 1);
}

const shown = ({ code, path }: Finding): string => `${code} ${path ?? ""}`;

test("whole copies verify, each entry and each checkpoint", async () => {
  const told: number[] = [];
  const report = await verify({ onProgress: ({ entriesDone }) => told.push(entriesDone) });
  assert.deepEqual(report.problems, []);
  assert.equal(report.verdict, "verified");
  assert.equal(report.entriesChecked, 131_072);
  assert.equal(report.size, 131_072);
  assert.equal(report.checkpointSize, 140_000);
  assert.equal(report.filesChecked, 4 + sizes.length);
  assert.equal(Buffer.from(report.root!, "base64").compare(roots.get(131_072)!), 0);
  assert.equal(told.at(-1), 131_072);
  const notes = report.notes.map(({ code, message }) => `${code}: ${message}`).join("\n");
  assert.match(notes, /rest: of 8928 entries from 131072 on there is no copy yet/);
  assert.match(notes, /lock: the first of the locks ends at/);
  const unpinned = await verifyBucket("s3://bucket/worm/main", { s3 });
  assert.equal(unpinned.verdict, "consistent");
});

test("a place with several logs: all of them, or the one that is named", async () => {
  for (const version of whole) {
    fake.versions.push({ ...version, key: version.key.replace("/main/", "/copy/") });
  }
  fake.add("worm/cairn-doctor/x/locked", utf8("litter"));
  const both = await verify({}, "s3://bucket/worm");
  assert.deepEqual(
    both.logs.map(({ target, verdict }) => [target, verdict]),
    [
      ["s3://bucket/worm/copy", "verified"],
      ["s3://bucket/worm/main", "verified"],
    ],
  );
  assert.equal(both.kind, "bucket");
  const one = await verify({ log: "main" }, "s3://bucket/worm/");
  assert.equal(one.target, "s3://bucket/worm/main");
  await assert.rejects(verify({ log: "other" }, "s3://bucket/worm"), { code: "not_found" });
  await assert.rejects(verify({}, "s3://bucket/nothing"), { code: "not_found" });
  await assert.rejects(verify({}, "s3://bucket/../x"), { code: "usage" });
});

interface Case {
  readonly what: string;
  readonly change: () => void | Promise<void>;
  readonly finds: readonly string[];
  readonly options?: () => VerifyBucketOptions;
}

const hide = (name: string): void => {
  fake.versions.push({ ...at(name), id: "z1", isDeleteMarker: true, bytes: new Uint8Array(0) });
};
const cases: readonly Case[] = [
  {
    what: "delete marker over a sealed file",
    change: () => hide(first),
    finds: [`versions ${first}`],
  },
  {
    what: "delete marker over a checkpoint",
    change: () => hide(numbered("checkpoints", 300)),
    finds: [`versions ${numbered("checkpoints", 300)}`],
  },
  {
    what: "newer version of a sealed file, itself whole",
    change: () =>
      void fake.add(key(second), at(second).bytes, at(second) as { mode: string; untilMs: number }),
    finds: [`versions ${second}`],
  },
  {
    what: "newer version of log.json",
    change: () => void fake.add(key("log.json"), utf8("{}")),
    finds: ["versions log.json"],
  },
  {
    what: "only a delete marker is left",
    change: () => {
      hide("vkeys");
      fake.versions.splice(fake.versions.indexOf(at("vkeys")), 1);
    },
    finds: ["versions vkeys", "missing vkeys"],
  },
  {
    what: "governance instead of compliance",
    change: () => void (at(first).mode = "GOVERNANCE"),
    finds: [`lock ${first}`],
  },
  { what: "no lock", change: () => void (at("vkeys").mode = undefined), finds: ["lock vkeys"] },
  {
    what: "a lock that has ended",
    change: () => void (at(numbered("checkpoints", 70_000)).untilMs = Date.now() - 1000),
    finds: [`lock ${numbered("checkpoints", 70_000)}`],
  },
  { what: "sealed file gone", change: () => remove(first), finds: [`missing ${first}`] },
  {
    what: "a byte of an entry",
    change: () => {
      const version = at(second);
      version.bytes = version.bytes.slice();
      version.bytes[1000]! ^= 1;
    },
    finds: [`sealed ${second}`],
  },
  {
    what: "sealed files swapped",
    change: () => {
      const [a, b] = [at(first), at(second)];
      [a.bytes, b.bytes] = [b.bytes, a.bytes];
    },
    // Entry 0 is not the one that begins a log.
    finds: [`sealed ${first}`, `sealed ${second}`, "settings "],
  },
  {
    what: "checkpoint of another size at a key",
    change: () =>
      void (at(numbered("checkpoints", 300)).bytes = at(numbered("checkpoints", 1)).bytes),
    finds: [`checkpoint ${numbered("checkpoints", 300)}`],
  },
  {
    what: "checkpoint of another size, beyond the sealed files",
    change: () => {
      at(numbered("checkpoints", 140_000)).bytes = at(numbered("checkpoints", 300)).bytes;
    },
    finds: [`checkpoint ${numbered("checkpoints", 140_000)}`],
  },
  {
    what: "checkpoint without the signature that holds against a quantum computer",
    change: async () => {
      const { name: origin } = signers[0]!.vkey;
      const checkpoint = { origin, size: 300, root: roots.get(300)! };
      at(numbered("checkpoints", 300)).bytes = utf8(
        await signCheckpoint([signers[0]!], checkpoint),
      );
    },
    finds: [`checkpoint ${numbered("checkpoints", 300)}`],
  },
  {
    what: "checkpoint that does not parse",
    change: () => void (at(numbered("checkpoints", 140_000)).bytes = utf8("litter")),
    finds: [`checkpoint ${numbered("checkpoints", 140_000)}`],
  },
  {
    what: "log.json edited",
    change: () => {
      const text = String(Buffer.from(at("log.json").bytes));
      at("log.json").bytes = utf8(text.replace('"public": false', '"public": true'));
    },
    finds: ["settings log.json"],
  },
  {
    what: "vkeys edited",
    change: () => void (at("vkeys").bytes = utf8("x\n")),
    finds: ["keys vkeys"],
  },
  {
    what: "another key was meant",
    change: () => undefined,
    finds: ["keys "],
    options: () => {
      const { name: origin } = signers[0]!.vkey;
      const { vkey } = noteSigner(nodeCrypto.sha256, origin, generateSigner("ed25519"));
      return { vkeys: [formatVkey(vkey)] };
    },
  },
  {
    what: "every lock has ended, years later",
    change: () => undefined,
    options: () => ({ nowMs: Date.now() + 31 * dayMs }),
    // Ten are named, one is counted; nobody copied the whole files' worth of entries meanwhile, but there is none.
    finds: [...Array.from({ length: 11 }, () => "lock")],
  },
];

for (const { what, change, finds, options } of cases) {
  test(`found: ${what}`, async () => {
    await change();
    const { problems, verdict, summary } = await verify(options?.());
    assert.equal(verdict, "failed");
    assert.match(summary, /NOT VERIFIED/);
    const found = problems.map(shown);
    if (finds.length > 5)
      assert.deepEqual(
        problems.map(({ code }) => code),
        finds,
      );
    else assert.deepEqual(found.sort(), finds.toSorted());
  });
}

test("entries that no sealed file has: at first a note, after an hour a problem", async () => {
  remove(second);
  const early = await verify();
  assert.deepEqual(early.problems, []);
  assert.match(early.notes.map(({ message }) => message).join("\n"), /of 74464 entries from 65536/);
  const late = await verify({ nowMs: Date.now() + 3_700_000 });
  assert.deepEqual(
    late.problems.map(({ code }) => code),
    ["missing"],
  );
});

test("a checkpoint that the log's own key signed over another history", async () => {
  const { name: origin } = signers[0]!.vkey;
  const signed = async (size: number): Promise<Uint8Array> =>
    utf8(await signCheckpoint(signers, { origin, size, root: new Uint8Array(32).fill(7) }));
  for (const size of [300, wholeSegments(2)]) {
    const path = numbered("checkpoints", size);
    const { bytes } = at(path);
    at(path).bytes = await signed(size);
    const { problems } = await verify();
    assert.deepEqual(problems.map(shown), [`checkpoint ${path}`]);
    assert.match(problems[0]!.message, /entries were changed, or it was/);
    at(path).bytes = bytes;
  }
});

test("a policy: witnesses must have cosigned a checkpoint that the copied entries come to", async () => {
  const { sha256 } = nodeCrypto;
  const witness = (name: string): NoteSigner =>
    cosigner(sha256, `witness.example/${name}`, signerFromSeed("ed25519", sha256(utf8(name))));
  const [w1, stranger] = [witness("w1"), witness("w2")];
  const logs = vkeys.map((vkey) => `log ${vkey}\n`).join("");
  const text = `${logs}witness w1 ${formatVkey(w1.vkey)}\nquorum w1\n`;
  const policy = parsePolicy(sha256, utf8(text));
  const now = Math.floor(Date.now() / 1000);
  const cosign = async (size: number, by: NoteSigner): Promise<void> => {
    const version = at(numbered("checkpoints", size));
    const note = parseNote(version.bytes);
    const lines = await cosignCheckpoint([by], note.text, now);
    version.bytes = utf8(formatNote(note.text, [...note.signatures, ...lines]));
  };
  const judged = async () => {
    // The keys come with the policy.
    const { verdict, problems, witnesses } = await verify({ vkeys: [], policy, now });
    return [verdict, problems.map(shown), witnesses];
  };
  const compared = numbered("checkpoints", wholeSegments(2));
  const failed = ["failed", [`quorum ${compared}`], undefined];
  assert.deepEqual(await judged(), failed, "nobody cosigned");
  await cosign(140_000, w1);
  assert.deepEqual(await judged(), failed, "of entries that are not here");
  await cosign(90_001, w1);
  assert.deepEqual(await judged(), failed, "an older one");
  await cosign(wholeSegments(2), stranger);
  assert.deepEqual(await judged(), failed, "by a stranger");
  await cosign(wholeSegments(2), w1);
  const witnesses = [{ name: "w1", timestamp: now }];
  assert.deepEqual(await judged(), ["verified", [], witnesses]);
  // Without the sealed file that came last, what is here comes to another one.
  remove(second);
  const short = numbered("checkpoints", wholeSegments(1));
  assert.deepEqual(await judged(), ["failed", [`quorum ${short}`], undefined]);
});

test("a repair reads the locked versions, whatever lies over them", async () => {
  hide(first);
  fake.add(key(second), utf8("forged"));
  const copy = await openLockedCopy("s3://bucket/worm/main", s3);
  assert.deepEqual(copy.sealed, [0, 65_536]);
  for (const path of [first, second]) {
    const { bytes } = fake.of(key(path))[0]!;
    assert.equal(await copy.folder.byteLength(path), bytes.length);
    assert.deepEqual(await copy.folder.get(path, bytes.length), bytes);
    assert.deepEqual(await copy.folder.read(path, 77, 5), bytes.slice(77, 82));
  }
  assert.equal(await copy.folder.read("sealed/9", 0, 1), undefined);
  copy.close();
});

test("a checkpoint from outside must be of the same history", async () => {
  const note = String(Buffer.from(at(numbered("checkpoints", 70_000)).bytes));
  assert.equal((await verify({ checkpoint: note })).verdict, "verified");
  await withRealLog("main", async (other) => {
    await growTo(other, 300);
    const { note: foreign } = other.log.publishedCheckpoint();
    const { problems } = await verify({ checkpoint: foreign });
    assert.deepEqual(
      problems.map(({ code }) => code),
      ["checkpoint"],
    );
  });
});
