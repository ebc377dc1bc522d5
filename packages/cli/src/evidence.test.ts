/**
 * Goal: `cairn evidence` writes a whole file or none, from a folder and from a server, and `cairn verify` judges it by
 * what its user brings. Method: run the commands in this process, in a folder of their own, against real logs and a
 * real server; a server that breaks off; a log that somebody else holds; Ctrl-C.
 */
import assert from "node:assert/strict";
import { createServer as createHttpServer } from "node:http";
import type { AddressInfo } from "node:net";
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { after, before, describe, it } from "node:test";
import {
  cosignCheckpoint,
  cosigner,
  evidencePieces,
  formatNote,
  formatVkey,
  isCairnError,
  parseEvidence,
  parseNote,
  utf8,
} from "@cairnlog/core";
import { nodeCrypto, signerFromSeed } from "@cairnlog/crypto";
import { openLog, type Log } from "@cairnlog/log";
import { createKey, createServer, keyRing, apiKeysPath } from "@cairnlog/server";
import { writeOutFile } from "./commands/evidence-file.ts";
import { Workplace } from "./run-command.testing.ts";

const { sha256 } = nodeCrypto;
const work = new Workplace();
after(() => work.remove());

const json = (text: string): Record<string, unknown> => JSON.parse(text) as Record<string, unknown>;
const read = (name: string): Uint8Array => new Uint8Array(readFileSync(work.path(name)));
const why = '--why "case 17"';
const user = { env: { USER: "auditor" } };

before(async () => {
  const made = json(await work.ok("init --origin audit.example.com/logs/main --json"));
  writeFileSync(work.path("main.vkeys"), (made["vkeys"] as string[]).join("\n"));
  const event = (i: number): object => ({
    type: i % 2 === 0 ? "api.call" : "database.query",
    actor: { id: `user${i % 4}` },
    action: "x",
  });
  const lines = Array.from({ length: 20 }, (_, i) => JSON.stringify(event(i)));
  writeFileSync(work.path("events.ndjson"), lines.join("\n"));
  await work.ok("append events.ndjson");
});

