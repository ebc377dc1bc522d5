/**
 * Builds the WebAssembly kernel of `packages/simd/assembly` into `packages/simd/src/kernel.wasm.ts`. That file is kept
 * with the sources, so that they run unbuilt; the same sources give the same bytes.
 *
 *     node scripts/build-simd.mjs            writes it
 *     node scripts/build-simd.mjs --check    says whether it is up to date
 */
import { readFileSync, realpathSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { root } from "./ensure-installed.mjs";

/**
 * As much of the compiler as is used. Its own types declare a `console` and more for all that is checked together.
 * @typedef {object} Compiler
 * @property {() => { toString(): string }} createMemoryStream
 * @property {(args: string[], api: object) => Promise<{ error: Error | null }>} main
 */

const folder = join(root, "packages/simd/assembly");
const generated = join(root, "packages/simd/src/kernel.wasm.ts");
/** Within 100 columns, with indent, quotes and comma. */
const lineLength = 92;

/** Compiler options: optimised for speed, nothing of a runtime, ten pages of memory that may grow. */
const options = "-O3 --runtime stub --enable simd --noAssert --use abort= --initialMemory 10".split(
  " ",
);

/** Compiles the kernel; resolves with the text of the file that holds it. */
async function buildKernel() {
  /** @type {Uint8Array | undefined} */
  let binary;
  /** @type {unknown} */
  const module = await import(import.meta.resolve("assemblyscript/asc"));
  const { default: asc } = /** @type {{ default: Compiler }} */ (module);
  const said = asc.createMemoryStream();
  const { error } = await asc.main(["index.ts", "--outFile", "kernel.wasm", ...options], {
    stderr: said,
    readFile: (/** @type {string} */ name) => {
      try {
        return readFileSync(join(folder, name), "utf8");
      } catch {
        // The compiler tries several places.
        return null;
      }
    },
    writeFile: (/** @type {string} */ name, /** @type {string | Uint8Array} */ contents) => {
      if (name === "kernel.wasm" && typeof contents !== "string") binary = contents;
    },
    listFiles: () => [],
  });
  if (error !== null || binary === undefined) {
    throw new Error(`the kernel does not compile:\n${said.toString()}`, { cause: error });
  }
  return textOf(binary);
}

/** @param {Uint8Array} binary */
function textOf(binary) {
  const base64 = Buffer.from(binary).toString("base64");
  const lines = base64.match(new RegExp(`.{1,${lineLength}}`, "g")) ?? [];
  return [
    "/** Made by `node scripts/build-simd.mjs` from `assembly/`; not to be edited. */",
    "export const kernelBase64: string = [",
    ...lines.map((line) => `  "${line}",`),
    '].join("");',
    "",
  ].join("\n");
}

/** The file as it is now. */
function committedKernel() {
  return readFileSync(generated, "utf8");
}

if (process.argv[1] && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const text = await buildKernel();
  if (!process.argv.includes("--check")) writeFileSync(generated, text);
  else if (committedKernel() !== text) {
    console.error("packages/simd/src/kernel.wasm.ts is not what its sources give");
    process.exitCode = 1;
  }
}
