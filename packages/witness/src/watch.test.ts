/**
 * Goal: whoever watches a log hears of each alarm once, hears when a condition has passed, and is not left alone with
 * silence. Method: a log made from a seed, witnesses made from seeds, and a clock that the test moves.
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  CairnError,
  cosignCheckpoint,
  cosigner,
  formatNote,
  formatVkey,
  parseNote,
  parsePolicy,
  parseUtf8,
  utf8,
  type Policy,
} from "@cairnlog/core";
import { nodeCrypto } from "@cairnlog/crypto";
import { FollowedLog, followedStartMs, keyOf } from "./followed-log.testing.ts";
import { Follower } from "./follower.ts";
import { Watch, type WatchAlarm } from "./watch.ts";

const { sha256 } = nodeCrypto;
const witnesses = [11, 12, 13].map((seed) => cosigner(sha256, `w${seed}.example`, keyOf(seed)));

class Scene {
  readonly log = new FollowedLog();
  nowMs = followedStartMs;
  readonly alarms: WatchAlarm[] = [];
  watch!: Watch;

  static async open(quorum = "2"): Promise<Scene> {
    const scene = new Scene();
    const policy = scene.#policy(quorum);
    const follower = await Follower.open({
      ...{ source: scene.log, crypto: nodeCrypto, policy, now: () => scene.nowMs },
      memory: { load: async () => undefined, save: async () => undefined },
    });
    scene.watch = new Watch({
      ...{ follower, policy, target: "http://log.example/", intervalMs: 1000 },
      ...{ staleAfterMs: 180_000, unreachableAfterMs: 60_000, now: () => scene.nowMs },
      sleep: async () => undefined,
      onAlarm: async (alarm) => void scene.alarms.push(alarm),
    });
    return scene;
  }

  #policy(quorum: string): Policy {
    const lines = witnesses.map(({ vkey }, i) => `witness w${i} ${formatVkey(vkey)}\n`).join("");
    const text = `log ${formatVkey(this.log.signer.vkey)}\n${lines}group g ${quorum} w0 w1 w2\nquorum g\n`;
    return parsePolicy(sha256, utf8(text));
  }

  /** Publishes, cosigned by so many witnesses at the present time. */
  async publish(count: number, log = this.log): Promise<void> {
    const note = parseNote(utf8(await log.note()));
    const signatures = [...note.signatures];
    const seconds = Math.floor(this.nowMs / 1000);
    signatures.push(...(await cosignCheckpoint(witnesses.slice(0, count), note.text, seconds)));
    this.log.checkpoint = utf8(formatNote(note.text, signatures));
  }

  said(): string[] {
    return this.alarms.splice(0).map(({ kind, code }) => `${kind} ${code}`);
  }
}

