/**
 * Goal: a signed note has one reading, and only known keys count. Method: the examples of the specification, every
 * refusal once, properties over random texts, and notes that are signed, resigned and mixed.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { nodeCrypto, signerFromSeed } from "@cairnlog/crypto";
import { base64, utf8 } from "./encoding.ts";
import { isCairnError } from "./errors.ts";
import { formatNote, noteBytesMax, noteSigner, parseNote, signNote, verifyNote } from "./note.ts";
import { parseVkey } from "./vkey.ts";

const { sha256 } = nodeCrypto;
const specKey = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
const specLine =
  "— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n";
const specNote = `This is an example message.\n\n${specLine}`;
const poem =
  "Ognuno sta solo sul cuor della terra\ntrafitto da un raggio di sole:\n\ned è subito sera.\n\n" +
  "— quasimodo.example/salvatore NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0xMcXxj99ihAQwaqP3ZekRwNtIc=\n";

const alice = noteSigner(sha256, "alice", signerFromSeed("ed25519", new Uint8Array(32).fill(1)));
const bob = noteSigner(sha256, "bob", signerFromSeed("ed25519", new Uint8Array(32).fill(2)));
const pq = noteSigner(sha256, "pq", signerFromSeed("ml-dsa-44", new Uint8Array(32).fill(3)));

function refuses(note: string | Uint8Array, what: string): void {
  const bytes = typeof note === "string" ? utf8(note) : note;
  assert.throws(
    () => parseNote(bytes),
    (e) => isCairnError(e, "malformed"),
    what,
  );
}

async function unverified(note: string, vkeys = [alice.vkey]): Promise<void> {
  const verdict = verifyNote(nodeCrypto, utf8(note), vkeys);
  await assert.rejects(verdict, (e) => isCairnError(e, "unverified"));
}

test("the specification's key verifies the specification's note", async () => {
  const vkey = parseVkey(sha256, specKey);
  const { note, verified } = await verifyNote(nodeCrypto, utf8(specNote), [vkey]);
  assert.equal(note.text, "This is an example message.\n");
  assert.deepEqual(verified, [{ vkey, timestamp: undefined }]);
  await unverified(specNote.replace("example m", "Example m"), [vkey]);
});

test("a text may hold empty lines: the last one separates", () => {
  const note = parseNote(utf8(poem));
  assert.ok(note.text.endsWith("\n\ned è subito sera.\n"));
  assert.equal(note.signatures[0]?.name, "quasimodo.example/salvatore");
  assert.equal(note.signatures[0]?.keyId, 0x367ba04b);
  assert.equal(formatNote(note.text, note.signatures), poem);
});

test("what is not a signed note is refused", () => {
  refuses("", "empty");
  refuses("text\n", "no signatures");
  refuses("text\n\n", "no signature line");
  refuses(`\n${specLine}`, "no text");
  refuses(specNote.slice(0, -1), "no newline at the end");
  refuses(`${specNote}\n`, "an empty line at the end");
  refuses(`${specNote} `, "a space at the end");
  refuses(specNote.replaceAll("\n", "\r\n"), "CRLF");
  refuses(specNote.replace("an", "a\t"), "a tab");
  refuses(specNote.replace("an", "a\0"), "a zero byte");
  refuses(specNote.replace("—", "-"), "a hyphen");
  refuses(specNote.replace("— ", "—  "), "two spaces before the name");
  refuses(specNote.replace("foo ", "foo  "), "two spaces after the name");
  refuses(specNote.replace("foo", "f+o"), "a plus sign in a name");
  refuses(specNote.replace("foo", "f\u00a0o"), "a no-break space in a name");
  refuses(specNote.replace("=\n", " =\n"), "a space in base64");
  refuses(specNote.replace("=\n", "\n"), "no padding");
  refuses(specNote.replace("yaQM=", "yaQN="), "unused bits of base64");
  refuses(specNote.replace("yaQM=\n", "yaQM=\r\n"), "one carriage return");
  refuses(`text\n\n— a ${base64(new Uint8Array(4))}\n`, "a key ID and no signature");
  refuses(`text\n\n${specLine}\n${specLine.slice(0, 20)}`, "a broken last line");
  refuses(new Uint8Array([...utf8("a"), 0xff, ...utf8(`\n\n${specLine}`)]), "invalid UTF-8");
});

test("errors name the byte", () => {
  const byteOf = (note: string): number | undefined => {
    try {
      parseNote(utf8(note));
    } catch (error) {
      if (isCairnError(error)) return error.place.byte;
    }
    return undefined;
  };
  assert.equal(byteOf("a\tb\n\n"), 1);
  assert.equal(byteOf(`é\n\n${specLine}nonsense\n`), 4 + utf8(specLine).length);
});

test("64 signature lines are read, 65 are not, nor is a note above its size", () => {
  assert.equal(parseNote(utf8("t\n\n" + specLine.repeat(64))).signatures.length, 64);
  refuses("t\n\n" + specLine.repeat(65), "65 lines");
  const large = new Uint8Array(noteBytesMax + 1).fill(0x61);
  assert.throws(
    () => parseNote(large),
    (e) => isCairnError(e, "too_large"),
  );
});

test("unknown keys are skipped, known ones must match", async () => {
  const text = "text\n";
  const note = await signNote([alice, bob], text);
  const check = async (vkeys = [alice.vkey, bob.vkey]): Promise<string[]> =>
    (await verifyNote(nodeCrypto, utf8(note), vkeys)).verified.map((one) => one.vkey.name);
  assert.deepEqual(await check(), ["alice", "bob"]);
  assert.deepEqual(await check([bob.vkey]), ["bob"]);
  await unverified(note, []);
  await unverified(note, [pq.vkey]);
  // The same ID under another name, and the same name with another ID, are both unknown keys.
  await unverified(note, [{ ...alice.vkey, name: "carol" }]);
  await unverified(note, [{ ...alice.vkey, id: bob.vkey.id }]);
  // One good and one bad known key: the note is refused as a whole.
  const { signatures } = parseNote(utf8(note));
  const [first, second] = signatures;
  const swapped = formatNote(text, [first!, { ...second!, signature: first!.signature }]);
  await unverified(swapped, [alice.vkey, bob.vkey]);
  assert.equal((await verifyNote(nodeCrypto, utf8(swapped), [alice.vkey])).verified.length, 1);
  for (const length of [1, 63, 65, 2420, 2428]) {
    await unverified(formatNote(text, [{ ...first!, signature: new Uint8Array(length) }]));
  }
});

test("a key that signed twice is one key; two keys with one name and ID are refused", async () => {
  const { text, signatures } = parseNote(utf8(await signNote([alice], "text\n")));
  const twice = utf8(formatNote(text, [...signatures, ...signatures]));
  const { verified } = await verifyNote(nodeCrypto, twice, [alice.vkey, alice.vkey]);
  assert.equal(verified.length, 1);
  const other = { ...bob.vkey, name: alice.vkey.name, id: alice.vkey.id };
  const verdict = verifyNote(nodeCrypto, twice, [alice.vkey, other]);
  await assert.rejects(verdict, (e) => isCairnError(e, "usage"));
});

test("cosignature keys do not sign plain notes", async () => {
  await assert.rejects(signNote([pq], "text\n"), /type 0x01/);
  for (const length of [1, 8, 9, 2428]) {
    const { name, id: keyId } = pq.vkey;
    const line = { name, keyId, signature: new Uint8Array(length) };
    await unverified(formatNote("text\n", [line]), [pq.vkey]);
  }
});

test("a text that could not be read back is not signed", async () => {
  for (const text of ["", "text", "a\tb\n", "a\r\n", "\ud800\n"]) {
    await assert.rejects(signNote([alice], text), (e) => isCairnError(e, "malformed"), text);
  }
});

test("whatever text is signed comes back, and one changed byte does not", async () => {
  const texts = fc.string({ unit: "binary", maxLength: 40 }).map((t) => {
    // eslint-disable-next-line no-control-regex
    return `${t.replace(/[\u0000-\u0009\u000b-\u001f]/g, "")}\n`;
  });
  const property = fc.asyncProperty(texts, fc.nat(), async (text, at) => {
    const bytes = utf8(await signNote([alice], text));
    assert.equal((await verifyNote(nodeCrypto, bytes, [alice.vkey])).note.text, text);
    bytes[at % bytes.length]! ^= 1;
    await assert.rejects(verifyNote(nodeCrypto, bytes, [alice.vkey]), (e) => isCairnError(e));
  });
  await fc.assert(property, { seed: 6962, numRuns: 100 });
});