describe("cairn evidence, from a data folder", () => {
  it("writes the file, says what is in it, and verify judges it by the keys it is given", async () => {
    const line = `evidence --out a.evidence --seq 5-8,12 --type api.* ${why}`;
    const out = await work.ok(line, user);
    for (const words of [
      /^Wrote a\.evidence: 3 entries of audit\.example\.com\/logs\/main$/m,
      /^ +entries +5,7,21$/m,
      /^ +checkpoint +of 22 entries$/m,
      /^ +cosigned by nobody$/m,
      /^ +taken by +auditor, /m,
      /^ +why +case 17$/m,
      /^ +recorded +as entry 21$/m,
    ]) {
      assert.match(out, words);
    }
    assert.equal(statSync(work.path("a.evidence")).mode % 0o1000, 0o600);
    const alone = await work.run("verify a.evidence");
    assert.equal(alone.exit, 1);
    assert.match(alone.out, /^CONSISTENT, SIGNER UNKNOWN {2}\S+a\.evidence \(evidence\)\n/);
    assert.match(alone.out, /^ +fingerprint [0-9a-f]{64}$/m);
    const good = await work.ok("verify a.evidence --vkey main.vkeys");
    assert.match(good, /^VERIFIED /);
    assert.match(good, /^ +taken by +auditor, \S+ \(proven by entry 21\)$/m);
    assert.match(good, /^ +seqs +5,7,21$/m);
    const report = json(await work.ok("verify a.evidence --vkey main.vkeys --json"));
    assert.equal((report["evidence"] as { isRecorded: boolean }).isRecorded, true);
  });

  it("machines get one line", async () => {
    const line = `evidence --out j.evidence --actor user1 --actor user2 --since 2020-01-01 ${why} --who me --json`;
    const told = json(await work.ok(line));
    assert.deepEqual([told["entries"], told["who"], told["why"]], [11, "me", "case 17"]);
    const hash = Buffer.from(sha256(read("j.evidence"))).toString("hex");
    assert.equal(told["sha256"], hash);
  });

  it("never replaces a file unasked, and leaves none where it fails", async () => {
    const before = read("a.evidence");
    const again = await work.run(`evidence --out a.evidence --seq 1 ${why}`, user);
    assert.equal(again.exit, 2);
    assert.match(again.err, /is there already; --force replaces it/);
    assert.deepEqual(read("a.evidence"), before);
    await work.ok(`evidence --out a.evidence --seq 1 ${why} --force`, user);
    assert.notDeepEqual(read("a.evidence"), before);
    for (const [line, exit] of [
      [`evidence --out n.evidence --seq 1`, 2],
      [`evidence --seq 1 ${why}`, 2],
      [`evidence --out n.evidence --seq 8-5 ${why}`, 2],
      [`evidence --out n.evidence --seq 5..8 ${why}`, 2],
      [`evidence --out n.evidence --since yesterday ${why}`, 2],
      [`evidence --out none/n.evidence --seq 1 ${why}`, 2],
      [`evidence --out n.evidence --seq 999 ${why}`, 3],
      [`evidence --out n.evidence --actor nobody ${why}`, 3],
      [`evidence --out n.evidence --log nowhere ${why}`, 3],
    ] as const) {
      assert.equal((await work.run(line, user)).exit, exit, line);
    }
    const nobody = await work.run(`evidence --out n.evidence --seq 1 ${why}`);
    assert.match(nobody.err, /--who/);
    assert.deepEqual(
      readdirSync(work.folder).filter((name) => /^n\.|partial/.test(name)),
      [],
    );
  });

  it("a file that appears meanwhile is not replaced either", () => {
    const path = work.path("meanwhile.evidence");
    writeOutFile(path, false, utf8("first"));
    assert.throws(
      () => writeOutFile(path, false, utf8("second")),
      (error) => isCairnError(error, "usage"),
    );
    assert.equal(readFileSync(path, "utf8"), "first");
    writeOutFile(path, true, utf8("third"));
    assert.equal(readFileSync(path, "utf8"), "third");
    const rest = readdirSync(work.folder).filter((name) => name.endsWith(".partial"));
    assert.deepEqual(rest, []);
  });

  it("Ctrl-C leaves nothing", async () => {
    const line = `evidence --out c.evidence --type api.* ${why}`;
    const ran = await work.run(line, { ...user, interrupted: AbortSignal.abort() });
    assert.equal(ran.exit, 3);
    assert.match(ran.err, /interrupted: nothing was written/);
    assert.ok(!existsSync(work.path("c.evidence")));
  });

  it("a log that somebody else holds: says who, and how to ask them", async () => {
    const log = await openLog(work.path("cairn-data"), "main");
    try {
      const ran = await work.run(`evidence --out l.evidence --seq 1 ${why}`, user);
      assert.equal(ran.exit, 3);
      assert.match(ran.err, /--url and --key-file/);
    } finally {
      await log.close();
    }
  });

  it("--html writes a page that holds the same", async () => {
    await work.ok(`evidence --out p.html --html --seq 5-8 ${why}`, user);
    const good = await work.ok("verify p.html --vkey main.vkeys");
    assert.match(good, /note what the page shows was not looked at/);
    assert.equal((await work.run("verify p.html")).exit, 1);
    const page = readFileSync(work.path("p.html"), "utf8");
    for (const forged of [
      page + page,
      page.replace('evidence">', 'evidence">A'),
      page.slice(0, 99),
    ]) {
      writeFileSync(work.path("forged.html"), forged);
      assert.equal((await work.run("verify forged.html --vkey main.vkeys")).exit, 1);
    }
    writeFileSync(work.path("forged.html"), page.replace('evidence">Y', 'evidence">Z'));
    assert.equal((await work.run("verify forged.html --vkey main.vkeys")).exit, 1);
    assert.match(page, /^<!doctype html>/);
    const held = /id="evidence">([^<]*)</.exec(page)![1]!;
    writeFileSync(work.path("held.evidence"), Buffer.from(held, "base64"));
    await work.ok("verify held.evidence --vkey main.vkeys");
  });
});

