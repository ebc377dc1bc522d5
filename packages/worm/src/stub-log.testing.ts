/** A log as a copier sees it, whose history a test writes by hand: real keys and checkpoints over made-up roots. */
import { createHash } from "node:crypto";
import {
  formatVkey,
  noteSigner,
  signCheckpoint,
  utf8,
  type Hash,
  type NoteSigner,
} from "@cairnlog/core";
import { generateSigner, nodeCrypto } from "@cairnlog/crypto";
import { sealedPath, segmentEntries } from "@cairnlog/store";
import type { CopiedLog } from "./copier.ts";

export class StubLog implements CopiedLog {
  readonly name = "main";
  readonly origin = "example.com/logs/main";
  readonly vkeys: readonly string[];
  readonly files = new Map<string, Uint8Array>();
  /** Another history has other roots. */
  history: string;
  #size = 0;
  #published: { size: number; root: Hash; note: string } = {
    size: 0,
    root: new Uint8Array(32),
    note: "",
  };
  readonly #signers: readonly NoteSigner[];

  constructor(history = "one", signers?: readonly NoteSigner[]) {
    this.history = history;
    this.#signers =
      signers ??
      (["ed25519", "ml-dsa-44"] as const).map((algorithm) =>
        noteSigner(nodeCrypto.sha256, this.origin, generateSigner(algorithm)),
      );
    this.vkeys = this.#signers.map(({ vkey }) => formatVkey(vkey));
    this.files.set("log.json", utf8(`{"keys":"${this.vkeys.join(" ")}"}\n`));
  }

  /** The same keys, another history. */
  rewritten(history: string): StubLog {
    return new StubLog(history, this.#signers);
  }

  /** Seals what is full, and publishes. */
  async grow(size: number): Promise<void> {
    this.#size = size;
    for (let first = 0; first + segmentEntries <= size; first += segmentEntries) {
      const path = sealedPath(first);
      if (!this.files.has(path)) this.files.set(path, this.segment(first));
    }
    await this.publish();
  }

  async publish(): Promise<void> {
    const root = this.rootOf(this.#size);
    const checkpoint = { origin: this.origin, size: this.#size, root };
    // ML-DSA signatures differ each time: another note of the same size.
    this.#published = {
      size: this.#size,
      root,
      note: await signCheckpoint(this.#signers, checkpoint),
    };
  }

  segment(first: number): Uint8Array {
    return utf8(`sealed ${first} of ${this.history}\n`.repeat(70_000));
  }

  rootOf(size: number): Hash {
    return new Uint8Array(createHash("sha256").update(`${this.history} ${size}`).digest());
  }

  status() {
    return { size: this.#size, sealedSize: this.#size - (this.#size % segmentEntries) };
  }

  publishedCheckpoint() {
    return this.#published;
  }

  async root(size: number): Promise<Hash> {
    return this.rootOf(size);
  }

  readonly reader = {
    get: async (path: string) => this.files.get(path),
    read: async (path: string, offset: number, length: number) =>
      this.files.get(path)?.slice(offset, offset + length),
    byteLength: async (path: string) => this.files.get(path)?.length,
  };
}
