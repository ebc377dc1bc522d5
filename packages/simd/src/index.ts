/**
 * SHA-256 of many things at once, in WebAssembly with SIMD: nodes and roots of a tree, leaves, frames of sealed files.
 * Runs in Node and in browsers. Where the platform has none, `openSimd` gives undefined.
 */
export type { FrameKernel } from "./frame-kernel.ts";
export { openSimd, type Simd } from "./simd.ts";
export { withSimd } from "./with-simd.ts";
