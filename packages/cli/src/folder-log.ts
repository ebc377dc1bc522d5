/**
 * A log in a data folder, read from its files without the lock: also while a server or an app
 * writes it.
 *
 * It shows what the newest commit covers. Each entry must say that it is the one that was asked
 * for, and what it gives as proof leads to the root under the log's own signature; but finding all
 * damage is `cairn verify`'s work, not this one's.
 */
import { setTimeout as sleep } from "node:timers/promises";
import {
  base64,
  CairnError,
  consistencyProof,
  consistencyProofNodes,
  formatTlogProof,
  hashLeaf,
  parseEntryHead,
  parseUtf8,
  type Hash,
} from "@cairnlog/core";
import { nodeCrypto } from "@cairnlog/crypto";
import { readSettings, type LogSettings } from "@cairnlog/log";
import { readBlob, type LogReader, type Store } from "@cairnlog/store";
import { FolderEntries } from "./folder-entries.ts";
import { FolderTree, readPublished } from "./folder-tree.ts";
import type {
  ConsistencyProof,
  EntryRange,
  LogDescription,
  LogView,
  ShownEntry,
} from "./log-view.ts";

const { sha256 } = nodeCrypto;
/** How often a follower looks for a newer commit. */
const pollMs = 200;

export class FolderLog implements LogView {
  readonly #reader: LogReader;
  readonly #settings: LogSettings;
  readonly #entries: FolderEntries;

  private constructor(reader: LogReader, settings: LogSettings) {
    this.#reader = reader;
    this.#settings = settings;
    this.#entries = new FolderEntries(reader, sha256);
  }

  static async open(store: Store, name: string): Promise<FolderLog> {
    const reader = await store.openReader(name);
    return new FolderLog(reader, await readSettings(reader));
  }

  get place(): string {
    return this.#reader.location;
  }

  async describe(): Promise<LogDescription> {
    const { name, origin, vkeys, isPublic } = this.#settings;
    return { name, origin, vkeys, public: isPublic, size: await this.#size() };
  }

  async entry(seq: number): Promise<ShownEntry> {
    const size = await this.#size();
    if (seq >= size) throw this.#noEntry(seq, size);
    return { seq, bytes: this.#checked(seq, await this.#entries.read(seq, size)) };
  }

  async *entries(range: EntryRange): AsyncGenerator<ShownEntry, void> {
    const { from = 0, to = Infinity, sinceMs, untilMs, limit = Infinity, follow, signal } = range;
    let size = await this.#size();
    if (from > size) throw this.#noEntry(from, size);
    let seq = from;
    if (sinceMs !== undefined) seq = Math.max(seq, await this.#seqAtTime(sinceMs, size));
    const end = Math.min(to, seq + limit);
    while (seq < end && !signal.aborted) {
      if (seq >= size) {
        if (!follow) return;
        await sleep(pollMs, undefined, { signal }).catch(() => {});
        size = await this.#size();
        continue;
      }
      const bytes = this.#checked(seq, await this.#entries.read(seq, size));
      if (untilMs !== undefined && parseEntryHead(bytes).timeMs >= untilMs) return;
      yield { seq, bytes };
      seq++;
    }
  }

  async proof(seq: number): Promise<string> {
    const { bytes, proof, note } = await this.#proven(seq);
    return formatTlogProof({ extra: bytes, index: seq, proof, checkpoint: note });
  }

  async receipt(seq: number): Promise<string> {
    const { bytes, proof, note } = await this.#proven(seq);
    return JSON.stringify({
      origin: this.#settings.origin,
      seq,
      leafHash: base64(hashLeaf(sha256, bytes)),
      proof: proof.map(base64),
      checkpoint: note,
      entry: parseUtf8(bytes),
    });
  }

  async consistency(from: number, to: number | undefined): Promise<ConsistencyProof> {
    const size = await this.#size();
    const until = to ?? size;
    if (until > size) throw this.#noEntry(until, size);
    if (from > until)
      throw new CairnError("usage", `${from} is beyond ${until}: name the smaller size first`);
    const tree = new FolderTree(this.#entries, size, sha256);
    const read = await tree.load(consistencyProofNodes(from, until));
    return { from, to: until, proof: consistencyProof(sha256, from, until, read).map(base64) };
  }

  blob(sha256: string): AsyncIterable<Uint8Array> {
    return readBlob(this.#reader, sha256);
  }

  async publishedCheckpoint(): Promise<string> {
    return (await readPublished(this.#reader, this.#settings)).note;
  }

  /** A folder's proofs always are; nobody who could be waited for is asked. */
  publishedProof(seq: number): Promise<string> {
    return this.proof(seq);
  }

  async #proven(seq: number): Promise<{ bytes: Uint8Array; proof: Hash[]; note: string }> {
    const size = await this.#size();
    if (seq >= size) throw this.#noEntry(seq, size);
    const published = await readPublished(this.#reader, this.#settings);
    if (seq >= published.size) {
      throw new CairnError(
        "unavailable",
        `entry ${seq} is not under a published checkpoint yet (it has ${published.size} entries)`,
        { place: { log: this.#settings.name, seq } },
      );
    }
    const tree = new FolderTree(this.#entries, Math.max(size, published.size), sha256);
    const { bytes, proof } = await tree.prove(seq, published, this.#settings.name);
    return { bytes: this.#checked(seq, bytes), proof, note: published.note };
  }

  async #size(): Promise<number> {
    const [newest] = await this.#reader.commits();
    if (newest !== undefined) return newest.size;
    throw new CairnError(
      "tampered",
      `the log ${this.#settings.name} has no valid commit record: the file commits is damaged`,
      { place: { log: this.#settings.name, path: "commits" } },
    );
  }

  async #seqAtTime(timeMs: number, size: number): Promise<number> {
    let low = 0;
    let high = size;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      const { timeMs: found } = parseEntryHead(await this.#entries.read(middle, size));
      if (found < timeMs) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #checked(seq: number, bytes: Uint8Array): Uint8Array {
    if (parseEntryHead(bytes).seq === seq) return bytes;
    throw new CairnError("unverified", `what lies in the place of entry ${seq} is another entry`, {
      place: { log: this.#settings.name, seq },
    });
  }

  #noEntry(seq: number, size: number): CairnError {
    const { name } = this.#settings;
    const has = size === 0 ? "has no entries" : `has the entries 0 to ${size - 1}`;
    return new CairnError("not_found", `the log ${name} ${has}: there is no ${seq}`, {
      place: { log: name },
    });
  }
}
