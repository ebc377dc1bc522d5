/**
 * What a simulated log has promised, and whether it kept it. Nothing here believes the log: receipts are verified, and
 * every promise is held against what the log shows later.
 */
import assert from "node:assert/strict";
import {
  hashLeaf,
  hex,
  parseEntry,
  parseVkey,
  utf8,
  verifyCheckpoint,
  verifyInclusion,
  type CairnErrorCode,
  type Hash,
  type NamedBlob,
} from "@cairnlog/core";
import { nodeCrypto } from "@cairnlog/crypto";
import type { SimulatedDisk } from "@cairnlog/testing";
import { auditLog } from "./audit.testing.ts";
import type { Appended, Log } from "./log.ts";
import { simulatedCrypto } from "./simulated-keys.testing.ts";

const { sha256 } = nodeCrypto;

interface Acknowledged {
  readonly seq: number;
  readonly leafHash: string;
  readonly text: string;
}

interface RecordedEvent {
  readonly id?: string;
  readonly sequence?: { readonly number: number };
  readonly type: string;
  readonly details?: unknown;
}

/** Refusals that trying again cannot change. */
const lasting: ReadonlySet<CairnErrorCode> = new Set(["conflict", "malformed", "invalid"]);

/** An event as it was sent. */
export interface Sent {
  readonly source: string;
  /** Empty where it has none. */
  readonly id: string;
  /** Its source's own; no two events have the same one. */
  readonly number?: number;
  readonly text: string;
  /** What it names. */
  readonly blob?: NamedBlob;
}

export class Ledger {
  /** Every tree head that was ever signed, seen or stored: hex root by size. */
  readonly #roots = new Map<number, string>();
  readonly #bySeq = new Map<number, Acknowledged>();
  readonly #byId = new Map<string, Acknowledged>();
  /** Texts that were refused, and so must never be in the log; and why. */
  readonly #refused = new Map<string, string>();
  /** The blobs of acknowledged events. */
  readonly #blobs = new Map<string, NamedBlob>();
  #publishedSize = 0;
  #acknowledgedSize = 0;

  get acknowledged(): number {
    return this.#bySeq.size;
  }

  get blobs(): number {
    return this.#blobs.size;
  }

