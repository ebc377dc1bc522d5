/**
 * Has the memory of dead buffers returned early, where the process allows it.
 *
 * V8 looks at its nursery when that is full of objects; the bytes of the buffers that hang on them count only from
 * 64 MiB on, in each thread. A server that reads and writes buffers all day holds that much garbage three times over.
 * Looking at the nursery takes about a millisecond. `cairn serve` starts Node with `--expose-gc`, so that it can be
 * asked for; without that flag nothing happens here.
 */
const gatheredBytesMax = 8 * 1024 * 1024;

type Collect = (options: { readonly type: "minor"; readonly execution: "sync" }) => void;

let gathered = 0;

/** `byteLength` bytes of buffers were made, or will soon be of no use. */
export function noteBuffers(byteLength: number): void {
  gathered += byteLength;
  if (gathered < gatheredBytesMax) return;
  gathered = 0;
  const { gc } = globalThis as { gc?: Collect };
  gc?.({ type: "minor", execution: "sync" });
}
