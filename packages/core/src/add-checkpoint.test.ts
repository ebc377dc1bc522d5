/**
 * Goal: what a log and a witness say to each other has one spelling, and a witness decides as tlog-witness says.
 * Method: the specification's example request; every refusal of the parsers once; every answer once, and then all pairs
 * of sizes of a small log, with right and wrong states, proofs and roots, against the rules written out.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { nodeCrypto, signerFromSeed } from "@cairnlog/crypto";
import {
  addCheckpointBytesMax,
  formatAddCheckpoint,
  formatCosignatureLines,
  formatTreeSizeBody,
  parseAddCheckpoint,
  parseCosignatureLines,
  parseTreeSizeBody,
  verifyCosignatures,
  type ParsedAddCheckpoint,
} from "./add-checkpoint.ts";
import {
  formatCheckpoint,
  parseCheckpoint,
  signCheckpoint,
  type Checkpoint,
} from "./checkpoint.ts";
import { cosignCheckpoint, cosigner } from "./cosign.ts";
import { base64, utf8 } from "./encoding.ts";
import { isCairnError, type CairnErrorCode } from "./errors.ts";
import { isSameBytes, type Hash } from "./hash.ts";
import { emptyRoot, hashLeaf } from "./merkle.ts";
import { formatNote, noteSigner, parseNote, type NoteSigner } from "./note.ts";
import { consistencyProof } from "./proof.ts";
import { SegmentTree } from "./segment-tree.ts";
import { formatSignSubtree, parseSignSubtree } from "./sign-subtree.ts";
import { TreeAt } from "./tree-at.ts";
import {
  decideAddCheckpoint,
  type NotAdmitted,
  type WitnessDecision,
  type WitnessState,
} from "./witness-decision.ts";

const { sha256 } = nodeCrypto;
const origin = "log.example/one";
const seed = (byte: number): Uint8Array => new Uint8Array(32).fill(byte);
const log1 = noteSigner(sha256, origin, signerFromSeed("ed25519", seed(1)));
const log6 = noteSigner(sha256, origin, signerFromSeed("ml-dsa-44", seed(2)));
const stranger = noteSigner(sha256, origin, signerFromSeed("ed25519", seed(3)));
const w4 = cosigner(sha256, "witness.example/a", signerFromSeed("ed25519", seed(4)));
const w6 = cosigner(sha256, "witness.example/a", signerFromSeed("ml-dsa-44", seed(5)));
const v4 = cosigner(sha256, "witness.example/b", signerFromSeed("ed25519", seed(6)));
const logKeys = [log1.vkey, log6.vkey];
const time = 1_800_000_000;
const is =
  (code: CairnErrorCode) =>
  (error: unknown): boolean =>
    isCairnError(error, code);

const tree = new SegmentTree(sha256);
for (let i = 0; i < 12; i++) tree.append(hashLeaf(sha256, utf8(`entry ${i}`)));
const read = (level: number, index: number): Hash => tree.node(level, index);
const rootOf = (size: number): Hash =>
  size === 0 ? emptyRoot(sha256) : new TreeAt(sha256, size, read).root();
const proofOf = (size1: number, size2: number): Hash[] =>
  consistencyProof(sha256, size1, size2, read);

interface Change extends Partial<Checkpoint> {
  readonly by?: readonly NoteSigner[];
  readonly proof?: readonly Hash[];
}

async function request(
  oldSize: number,
  size: number,
  change: Change = {},
): Promise<ParsedAddCheckpoint> {
  const { by = [log1], proof, ...rest } = change;
  const checkpoint = await signCheckpoint(by, { origin, size, root: rootOf(size), ...rest });
  const given = proof ?? (oldSize <= size ? proofOf(oldSize, size) : []);
  return parseAddCheckpoint(utf8(formatAddCheckpoint({ oldSize, proof: given, checkpoint })));
}

describe("the request", () => {
  const example =
    "old 20852014\nPlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=\njrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=\n" +
    "5+pKlUdi2LeF/BcMHBn+Ku6yhPGNCswZZD1X/6QgPd8=\n/6WVhPs2CwSsb5rYBH5cjHV/wSmA79abXAwhXw3Kj/0=\n\n" +
    "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n" +
    "— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n" +
    "— example.com/behind-the-sofa opLqBQsREYCgu6xQkYQwJr9fo45a62DN9EdmHXnZdXNqlcVGlCum2Wks+49/V6267UEjw6QUXTS5Rovnzv++qbSzm9Q=\n";
  const refuses = (text: string, code: CairnErrorCode = "malformed"): void =>
    assert.throws(() => parseAddCheckpoint(utf8(text)), is(code), text.slice(0, 80));

  test("the specification's example", () => {
    const parsed = parseAddCheckpoint(utf8(example));
    assert.equal(parsed.oldSize, 20_852_014);
    assert.equal(parsed.proof.length, 4);
    assert.equal(parsed.parsed.size, 20_852_163);
    assert.equal(parsed.note.signatures.length, 2);
    assert.ok(example.endsWith(parsed.checkpoint));
    assert.equal(formatAddCheckpoint(parsed), example);
  });

  test("what has another spelling is refused", () => {
    for (const old of ["old 020852014", "old +1", "old ", "old 1e3", "old -1", "old 1 ", "Old 1"]) {
      refuses(example.replace("old 20852014", old));
    }
    refuses(example.replace("old 20852014", "old  20852014"));
    refuses(example.replace("old 20852014\n", ""));
    refuses(example.replace("old 20852014", `old ${2 ** 53}`));
    refuses(example.replace("\n\nexample", "\nexample"));
    refuses(example.replace("\n\nexample", "\n\n\nexample"));
    refuses(example.replace("PlRNCr", "PlRNC"));
    refuses(example.replace("kaw=\n", "kax=\n"));
    refuses(example.replace("kaw=\n", "kaw=\r\n"));
    refuses(example.replace("kaw=\n", "kaw= \n"));
    refuses(example.slice(0, -1));
    refuses(`${example}\n`);
    refuses(example.slice(0, example.indexOf("— ")));
    refuses("");
    refuses("old 0\n\n");
    refuses(example.replace("20852163", "020852163"));
    refuses("a".repeat(addCheckpointBytesMax + 1), "too_large");
    const line = `${base64(new Uint8Array(32))}\n`;
    const proof = (lines: number): string => `old 1\n${line.repeat(lines)}`;
    const rest = example.slice(example.indexOf("\n\n") + 1);
    assert.equal(parseAddCheckpoint(utf8(proof(63) + rest)).proof.length, 63);
    refuses(proof(64) + rest);
  });

  test("checkpoints of other logs may have extension lines, and are kept verbatim", () => {
    const extended = example.replace("q2I=\n", "q2I=\nan extension\n");
    const parsed = parseAddCheckpoint(utf8(extended));
    assert.deepEqual(parsed.parsed.extensions, ["an extension"]);
    assert.equal(formatAddCheckpoint(parsed), extended);
  });
});

describe("the request to sign a subtree", () => {
  const head =
    "subtree 8 13\nmbsQCg+dEIMGlpqeGgk94JutQwKKS2Lo5IuDhKmDjiU=\nCD82D2LDm0phY0+xKbHyZfq3Hw21lVkuV7Zis5EFg0k=\n" +
    "h/ghL5nyaXTIBAklqDnisM+SFdbA3izoGZ5oRYMZzc0=\n8qtnAAU9sTKQx/zt3E4v8Jt2a9IMQUf0QUawvePF9y0=\n" +
    "KuO5BNOmginG34Lm5G3e2GuiWliGo3K0ebzGpvI0fEg=\n\n";

  test("it has one spelling, and asks for a subtree of the checkpoint's tree", async () => {
    const note = await signCheckpoint([log1], { origin, size: 14, root: rootOf(5) });
    const parsed = parseSignSubtree(utf8(head + note));
    assert.deepEqual([parsed.start, parsed.end, parsed.parsed.size], [8, 13, 14]);
    assert.equal(parsed.proof.length, 4);
    assert.equal(formatSignSubtree(parsed), head + note);
    for (const range of [
      "8 15",
      "8 8",
      "9 11",
      "4 9",
      "13 8",
      "-8 13",
      "08 13",
      "8",
      "8 13 14",
      " 8 13",
    ]) {
      const wrong = head.replace("8 13", range) + note;
      assert.throws(() => parseSignSubtree(utf8(wrong)), is("malformed"), range);
    }
    for (const range of ["0 14", "12 14", "13 14", "8 12", "0 5"]) {
      parseSignSubtree(utf8(head.replace("8 13", range) + note));
    }
    for (const [from, to] of [
      ["subtree", "Subtree"],
      ["subtree 8 13\n", ""],
      ["\n\n", "\n"],
      ["jiU=\n", "jiV=\n"],
      ["jiU=\n", "jiU= \n"],
      ["13\n", "13\r\n"],
    ] as const) {
      const wrong = head.replace(from, to) + note;
      assert.throws(() => parseSignSubtree(utf8(wrong)), is("malformed"), JSON.stringify(from));
    }
  });
});

describe("the answers", () => {
  const text = formatCheckpoint({ origin, size: 5, root: rootOf(5) });

  test("cosignature lines are checked, and those of known keys come out", async () => {
    const lines = await cosignCheckpoint([w4, w6, v4], text, time);
    const body = formatCosignatureLines(lines);
    const parsed = parseCosignatureLines(utf8(body));
    assert.deepEqual(parsed, lines);
    const keys = [w4.vkey, w6.vkey];
    const checked = await verifyCosignatures(nodeCrypto, text, parsed, keys);
    assert.deepEqual(checked.lines, lines.slice(0, 2));
    assert.deepEqual(
      checked.verified,
      keys.map((vkey) => ({ vkey, timestamp: time })),
    );
    // What comes out fits the log's own note.
    const signed = parseNote(utf8(await signCheckpoint([log1], parseCheckpoint(text))));
    parseNote(utf8(formatNote(signed.text, [...signed.signatures, ...checked.lines])));
  });

  test("cosignatures that are wrong, of another checkpoint, of nobody, or without a time", async () => {
    const check = (lines: Awaited<ReturnType<typeof cosignCheckpoint>>): Promise<unknown> =>
      verifyCosignatures(nodeCrypto, text, lines, [w4.vkey, w6.vkey]);
    for (const witness of [w4, w6]) {
      const [line] = await cosignCheckpoint([witness], text, time);
      const later = line!.signature.with(7, line!.signature[7]! ^ 1);
      await assert.rejects(check([{ ...line!, signature: later }]), is("unverified"));
      const moved = await cosignCheckpoint([witness], text.replace("one", "two"), time);
      await assert.rejects(check(moved), is("unverified"));
    }
    await assert.rejects(check(await cosignCheckpoint([v4], text, time)), is("unverified"));
    const checkpoint = { origin, size: 5, root: rootOf(5) };
    // A log's own signature of type 0x06 has timestamp 0: it is no answer of a witness.
    const timeless = parseNote(utf8(await signCheckpoint([w6], checkpoint))).signatures;
    await assert.rejects(check([...timeless]), is("unverified"));
    const plain = parseNote(utf8(await signCheckpoint([log1], checkpoint))).signatures;
    const verdict = verifyCosignatures(nodeCrypto, text, plain, [log1.vkey]);
    await assert.rejects(verdict, is("usage"));
    await assert.rejects(cosignCheckpoint([log1], text, time), /invariant/);
    await assert.rejects(cosignCheckpoint([w4], text, 0), /invariant/);
  });

  test("a body of cosignatures has one spelling", async () => {
    const body = formatCosignatureLines(await cosignCheckpoint([w4, v4], text, time));
    for (const wrong of [
      "",
      "\n",
      `\n${body}`,
      `${body}\n`,
      body.slice(0, -1),
      `x\n\n${body}`,
      `x\n${body}`,
      body.replace("\n", "\n\n"),
      body.replace("\n", "\r\n"),
      body.replace("—", "-"),
    ]) {
      assert.throws(() => parseCosignatureLines(utf8(wrong)), is("malformed"), wrong.slice(0, 40));
    }
  });

  test("the size that a witness holds", () => {
    for (const size of [0, 7, 2 ** 53 - 1]) {
      assert.equal(parseTreeSizeBody(utf8(formatTreeSizeBody(size))), size);
    }
    for (const wrong of ["", "\n", "7", "07\n", "+7\n", "7\n\n", "7\r\n", " 7\n", `${2 ** 53}\n`]) {
      assert.throws(() => parseTreeSizeBody(utf8(wrong)), is("malformed"), wrong);
    }
    assert.throws(() => parseTreeSizeBody(new Uint8Array(1000).fill(0x31)), is("malformed"));
  });
});

describe("the decision", () => {
  const held = (size: number): WitnessState => ({ size, root: rootOf(size) });
  const decide = async (
    asked: Promise<ParsedAddCheckpoint>,
    state: WitnessState | undefined,
    keys: readonly NoteSigner["vkey"][] | undefined = logKeys,
  ): Promise<NotAdmitted | WitnessDecision> =>
    decideAddCheckpoint(nodeCrypto, await asked, keys, state);
  const statusOf = async (...args: Parameters<typeof decide>): Promise<number> =>
    (await decide(...args)).status;
  const flipped = (hash: Hash): Hash => hash.with(9, hash[9]! ^ 1);

  test("200: from nothing, from an earlier size, and the same again", async () => {
    assert.deepEqual(await decide(request(0, 5), undefined), { status: 200, state: held(5) });
    assert.deepEqual(await decide(request(5, 9), held(5)), { status: 200, state: held(9) });
    assert.deepEqual(await decide(request(9, 9), held(9)), { status: 200, state: held(9) });
    assert.deepEqual(await decide(request(0, 0), undefined), { status: 200, state: held(0) });
    assert.deepEqual(await decide(request(0, 0), held(0)), { status: 200, state: held(0) });
    assert.deepEqual(await decide(request(0, 3), held(0)), { status: 200, state: held(3) });
    for (const by of [[log6], [log1, log6], [stranger, log1]]) {
      assert.equal(await statusOf(request(0, 5, { by }), undefined), 200);
    }
  });

  test("404 for an unknown origin comes before all else", async () => {
    const asked = await request(7, 5, { by: [stranger] });
    const answer = await decideAddCheckpoint(nodeCrypto, asked, undefined, held(9));
    assert.equal(answer.status, 404);
  });

  test("403: no trusted key, or a trusted key's signature is wrong; before 400 and 409", async () => {
    assert.equal(await statusOf(request(0, 5, { by: [stranger] }), undefined), 403);
    assert.equal(await statusOf(request(7, 5, { by: [stranger] }), held(9)), 403);
    assert.equal(await statusOf(request(0, 5), undefined, []), 403);
    const good = await request(0, 5, { by: [log1, log6] });
    for (const i of [0, 1]) {
      const line = good.note.signatures[i]!;
      const signature = flipped(line.signature);
      const signatures = good.note.signatures.with(i, { ...line, signature });
      const bad = { ...good, note: { ...good.note, signatures } };
      assert.equal(await statusOf(Promise.resolve(bad), undefined), 403);
    }
  });

  test("400: the old size is above the checkpoint's; before 409", async () => {
    assert.equal(await statusOf(request(6, 5), held(6)), 400);
    assert.equal(await statusOf(request(6, 5), held(3)), 400);
    assert.equal(await statusOf(request(1, 0), undefined), 400);
  });

  test("409: the old size is not the one that is held; before 422", async () => {
    for (const [old, size, state] of [
      [0, 5, held(3)],
      [4, 5, held(3)],
      [3, 5, undefined],
      [3, 5, held(0)],
      [0, 0, held(3)],
      [5, 5, held(9)],
    ] as const) {
      const answer = await decide(request(old, size), state);
      assert.equal(answer.status, 409);
      assert.equal(answer.size, state?.size ?? 0);
    }
    const forged = request(4, 5, { root: flipped(rootOf(5)), proof: [] });
    assert.equal(await statusOf(forged, held(3)), 409);
  });

  test("422: each reason", async () => {
    const because = async (
      asked: Promise<ParsedAddCheckpoint>,
      state: WitnessState | undefined,
    ): Promise<string> => {
      const answer = await decide(asked, state);
      return answer.status === 422 ? answer.because : `${answer.status}`;
    };
    const some = rootOf(7);
    assert.equal(await because(request(0, 0, { root: some }), undefined), "empty-root");
    assert.equal(await because(request(0, 0, { root: some }), held(0)), "empty-root");
    assert.equal(await because(request(0, 5, { proof: [some] }), undefined), "proof");
    assert.equal(await because(request(0, 5, { proof: [some] }), held(0)), "proof");
    assert.equal(await because(request(0, 0, { proof: [some] }), undefined), "proof");
    assert.equal(await because(request(5, 5, { root: some }), held(5)), "root");
    assert.equal(await because(request(5, 5, { root: some, proof: [some] }), held(5)), "root");
    assert.equal(await because(request(5, 5, { proof: [some] }), held(5)), "proof");
    assert.equal(await because(request(5, 9, { proof: [] }), held(5)), "proof");
    assert.equal(await because(request(5, 9, { root: some }), held(5)), "proof");
    const proof = proofOf(5, 9);
    for (const [i, hash] of proof.entries()) {
      const wrong = request(5, 9, { proof: proof.with(i, flipped(hash)) });
      assert.equal(await because(wrong, held(5)), "proof");
    }
    assert.equal(await because(request(5, 9, { proof: [...proof, some] }), held(5)), "proof");
  });

  test("all pairs of sizes, right and wrong, against the rules written out", async () => {
    let cases = 0;
    for (let state = -1; state <= 6; state++) {
      const has = state < 0 ? undefined : held(state);
      for (let old = 0; old <= 6; old++) {
        for (let size = 0; size <= 6; size++) {
          for (const isRootRight of [true, false]) {
            const root = isRootRight ? rootOf(size) : flipped(rootOf(size));
            const asked = await request(old, size, { root });
            const answer = await decide(Promise.resolve(asked), has);
            // A root that nobody can compare with anything is taken: trust begins with the first one.
            const isSeen = old > 0 || size === 0;
            const expected =
              old > size
                ? 400
                : old !== Math.max(state, 0)
                  ? 409
                  : isRootRight || !isSeen
                    ? 200
                    : 422;
            assert.equal(answer.status, expected, `held ${state}, old ${old}, size ${size}`);
            if (answer.status === 200) assert.ok(isSameBytes(answer.state.root, root));
            cases++;
          }
        }
      }
    }
    assert.equal(cases, 8 * 7 * 7 * 2);
  });
});
