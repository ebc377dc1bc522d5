/**
 * Many SHA-256 at once, in this thread alone: the SIMD kernel beside `crypto.hash` of node:crypto. Nodes are the 65
 * bytes of a tree's inner nodes, leaves have the length of usual entries. A tile comes to its root in 255 nodes.
 */
import { hash } from "node:crypto";
import { openSimd } from "@cairnlog/simd";
import type { Benchmark } from "./benchmark.ts";
import { byTurns } from "./measure.ts";
import { row } from "./report.ts";

const nodes = 255;
const leafByteLength = 475;
const leaves = 256;

export const simd: Benchmark = {
  name: "simd",
  claim: "tree nodes twice as fast as node:crypto with SHA instructions, and leaves nearly as fast",
  async run({ isQuick }) {
    const kernel = openSimd();
    if (kernel === undefined) throw new Error("this platform has no WebAssembly with SIMD");
    const tile = Buffer.alloc(32 * (nodes + 1), "a tile");
    const node = Buffer.alloc(65, "a node");
    const entries = Array.from({ length: leaves }, (_, i) =>
      new Uint8Array(leafByteLength - 40 + (i % 80)).fill(i),
    );
    const times = isQuick ? 100 : 2000;
    const perSecond = (count: number, work: () => void): Promise<number> => {
      const begun = performance.now();
      for (let i = 0; i < times; i++) work();
      return Promise.resolve((times * count * 1000) / (performance.now() - begun));
    };
    const found = await byTurns(isQuick ? 1 : 5, {
      nodes: () => perSecond(nodes, () => kernel.rootOfTile(tile)),
      plainNodes: () =>
        perSecond(nodes, () => {
          for (let i = 0; i < nodes; i++) hash("sha256", node, "binary");
        }),
      leaves: () => perSecond(leaves, () => kernel.hashLeaves(entries)),
      plainLeaves: () =>
        perSecond(leaves, () => {
          for (const entry of entries) hash("sha256", entry, "binary");
        }),
    });
    const what = "crypto.hash";
    return {
      rows: [
        row({
          ...{ what: "tree nodes", unit: "/s", values: found.nodes },
          ...{ baseline: { what, values: found.plainNodes }, aim: { ratioAtLeast: 2 } },
        }),
        row({
          ...{ what: `leaves of ${leafByteLength} bytes`, unit: "/s", values: found.leaves },
          ...{ baseline: { what, values: found.plainLeaves } },
        }),
      ],
      notes: ["one thread; where the processor has SHA instructions, node:crypto uses them"],
    };
  },
};
