/**
 * Goal: the SDK and the real server agree on every byte of docs/spec/http.md: receipts verify under
 * the log's pinned key, refusals come back event by event, reading gives what was written, receipts
 * become witnessed proofs, and a history that was rewritten behind them is noticed.
 *
 * Method: a server over a log in memory, on a free port of loopback; the network breaks by a
 * `fetch` that loses the answers of requests which were recorded. A second history under the same
 * key is a copy of a log's folder that goes another way.
 */
import assert from "node:assert/strict";
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import {
  CairnClient,
  type Alarm,
  type CairnClientOptions,
  type CairnEvent,
} from "@cairnlog/client";
import {
  CairnError,
  cosignCheckpoint,
  cosigner,
  formatCosignatureLines,
  formatVkey,
  hashLeaf,
  parseAddCheckpoint,
  parsePolicy,
  parseTlogProof,
  utf8,
  verifyWitnessedProof,
} from "@cairnlog/core";
import { nodeCrypto, signerFromSeed } from "@cairnlog/crypto";
import { createLog, openLog, toBatch, type Log } from "@cairnlog/log";
import { createServer, type CairnServer, type Principal } from "@cairnlog/server";
import { filesStore, memoryStore } from "@cairnlog/store";

const key = "the-key";
const { sha256 } = nodeCrypto;
const witness = cosigner(sha256, "witness.example/w", signerFromSeed("ed25519", sha256(utf8("w"))));
const witnessLine = `witness w ${formatVkey(witness.vkey)}`;
let log: Log;
/** What the server gives out as the log "other". */
let other: Log | undefined;
let server: CairnServer;
let url: string;

before(async () => {
  log = await createLog(
    memoryStore(),
    { name: "main", origin: "example.com/main" },
    { publishIntervalMs: 20, witnesses: { policy: witnessPolicy(), transport: cosign } },
  );
  const principal: Principal = {
    id: "k",
    source: "sdk",
    scopes: new Set(["write", "read"] as const),
    coversAll: true,
    covers: () => true,
  };
  server = await createServer({
    logs: {
      get: (name) => (name === "main" ? log : name === "other" ? other : undefined),
      list: () => [log],
      create,
    },
    keys: {
      authenticate(header) {
        if (header !== `Bearer ${key}`) throw new CairnError("unauthenticated", "no such key");
        return principal;
      },
    },
  });
  url = await server.listen({ host: "127.0.0.1", port: 0 });
});
after(async () => {
  await server.stop();
  await log.close();
});

function witnessPolicy(): ReturnType<typeof parsePolicy> {
  return parsePolicy(sha256, utf8(`${witnessLine} http://w.example\nquorum w\n`));
}

/** A witness that cosigns whatever it is sent. */
async function cosign(request: { body?: Uint8Array | undefined }): Promise<{
  status: number;
  body: Uint8Array;
}> {
  if (request.body === undefined) return { status: 404, body: utf8("") };
  const { note } = parseAddCheckpoint(request.body);
  const lines = await cosignCheckpoint([witness], note.text, Math.floor(Date.now() / 1000));
  return { status: 200, body: utf8(formatCosignatureLines(lines)) };
}

/** What a user of the log would trust. */
function policyOf({ vkeys }: Log): string {
  return `${vkeys.map((vkey) => `log ${vkey}\n`).join("")}${witnessLine}\nquorum w\n`;
}

function create(): Promise<never> {
  throw new CairnError("usage", "this test has one log");
}

function open(options: Partial<CairnClientOptions> = {}): CairnClient {
  return new CairnClient({ url, key, vkeys: log.vkeys, onError() {}, ...options });
}

function event(id: string, extra: object = {}): CairnEvent {
  return { id, type: "api.call", actor: { id: "älice" }, action: "GET", ...extra };
}

test("a blob and the event that names it, there and back", async () => {
  const cairn = open();
  const body = utf8("the body of a request");
  const name = { sha256: "0".repeat(64), byteLength: 1 };
  await assert.rejects(cairn.log(event("early", { blobs: [name] })), { code: "blob_missing" });
  const blob = await cairn.putBlob(body, { mediaType: "text/plain", role: "request" });
  const receipt = await cairn.log(event("with a blob", { blobs: [blob] }));
  const logged = await cairn.get(receipt.seq);
  assert.deepEqual((JSON.parse(logged.event) as CairnEvent).blobs, [blob]);
  assert.deepEqual(await cairn.getBlob(blob.sha256), body);
  await cairn.close();
});

test("receipts verify, in full, and reading gives what was written", async () => {
  const cairn = open({ gzipBytesMin: 10_000 });
  const ids = Array.from({ length: 700 }, (_, i) => `e${i}`);
  const receipts = await Promise.all(ids.map((id) => cairn.log(event(id))));
  const first = receipts[0]!.seq;
  assert.deepEqual(
    receipts.map((receipt) => receipt.seq),
    ids.map((_, i) => first + i),
  );
  const { entry } = await receipts[333]!.full();
  assert.equal(entry, Buffer.from((await cairn.get(first + 333)).bytes).toString());
  await cairn.proof(first + 333);
  const { size } = await cairn.checkpoint();
  assert.equal(size, (await cairn.info()).size);
  const read: string[] = [];
  for await (const { event } of cairn.entries({ from: first, to: size })) {
    read.push((JSON.parse(event) as { id: string }).id);
  }
  assert.deepEqual(read, ids);
  await cairn.close();
});

