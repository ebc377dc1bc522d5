/**
 * Goal: what the server acknowledged outlives SIGKILL, at its place, bit for bit, whenever the kill comes.
 *
 * Method: rounds of the real `cairn serve` under load, killed at a seeded moment: after so many receipts, or while it
 * starts and recovers. Each receipt is verified when it comes, and after the restart held against the entries that the
 * log then has: the leaf hash at its seq, and the root of its checkpoint at its size. All the roots ever seen must be
 * roots of the one tree that the entries make. Requests whose answer was lost are sent again with the same ids.
 *
 * `CAIRN_KILL_ROUNDS` runs more rounds than 40, `CAIRN_KILL_SEED` other ones.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  genesisPrev,
  hashLeaf,
  hex,
  isSameBytes,
  parseDecimal,
  parseEntry,
  parseVkey,
  receiptFromJson,
  RightEdge,
  utf8,
  verifyCheckpoint,
  verifyReceipt,
  type Receipt,
} from "@cairnlog/core";
import { nodeCrypto } from "@cairnlog/crypto";
import { SeededRandom } from "@cairnlog/testing";
import { initLog, origin, ServedProcess, type MadeLog } from "./cairn-process.ts";
import { removeFolder, temporaryFolder } from "./served-log.ts";

const { CAIRN_KILL_ROUNDS = "40", CAIRN_KILL_SEED = "1" } = process.env;
const rounds = parseDecimal(CAIRN_KILL_ROUNDS, "number of rounds");
const seed = parseDecimal(CAIRN_KILL_SEED, "seed");
const { sha256 } = nodeCrypto;
const batchEvents = 150;
const rangeEntries = 10_000;

/** What was promised, by seq and by size; held against the entries as they are read, once each. */
class Audit {
  readonly made: MadeLog;
  readonly #edge = new RightEdge(sha256);
  #prev: Uint8Array = genesisPrev();
  readonly #leaves = new Map<number, string>();
  readonly #roots = new Map<number, string>();
  readonly #places = new Map<string, number>();
  readonly #seen = new Map<string, number>();
  promised = 0;
  audited = 0;

  constructor(made: MadeLog) {
    this.made = made;
  }

  get size(): number {
    return this.#edge.size;
  }