describe("cairn verify --policy", () => {
  const witness = cosigner(sha256, "w.example/1", signerFromSeed("ed25519", new Uint8Array(32)));

  it("asks for the witnesses that it names, of evidence and of a folder", async () => {
    const vkeys = readFileSync(work.path("main.vkeys"), "utf8").split("\n");
    const logs = vkeys.map((vkey) => `log ${vkey}\n`).join("");
    const policy = `${logs}witness w ${formatVkey(witness.vkey)}\nquorum w\n`;
    writeFileSync(work.path("w.policy"), policy);
    writeFileSync(work.path("none.policy"), `${logs}quorum none\n`);
    writeFileSync(work.path("bad.policy"), "quorum w\n");
    const bare = await work.run("verify a.evidence --policy w.policy");
    assert.equal(bare.exit, 1);
    assert.match(bare.out, /the policy's quorum "w" is not there/);
    await work.ok("verify a.evidence --policy none.policy");
    assert.equal((await work.run("verify a.evidence --policy bad.policy")).exit, 2);
    assert.equal((await work.run("verify cairn-data/main --policy w.policy")).exit, 1);
    await work.ok("verify cairn-data/main --policy none.policy");
    const { header, checkpoint, proof, leafHashes, entries } = parseEvidence(read("a.evidence"));
    const { text, signatures } = parseNote(utf8(checkpoint));
    const lines = await cosignCheckpoint([witness], text, 1_700_000_000);
    const cosigned = formatNote(text, [...signatures, ...lines]);
    const front = { header, checkpoint: cosigned, proof, leafHashes };
    writeFileSync(work.path("w.evidence"), Buffer.concat([...evidencePieces(front, entries)]));
    const good = await work.ok("verify w.evidence --policy w.policy");
    assert.match(good, /^ +cosigned by w, 2023-11-14T22:13:20\.000Z$/m);
    // A cosignature from the future does not count yet.
    const early = await work.run("verify w.evidence --policy w.policy", { nowMs: 1.6e12 });
    assert.equal(early.exit, 1);
  });
});

describe("cairn evidence, from a server", () => {
  it("takes it in the name of the key", async (t) => {
    const log: Log = await openLog(work.path("cairn-data"), "main");
    const data = work.path("cairn-data");
    const key = { source: "siem", logs: ["main"], scopes: ["read"] } as const;
    const { token } = createKey(data, { ...key, logs: [...key.logs], scopes: [...key.scopes] });
    const clock = { now: Date.now, monotonic: () => performance.now() };
    const server = await createServer({
      logs: {
        get: (name) => (name === "main" ? log : undefined),
        list: () => [log],
        create: () => Promise.reject(new Error("not here")),
      },
      keys: keyRing(apiKeysPath(data), clock),
    });
    t.after(async () => {
      await server.stop();
      await log.close();
    });
    const url = await server.listen({ host: "127.0.0.1", port: 0 });
    const env = { CAIRN_URL: url, CAIRN_KEY: token };
    const out = await work.ok(`evidence --out s.evidence --seq 5-8,12 ${why}`, { env });
    assert.match(out, /^ +taken by +siem, /m);
    assert.match(out, /^ +entries +5-8,12,[0-9]+$/m);
    await work.ok("verify s.evidence --vkey main.vkeys");
    await work.ok(`evidence --out s.html --html --type database.* ${why}`, { env });
    const named = await work.run(`evidence --out t.evidence --seq 1 --who me ${why}`, { env });
    assert.equal(named.exit, 2);
    const none = await work.run(`evidence --out t.evidence --seq 999 ${why}`, { env });
    assert.deepEqual([none.exit, existsSync(work.path("t.evidence"))], [3, false]);
  });

  it("an answer that breaks off, or is no evidence, is not written", async (t) => {
    const whole = read("s.evidence");
    let answer: Uint8Array = whole;
    let breaksOff = false;
    const server = createHttpServer((_request, response) => {
      response.writeHead(200);
      response.write(answer, () => (breaksOff ? response.destroy() : response.end()));
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    t.after(() => server.close());
    const { port } = server.address() as AddressInfo;
    const env = { CAIRN_URL: `http://127.0.0.1:${port}` };
    const line = `evidence --out b.evidence --seq 1 ${why}`;
    await work.ok(line, { env });
    for (const [given, isBroken, exit] of [
      [whole.subarray(0, 3000), true, 3],
      [whole.subarray(0, 3000), false, 1],
      [utf8("<!doctype html>"), false, 1],
      [whole.with(whole.length - 20, 0x41), false, 1],
    ] as const) {
      [answer, breaksOff] = [given, isBroken];
      const ran = await work.run(line.replace("b.ev", "x.ev"), { env });
      assert.equal(ran.exit, exit, ran.err);
      assert.ok(!existsSync(work.path("x.evidence")));
    }
  });
});
