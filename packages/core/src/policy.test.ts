/**
 * Goal: a policy means what tlog-policy says, and a mistake in one is named by its line. Method: the specification's
 * example and all combinations of its witnesses against the rule written out; every refusal once; random policies
 * formatted and read back; a checkpoint with every kind of right, wrong, moved and unknown signature.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { nodeCrypto, signerFromSeed } from "@cairnlog/crypto";
import { formatCheckpoint, signCheckpoint } from "./checkpoint.ts";
import { cosignCheckpoint, cosigner } from "./cosign.ts";
import { utf8 } from "./encoding.ts";
import { isCairnError, type CairnErrorCode } from "./errors.ts";
import { hashChildren, hashLeaf } from "./merkle.ts";
import { formatNote, noteSigner, parseNote, type NoteSigner } from "./note.ts";
import {
  formatPolicy,
  isQuorum,
  noQuorum,
  parsePolicy,
  policyBytesMax,
  policyOfKeys,
  withLogKeys,
  type Policy,
} from "./policy.ts";
import { formatVkey, makeVkey, signatureTypes, type SignatureType, type Vkey } from "./vkey.ts";
import {
  checkQuorum,
  clockSkewSecondsMax,
  verifyWitnessedCheckpoint,
  verifyWitnessedProof,
} from "./witnessed-checkpoint.ts";

const { sha256 } = nodeCrypto;
const { ed25519, ed25519Cosignature, mlDsa44Cosignature } = signatureTypes;
const origin = "log.example/one";
const seed = (byte: number): Uint8Array => new Uint8Array(32).fill(byte);
const is =
  (code: CairnErrorCode, ...said: string[]) =>
  (error: unknown): boolean =>
    isCairnError(error, code) && said.every((words) => error.message.includes(words));

/** A verifier key of any 32 or 1,312 bytes: nothing is signed with it. */
function key(byte: number, type: SignatureType, name = "key.example"): Vkey {
  const length = type === mlDsa44Cosignature ? 1312 : 32;
  return makeVkey(sha256, { name, type, publicKey: new Uint8Array(length).fill(byte) });
}
const w = (byte: number, type: SignatureType = ed25519Cosignature, name?: string): string =>
  formatVkey(key(byte, type, name));
const l = (byte: number, type: SignatureType = ed25519, name?: string): string =>
  formatVkey(key(byte, type, name));
const parse = (text: string): Policy => parsePolicy(sha256, utf8(text));

const witnessNames = ["X1", "X2", "X3", "Y1", "Y2", "Y3"];
const example =
  `log ${l(1)}\n\n` +
  witnessNames.map((name, i) => `witness ${name} ${w(10 + i)}\n`).join("") +
  "group X-witnesses 2 X1 X2 X3\ngroup Y-witnesses any Y1 Y2 Y3\n" +
  "group X-and-Y all X-witnesses Y-witnesses\nquorum X-and-Y\n";