  /** The seqs of all acknowledged events. */
  seqs(): number[] {
    return [...this.#bySeq.keys()];
  }

  root(size: number, root: Hash): void {
    const known = this.#roots.get(size);
    assert.equal(hex(root), known ?? hex(root), `size ${size} has one root for ever`);
    this.#roots.set(size, hex(root));
  }

  /** Takes the answer to an append, and verifies what it says. */
  async answer(log: Log, sent: readonly Sent[], answer: Appended): Promise<void> {
    const vkeys = log.vkeys.map((vkey) => parseVkey(sha256, vkey));
    const { checkpoint } = answer;
    const note = utf8(checkpoint.note);
    const verified = await verifyCheckpoint(simulatedCrypto, note, vkeys, log.origin);
    const { size, root } = verified.checkpoint;
    this.root(size, root);
    this.#acknowledgedSize = Math.max(this.#acknowledgedSize, size);
    assert.equal(answer.count, sent.length);
    for (const [i, event] of sent.entries()) {
      const refusal = answer.refusal(i);
      if (refusal === undefined) this.#acknowledge(event, answer.seq(i), answer.leafHash(i));
      else if (lasting.has(refusal.code)) this.refuse(event, refusal.code);
    }
    for (const i of sent.keys()) {
      if (answer.refusal(i) !== undefined) continue;
      const proof = await answer.inclusionProof(i);
      const leafHash = answer.leafHash(i);
      verifyInclusion(sha256, { index: answer.seq(i), size, leafHash, proof, root });
    }
  }

  #acknowledge(sent: Sent, seq: number, leafHash: Hash): void {
    const acknowledged = { seq, leafHash: hex(leafHash), text: sent.text };
    const keys = sent.id === "" ? [] : [`${sent.source} ${sent.id}`];
    if (sent.number !== undefined) keys.push(`${sent.source} #${sent.number}`);
    for (const known of [this.#bySeq.get(seq), ...keys.map((key) => this.#byId.get(key))]) {
      assert.deepEqual(acknowledged, known ?? acknowledged, "one id, one event, one place");
    }
    this.#bySeq.set(seq, acknowledged);
    if (sent.blob !== undefined) this.#blobs.set(sent.blob.sha256, sent.blob);
    for (const key of keys) this.#byId.set(key, acknowledged);
  }

  /** `event` was refused, and nobody sends it again. */
  refuse({ text }: Sent, why: string): void {
    this.#refused.set(text, why);
  }

  /** What `log` shows right after it was opened is not less than it ever said. */
  async opened(log: Log): Promise<void> {
    const { size } = log.status();
    assert.ok(
      size >= this.#acknowledgedSize,
      `${size} entries, ${this.#acknowledgedSize} promised`,
    );
    const published = log.publishedCheckpoint();
    assert.ok(published.size >= this.#publishedSize, "what is published never goes back");
    await this.checkpoints(log);
    for (const [seq, known] of this.#bySeq) {
      assert.equal(hex(await log.leafHash(seq)), known.leafHash, `entry ${seq} is what it was`);
    }
    for (const { sha256: digest, byteLength } of this.#blobs.values()) {
      let count = 0;
      // Reading verifies it.
      for await (const piece of (await log.readBlob(digest)).chunks) count += piece.length;
      assert.equal(count, byteLength, "the blob of an acknowledged event is there");
    }
  }

  /** Notes the checkpoints that the log shows now. */
  async checkpoints(log: Log): Promise<void> {
    const durable = await log.durableCheckpoint();
    this.root(durable.size, durable.root);
    const published = log.publishedCheckpoint();
    this.root(published.size, published.root);
    this.#publishedSize = Math.max(this.#publishedSize, published.size);
  }

  /** A read gave `bytes` for entry `seq`. */
  read(seq: number, bytes: Uint8Array): void {
    const known = this.#bySeq.get(seq);
    if (known !== undefined) {
      assert.equal(hex(hashLeaf(sha256, bytes)), known.leafHash, `entry ${seq} is read as it is`);
    }
  }

  /** The whole audit, of a log whose disk has no faults any more. `from`: entries before it are known to be sound. */
  async audit(log: Log, disk: SimulatedDisk, folder: string, from: number): Promise<void> {
    if (from === 0) await auditLog(log, simulatedCrypto);
    await this.opened(log);
    const { size } = log.status();
    const seen = new Set<string>();
    const told = new Set<string>();
    for await (const { seq, bytes } of log.entries(from, size)) {
      const entry = parseEntry(bytes);
      const text = new TextDecoder().decode(entry.event);
      const event = JSON.parse(text) as RecordedEvent;
      const known = this.#bySeq.get(seq);
      if (known !== undefined) assert.equal(text, known.text, `entry ${seq} holds what was sent`);
      const refused = this.#refused.get(text);
      assert.equal(refused, undefined, `entry ${seq} was refused: ${text.slice(0, 100)}`);
      const keys = event.id === undefined ? [] : [event.id];
      if (event.sequence !== undefined) keys.push(`#${event.sequence.number}`);
      for (const each of keys) {
        const key = `${entry.source} ${each}`;
        assert.ok(!seen.has(key), `entry ${seq} is there a second time: ${key}`);
        seen.add(key);
      }
      if (event.type === "system.recovered") auditLost(event.details, disk, folder, told);
    }
    for (const [at, root] of this.#roots) {
      if (at <= size) assert.equal(hex(await log.root(at)), root, `the root at size ${at}`);
    }
    const lost = disk
      .paths()
      .filter((path) => path.startsWith(`${folder}/lost/`))
      .map((path) => path.slice(folder.length + 1));
    assert.deepEqual([...told].sort(), lost, "system.recovered tells of every file in lost/");
    const left = disk.paths().filter((path) => /\.tmp-[0-9]+$/.test(path));
    assert.deepEqual(left, [], "no unfinished file outlives an opening");
  }
}

/** What one `system.recovered` says was put aside must be there. */
function auditLost(details: unknown, disk: SimulatedDisk, folder: string, told: Set<string>): void {
  const { lost } = details as {
    lost: readonly { path: string; byteLength: number; sha256: string }[];
  };
  for (const { path, byteLength, sha256: digest } of lost) {
    const bytes = disk.peek(`${folder}/${path}`);
    assert.ok(bytes !== undefined, `${path} is there`);
    assert.equal(bytes.length, byteLength);
    assert.ok(bytes.length <= 1024 * 1024, "small enough for one digest");
    assert.equal(hex(sha256(bytes)), digest);
    // Told twice where the commit that told it first was lost with its record, and its entries were kept.
    told.add(path);
  }
}
