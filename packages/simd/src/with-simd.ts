/**
 * A `Sha256` of the core that hashes the nodes of a tree four at a time: for whoever builds trees, and otherwise hashes
 * one thing after the other.
 */
import { hashByteLength, type Sha256 } from "@cairnlog/core";
import { openSimd, type Simd } from "./simd.ts";

/** Below this many nodes the plain way is as fast: idle lanes cost as much as busy ones. */
const nodesMin = 3;

/** Opened when it is first asked for; all in one thread share it. */
let shared: { readonly simd: Simd | undefined } | undefined;

/** `sha256` with `parents`; as it is where there is no SIMD. Results are the same. */
export function withSimd(sha256: Sha256): Sha256 {
  shared ??= { simd: openSimd() };
  const { simd } = shared;
  const { into } = sha256;
  if (simd === undefined || into === undefined) return sha256;
  const node = new Uint8Array(1 + 2 * hashByteLength);
  node[0] = 0x01;
  return Object.assign((bytes: Uint8Array) => sha256(bytes), {
    into,
    parents(children: Uint8Array, parents: Uint8Array, begin: number, end: number): void {
      if (end - begin >= nodesMin) return simd.hashParents(children, parents, begin, end);
      for (let i = begin; i < end; i++) {
        const at = 2 * i * hashByteLength;
        node.set(children.subarray(at, at + 2 * hashByteLength), 1);
        into(node, parents, i * hashByteLength);
      }
    },
  });
}