describe("policies", () => {
  test("the specification's example: every subset of the witnesses", () => {
    const policy = parse(example);
    assert.equal(policy.logs.length, 1);
    for (let bits = 0; bits < 64; bits++) {
      const cosigned = witnessNames.filter((_, i) => Math.floor(bits / 2 ** i) % 2 === 1);
      const count = (letter: string): number =>
        cosigned.filter((name) => name.startsWith(letter)).length;
      assert.equal(isQuorum(policy, cosigned), count("X") >= 2 && count("Y") >= 1, `${cosigned}`);
    }
    // Neither a group's name nor a stranger's counts as a cosignature, nor does one witness count twice.
    assert.equal(isQuorum(policy, ["X-and-Y", "X-witnesses", "Y-witnesses", "Z"]), false);
    assert.equal(isQuorum(policy, ["X1", "X1", "X1", "Y1"]), false);
  });

  test("quorums of nobody, of one witness, of a witness with two keys", () => {
    assert.ok(isQuorum(parse("quorum none\n"), []));
    assert.ok(isQuorum(parse(`quorum none\nwitness late ${w(1)}\n`), []));
    const one = parse(`witness W ${w(1)}\nquorum W\n`);
    assert.ok(isQuorum(one, ["W"]) && !isQuorum(one, []));
    const keys = `witness W-04 ${w(1)}\nwitness W-06 ${w(2, mlDsa44Cosignature)}\nwitness V ${w(3)}\n`;
    const two = parse(`${keys}group W any W-04 W-06\ngroup all 2 W V\nquorum all\n`);
    assert.equal(isQuorum(two, ["W-04", "W-06"]), false);
    assert.ok(isQuorum(two, ["W-06", "V"]));
  });

  test("white space, comments, URLs, and names of any octets", () => {
    const bytes = new Uint8Array([
      ...utf8(`\t # a comment: \u00e9\n#\n \t\n\t log\t ${l(1)}  https://log.example/ \t\n`),
      ...[...utf8("witness "), 0xff, 0xe9, ...utf8(` ${w(2)} https://w.example/\u00e9\n`)],
      ...utf8(
        `witness K ${w(3)}\nwitness \u212a ${w(4)}\nwitness # ${w(5)}\nwitness all ${w(6)}\n`,
      ),
      ...[...utf8("group any 1 K \u212a "), 0xff, 0xe9, ...utf8(" all\nquorum any\nlog ")],
      ...utf8(`${l(7, mlDsa44Cosignature)}\n`),
    ]);
    const policy = parsePolicy(sha256, bytes);
    assert.equal(policy.logs[0]?.url, "https://log.example/");
    assert.equal(policy.witnesses[0]?.url, "https://w.example/\u00e9");
    const names = policy.witnesses.map(({ name }) => name);
    assert.deepEqual(names, ["\udcff\udce9", "K", "\u212a", "#", "all"]);
    assert.ok(isQuorum(policy, ["\udcff\udce9"]) && !isQuorum(policy, ["#"]));
    const again = formatPolicy(sha256, policy);
    assert.deepEqual(parsePolicy(sha256, again), policy);
    assert.deepEqual(formatPolicy(sha256, parsePolicy(sha256, again)), again);
  });

  test("32 logs, 32 witnesses and 32 groups, as every implementation should take", () => {
    const each = (line: (i: number) => string): string =>
      Array.from({ length: 32 }, (_, i) => line(i)).join("");
    const policy = parse(
      each((i) => `log ${l(i, mlDsa44Cosignature)}\n`) +
        each((i) => `witness w${i} ${w(100 + i)}\n`) +
        each((i) => `group g${i} any w${i}${i === 0 ? "" : ` g${i - 1}`}\n`) +
        "quorum g31\n",
    );
    assert.ok(isQuorum(policy, ["w0"]));
  });
});

