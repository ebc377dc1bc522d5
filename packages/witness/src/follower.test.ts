/**
 * Goal: whoever follows a log from outside verifies each new entry once, remembers what it saw over a restart, and
 * notices every way in which a log can go back on it, with the signed notes that prove it.
 * Method: logs made from seeds, honest and not, are looked at through memories and copies that a test can stop.
 */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import {
  parseTilePath,
  parseUtf8,
  policyOfKeys,
  RightEdge,
  utf8,
  type Policy,
} from "@cairnlog/core";
import { nodeCrypto } from "@cairnlog/crypto";
import {
  firstState,
  formatFollowState,
  parseFollowState,
  type FollowState,
} from "./follow-state.ts";
import { bundleOf, FollowedLog, followedStartMs } from "./followed-log.testing.ts";
import { Follower, type FollowMemory, type FollowSink, type Look } from "./follower.ts";
import { FollowFile, MirrorFiles } from "./mirror-files.ts";

const { sha256 } = nodeCrypto;

class Memory implements FollowMemory {
  state: FollowState | undefined;
  saves = 0;
  async load(): Promise<FollowState | undefined> {
    return this.state;
  }
  async save(state: FollowState): Promise<void> {
    this.state = state;
    this.saves++;
  }
}

function policyOf(log: FollowedLog): Policy {
  return policyOfKeys(sha256, [log.signer.vkey]);
}

function open(
  log: FollowedLog,
  memory: FollowMemory,
  sink?: FollowSink,
  policy = policyOf(log),
): Promise<Follower> {
  return Follower.open({
    ...{ source: log, crypto: nodeCrypto, policy, memory, now: () => followedStartMs },
    ...(sink === undefined ? {} : { sink }),
  });
}

function codeOf(look: Look): string {
  return look.kind === "misbehaviour" ? look.misbehaviour.code : look.kind;
}

describe("an honest log", () => {
  it("is verified entry by entry, each one once, over restarts", async () => {
    const log = new FollowedLog();
    const memory = new Memory();
    for (const [grown, expected] of [
      [0, 0],
      [1, 1],
      [254, 254],
      [1, 1],
      [600, 600],
      [0, 0],
    ] as const) {
      await log.append(grown).publish();
      log.asked.length = 0;
      const look = await (await open(log, memory)).look();
      assert.equal(look.kind, "seen");
      assert.equal(look.kind === "seen" && look.entries, expected);
      const bundles =
        Math.ceil(log.entries.length / 256) - Math.floor((log.entries.length - grown) / 256);
      assert.equal(log.asked.length, 1 + (grown === 0 ? 0 : bundles), "no bundle but the new ones");
    }
    assert.equal(memory.state!.base.size, 768);
    assert.deepEqual(memory.state!.walked, memory.state!.base);
  });

  it("may be of others: then only its tree is looked at", async () => {
    const log = new FollowedLog();
    for (let i = 0; i < 300; i++) log.entries.push(utf8(`not ours ${i}`));
    await log.publish();
    const memory = new Memory();
    assert.equal(codeOf(await (await open(log, memory)).look()), "seen");
    assert.equal(memory.state!.base.isOurs, false);
    log.entries.push(utf8("one more"));
    await log.publish();
    assert.equal(codeOf(await (await open(log, memory)).look()), "seen");
  });
});

