/**
 * Goal: what docs/verify-yourself.md tells people to type works as it stands, with tools that know nothing of Cairn,
 * and says no to whatever is not true.
 *
 * Method: the page's bash blocks, in order, in one shell with `set -e`, against the real server; then the Python
 * script and the blocks that check by hand on receipts and entries in which one thing was changed.
 */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { checkoutPath } from "./checkout.ts";
import { missingTool } from "./installed-tool.ts";
import {
  recordEvents,
  removeFolder,
  serveLog,
  temporaryFolder,
  type ServedLog,
} from "./served-log.ts";

const tools = {
  python3: "--version",
  openssl: "version",
  jq: "--version",
  xxd: "-v",
  curl: "--version",
};
const skip =
  Object.entries(tools)
    .map(([tool, versionArg]) => missingTool(tool, [versionArg], "optional"))
    .find((missing) => missing !== false) ?? false;

const page = readFileSync(checkoutPath("docs/verify-yourself.md"), "utf8");
const blocks = [...page.matchAll(/^```bash\n([^]*?)^```$/gm)].map((match) => match[1]!);

interface ReceiptJson {
  origin: string;
  seq: number;
  leafHash: string;
  proof: string[];
  checkpoint: string;
}

type Change = (receipt: ReceiptJson, entry: string) => string | undefined;

/** Changes the receipt in place, or returns another entry. */
const changes: Readonly<Record<string, Change>> = {
  "a byte of the entry": (_, entry) => entry.replace("alice", "alicf"),
  "a byte behind the entry": (_, entry) => `${entry}\n`,
  "another leaf hash": (receipt) => void (receipt.leafHash = receipt.proof[0]!),
  "a hash of the proof": (receipt) => void (receipt.proof[1] = receipt.leafHash),
  "a proof that is too short": (receipt) => void receipt.proof.pop(),
  "a proof that is too long": (receipt) => void receipt.proof.push(receipt.leafHash),
  "a proof that is upside down": (receipt) => void receipt.proof.reverse(),
  "the seq": (receipt) => void receipt.seq--,
  "a seq beyond the checkpoint": (receipt) => void (receipt.seq += 1_000_000),
  "the size that was signed": (receipt) =>
    void (receipt.checkpoint = receipt.checkpoint.replace(/\n\d+\n/, "\n900\n")),
  "the root that was signed": (receipt) =>
    void (receipt.checkpoint = receipt.checkpoint.replace(
      /\n[^\n]{44}\n/,
      `\n${receipt.leafHash}\n`,
    )),
  "the origin": (receipt) =>
    void (receipt.checkpoint = receipt.checkpoint.replaceAll("logs/main", "logs/mail")),
  "no signature": (receipt) =>
    void (receipt.checkpoint = receipt.checkpoint.replace(/ [^ ]*\n$/, " AAAAAA==\n")),
};

describe("docs/verify-yourself.md", { skip }, () => {
  const work = temporaryFolder();
  const good = join(work, "good");
  let served: ServedLog;

  before(async () => {
    served = await serveLog(join(work, "data"));
    await recordEvents(served.log, "e", 700);
    folderWithDocs(good);
  });
  after(async () => {
    await served.close();
    removeFolder(work);
  });

  it("the commands work as they stand, in this order", async () => {
    assert.equal(blocks.length, 5);
    const { status, output } = await bash(good, blocks);
    assert.equal(status, 0, output);
    assert.match(
      output,
      /^good: entry 701 is in audit\.example\.com\/logs\/main, under its checkpoint/m,
    );
    assert.match(output, /^Signature Verified Successfully$/m);
    assert.match(output, /^entry 701 is in the log$/m);
  });

  for (const [name, change] of Object.entries(changes)) {
    it(`both ways refuse ${name}`, async () => {
      const folder = join(work, name.replaceAll(" ", "-"));
      folderWithDocs(folder);
      const receipt = JSON.parse(readFileSync(join(good, "receipt.json"), "utf8")) as ReceiptJson;
      const entry = readFileSync(join(good, "entry.json"), "utf8");
      const changed = change(receipt, entry);
      writeFileSync(join(folder, "receipt.json"), JSON.stringify(receipt));
      writeFileSync(join(folder, "entry.json"), changed ?? entry);
      const script = await bash(folder, [blocks[0]!.split("\n").at(-2)!]);
      assert.equal(script.status, 1, script.output);
      assert.match(script.output, /^NOT VERIFIED: /m);
      const byHand = await bash(folder, blocks.slice(2));
      assert.notEqual(byHand.status, 0, byHand.output);
      assert.doesNotMatch(byHand.output, /is in the log/);
    });
  }

  it("both ways refuse the key of another log", async () => {
    const other = await serveLog(join(work, "other"));
    const vkey = other.log.vkeys[0]!;
    await other.close();
    const script = await bash(good, [blocks[0]!.split("\n").at(-2)!], vkey);
    assert.match(script.output, /^NOT VERIFIED: the signature is wrong/m);
    const byHand = await bash(good, blocks.slice(2), vkey);
    assert.notEqual(byHand.status, 0, byHand.output);
  });

  function bash(
    cwd: string,
    commands: readonly string[],
    vkey = served.log.vkeys[0]!,
  ): Promise<{ status: number; output: string }> {
    const env = { ...process.env, URL: served.url, KEY: served.key, VKEY: vkey };
    const script = `set -euo pipefail\n${commands.join("\n")}`;
    return new Promise((resolve) => {
      execFile("bash", ["-c", script], { cwd, env }, (error, stdout, stderr) => {
        const status = error === null ? 0 : typeof error.code === "number" ? error.code : -1;
        resolve({ status, output: stdout + stderr });
      });
    });
  }
});

/** A folder that looks, to the commands, like the top of the checkout. */
function folderWithDocs(folder: string): void {
  mkdirSync(folder);
  symlinkSync(checkoutPath("docs"), join(folder, "docs"));
}
