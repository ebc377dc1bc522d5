/**
 * The WebAssembly kernel as JavaScript sees it: its functions, and its memory as arrays. `assembly/` is its source;
 * the binary is in `kernel.wasm.ts`, so that it needs no file and no fetch.
 */
import { assert, parseBase64 } from "@cairnlog/core";
import { kernelBase64 } from "./kernel.wasm.ts";

interface Address {
  readonly value: number;
}

/** Where regions lie: `assembly/layout.ts` says what is in them. */
interface Exports {
  readonly memory: { readonly buffer: ArrayBuffer; grow(pages: number): number };
  readonly digests: Address;
  readonly expected: Address;
  readonly frame: Address;
  readonly messages: Address;
  readonly starts: Address;
  readonly unscanned: Address;
  hashNodes(from: number, to: number, count: number): void;
  hashTree(at: number, count: number): void;
  hashMessages(count: number): void;
  isPlainEvent(at: number, end: number): number;
  checkEntries(
    index: number,
    at: number,
    end: number,
    previousSeq: number,
    previous: number,
    isScanning: number,
  ): number;
}

/** What is declared here is all that is used: browsers and Node have it, the language's own library has not. */
interface Platform {
  readonly WebAssembly?: {
    validate(bytes: Uint8Array): boolean;
    readonly Module: new (bytes: Uint8Array) => object;
    readonly Instance: new (module: object) => { readonly exports: unknown };
  };
}

/** Zeros behind the frame: what the kernel reads too far ends there. */
const endByteLength = 64;
const pageByteLength = 65_536;

export class Kernel {
  readonly exports: Exports;
  /** The whole memory. Another array after the memory has grown. */
  bytes: Uint8Array;
  words: Uint32Array;
  /** The memory from the frame on. */
  frameBytes: Uint8Array;

  constructor(exports: Exports) {
    this.exports = exports;
    const { buffer } = exports.memory;
    this.bytes = new Uint8Array(buffer);
    this.words = new Uint32Array(buffer);
    this.frameBytes = new Uint8Array(buffer, exports.frame.value);
  }

  /** Makes room for `byteLength` bytes from the frame on, and the zeros behind them. It is never given back. */
  reserve(byteLength: number): void {
    const { memory, frame } = this.exports;
    const missing = frame.value + byteLength + endByteLength - this.bytes.length;
    if (missing > 0) {
      memory.grow(Math.ceil(missing / pageByteLength));
      this.bytes = new Uint8Array(memory.buffer);
      this.words = new Uint32Array(memory.buffer);
      this.frameBytes = new Uint8Array(memory.buffer, frame.value);
    }
    this.frameBytes.fill(0, byteLength, byteLength + endByteLength);
  }
}

/** Undefined where there is no WebAssembly, or none with SIMD, or where the page's policy forbids it. */
export function openKernel(): Kernel | undefined {
  const { WebAssembly } = globalThis as Platform;
  if (WebAssembly === undefined) return undefined;
  const binary = parseBase64(kernelBase64);
  try {
    if (!WebAssembly.validate(binary)) return undefined;
    const instance = new WebAssembly.Instance(new WebAssembly.Module(binary));
    const kernel = new Kernel(instance.exports as Exports);
    assert(kernel.exports.memory.buffer.byteLength > 0, "the kernel brings its memory");
    return kernel;
  } catch {
    // A content security policy without 'wasm-unsafe-eval', or no memory: the scalar way remains.
    return undefined;
  }
}
