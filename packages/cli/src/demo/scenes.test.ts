/**
 * Goal: each attack of the tour is noticed by those who must notice it, located where it can be, and leaves evidence;
 * and what is said to go unnoticed does. Method: every scene is played on real logs, witnesses and servers, and what
 * happened is compared with a table of who must say what; the files that it names must be there.
 */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { FakeS3 } from "@cairnlog/testing";
import { playScene } from "./play.ts";
import {
  NotNoticed,
  refusalOf,
  type Happening,
  type LeftEvidence,
  type Observation,
  type Outcome,
  type Scene,
  type SceneResult,
} from "./scene.ts";
import { scenes } from "./scenes.ts";
import { Stage } from "./stage.ts";

/** Who, what becomes of it, and what it says. */
type Expected = readonly [by: RegExp, outcome: Outcome, said: RegExp];

interface ExpectedScene {
  readonly observations: readonly Expected[];
  /** The file, and what is shown of it. */
  readonly evidence: readonly (readonly [path: string, excerpt: RegExp])[];
}

const verifiedAlone: Expected = [/^cairn verify, with the right keys/, "silent", /^verified: /];
const rolledBack = /^the witness w[123] holds (\d+) entries .* itself has \d+: it was rolled back/;
const twoNotes = /(?:signed note: \d+ entries, root \S{44}\n?){2}$/;
const conflictFile = "data/main/evidence/witness-conflict-1.json";

