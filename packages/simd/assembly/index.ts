/** The door of the kernel. Built by `scripts/build-simd.mjs`, used by `src/kernel.ts` alone. */
import { initSha256 } from "./sha256";
import { initTree } from "./tree";

export { digests, expected, frame, messages, starts, unscanned } from "./layout";
export { hashNodes, hashTree } from "./tree";
export { hashMessages } from "./messages";
export { isPlainEvent } from "./event";
export { checkEntries } from "./frame";

initSha256();
initTree();
