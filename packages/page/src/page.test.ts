/**
 * Goal: the page shows what the evidence holds and whether it verifies, in a real browser, from a file, with the
 * network off; what was changed fails; nothing that an event holds gets out of its text. Method: pages of evidence of
 * logs made here, hostile events among them, read in Chromium; the evidence in a page changed byte by byte.
 */
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import {
  cosignCheckpoint,
  cosigner,
  evidencePieces,
  fingerprint,
  formatNote,
  formatVkey,
  isCairnError,
  parseNote,
  parseVkey,
  utf8,
  type CairnEvent,
} from "@cairnlog/core";
import { nodeCrypto, signerFromSeed } from "@cairnlog/crypto";
import { createLog, exportEvidence, toBatch, type Log } from "@cairnlog/log";
import { memoryStore } from "@cairnlog/store";
import { missingChromium, startChromium, type Browser, type BrowserPage } from "@cairnlog/testing";
import { evidencePage, pageEvidenceBytesMax } from "./index.ts";

const { sha256 } = nodeCrypto;
const folder = mkdtempSync(join(tmpdir(), "cairn-page-"));
after(() => rmSync(folder, { recursive: true, force: true }));

const hostile =
  "</script><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">" +
  "\u202egnirts\u2066\u0000\u001b[2J\u200b<!--{{evidence}}\\";
const witness = cosigner(
  sha256,
  "witness.example/w1",
  signerFromSeed("ed25519", new Uint8Array(32)),
);

const other = cosigner(
  sha256,
  "witness.example/x",
  signerFromSeed("ed25519", new Uint8Array(32).fill(9)),
);

interface Made {
  readonly log: Log;
  readonly evidence: Buffer;
  readonly policy: string;
}

async function make(): Promise<Made> {
  const origin = "example.com/logs/main";
  const log = await createLog(memoryStore(), { name: "main", origin });
  const events = Array.from({ length: 300 }, (_, i) => ({
    type: "database.query",
    actor: { id: `user${i}@example.com` },
    action: "SELECT",
    targets: [{ type: "postgres", id: "orders" }],
    outcome: "success",
  }));
  const bad = { type: "x.y", actor: { id: hostile }, action: hostile };
  const strange = { type: "x.y", actor: { id: "z" }, action: "a", details: [hostile, null] };
  const appended = await log.append(
    toBatch([...events, { ...bad, details: { [hostile]: hostile } }, strange] as CairnEvent[]),
    "api",
  );
  assert.equal(appended.refused, 0, appended.refusal(300)?.message);
  const selection = { seqs: [{ from: 1, to: 303 }] };
  const asked = { who: hostile, why: hostile, nowMs: 1_795_410_000_000 };
  const { header } = await exportEvidence(log, { selection, ...asked });
  const checkpoint = log.publishedCheckpoint();
  const seqs = Array.from({ length: header.count }, (_, i) => i + 1);
  const { entries, leafHashes, proof } = await log.prove(seqs, checkpoint);
  const note = parseNote(utf8(checkpoint.note));
  const lines = await cosignCheckpoint([witness], note.text, 1_795_410_060);
  const cosigned = formatNote(note.text, [...note.signatures, ...lines]);
  const front = { header, checkpoint: cosigned, proof, leafHashes };
  const evidence: Buffer = Buffer.concat([...evidencePieces(front, entries)]);
  const logs = log.vkeys.map((vkey) => `log ${vkey}\n`).join("");
  const policy = `${logs}witness w1 ${formatVkey(witness.vkey)}\nquorum w1\n`;
  return { log, evidence, policy };
}

const made = await make();
after(() => made.log.close());

