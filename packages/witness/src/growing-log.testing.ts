/** A log that grows, and can lie: what tests of a witness send to it. */
import {
  consistencyProof,
  formatAddCheckpoint,
  formatVkey,
  hashChildren,
  hashLeaf,
  noteSigner,
  signCheckpoint,
  signNote,
  TreeAt,
  utf8,
  type Hash,
  type NoteSigner,
} from "@cairnlog/core";
import { nodeCrypto, signerFromSeed } from "@cairnlog/crypto";

const { sha256 } = nodeCrypto;

export class GrowingLog {
  readonly origin: string;
  readonly vkeys: readonly string[];
  readonly #signers: readonly NoteSigner[];
  readonly #branch: string;
  readonly #nodes = new Map<string, Hash>();

  /** The same origin and seed are the same keys; another `branch` is another history under them. */
  constructor(
    origin: string,
    options: { seed?: number; branch?: string; isPostQuantum?: boolean } = {},
  ) {
    const { seed = 1, branch = "", isPostQuantum = false } = options;
    this.origin = origin;
    this.#branch = branch;
    const algorithms = isPostQuantum ? (["ed25519", "ml-dsa-44"] as const) : (["ed25519"] as const);
    this.#signers = algorithms.map((algorithm) =>
      noteSigner(sha256, origin, signerFromSeed(algorithm, sha256(utf8(`${origin} ${seed}`)))),
    );
    this.vkeys = this.#signers.map(({ vkey }) => formatVkey(vkey));
  }

  root(size: number): Hash {
    return new TreeAt(sha256, size, this.#read).root();
  }

  proof(from: number, to: number): Hash[] {
    return consistencyProof(sha256, from, to, this.#read);
  }

  checkpoint(size: number, root: Hash = this.root(size)): Promise<string> {
    return signCheckpoint(this.#signers, { origin: this.origin, size, root });
  }

  /** Any text as a note, by the Ed25519 key. */
  sign(text: string): Promise<string> {
    return signNote(this.#signers.slice(0, 1), text);
  }

  /** An honest request from the one size to the other. */
  async request(from: number, to: number): Promise<string> {
    const proof = from < to ? this.proof(from, to) : [];
    return formatAddCheckpoint({ oldSize: from, proof, checkpoint: await this.checkpoint(to) });
  }

  readonly #read = (level: number, index: number): Hash => {
    const key = `${level}/${index}`;
    let hash = this.#nodes.get(key);
    if (hash === undefined) {
      hash =
        level === 0
          ? hashLeaf(sha256, utf8(`${this.#branch} ${index}`))
          : hashChildren(
              sha256,
              this.#read(level - 1, 2 * index),
              this.#read(level - 1, 2 * index + 1),
            );
      this.#nodes.set(key, hash);
    }
    return hash;
  };
}