test("an answer that was lost does not record twice", async () => {
  let losses = 2;
  const cairn = open({
    retryDelayMs: 1,
    async fetch(address, init) {
      const response = await fetch(address, init);
      if (losses-- > 0) throw new TypeError("fetch failed");
      return response;
    },
  });
  const { size } = log.status();
  const [a, b] = await Promise.all([cairn.log(event("lost-a")), cairn.log(event("lost-b"))]);
  assert.deepEqual([a.seq, b.seq, a.duplicate, b.duplicate], [size, size + 1, true, true]);
  assert.equal(log.status().size, size + 2);
});

test("refusals come back with code and pointer, event by event", async () => {
  const cairn = open();
  const bad = cairn.log(event("bad", { outcome: "maybe" }));
  const good = cairn.log(event("good"));
  await assert.rejects(bad, { code: "invalid", place: { pointer: "/outcome" } });
  await good;
  await assert.rejects(cairn.log(event("good", { action: "PUT" })), { code: "conflict" });
  await assert.rejects(cairn.log(event("alone", { type: "system.mine" })), { code: "invalid" });
  await assert.rejects(open({ key: "other" }).log(event("x")), { code: "unauthenticated" });
  await assert.rejects(open({ log: "none" }).log(event("x")), { code: "not_found" });
  await assert.rejects(cairn.get(1_000_000), { code: "not_found" });
});

test("following a log gives entries as they come", async () => {
  const cairn = open();
  const from = log.status().size;
  const following = (async () => {
    for await (const entry of cairn.entries({ from, wait: 30 })) return entry.seq;
    return -1;
  })();
  const { seq } = await cairn.log(event("followed"));
  assert.equal(await following, seq);
});

/** A client in whose life a second takes 50 ms. */
function hasty(
  options: Partial<CairnClientOptions>,
): CairnClient & { alarms: Alarm[]; evidence: string[] } {
  const alarms: Alarm[] = [];
  const evidence: string[] = [];
  const client = open({
    clock: {
      now: () => Date.now(),
      after(ms, run) {
        const timer = setTimeout(run, ms / 20);
        return () => clearTimeout(timer);
      },
    },
    onAlarm: (alarm) => alarms.push(alarm),
    keepEvidence: (text) => void evidence.push(text),
    ...options,
  });
  return Object.assign(client, { alarms, evidence });
}

test("receipts become witnessed: in the background, and as proofs that stand alone", async () => {
  const policy = policyOf(log);
  const cairn = hasty({ policy, vkeys: [] });
  const receipts = await Promise.all(["w1", "w2", "w3"].map((id) => cairn.log(event(id))));
  const proof = await receipts[1]!.witnessed();
  assert.deepEqual(
    proof.witnesses.map(({ name }) => name),
    ["w"],
  );
  const parsed = parseTlogProof(utf8(proof.text));
  const leafHash = hashLeaf(sha256, parsed.extra!);
  const trusted = parsePolicy(sha256, utf8(policy));
  const checked = await verifyWitnessedProof(nodeCrypto, parsed, leafHash, trusted);
  assert.deepEqual([checked.isQuorum, checked.logKeys.length], [true, 2]);
  await cairn.close();
  const { witnessedSize, waiting } = cairn.status().watch!;
  assert.equal(waiting, 0);
  assert.ok(witnessedSize! > receipts[2]!.seq);
  assert.deepEqual(cairn.alarms, []);
});

test("a history that was rewritten with the log's own key is noticed, both notes kept", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "cairn-two-histories-"));
  const [one, two] = [join(folder, "one"), join(folder, "two")];
  const first = await createLog(filesStore({ folder: one }), {
    name: "other",
    origin: "example.com/other",
  });
  await first.close();
  cpSync(one, two, { recursive: true });
  const options = { publishIntervalMs: 20 };
  const truth = await openLog(filesStore({ folder: one }), "other", options);
  const lie = await openLog(filesStore({ folder: two }), "other", options);
  t.after(async () => {
    await Promise.all([truth.close(), lie.close()]);
    rmSync(folder, { recursive: true });
  });
  assert.deepEqual(truth.vkeys, lie.vkeys);

  other = truth;
  const cairn = hasty({ log: "other", vkeys: truth.vkeys });
  const receipt = await cairn.log(event("what happened"));
  other = lie;
  await lie.append(toBatch([event("what did not"), event("nor this")]), "sdk");
  await lie.publish();
  await cairn.close();
  assert.deepEqual(
    cairn.alarms.map(({ code }) => code),
    ["inconsistent"],
  );
  const [alarm] = cairn.alarms;
  assert.equal(alarm!.known, receipt.checkpoint);
  assert.equal(alarm!.shown, lie.publishedCheckpoint().note);
  assert.deepEqual((JSON.parse(cairn.evidence[0]!) as Alarm).known, receipt.checkpoint);
  await assert.rejects(receipt.witnessed(), { code: "unverified" });
});