describe("the page of an evidence file", () => {
  test("holds the file and nothing else of it, and asks for nothing outside", () => {
    const page = new TextDecoder().decode(evidencePage(made.evidence));
    const held = /<script type="text\/plain" id="evidence">([^<]*)<\/script>/.exec(page)![1]!;
    assert.deepEqual(Buffer.from(held, "base64"), Buffer.from(made.evidence));
    const rest = page.replace(held, "");
    assert.ok(!rest.includes("example.com/logs"), "what is shown is read from the file");
    assert.doesNotMatch(rest, /\b(?:src|href|srcset|action)\s*=\s*["']|@import|url\(/);
    assert.match(
      rest,
      /content="default-src 'none'; script-src 'sha256-[^']+'; style-src 'sha256-/,
    );
    assert.equal(rest.match(/<script/g)!.length, 2);
    assert.ok(rest.length < 120_000, `the page alone has ${rest.length} characters`);
  });

  test("a file too large for a browser is refused", () => {
    const large = new Uint8Array(pageEvidenceBytesMax + 1);
    assert.throws(
      () => evidencePage(large),
      (error) => isCairnError(error, "too_large"),
    );
  });
});

describe("the page in a browser", { skip: missingChromium() }, () => {
  let browser: Browser;
  before(async () => {
    browser = await startChromium();
  });
  after(() => browser.close());

  let pages = 0;
  async function open(page: Uint8Array): Promise<BrowserPage> {
    const path = join(folder, `${pages++}.html`);
    writeFileSync(path, page);
    const opened = await browser.open(pathToFileURL(path).href);
    await opened.until(
      `document.title !== "" && !/^(Checking|Evidence, not)/.test(document.title)`,
    );
    return opened;
  }
  const verdict = (page: BrowserPage): Promise<unknown> =>
    page.evaluate(`document.getElementById("verdict").dataset.verdict`);
  const text = (page: BrowserPage, id: string): Promise<string> =>
    page.evaluate(`document.getElementById("${id}").textContent`) as Promise<string>;

  async function judgedUnder(page: BrowserPage, trust: string): Promise<unknown> {
    await page.evaluate(
      `document.getElementById("verdict").dataset.verdict = "none";
       document.getElementById("policy").value = ${JSON.stringify(trust)};
       document.getElementById("check").click()`,
    );
    await page.until(`document.getElementById("verdict").dataset.verdict !== "none"`);
    return verdict(page);
  }

  test("by itself it is consistent, signer unknown; under a policy or a key verified", async () => {
    const page = await open(evidencePage(made.evidence));
    assert.equal(await verdict(page), "consistent");
    assert.match(String(await page.evaluate("document.title")), /^Consistent, signer unknown: 303/);
    const facts = await text(page, "facts");
    for (const vkey of made.log.vkeys) {
      assert.ok(facts.includes(fingerprint(sha256, parseVkey(sha256, vkey))));
    }
    assert.equal(await judgedUnder(page, made.policy), "verified");
    assert.match(await text(page, "verdict-text"), /Cosigned by w1 at 2026-/);
    // The ML-DSA-44 key alone: for readers who trust no other.
    assert.equal(await judgedUnder(page, made.log.vkeys[1]!), "verified");
    assert.equal(await judgedUnder(page, made.log.vkeys[0]!), "verified");
    const unwitnessed = `log ${made.log.vkeys[0]!}\nquorum none\n`;
    assert.equal(await judgedUnder(page, unwitnessed), "verified");
    const absent = `log ${made.log.vkeys[0]!}\nwitness x ${formatVkey(other.vkey)}\nquorum x\n`;
    assert.equal(await judgedUnder(page, absent), "failed");
    assert.ok(!String(await page.evaluate("document.body.innerText")).includes("user17@"));
    assert.equal(await judgedUnder(page, "nonsense"), "unable");
    assert.equal(await judgedUnder(page, ""), "consistent");
    assert.ok(String(await page.evaluate("document.body.innerText")).includes("user17@"));
    assert.deepEqual(page.requests, []);
    assert.deepEqual(page.complaints, []);
  });

  test("hostile texts stay texts, and what is invisible is shown", async () => {
    const page = await open(evidencePage(made.evidence));
    await page.evaluate(`document.getElementById("more").click()`);
    const rows = await page.evaluate(`document.querySelectorAll("#events > tr").length`);
    assert.equal(rows, 303);
    await page.evaluate(
      `for (const each of document.querySelectorAll("#events button")) each.click()`,
    );
    assert.equal(await page.evaluate(`document.querySelectorAll("script, img, iframe").length`), 2);
    const all = String(await page.evaluate("document.body.innerText"));
    assert.ok(all.includes("</script><script>document.title='owned'"));
    assert.match(all, /\\u\{202e\}gnirts\\u\{2066\}\\u\{0\}\\u\{1b\}/);
    for (const unseen of "\u202e\u2066\u200b\u0000\u001b") assert.ok(!all.includes(unseen));
    assert.doesNotMatch(String(await page.evaluate("document.title")), /owned/);
    assert.deepEqual(page.complaints, []);
  });

  test("rows can be searched, and an entry shows itself and its proof", async () => {
    const page = await open(evidencePage(made.evidence));
    await page.evaluate(
      `{ const field = document.getElementById("filter"); field.value = "USER17@";
         field.dispatchEvent(new Event("input")); }`,
    );
    assert.match(await text(page, "shown"), /^1 of 1 shown, 303 in all$/);
    await page.evaluate(`document.querySelector("#events button").click()`);
    const shown = await text(page, "events");
    assert.ok(shown.includes('"user17@example.com"'));
    assert.ok(shown.includes(Buffer.from(await made.log.leafHash(18)).toString("base64")));
    const button = `document.querySelector("#events button")`;
    assert.equal(await page.evaluate(`${button}.getAttribute("aria-expanded")`), "true");
    await page.evaluate(`${button}.click()`);
    assert.equal(await page.evaluate(`document.querySelectorAll("#events > tr").length`), 1);
  });

  test("the file that it hands out is the file, and the command names it", async () => {
    const page = await open(evidencePage(made.evidence));
    await page.evaluate(`document.getElementById("save").click()`);
    const saved = join(browser.downloads, "main-303.evidence");
    for (let i = 0; !existsSync(saved) && i < 500; i++) await sleep(20);
    assert.deepEqual(readFileSync(saved), made.evidence);
    assert.equal(
      await text(page, "command"),
      "cairn verify main-303.evidence --policy your.policy",
    );
    const warning = String(await page.evaluate(`document.querySelector(".warning").textContent`));
    assert.match(warning, /A page cannot vouch for itself/);
  });

  test("a changed byte of the evidence is seen, wherever it is; nothing is shown then", async () => {
    const { evidence } = made;
    const places = [0, 30, evidence.indexOf("\nproof ") + 60, evidence.length - 5];
    for (let at = evidence.indexOf("\nentries\n"); at < evidence.length; at += 9001)
      places.push(at);
    for (const at of places) {
      const page = await open(evidencePage(evidence.with(at, evidence[at]! ^ 1)));
      assert.equal(await verdict(page), "failed", `byte ${at}`);
      assert.equal(await text(page, "events"), "");
      assert.equal(await judgedUnder(page, made.policy), "failed");
    }
    const whole = new TextDecoder().decode(evidencePage(evidence));
    const broken = await open(utf8(whole.replace(/(id="evidence">.{1000})./, "$1!")));
    assert.equal(await verdict(broken), "failed");
  });

  test("it can be read on a telephone and on a wide screen, in light and dark", async () => {
    const page = await open(evidencePage(made.evidence));
    for (const [width, height] of [
      [390, 844],
      [1600, 900],
    ] as const) {
      await page.resize(width, height);
      const scrolled = await page.evaluate("document.documentElement.scrollWidth");
      assert.ok(Number(scrolled) <= width, `${String(scrolled)} of ${width} pixels`);
    }
    const unnamed = await page.evaluate(
      `[...document.querySelectorAll("input, textarea, button")]
         .filter((each) => !(each.labels?.length > 0) && (each.ariaLabel ?? each.textContent.trim()) === "").length`,
    );
    assert.equal(unnamed, 0, "every control has a name");
    if (process.env["CAIRN_SCREENSHOTS"] !== undefined) {
      writeFileSync(join(process.env["CAIRN_SCREENSHOTS"], "page.png"), await page.screenshot());
    }
  });
});