describe("mistakes in a policy are named with their line", () => {
  const good = `witness A ${w(1)}\nwitness B ${w(2)}\n`;
  const cases: [string, string, number, ...string[]][] = [
    ["a control character", "quorum none\n\x01\n", 2, "byte 0x01"],
    ["a carriage return", "quorum none\r\n", 1, "byte 0x0d", "convert the line ends"],
    ["a delete character in a comment", "# \x7f\nquorum none\n", 1, "byte 0x7f"],
    ["no newline at the end", "quorum none", 1, "newline"],
    ["an empty file", "", 1, "no quorum line"],
    ["comments only", "# quorum none\n", 2, "no quorum line"],
    ["no quorum", good, 3, "no quorum line"],
    ["two quorums", `${good}quorum A\nquorum A\n`, 4, "second quorum"],
    ["a quorum without a name", "quorum\n", 1, "quorum <name>"],
    ["a quorum of two names", `${good}quorum A B\n`, 3, "quorum <name>"],
    ["an unknown quorum", `${good}quorum C\n`, 3, '"C"'],
    ["a quorum before its definition", `quorum A\n${good}`, 1, '"A"'],
    ["an unknown keyword", "wittness A\n", 1, '"wittness"'],
    ["a keyword in upper case", "Quorum none\n", 1, '"Quorum"'],
    ["a log without a key", "log\n", 1, "log <vkey>"],
    ["a log with too much", `log ${l(1)} url # comment\n`, 1, "log <vkey>"],
    ["a log with a broken key", "log garbage\n", 1, "verifier key"],
    ["a log with a changed key", `log ${l(1).replace("key", "kez")}\n`, 1, "verifier key"],
    ["a log with a witness's key", `log ${w(1)}\n`, 1, "0x04", "0x01 or 0x06"],
    ["a witness with a log's key", `witness A ${l(1)}\n`, 1, "0x01", "0x04 or 0x06"],
    ["a witness without a key", "witness A\n", 1, "witness <name> <vkey>"],
    ["a witness with too much", `witness A ${w(1)} url more\n`, 1, "witness <name> <vkey>"],
    ["a witness named none", `witness none ${w(1)}\n`, 1, "reserved"],
    ["two witnesses of one name", `${good}witness A ${w(3)}\n`, 3, "taken by line 1"],
    ["two witnesses of one key", `${good}witness C ${w(2)}\n`, 3, "that of line 2"],
    ["one key, two names", `${good}witness C ${w(1, 4, "other")}\n`, 3, "that of line 1"],
    ["two logs of one key", `log ${l(1)}\nlog ${l(1, 1, "other")}\n`, 2, "that of line 1"],
    ["a log's key as a witness", `log ${l(1)}\nwitness A ${w(1)}\n`, 2, "that of line 1"],
    ["a witness's key as a log", `witness A ${w(1)}\nlog ${l(1)}\n`, 2, "that of line 1"],
    ["the same of ML-DSA", `log ${l(1, 6)}\nwitness A ${w(1, 6)}\n`, 2, "that of line 1"],
    ["a group without members", `${good}group G 1\n`, 3, "group <name>"],
    ["a group named none", `${good}group none any A\n`, 3, "reserved"],
    ["a group named as a witness", `${good}group A any B\n`, 3, "taken by line 1"],
    ["a group of itself", `${good}group G any G\n`, 3, '"G"'],
    ["an unknown member", `${good}group G any C\n`, 3, '"C"'],
    ["none as a member", `${good}group G any none A\n`, 3, "`none`"],
    ["a member twice in a group", `${good}group G all A A\n`, 3, "line 3", "only once"],
    ["a member of two groups", `${good}group G any A\ngroup H any A B\n`, 4, "line 3"],
    ["threshold 0", `${good}group G 0 A B\n`, 3, "from 1 to 2"],
    ["threshold 3 of 2", `${good}group G 3 A B\n`, 3, "from 1 to 2"],
    ["a negative threshold", `${good}group G -1 A B\n`, 3, "from 1 to 2"],
    ["a threshold with a zero", `${good}group G 01 A B\n`, 3, "from 1 to 2"],
    ["a threshold in hex", `${good}group G 0x1 A B\n`, 3, "from 1 to 2"],
    ["a threshold of words", `${good}group G most A B\n`, 3, "from 1 to 2"],
  ];
  for (const [what, text, line, ...said] of cases) {
    test(what, () => {
      assert.throws(() => parse(text), is("malformed", `line ${line}: `, ...said));
    });
  }

  test("a policy that is too long", () => {
    const bytes = new Uint8Array(policyBytesMax + 1).fill(0x0a);
    assert.throws(() => parsePolicy(sha256, bytes), is("too_large"));
  });

  test("two keys with the same name and ID: nobody could tell their signatures apart", () => {
    const seen = new Map<number, Vkey>();
    let pair: [Vkey, Vkey] | undefined;
    for (let i = 0; pair === undefined; i++) {
      assert.ok(i < 1_000_000);
      const publicKey = new Uint8Array(32);
      new DataView(publicKey.buffer).setUint32(0, i);
      const vkey = makeVkey(sha256, { name: "n", type: ed25519, publicKey });
      const before = seen.get(vkey.id);
      if (before !== undefined) pair = [before, vkey];
      seen.set(vkey.id, vkey);
    }
    const text = pair.map((vkey) => `log ${formatVkey(vkey)}\n`).join("");
    assert.throws(
      () => parse(`${text}quorum none\n`),
      is("malformed", "line 2: ", "same name and ID"),
    );
  });
});

