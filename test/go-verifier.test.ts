/**
 * Goal: a log of ours is a log to people who have never seen our code. `testing/go` knows C2SP's formats and the
 * packages behind Go's checksum database, nothing else; it accepts our log, and refuses every lie about it.
 *
 * Method: the real server with a log of 70,000 entries (a sealed segment, full and partial tiles on three levels) and
 * one of 3,000; a proxy that changes one thing in what the server answers; a fork, which is one log that was
 * continued in two ways under the same keys.
 */
import assert from "node:assert/strict";
import { execFile, spawnSync } from "node:child_process";
import { cpSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { missingTool } from "./installed-tool.ts";
import {
  recordEvents,
  removeFolder,
  serveLies,
  serveLog,
  temporaryFolder,
  type Lie,
  type ServedLog,
} from "./served-log.ts";

const skip = missingTool("go", ["version"], "required");
/** With entry 0 there is one more: 70,001 entries make a level-2 tile, 3,001 a partial bundle of 185. */
const largeCount = 70_000;
const smallCount = 3_000;

/** What is changed in which of the two logs, where, and what the verifier must say about it. */
interface ToldLie {
  readonly name: string;
  readonly of?: "large";
  readonly path: RegExp;
  readonly says: RegExp;
  readonly change: (body: Buffer) => Buffer;
}

const lies: readonly ToldLie[] = [
  {
    name: "a byte of a sealed entry",
    of: "large",
    path: /tile\/entries\/010$/,
    change: (body) => flipped(body, 9000),
    says: /entry \d+ in tile\/entries\/010/,
  },
  {
    name: "a byte of an entry in the tail, in a partial bundle",
    path: /tile\/entries\/011\.p\/185$/,
    change: (body) => flipped(body, 200),
    says: /entry \d+ in tile\/entries\/011\.p\/185/,
  },
  {
    name: "the last byte of the last entry",
    path: /tile\/entries\/011\.p\/185$/,
    change: (body) => flipped(body, body.length - 1),
    says: /entry 3000 in tile\/entries\/011\.p\/185/,
  },
  {
    name: "a bundle that was cut",
    path: /tile\/entries\/007$/,
    change: (body) => body.subarray(0, -1),
    says: /tile\/entries\/007: it ends within an entry/,
  },
  {
    name: "two entries that changed places",
    path: /tile\/entries\/000$/,
    change: withFirstTwoSwapped,
    says: /entry 0 in .*hash chain/,
  },
  {
    name: "a leaf hash",
    of: "large",
    path: /tile\/0\/010$/,
    change: (body) => flipped(body, 4000),
    says: /tile\/0\/010: .*inconsistent tile/,
  },
  {
    name: "a leaf hash in a partial tile",
    path: /tile\/0\/011\.p\/185$/,
    change: (body) => flipped(body, 0),
    says: /inconsistent tile/,
  },
  {
    name: "a hash in a tile of level 1",
    path: /tile\/1\/000\.p\/11$/,
    change: (body) => flipped(body, 33),
    says: /inconsistent tile/,
  },
  {
    name: "a hash in the tile of level 2",
    of: "large",
    path: /tile\/2\/000\.p\/1$/,
    change: (body) => flipped(body, 31),
    says: /inconsistent tile/,
  },
  {
    name: "a tile that is one hash short",
    path: /tile\/0\/001$/,
    change: (body) => body.subarray(32),
    says: /tile\/0\/001 has 8160 bytes/,
  },
  {
    name: "the size in the checkpoint",
    path: /checkpoint$/,
    change: (body) => replaced(body, "\n3001\n", "\n3000\n"),
    says: /invalid signature/,
  },
  {
    name: "the name in the checkpoint",
    path: /checkpoint$/,
    change: (body) =>
      replaced(body, "audit.example.com/logs/main\n", "audit.example.com/logs/mail\n"),
    says: /invalid signature/,
  },
  {
    name: "the signature",
    path: /checkpoint$/,
    change: withSignatureFlipped,
    says: /invalid signature/,
  },
  {
    name: "no signature of the log's Ed25519 key",
    path: /checkpoint$/,
    change: (body) => Buffer.from(body.toString().replace(/\n— [^\n]*/, "")),
    says: /no verifiable signatures/,
  },
];

describe("a verifier that somebody else's packages make", { skip }, () => {
  const work = temporaryFolder();
  const program = join(work, "tiles-verifier");
  let large: ServedLog;
  let small: ServedLog;
  /** All that was opened, so that a test that fails leaves nothing running. */
  const opened: ServedLog[] = [];

  before(async () => {
    const source = new URL("../testing/go/", import.meta.url);
    // -mod=readonly: what go.sum does not name is not used.
    const build = ["build", "-trimpath", "-mod=readonly", "-o", program, "."];
    const { status, stderr } = spawnSync("go", build, { cwd: source, encoding: "utf8" });
    assert.equal(status, 0, `go build: ${stderr}`);
    large = await open("large");
    await recordEvents(large.log, "e", largeCount);
    await large.log.sealed();
    small = await open("small");
    await recordEvents(small.log, "e", smallCount);
  });
  after(async () => {
    for (const each of opened) await each.close();
    removeFolder(work);
  });

  async function open(name: string): Promise<ServedLog> {
    const served = await serveLog(join(work, name));
    opened.push(served);
    return served;
  }

  /** Runs the program on a log, with further flags, of which the last one of a kind counts. */
  function verify(
    served: ServedLog,
    ...flags: string[]
  ): Promise<{ status: number; output: string }> {
    const { log, url, key } = served;
    const args = ["-url", `${url}/logs/${log.name}`, "-vkey", log.vkeys[0]!, ...flags];
    const env = { ...process.env, CAIRN_KEY: key };
    return new Promise((resolve) => {
      execFile(program, args, { env }, (error, stdout, stderr) => {
        const status = error === null ? 0 : typeof error.code === "number" ? error.code : -1;
        resolve({ status, output: stdout + stderr });
      });
    });
  }

  it("accepts the logs: every tile, every entry", async () => {
    assert.equal(large.log.status().sealedSize, 65_536);
    const { status, output } = await verify(large);
    assert.equal(status, 0, output);
    assert.match(output, /^verified audit\.example\.com\/logs\/main$/m);
    assert.match(output, /^ {2}entries +70001 \(hash, chain link, inclusion proof\)$/m);
    // 274 tiles of leaf hashes, two above them, one above these.
    assert.match(output, /^ {2}tiles +277$/m);
    assert.match(output, /^ {2}bundles +274$/m);
    const other = await verify(small);
    assert.equal(other.status, 0, other.output);
    assert.match(other.output, /^ {2}size +3001$/m);
  });

  for (const { name, of, path, change, says } of lies) {
    it(`refuses ${name}`, async () => {
      const served = of === "large" ? large : small;
      const lie: Lie = (asked, body) => (path.test(asked) ? change(body) : undefined);
      const liar = await serveLies(served.url, lie);
      try {
        const { status, output } = await verify(served, "-url", `${liar.url}/logs/main`);
        assert.ok(liar.lies > 0, `the lie was told; ${output}`);
        assert.equal(status, 1, output);
        assert.match(output, /^NOT VERIFIED: /m);
        assert.match(output, says);
      } finally {
        liar.close();
      }
    });
  }

  it("refuses a wrong key as usage, and says when the log cannot be read", async () => {
    const [vkey] = small.log.vkeys;
    const wrong = await verify(small, "-vkey", `${vkey!.slice(0, -4)}AAA=`);
    assert.equal(wrong.status, 2, wrong.output);
    const other = await verify(small, "-vkey", large.log.vkeys[0]!);
    assert.equal(other.status, 1, other.output);
    const closed = await verify(small, "-url", "http://127.0.0.1:1/logs/main");
    assert.equal(closed.status, 3, closed.output);
    const noKey = await verify({ ...small, key: "" });
    assert.equal(noKey.status, 3, noKey.output);
    assert.match(noKey.output, /401/);
  });

  it("follows a log that grows, and refuses a rollback and a fork of it", async () => {
    const state = join(work, "state");
    const begun = await open("grows");
    await recordEvents(begun.log, "common", 300);
    assert.match((await verify(begun, "-state", state)).output, /nothing to compare with yet/);
    await begun.close();
    cpSync(join(work, "grows"), join(work, "copy"), { recursive: true });

    const grown = await open("grows");
    await recordEvents(grown.log, "one", 500);
    const followed = await verify(grown, "-state", state);
    assert.equal(followed.status, 0, followed.output);
    assert.match(followed.output, /continues the log of size 301/);
    assert.match((await verify(grown, "-state", state)).output, /nothing new since size 801/);
    await grown.close();

    const forked = await open("copy");
    const rolledBack = await verify(forked, "-state", state);
    assert.equal(rolledBack.status, 1, rolledBack.output);
    assert.match(rolledBack.output, /rolled back: it had 801 entries, and has 301/);
    await recordEvents(forked.log, "two", 700);
    assert.equal((await verify(forked)).status, 0, "by itself the fork is a good log");
    const refused = await verify(forked, "-state", state);
    assert.equal(refused.status, 1, refused.output);
    assert.match(refused.output, /does not continue the one of size 801/);
    assert.match(readFileSync(state, "utf8"), /\n801\n/, "what was refused is not remembered");
  });
});

function flipped(body: Buffer, at: number): Buffer {
  const copy = Buffer.from(body);
  copy.writeUInt8((copy.readUInt8(at) + 1) % 256, at);
  return copy;
}

function replaced(body: Buffer, from: string, to: string): Buffer {
  return Buffer.from(body.toString().replace(from, to));
}

function withFirstTwoSwapped(body: Buffer): Buffer {
  const first = 2 + body.readUInt16BE(0);
  const second = first + 2 + body.readUInt16BE(first);
  const parts = [body.subarray(first, second), body.subarray(0, first), body.subarray(second)];
  return Buffer.concat(parts);
}

/** Another character of the same alphabet, in the middle of the first signature. */
function withSignatureFlipped(note: Buffer): Buffer {
  const line = note.indexOf("\n— ") + 60;
  const copy = Buffer.from(note);
  copy.write(copy.toString("latin1", line, line + 1) === "A" ? "B" : "A", line, "latin1");
  return copy;
}