const expectedScenes: readonly ExpectedScene[] = [
  {
    observations: [
      [/^the scrubber/, "noticed", /^sealed\/0{16} .* at byte \d+, entry \d+: .*Appending goes on/],
      [
        /^a reader of the log/,
        "noticed",
        /cannot be decompressed.*Entry \d+ before them is served/,
      ],
      [
        /^the scrubber/,
        "noticed",
        /^tail\/0{11}65536 .* at byte \d+, entry 67237: .* takes no more/,
      ],
      [/^whoever writes/, "noticed", /^503 /],
      [/^cairn verify, afterwards/, "noticed", /sealed\/0{16}, entry \d+, .*entry 67237, byte \d+/],
      [
        /^cairn repair/,
        "mended",
        /^sealed\/0{16} and tail\/.* as they were.* Again verified: 685\d\d/,
      ],
    ],
    evidence: [
      ["edit-bytes/data/main/tail/0000000000065536", /system\.tamper.*"file":"sealed\/0{16}"/],
      ["edit-bytes/data/main/damaged", /^\d{8}t\d{6}\.\d{3}z: the damaged bytes/],
    ],
  },
  {
    observations: [
      verifiedAlone,
      [/^cairn verify --checkpoint/, "noticed", /has 161 entries, and .* says 241/],
      [/^the log's own start/, "noticed", rolledBack],
      [/if it had no witnesses/, "silent", /starts with 161 entries/],
    ],
    evidence: [[`delete-hour/${conflictFile}`, /"larger-tree","size":241},"ourSize":161/]],
  },
  {
    observations: [
      verifiedAlone,
      [/^the witness, asked/, "noticed", /new: 409 242\. As it is: 422 .* holds root/],
      [
        /^the log's own start/,
        "noticed",
        /holds another root .* at size 242 .* under this log's own/,
      ],
      [/^the monitor/, "noticed", /^fork: .* two different trees of 242 entries/],
      [/^the application's receipt/, "noticed", /another leaf hash/],
    ],
    evidence: [
      [`rewrite-past/${conflictFile}`, /"other-root","size":242},"ourSize":242,"status":422/],
      ["witnesses/w1/witness.db", /^split: two roots of 242 entries/],
      ["rewrite-past/monitor/alarms.ndjson", twoNotes],
    ],
  },
  {
    observations: [
      [/^Bob's application, by the log's keys alone/, "silent", /the real key signed it/],
      [/^Bob's receipt/, "noticed", /quorum "two-of-three" is not there/],
      [/^Bob's application: the SDK/, "noticed", /^unwitnessed: /],
      [/^the witness, asked/, "noticed", /^409 123, then 422 /],
      [/^Bob's monitor/, "noticed", /^unwitnessed: .*cosigned by: none/],
      [/^Alice's monitor/, "noticed", /^fork: it has signed two different trees of 123 entries/],
    ],
    evidence: [
      ["witnesses/w1/witness.db", /^split: two roots of 123 entries/],
      ["split-alice/monitor/alarms.ndjson", twoNotes],
    ],
  },
  {
    observations: [
      [/^the scrubber/, "noticed", /takes no more events/],
      [/^the pager/, "noticed", /^system\.tamper, .* \(signed v1,/],
    ],
    evidence: [["roll-back/webhook.json", /"type":"system\.tamper"/]],
  },
  {
    observations: [
      verifiedAlone,
      [/^the log's own start/, "noticed", rolledBack],
      [/^the monitor/, "noticed", /^rollback: it shows 121 entries, and has shown 131 before/],
      [/^the application, at its next event/, "noticed", /was rolled back or forked.*131.*122/],
    ],
    evidence: [
      [`old-snapshot/${conflictFile}`, /"larger-tree","size":131},"ourSize":121,"status":409/],
      ["old-snapshot/monitor/alarms.ndjson", twoNotes],
    ],
  },
  {
    observations: [
      [/go stale/, "noticed", /^stale: .* is \d s old/],
      [/^the log itself/, "noticed", /^0 of the 3 witnesses .* no quorum/],
      [/^the monitor/, "noticed", /^unreachable: /],
    ],
    evidence: [["gag/monitor/alarms.ndjson", /"code":"stale"/]],
  },
  {
    observations: [
      [/^evidence verification$/, "noticed", /^entry 71 does not have the leaf hash/],
      [/with the auditor's policy$/, "noticed", /^none of the \d known keys signed/],
      [/without any policy$/, "noticed", /only "consistent, signer unknown"/],
      [/nobody cosigned it$/, "noticed", /quorum "two-of-three" is not there/],
      [
        /moved cosignatures$/,
        "noticed",
        /signature of "w[123]\.example\/witness".* does not match/,
      ],
    ],
    evidence: [["forge-evidence/forged.evidence", /proof against whoever holds that key/]],
  },
  {
    observations: [
      [/^the bucket/, "told", /refuses to delete/],
      [/^cairn verify s3/, "told", /counts the marker as a problem/],
      [/^the copier/, "told", /covered/],
    ],
    evidence: [],
  },
  {
    observations: [
      [/^cairn verify, and the witnesses/, "silent", /^verified: .* One of them is a lie/],
      [/^the log's start, and its witnesses/, "silent", /three witnesses cosign all 63 entries/],
      [/^whoever holds a receipt/, "noticed", /another leaf hash/],
      [/^write-once copies/, "told", /close it/],
      [/^a witness/, "told", /restored from a backup/],
    ],
    evidence: [["unnoticed-tail/receipt.json", /"seq":62/]],
  },
];

const observationsOf = ({ happenings }: SceneResult): Observation[] =>
  happenings.filter((each) => each.kind === "observation");
const evidenceOf = ({ happenings }: SceneResult): LeftEvidence[] =>
  happenings.filter((each) => each.kind === "evidence");

function play(scene: Scene, stage: Stage, signal = new AbortController().signal) {
  return playScene(scene, 1, stage, { signal, onHappening: async () => undefined });
}

function check(result: SceneResult, { observations, evidence }: ExpectedScene, stage: Stage): void {
  const found = observationsOf(result);
  assert.deepEqual(
    found.map(({ by, outcome }) => `${outcome} ${by}`),
    found.map((each, i) => {
      const [by, outcome] = observations[i] ?? [/^$/, "nothing"];
      return by.test(each.by) ? `${outcome} ${each.by}` : `${outcome} ${String(by)}`;
    }),
  );
  assert.equal(found.length, observations.length);
  for (const [i, { said, ms, outcome }] of found.entries()) {
    assert.match(said, observations[i]![2]);
    assert.equal(ms === undefined, outcome === "told", "whatever was tried was timed");
  }
  const left = evidenceOf(result);
  assert.deepEqual(
    left.map(({ path }) => path),
    evidence.map(([path]) => path),
  );
  for (const [i, { path, excerpt }] of left.entries()) {
    assert.match(excerpt.join("\n"), evidence[i]![1]);
    assert.ok(existsSync(join(stage.folder, path)), path);
  }
  assert.equal(result.ok, true);
}

describe("the tour", () => {
  let stage: Stage;
  before(async () => {
    stage = await Stage.open();
  });
  after(() => stage.close(false));

  for (const [i, scene] of scenes.entries()) {
    it(`${i + 1}: ${scene.title}`, async () => {
      check(await play(scene, stage), expectedScenes[i]!, stage);
    });
  }

  it("the evidence of a witness's conflict holds what was sent and what came, whole", () => {
    const path = join(stage.folder, "rewrite-past", conflictFile);
    const kept = JSON.parse(readFileSync(path, "utf8")) as Record<string, string>;
    for (const name of ["request", "answer", "served"]) assert.ok(kept[name]!.length > 20, name);
    assert.match(kept["proof"]!, /under this log's own key/);
  });
});

describe("the tour with a bucket", () => {
  it("shows that locked copies stay, and that whoever tried is seen", async (t) => {
    const s3 = new FakeS3();
    const endpoint = await s3.listen();
    t.after(() => s3.close());
    const credentials = { accessKeyId: "demo", secretAccessKey: "demo" };
    const bucket = { place: "s3://bucket/tour", s3: { endpoint, pathStyle: true, credentials } };
    const stage = await Stage.open({ bucket });
    t.after(() => stage.close(false));
    const result = await play(scenes[8]!, stage);
    const expected: readonly Expected[] = [
      [
        /^the bucket/,
        "noticed",
        /^version: AccessDenied.*shorter lock: AccessDenied.*delete: done/,
      ],
      [/^cairn verify s3/, "noticed", /^a delete marker lies over .* 65536 entries were verified/],
      [/^the copier/, "noticed", /^alarm covered/],
    ];
    for (const [i, { by, outcome, said }] of observationsOf(result).entries()) {
      assert.match(by, expected[i]![0]);
      assert.equal(outcome, expected[i]![1]);
      assert.match(said, expected[i]![2]);
    }
    assert.equal(observationsOf(result).length, expected.length);
    assert.ok(s3.versions.every(({ key }) => key.startsWith("tour/cairn-demo-")));
  });

  it("says so where the bucket deletes what is locked", async (t) => {
    const s3 = new FakeS3({ lies: ["deletes locked versions"] });
    const endpoint = await s3.listen();
    t.after(() => s3.close());
    const credentials = { accessKeyId: "demo", secretAccessKey: "demo" };
    const bucket = { place: "s3://bucket", s3: { endpoint, pathStyle: true, credentials } };
    const stage = await Stage.open({ bucket });
    t.after(() => stage.close(false));
    const result = await play(scenes[8]!, stage);
    assert.equal(result.ok, false);
    const [first] = observationsOf(result);
    assert.deepEqual([first!.outcome, first!.said], ["missed", "it deletes what is locked"]);
  });
});

describe("a scene", () => {
  let stage: Stage;
  before(async () => {
    stage = await Stage.open();
  });
  after(() => stage.close(false));

  it("where something is not noticed says so, and goes on", async () => {
    const title = "nobody looks";
    const result = await play(
      {
        title,
        async play(act) {
          await act.finds("a guard", async () => {
            await refusalOf(Promise.resolve(), "tampered");
            return "";
          });
          await act.limit("reached");
          throw new NotNoticed("no evidence");
        },
      },
      stage,
    );
    assert.equal(result.ok, false);
    assert.deepEqual(
      observationsOf(result).map(({ outcome, said }) => [outcome, said]),
      [
        ["missed", "it was taken for good"],
        ["missed", "no evidence"],
      ],
    );
    assert.equal(result.happenings.at(-2)!.kind, "limit");
  });

  it("that is interrupted ends: before the attack, and right at it", async () => {
    const atAttack = new AbortController();
    const playing = playScene(scenes[6]!, 1, stage, {
      signal: atAttack.signal,
      onHappening: async (happening: Happening) => {
        if (happening.kind === "attack") atAttack.abort();
      },
    });
    await assert.rejects(playing, { name: "AbortError" });
    for (const scene of [scenes[2]!, scenes[3]!, scenes[5]!]) {
      const early = new AbortController();
      const preparing = play(scene, stage, early.signal);
      early.abort();
      await assert.rejects(preparing, { name: "AbortError" });
    }
  });

  it("and the stage leaves nothing behind", async () => {
    const other = await Stage.open();
    assert.ok(existsSync(join(other.folder, "witnesses/w1/witness.db")));
    await other.close(false);
    assert.ok(!existsSync(other.folder));
  });
});