test("random policies are read back as they are, and their groups decide as a naive reader does", () => {
  const name = fc.stringMatching(/^[!-~\u00e9\u212a]{1,8}$/).filter((text) => text !== noQuorum);
  const policies = fc
    .record({
      names: fc.uniqueArray(name, { minLength: 1, maxLength: 12 }),
      cut: fc.nat(),
      picks: fc.array(fc.tuple(fc.nat(), fc.nat()), { maxLength: 30 }),
    })
    .map(({ names, cut, picks }): Policy => {
      const witnessCount = 1 + (cut % names.length);
      const free = names.slice(0, witnessCount);
      const witnesses = free.map((each, i) => ({ name: each, vkey: key(i, ed25519Cosignature) }));
      const groups = names.slice(witnessCount).flatMap((each, i) => {
        const [size = 0, k = 0] = picks[i] ?? [];
        const members = free.splice(0, 1 + (size % 3));
        if (members.length === 0) return [];
        free.push(each);
        return [{ name: each, threshold: 1 + (k % members.length), members }];
      });
      const url = "https://log.example/";
      const logs = [{ vkey: key(200, ed25519) }, { vkey: key(201, mlDsa44Cosignature), url }];
      return { logs, witnesses, groups, quorum: free.at(-1) ?? noQuorum };
    });
  fc.assert(
    fc.property(policies, fc.func(fc.boolean()), (policy, isIn) => {
      assert.deepEqual(parsePolicy(sha256, formatPolicy(sha256, policy)), policy);
      const cosigned = policy.witnesses.map((each) => each.name).filter((each) => isIn(each));
      const naive = (of: string): boolean => {
        const group = policy.groups.find((each) => each.name === of);
        if (group === undefined) return cosigned.includes(of);
        return group.members.filter((member) => naive(member)).length >= group.threshold;
      };
      assert.equal(isQuorum(policy, cosigned), naive(policy.quorum));
    }),
    { seed: 4, numRuns: 300 },
  );
});

test("a policy that cannot be written is refused", () => {
  const none: Policy = { logs: [], witnesses: [], groups: [], quorum: noQuorum };
  const witness = { name: "A", vkey: key(1, ed25519Cosignature) };
  const write = (change: Partial<Policy>): (() => unknown) => {
    return () => formatPolicy(sha256, { ...none, ...change });
  };
  assert.throws(write({ witnesses: [{ ...witness, name: "A B" }] }), is("malformed"));
  assert.throws(write({ witnesses: [{ ...witness, name: "A\n" }] }), is("malformed"));
  assert.throws(write({ witnesses: [{ ...witness, name: "" }] }), is("malformed"));
  assert.throws(write({ witnesses: [{ ...witness, name: "\ud800" }] }), is("malformed"));
  assert.throws(write({ witnesses: [{ ...witness, name: "none" }] }), is("malformed"));
  assert.throws(write({ witnesses: [{ ...witness, url: "a b" }] }), is("malformed"));
  assert.throws(write({ witnesses: [witness, witness] }), is("malformed"));
  assert.throws(write({ quorum: "A" }), is("malformed"));
});