describe("watch", () => {
  it("is quiet while all is well, and says what it knows", async () => {
    const scene = await Scene.open();
    for (let i = 0; i < 4; i++) {
      scene.log.append(100);
      await scene.publish(3);
      const status = await scene.watch.lookOnce();
      assert.deepEqual(status, {
        size: 100 * (i + 1),
        lookedAt: scene.nowMs,
        cosignedAt: scene.nowMs / 1000,
        witnesses: ["w0", "w1", "w2"],
        alarms: [],
      });
      scene.nowMs += 60_000;
    }
    assert.deepEqual(scene.said(), []);
  });

  it("does not follow a checkpoint without quorum, and says when it is there again", async () => {
    const scene = await Scene.open();
    scene.log.append(3);
    await scene.publish(1);
    await scene.watch.lookOnce();
    await scene.watch.lookOnce();
    assert.deepEqual(scene.said(), ["alarm unwitnessed"]);
    assert.equal(scene.watch.status().size, 0);
    await scene.publish(2);
    await scene.watch.lookOnce();
    assert.deepEqual(scene.said(), ["over unwitnessed"]);
    assert.equal(scene.watch.status().size, 3);
  });

  it("alarms when cosignatures grow stale, until they are renewed", async () => {
    const scene = await Scene.open();
    await scene.publish(3);
    await scene.watch.lookOnce();
    scene.nowMs += 180_000;
    await scene.watch.lookOnce();
    assert.deepEqual(scene.said(), []);
    scene.nowMs += 1;
    await scene.watch.lookOnce();
    await scene.watch.lookOnce();
    assert.deepEqual(scene.said(), ["alarm stale"]);
    await scene.publish(2);
    await scene.watch.lookOnce();
    assert.deepEqual(scene.said(), ["over stale"]);
  });

  it("one fresh witness does not hide that the quorum is stale", async () => {
    const scene = await Scene.open("3");
    await scene.publish(3);
    const old = scene.log.checkpoint;
    await scene.watch.lookOnce();
    scene.nowMs += 180_001;
    await scene.publish(1);
    const fresh = parseNote(scene.log.checkpoint);
    const others = parseNote(old).signatures.slice(2);
    const signatures = [...fresh.signatures, ...others];
    scene.log.checkpoint = utf8(formatNote(fresh.text, signatures));
    await scene.watch.lookOnce();
    assert.deepEqual(scene.said(), ["alarm stale"]);
  });

  it("alarms about silence after a while, about a refusal at once, and when both are over", async () => {
    const scene = await Scene.open();
    await scene.publish(3);
    await scene.watch.lookOnce();
    scene.log.answer = () => {
      throw new CairnError("unavailable", "no route");
    };
    scene.nowMs += 59_999;
    await scene.watch.lookOnce();
    assert.deepEqual(scene.said(), []);
    scene.nowMs += 1;
    await scene.watch.lookOnce();
    await scene.watch.lookOnce();
    assert.deepEqual(scene.said(), ["alarm unreachable"]);
    scene.log.answer = () => {
      throw new CairnError("forbidden", "not for you");
    };
    await scene.watch.lookOnce();
    assert.deepEqual(scene.said(), ["alarm refused"]);
    scene.log.answer = (_path, honest) => honest();
    await scene.watch.lookOnce();
    assert.deepEqual(scene.said(), ["over unreachable", "over refused"]);
  });

  it("says misbehaviour once for each proof, with the notes, and never takes it back", async () => {
    const scene = await Scene.open();
    scene.log.append(5);
    await scene.publish(3);
    await scene.watch.lookOnce();
    const honest = parseUtf8(scene.log.checkpoint);
    await scene.publish(3, new FollowedLog().append(5, "other"));
    const forked = parseUtf8(scene.log.checkpoint);
    await scene.watch.lookOnce();
    await scene.watch.lookOnce();
    const [alarm, ...more] = scene.alarms.splice(0);
    assert.deepEqual(more, []);
    assert.equal(alarm!.code, "fork");
    assert.deepEqual(alarm!.evidence, [honest, forked]);
    assert.equal(alarm!.at, new Date(scene.nowMs).toISOString());
    await scene.publish(3);
    await scene.watch.lookOnce();
    assert.deepEqual(scene.said(), []);
    assert.deepEqual(scene.watch.status().alarms, ["fork"]);
    await scene.publish(3, new FollowedLog().append(5, "third"));
    await scene.watch.lookOnce();
    assert.deepEqual(scene.said(), ["alarm fork"]);
  });

  it("says once that what is served is no checkpoint, however many kinds of nothing come", async () => {
    const scene = await Scene.open();
    for (let i = 0; i < 5; i++) {
      scene.log.checkpoint = utf8(`nothing ${i}`);
      await scene.watch.lookOnce();
    }
    assert.deepEqual(scene.said(), ["alarm checkpoint"]);
  });

  it("ends when nobody hears its alarms", async () => {
    const scene = await Scene.open();
    await scene.publish(0);
    const deaf = new Error("the disk is full");
    scene.alarms.push = () => {
      throw deaf;
    };
    await assert.rejects(scene.watch.run(new AbortController().signal), deaf);
  });
});