describe("a log that goes back on what it signed", () => {
  it("with another tree of the same size is a fork, proven by two notes", async () => {
    const log = new FollowedLog().append(300);
    await log.publish();
    const memory = new Memory();
    const first = parseUtf8(log.checkpoint);
    await (await open(log, memory)).look();
    const other = await new FollowedLog().append(300, "other").publish();
    const look = await (await open(other, memory)).look();
    assert.equal(codeOf(look), "fork");
    assert.ok(look.kind === "misbehaviour");
    assert.deepEqual(look.misbehaviour.evidence, [first, parseUtf8(other.checkpoint)]);
    assert.equal(memory.state!.note, first, "the first one seen stays the one that counts");
  });

  it("with a larger tree that does not continue the older one is a fork", async () => {
    for (const [seen, common, grown] of [
      [300, 299, 700],
      [256, 255, 257],
      [10, 0, 600],
      [512, 100, 513],
    ] as const) {
      const base = new FollowedLog().append(common);
      const [log, other] = [
        base.fork().append(seen - common),
        base.fork().append(grown - common, "x"),
      ];
      const memory = new Memory();
      await log.publish();
      await other.publish();
      assert.equal(codeOf(await (await open(log, memory)).look()), "seen");
      const before = memory.state!.note;
      const forked = await (await open(other, memory)).look();
      // Where the old size ends a bundle, the new entries are the first ones that are fetched again.
      assert.match(codeOf(forked), /^(?:fork|entries)$/, `${seen} ${common} ${grown}`);
      assert.equal(memory.state!.note, before);
      await log.append(500).publish();
      assert.equal(
        codeOf(await (await open(log, memory)).look()),
        "seen",
        "and the true one goes on",
      );
    }
  });

  it("that shows an older state is noticed", async () => {
    const log = new FollowedLog().append(300);
    const memory = new Memory();
    await (await open(await log.publish(), memory)).look();
    assert.equal(codeOf(await (await open(await log.publish(299), memory)).look()), "rollback");
  });

  it("is signed by somebody else", async () => {
    const log = await new FollowedLog().append(3).publish();
    const other = await new FollowedLog(2).append(3).publish();
    const look = await (await open(other, new Memory(), undefined, policyOf(log))).look();
    assert.equal(codeOf(look), "checkpoint");
    other.checkpoint = utf8("nothing of the kind");
    assert.equal(codeOf(await (await open(other, new Memory())).look()), "checkpoint");
  });
});

describe("a server that lies", () => {
  const cases: [string, string, (bundle: Uint8Array) => Uint8Array][] = [
    ["with a flipped byte", "entries", (bundle) => bundle.with(bundle.length - 20, 0x7a)],
    ["with two entries swapped", "entries", (bundle) => swapped(bundle)],
    ["with half a bundle", "missing", (bundle) => bundle.subarray(0, bundle.length / 2)],
    ["with more than a bundle", "missing", (bundle) => new Uint8Array([...bundle, 0, 1, 0x7a])],
  ];
  for (const [name, code, change] of cases) {
    it(`${name} is noticed, and believed again once it is honest`, async () => {
      const log = await new FollowedLog().append(100).publish();
      const memory = new Memory();
      await (await open(log, memory)).look();
      await log.append(600).publish();
      log.answer = (path, honest) => (path === "tile/entries/001" ? change(honest()) : honest());
      const follower = await open(log, memory);
      assert.equal(codeOf(await follower.look()), code);
      log.answer = (_path, honest) => honest();
      assert.equal(codeOf(await follower.look()), "seen");
    });
  }

  it("that signs entries which break the chain, the order or the format is noticed", async () => {
    const breaks: ((log: FollowedLog) => void)[] = [
      (log) => log.appendEvent(event, followedStartMs - 1),
      (log) => log.appendEvent(event, followedStartMs + 400, 7),
      (log) => log.entries.push(log.entries.at(-1)!),
      (log) => log.entries.push(utf8("{}")),
    ];
    for (const breakIt of breaks) {
      const log = new FollowedLog().append(300);
      breakIt(log);
      await log.append(3).publish();
      const look = await (await open(log, new Memory())).look();
      assert.equal(codeOf(look), "chain");
      assert.equal(look.kind === "misbehaviour" && look.misbehaviour.place.seq, 300);
    }
  });
});

const event = utf8('{"type":"api.call","actor":{"id":"a"},"action":"GET"}');

function swapped(bundle: Uint8Array): Uint8Array {
  const entries: Uint8Array[] = [];
  for (let at = 0; at < bundle.length;) {
    const end = at + 2 + bundle[at]! * 256 + bundle[at + 1]!;
    entries.push(bundle.subarray(at + 2, end));
    at = end;
  }
  return bundleOf([entries[1]!, entries[0]!, ...entries.slice(2)]);
}