// What follows is about checkpoints under a policy.
const log1 = noteSigner(sha256, origin, signerFromSeed("ed25519", seed(1)));
const log6 = noteSigner(sha256, origin, signerFromSeed("ml-dsa-44", seed(2)));
const otherLog = noteSigner(sha256, "log.example/two", signerFromSeed("ed25519", seed(3)));
const w4 = cosigner(sha256, "witness.example/a", signerFromSeed("ed25519", seed(4)));
const w6 = cosigner(sha256, "witness.example/a", signerFromSeed("ml-dsa-44", seed(5)));
const v4 = cosigner(sha256, "witness.example/b", signerFromSeed("ed25519", seed(6)));
const time = 1_800_000_000;
const checkpoint = { origin, size: 5, root: sha256(utf8("root")) };
const vkeyText = ({ vkey }: NoteSigner): string => formatVkey(vkey);
const trust = parse(
  `log ${vkeyText(log1)}\nlog ${vkeyText(log6)}\nlog ${vkeyText(otherLog)}\n` +
    `witness W-04 ${vkeyText(w4)}\nwitness W-06 ${vkeyText(w6)}\nwitness V ${vkeyText(v4)}\n` +
    "group W any W-04 W-06\ngroup both all W V\nquorum both\n",
);

async function cosigned(
  cosigners: readonly NoteSigner[],
  options: { by?: readonly NoteSigner[]; of?: typeof checkpoint; time?: number } = {},
): Promise<string> {
  const { by = [log1], of = checkpoint } = options;
  const { text, signatures } = parseNote(utf8(await signCheckpoint(by, of)));
  const lines = await cosignCheckpoint(cosigners, text, options.time ?? time);
  return formatNote(text, [...signatures, ...lines]);
}
const verify = (note: string, options = {}): ReturnType<typeof verifyWitnessedCheckpoint> =>
  verifyWitnessedCheckpoint(nodeCrypto, utf8(note), trust, options);

