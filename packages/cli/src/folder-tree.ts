/** The Merkle tree of a log, from the files in its folder, as far as a proof needs it. */
import {
  CairnError,
  completeNodes,
  hashChildren,
  hashLeaf,
  hashOfTile,
  inclusionProof,
  inclusionProofNodes,
  isSameBytes,
  nodeFromTile,
  parseUtf8,
  parseVkey,
  SegmentTree,
  tileOfNode,
  TreeAt,
  verifyCheckpoint,
  type Hash,
  type NodeReader,
  type Sha256,
  type TreeNode,
} from "@cairnlog/core";
import { nodeCrypto } from "@cairnlog/crypto";
import type { LogSettings } from "@cairnlog/log";
import { bundleEntries, segmentEntries, type LogReader } from "@cairnlog/store";
import type { FolderEntries } from "./folder-entries.ts";

const segmentLevels = 16;
const tileLevels = 8;

/** The published checkpoint, verified with the log's own keys. */
export interface Published {
  readonly size: number;
  readonly root: Hash;
  readonly note: string;
}

export async function readPublished(reader: LogReader, settings: LogSettings): Promise<Published> {
  const { name, origin, vkeys } = settings;
  const bytes = await reader.get("checkpoint");
  if (bytes === undefined) {
    throw new CairnError("unavailable", `the log ${name} has not published a checkpoint yet`, {
      place: { log: name, path: "checkpoint" },
    });
  }
  const keys = vkeys.map((vkey) => parseVkey(nodeCrypto.sha256, vkey));
  const { checkpoint } = await verifyCheckpoint(nodeCrypto, bytes, keys, origin);
  return { size: checkpoint.size, root: checkpoint.root, note: parseUtf8(bytes) };
}

export class FolderTree {
  readonly #entries: FolderEntries;
  readonly #size: number;
  readonly #sha256: Sha256;
  /** The trees of segments that are not sealed yet. */
  readonly #open = new Map<number, SegmentTree>();

  constructor(entries: FolderEntries, size: number, sha256: Sha256) {
    this.#entries = entries;
    this.#size = size;
    this.#sha256 = sha256;
  }

  /** The entry and its proof in the published tree, whose root it leads to. */
  async prove(
    seq: number,
    published: Published,
    log: string,
  ): Promise<{ readonly bytes: Uint8Array; readonly proof: Hash[] }> {
    const { size, root } = published;
    const read = await this.load([...inclusionProofNodes(seq, size), ...completeNodes(0, size)]);
    if (!isSameBytes(new TreeAt(this.#sha256, size, read).root(), root)) {
      throw new CairnError(
        "tampered",
        `the entries of the log ${log} do not hash to the root that it published at size ${size}`,
        { place: { log } },
      );
    }
    const bytes = await this.#entries.read(seq, this.#size);
    return { bytes, proof: inclusionProof(this.#sha256, seq, size, read) };
  }

  async load(nodes: readonly TreeNode[]): Promise<NodeReader> {
    const loaded = new Map<string, Hash>();
    for (const { level, index } of nodes) {
      loaded.set(`${level}/${index}`, await this.#node(level, index));
    }
    return (level, index) => loaded.get(`${level}/${index}`)!;
  }

  async #node(level: number, index: number): Promise<Hash> {
    if (level > segmentLevels) {
      const left = await this.#node(level - 1, 2 * index);
      return hashChildren(this.#sha256, left, await this.#node(level - 1, 2 * index + 1));
    }
    const first = Math.floor((index * 2 ** level) / segmentEntries) * segmentEntries;
    const segment = await this.#entries.sealed(first);
    const inSegment = index - first / 2 ** level;
    if (segment === undefined) return (await this.#openTree(first)).node(level, inSegment);
    if (level === segmentLevels) return hashOfTile(this.#sha256, await segment.level1());
    const slice = tileOfNode(level, index);
    const tile =
      level < tileLevels
        ? await segment.level0(slice.index - first / bundleEntries)
        : await segment.level1();
    return nodeFromTile(this.#sha256, tile, slice);
  }

  async #openTree(first: number): Promise<SegmentTree> {
    const known = this.#open.get(first);
    if (known !== undefined) return known;
    const tree = new SegmentTree(this.#sha256);
    const end = Math.min(first + segmentEntries, this.#size);
    for (let seq = first; seq < end; seq++) {
      tree.append(hashLeaf(this.#sha256, await this.#entries.read(seq, this.#size)));
    }
    this.#open.set(first, tree);
    return tree;
  }
}