  /** A receipt came for the event `id`. */
  promise(id: string, seq: number, leafHash: Uint8Array): void {
    assert.equal(this.#places.get(id) ?? seq, seq, `${id} has one place`);
    this.#places.set(id, seq);
    assert.equal(this.#leaves.get(seq) ?? hex(leafHash), hex(leafHash), `one leaf at ${seq}`);
    this.#leaves.set(seq, hex(leafHash));
    this.promised++;
  }

  /** A checkpoint came. Its signature is checked, its root noted. */
  async checkpoint(note: string): Promise<number> {
    const vkeys = this.made.vkeys.map((vkey) => parseVkey(sha256, vkey));
    const { checkpoint } = await verifyCheckpoint(nodeCrypto, utf8(note), vkeys, origin);
    const { size, root } = checkpoint;
    const known = size === this.size ? hex(this.#edge.root()) : this.#roots.get(size);
    assert.equal(known ?? hex(root), hex(root), `one root at size ${size}`);
    assert.ok(size >= this.size, `a checkpoint of size ${size} after ${this.size} were read`);
    if (size > this.size) this.#roots.set(size, hex(root));
    return size;
  }

  /** Reads what the log has beyond what was read before. */
  async read(url: string): Promise<void> {
    for (;;) {
      const from = this.size;
      const path = `/v1/logs/main/events?from=${from}&limit=${rangeEntries}`;
      const answer = await ask(url, this.made.key, path);
      assert.equal(answer.status, 200, await answer.clone().text());
      const lines = (await answer.text()).split("\n").slice(0, -1);
      for (const line of lines) this.#entry(utf8(line));
      if (lines.length < rangeEntries) break;
    }
    for (const [seq] of this.#leaves) assert.ok(seq < this.size, `entry ${seq} is gone`);
    for (const [size] of this.#roots) assert.ok(size <= this.size, `size ${size} was promised`);
    this.audited += this.#leaves.size;
    this.#leaves.clear();
    // Each was held against the tree when the reading came to its size.
    this.#roots.clear();
  }

  #entry(bytes: Uint8Array): void {
    const entry = parseEntry(bytes);
    const seq = this.size;
    assert.equal(entry.seq, seq);
    assert.ok(isSameBytes(entry.prev, this.#prev), `entry ${seq} continues the chain`);
    const leafHash = hashLeaf(sha256, bytes);
    this.#prev = leafHash;
    this.#edge.append(leafHash);
    assert.equal(this.#leaves.get(seq) ?? hex(leafHash), hex(leafHash), `entry ${seq} as promised`);
    const { id } = JSON.parse(new TextDecoder().decode(entry.event)) as { id?: string };
    if (id !== undefined) {
      assert.ok(!this.#seen.has(id), `${id} is there twice, at ${this.#seen.get(id)} and ${seq}`);
      this.#seen.set(id, seq);
      assert.equal(this.#places.get(id) ?? seq, seq);
    }
    const root = this.#roots.get(this.size);
    if (root !== undefined) {
      assert.equal(hex(this.#edge.root()), root, `the root at size ${this.size}`);
    }
  }

  /** The last word: all entries once more, from the first one. */
  async readAll(url: string): Promise<void> {
    const again = new Audit(this.made);
    await again.read(url);
    assert.equal(again.size, this.size);
    assert.equal(hex(again.#edge.root()), hex(this.#edge.root()), "nothing old has changed");
  }
}

function ask(url: string, key: string, path: string, body?: string): Promise<Response> {
  const headers: Record<string, string> = { authorization: `Bearer ${key}` };
  if (body === undefined) return fetch(url + path, { headers });
  headers["content-type"] = body.includes("\n") ? "application/x-ndjson" : "application/json";
  return fetch(url + path, { method: "POST", headers, body });
}

function event(id: string): string {
  return (
    `{"id":"${id}","type":"database.query","actor":{"id":"alice@example.com"},"action":"SELECT",` +
    `"targets":[{"type":"postgres","id":"orders-prod/public.orders"}],"outcome":"success"}`
  );
}

interface BatchAnswer {
  readonly checkpoint: string;
  readonly results: readonly { readonly seq: number; readonly leafHash: string }[];
}

/** Sends events until the server is gone. */
class Load {
  readonly #audit: Audit;
  readonly #round: number;
  /** Batches of ids whose answer was lost, in this round and before. */
  readonly lost: string[][];
  #next = 0;
  received = 0;
  onReceipt: () => void = () => undefined;

  constructor(audit: Audit, round: number, lost: string[][]) {
    this.#audit = audit;
    this.#round = round;
    this.lost = lost;
  }

  /** Several connections at once, the first with batches. */
  async run(url: string): Promise<void> {
    await Promise.all(Array.from({ length: 9 }, (_, i) => this.#connection(url, i === 0)));
  }

  async #connection(url: string, isBatch: boolean): Promise<void> {
    for (;;) {
      const count = isBatch ? batchEvents : 1;
      const again = this.lost.findIndex((ids) => ids.length === 1 || isBatch);
      const ids =
        again >= 0
          ? this.lost.splice(again, 1)[0]!
          : Array.from({ length: count }, () => `r${this.#round}-${this.#next++}`);
      let text: string;
      let status: number;
      try {
        const body = ids.map(event).join("\n");
        const answer = await ask(url, this.#audit.made.key, "/v1/logs/main/events", body);
        status = answer.status;
        text = await answer.text();
      } catch {
        // The server is gone. Nobody knows what became of these.
        this.lost.push(ids);
        return;
      }
      assert.ok(status === 200 || status === 201, `${status}: ${text}`);
      if (ids.length === 1) await this.#receipt(ids[0]!, text);
      else await this.#batch(ids, text);
      this.received++;
      this.onReceipt();
    }
  }

  async #receipt(id: string, text: string): Promise<void> {
    const members = JSON.parse(text) as Record<string, unknown>;
    // "duplicate" says that it is the second answer for this id.
    delete members["duplicate"];
    const receipt: Receipt = receiptFromJson(members);
    const vkeys = this.#audit.made.vkeys.map((vkey) => parseVkey(sha256, vkey));
    const recorded = { leafHash: receipt.leafHash };
    await verifyReceipt(nodeCrypto, receipt, { recorded, vkeys, origin });
    await this.#audit.checkpoint(receipt.checkpoint);
    this.#audit.promise(id, receipt.seq, receipt.leafHash);
  }

  async #batch(ids: readonly string[], text: string): Promise<void> {
    const { checkpoint, results } = JSON.parse(text) as BatchAnswer;
    const size = await this.#audit.checkpoint(checkpoint);
    assert.equal(results.length, ids.length);
    for (const [i, { seq, leafHash }] of results.entries()) {
      assert.ok(seq < size);
      this.#audit.promise(ids[i]!, seq, Buffer.from(leafHash, "base64"));
    }
  }
}

test(`${rounds} rounds of SIGKILL under load`, async () => {
  const folder = temporaryFolder();
  const random = new SeededRandom(seed);
  const lost: string[][] = [];
  let audit: Audit | undefined;
  try {
    audit = new Audit(initLog(folder));
    for (let round = 0; round < rounds; round++) {
      const server = new ServedProcess(folder);
      try {
        await oneRound(server, audit, new Load(audit, round, lost), random);
      } catch (cause) {
        throw new Error(`in round ${round} of seed ${seed}: ${server.stderr}`, { cause });
      } finally {
        await server.kill();
      }
    }
    const server = new ServedProcess(folder);
    try {
      await audit.read(await server.url);
      await audit.readAll(await server.url);
    } finally {
      await server.kill("SIGTERM");
    }
  } finally {
    removeFolder(folder);
  }
  console.log(
    `${rounds} kills, ${audit.promised} receipts, ${audit.audited} entries promised and found, ` +
      `${audit.size} in the log`,
  );
  assert.ok(audit.audited >= rounds, "something was promised");
});

async function oneRound(
  server: ServedProcess,
  audit: Audit,
  load: Load,
  random: SeededRandom,
): Promise<void> {
  if (random.chance(0.15)) {
    // While it starts: in the middle of recovery, if the moment is right.
    const startMs = random.below(600);
    const moment = new Promise<void>((resolve) => setTimeout(resolve, startMs));
    await Promise.race([moment, server.ended]);
    return;
  }
  const url = await server.url;
  await audit.read(url);
  const receipts = 1 + random.below(random.chance(0.2) ? 400 : 60);
  const restMs = random.below(8);
  const enough = new Promise<void>((resolve) => {
    load.onReceipt = () => {
      if (load.received >= receipts) resolve();
    };
  });
  const running = load.run(url);
  await Promise.race([enough, running]);
  await new Promise<void>((resolve) => setTimeout(resolve, restMs));
  server.child.kill("SIGKILL");
  await running;
}