describe("a checkpoint under a policy", () => {
  test("log keys, witnesses, timestamps and quorum; a witness with two keys counts once", async () => {
    const all = await verify(await cosigned([w4, w6, v4], { by: [log1, log6] }));
    assert.equal(all.checkpoint.size, 5);
    assert.deepEqual(
      all.logKeys.map(({ vkey }) => vkey.type),
      [1, 6],
    );
    assert.deepEqual(
      all.witnesses.map(({ name, timestamp }) => [name, timestamp]),
      [
        ["W-04", time],
        ["W-06", time],
        ["V", time],
      ],
    );
    assert.ok(all.isQuorum);
    assert.equal((await verify(await cosigned([w4, w6]))).isQuorum, false);
    assert.equal((await verify(await cosigned([w6, v4]))).isQuorum, true);
    assert.equal((await verify(await cosigned([w6, v4], { by: [log6] }))).isQuorum, true);
    assert.equal((await verify(await cosigned([]))).isQuorum, false);
  });

  test("unknown lines are skipped, and make no quorum", async () => {
    const stranger = cosigner(sha256, "witness.example/b", signerFromSeed("ed25519", seed(99)));
    const result = await verify(await cosigned([stranger, w4]));
    assert.deepEqual(
      result.witnesses.map(({ name }) => name),
      ["W-04"],
    );
    assert.equal(result.isQuorum, false);
  });

  test("a known key's line that does not match refuses the note", async () => {
    const note = parseNote(utf8(await cosigned([w4, w6, v4])));
    for (const [i, line] of note.signatures.entries()) {
      const signature = line.signature.with(line.signature.length - 1, 0);
      signature[20]! ^= 1;
      const changed = note.signatures.with(i, { ...line, signature });
      await assert.rejects(verify(formatNote(note.text, changed)), is("unverified"));
    }
  });

  test("cosignatures that were moved to another log or size do not match", async () => {
    const two = { ...checkpoint, origin: "log.example/two" };
    const larger = { ...checkpoint, size: 6 };
    for (const [to, by] of [
      [two, otherLog],
      [larger, log1],
    ] as const) {
      for (const witness of [w4, w6]) {
        const moved = await cosignCheckpoint([witness], formatCheckpoint(checkpoint), time);
        const { text, signatures } = parseNote(utf8(await signCheckpoint([by], to)));
        const note = formatNote(text, [...signatures, ...moved]);
        await assert.rejects(verify(note), is("unverified", "does not match"));
      }
    }
  });

  test("who is not the log cannot sign for it", async () => {
    // Only witnesses.
    const { text, signatures } = parseNote(utf8(await cosigned([w4, w6, v4])));
    await assert.rejects(verify(formatNote(text, signatures.slice(1))), is("unverified"));
    // A log of the policy, but another one.
    const byOther = await cosigned([w4, v4], { by: [otherLog] });
    await assert.rejects(verify(byOther), is("unverified", "none of that log's keys"));
    // A log that is not in the policy.
    const third = noteSigner(sha256, "log.example/three", signerFromSeed("ed25519", seed(7)));
    const unknown = { ...checkpoint, origin: "log.example/three" };
    const byThird = await cosigned([w4, v4], { by: [third], of: unknown });
    await assert.rejects(verify(byThird), is("unverified", "no key of that log"));
    // A log of the policy, where the caller asked for another one.
    const one = await cosigned([w4, v4]);
    await assert.rejects(verify(one, { origin: "log.example/two" }), is("unverified"));
    assert.ok((await verify(one, { origin })).isQuorum);
  });

  test("a cosignature of a time to come does not count", async () => {
    const note = await cosigned([w4, v4]);
    assert.ok((await verify(note, { now: time - clockSkewSecondsMax })).isQuorum);
    const early = await verify(note, { now: time - clockSkewSecondsMax - 1 });
    assert.equal(early.isQuorum, false);
    assert.deepEqual(
      early.ahead.map(({ name }) => name),
      ["W-04", "V"],
    );
  });

  test("keys of the log that are known from elsewhere complete a policy without logs", async () => {
    const noLogs = parse(`witness V ${vkeyText(v4)}\nquorum V\n`);
    const note = utf8(await cosigned([v4]));
    await assert.rejects(verifyWitnessedCheckpoint(nodeCrypto, note, noLogs), is("unverified"));
    const whole = withLogKeys(sha256, noLogs, [log1.vkey]);
    assert.ok((await verifyWitnessedCheckpoint(nodeCrypto, note, whole)).isQuorum);
    assert.deepEqual(withLogKeys(sha256, whole, [log1.vkey]), whole);
    assert.throws(() => withLogKeys(sha256, noLogs, [v4.vkey]), is("malformed"));
    const alone = policyOfKeys(sha256, [log1.vkey, log6.vkey]);
    assert.ok((await verifyWitnessedCheckpoint(nodeCrypto, note, alone)).isQuorum);
  });

  test("a witnessed proof: a receipt that stands alone", async () => {
    const leaves = [0, 1, 2, 3].map((i) => hashLeaf(sha256, utf8(`entry ${i}`)));
    const pairs = [0, 2].map((i) => hashChildren(sha256, leaves[i]!, leaves[i + 1]!));
    const of = { origin, size: 4, root: hashChildren(sha256, pairs[0]!, pairs[1]!) };
    const note = await cosigned([w6, v4], { of });
    const proof = { index: 2, proof: [leaves[3]!, pairs[0]!], checkpoint: note };
    const witnessed = await verifyWitnessedProof(nodeCrypto, proof, leaves[2]!, trust, { origin });
    checkQuorum(trust, witnessed);
    const wrong = verifyWitnessedProof(nodeCrypto, proof, leaves[1]!, trust);
    await assert.rejects(wrong, is("unverified"));
    const moved = verifyWitnessedProof(nodeCrypto, { ...proof, index: 3 }, leaves[2]!, trust);
    await assert.rejects(moved, is("unverified"));
    const alone = { ...proof, checkpoint: await cosigned([w4], { of }) };
    const few = await verifyWitnessedProof(nodeCrypto, alone, leaves[2]!, trust);
    assert.throws(() => checkQuorum(trust, few), is("unverified", '["W-04"]', "1 of its 3"));
  });
});
