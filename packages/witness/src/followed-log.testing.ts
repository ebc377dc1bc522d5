/**
 * A log to be followed, honest or not, that costs no disk: its entries, tree and keys are made here from a seed, and
 * its tiles are handed out as a server would. For tests.
 */
import {
  CairnError,
  entryByteLengthMax,
  formatLogTime,
  hashLeaf,
  noteSigner,
  parseTilePath,
  RightEdge,
  saltByteLength,
  signCheckpoint,
  utf8,
  writeEntry,
  type Hash,
  type NoteSigner,
} from "@cairnlog/core";
import { nodeCrypto, signerFromSeed } from "@cairnlog/crypto";
import type { TileSource } from "./follower.ts";

const { sha256 } = nodeCrypto;
export const followedOrigin = "example.com/logs/followed";
/** 2026-01-01T00:00:00Z */
export const followedStartMs = 1_767_225_600_000;

export class FollowedLog implements TileSource {
  readonly signer: NoteSigner;
  readonly entries: Uint8Array[] = [];
  /** What is served as `checkpoint`. */
  checkpoint: Uint8Array = new Uint8Array(0);
  /** Paths that were asked for. */
  readonly asked: string[] = [];
  /** What the server does instead of its duty, if anything. */
  answer: (path: string, honest: () => Uint8Array) => Uint8Array = (_path, honest) => honest();
  #prev: Hash = new Uint8Array(32);

  constructor(seed = 1) {
    this.signer = noteSigner(sha256, followedOrigin, keyOf(seed));
  }

  /** A log with the same key and the same entries so far, which goes its own way from here. */
  fork(): FollowedLog {
    const fork = new FollowedLog();
    for (const entry of this.entries) fork.#push(entry);
    return fork;
  }

  append(count: number, mark = ""): this {
    for (let i = 0; i < count; i++) {
      const seq = this.entries.length;
      const details = JSON.stringify({ seq, mark });
      const event = utf8(
        `{"type":"api.call","actor":{"id":"a"},"action":"GET","details":${details}}`,
      );
      this.appendEvent(event, followedStartMs + seq);
    }
    return this;
  }

  appendEvent(event: Uint8Array, timeMs: number, seq = this.entries.length): void {
    const salt = sha256(utf8(`salt ${this.entries.length}`)).subarray(0, saltByteLength);
    const head = { seq, prev: this.#prev, salt, time: formatLogTime(timeMs), source: "api" };
    const out = new Uint8Array(entryByteLengthMax);
    this.#push(out.slice(0, writeEntry(out, 0, head, event, 0, event.length)));
  }

  #push(entry: Uint8Array): void {
    this.entries.push(entry);
    this.#prev = hashLeaf(sha256, entry);
  }

  root(size = this.entries.length): Hash {
    const edge = new RightEdge(sha256);
    for (const entry of this.entries.slice(0, size)) edge.append(hashLeaf(sha256, entry));
    return edge.root();
  }

  note(size = this.entries.length): Promise<string> {
    return signCheckpoint([this.signer], { origin: followedOrigin, size, root: this.root(size) });
  }

  async publish(size = this.entries.length): Promise<this> {
    this.checkpoint = utf8(await this.note(size));
    return this;
  }

  async get(path: string): Promise<Uint8Array> {
    this.asked.push(path);
    return this.answer(path, () => {
      if (path === "checkpoint") return this.checkpoint;
      const { level, index, width } = parseTilePath(path);
      if (level !== "entries") throw new CairnError("not_found", `no ${path}`, { place: { path } });
      const entries = this.entries.slice(256 * index, 256 * index + width);
      if (entries.length < width)
        throw new CairnError("not_found", `no ${path}`, { place: { path } });
      return bundleOf(entries);
    });
  }
}

export function bundleOf(entries: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(entries.reduce((sum, entry) => sum + 2 + entry.length, 0));
  let at = 0;
  for (const entry of entries) {
    new DataView(bytes.buffer).setUint16(at, entry.length);
    bytes.set(entry, at + 2);
    at += 2 + entry.length;
  }
  return bytes;
}

export function keyOf(seed: number): ReturnType<typeof signerFromSeed> {
  return signerFromSeed("ed25519", sha256(utf8(`key ${seed}`)));
}