describe("the memory", () => {
  it("is read back exactly, and no other spelling of it", () => {
    const bytes = formatFollowState(firstState);
    assert.deepEqual(parseFollowState(bytes, "x"), firstState);
    const spaced = utf8(parseUtf8(bytes).replace(": 0", ":  0"));
    assert.throws(() => parseFollowState(spaced, "x"), { code: "malformed" });
    const newer = utf8(parseUtf8(bytes).replace("cairn-follow/1", "cairn-follow/2"));
    assert.throws(() => parseFollowState(newer, "x"), { code: "unsupported_version" });
    for (let i = 0; i < bytes.length; i++) {
      const flipped = bytes.slice();
      flipped[i]! ^= 1;
      assert.throws(() => parseFollowState(flipped, "x"), { name: "CairnError" }, `byte ${i}`);
    }
  });
});

describe("a mirror", () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "cairn-mirror-"));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  /** Every tile and bundle of the tree, of every width that it ever had. */
  async function checkCopy(files: MirrorFiles, log: FollowedLog): Promise<void> {
    const size = log.entries.length;
    const width = (index: number, nodes: number): number => Math.min(256, nodes - 256 * index);
    for (let index = 0; 256 * index < size; index++) {
      for (const each of [1, width(index, size)]) {
        const bundle = await files.tile({ level: "entries", index, width: each });
        assert.deepEqual(bundle, bundleOf(log.entries.slice(256 * index, 256 * index + each)));
      }
    }
    const edge = new RightEdge(sha256);
    const nodes = Math.floor(size / 256);
    for (let index = 0; index < nodes; index++) {
      const above = await files.tile({
        level: 1,
        index: index >> 8,
        width: width(index >> 8, nodes),
      });
      edge.appendSubtree(8, above!.slice(32 * (index & 255), 32 * (index & 255) + 32));
    }
    const count = size % 256;
    const rest = count && (await files.tile({ level: 0, index: nodes, width: count }));
    for (let i = 0; i < count; i++) edge.append((rest as Uint8Array).slice(32 * i, 32 * i + 32));
    assert.deepEqual(edge.root(), log.root());
    assert.equal(await files.tile({ level: 0, index: nodes, width: (size % 256) + 1 }), undefined);
  }

  it("serves exactly the log's tiles at every size, over restarts", async () => {
    const log = new FollowedLog();
    for (const grown of [1, 44, 400, 67, 1, 300, 256 * 3]) {
      await log.append(grown).publish();
      const files = new MirrorFiles(folder, sha256);
      assert.equal(codeOf(await (await open(log, files, files)).look()), "seen");
      await checkCopy(files, log);
    }
  });

  it("goes on where a first copy was cut off, and keeps nothing of a walk that led nowhere", async () => {
    const log = await new FollowedLog().append(300).publish();
    let files = new MirrorFiles(folder, sha256);
    await (await open(log, files, files)).look();
    await log.append(900).publish();
    log.answer = (path, honest) =>
      path === "tile/entries/002" ? honest().with(500, 0x7a) : honest();
    assert.equal(codeOf(await (await open(log, files, files)).look()), "entries");
    assert.equal(await files.tile({ level: 0, index: 2, width: 1 }), undefined);
    assert.deepEqual(
      await files.tile({ level: "entries", index: 1, width: 44 }),
      bundleOf(log.entries.slice(256, 300)),
    );
    log.answer = (_path, honest) => honest();
    files = new MirrorFiles(folder, sha256);
    await (await open(log, files, files)).look();
    await checkCopy(files, log);
  });

  it("refuses a memory that was edited", async () => {
    const log = await new FollowedLog().append(3).publish();
    const files = new FollowFile(folder);
    await (await open(log, files)).look();
    assert.equal((await files.load())!.base.size, 0);
    const { readFileSync, writeFileSync } = await import("node:fs");
    const path = join(folder, "follow.json");
    writeFileSync(path, readFileSync(path, "utf8").replace(/"size": 0/, '"size": 256'));
    await assert.rejects(files.load(), { code: "malformed", message: /follow\.json/ });
  });
});

it("the test's log serves what its paths say", async () => {
  const log = await new FollowedLog().append(5).publish();
  assert.equal(parseTilePath("tile/entries/000.p/5").width, 5);
  assert.deepEqual(await log.get("tile/entries/000.p/5"), bundleOf(log.entries));
});
