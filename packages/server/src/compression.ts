/** Answers that are worth compressing, as far as the client understands it. */
import { promisify } from "node:util";
import {
  createGzip,
  createZstdCompress,
  gzip,
  zstdCompress,
  type Gzip,
  type ZstdCompress,
} from "node:zlib";

export type Encoding = "gzip" | "zstd";

// Less than this, the headers and the work outweigh what is saved.
const bytesMin = 1024;

const compressors = { gzip: promisify(gzip), zstd: promisify(zstdCompress) };

/** The best encoding that an Accept-Encoding header allows by name; undefined for none. */
export function chooseEncoding(accept: string | string[] | undefined): Encoding | undefined {
  const allowed = new Map<string, boolean>();
  for (const part of String(accept ?? "")
    .toLowerCase()
    .split(",")) {
    const [name, ...parameters] = part.split(";").map((each) => each.trim());
    allowed.set(name!, !parameters.some((each) => /^q=0(?:\.0*)?$/.test(each)));
  }
  if (allowed.get("zstd") === true) return "zstd";
  return allowed.get("gzip") === true ? "gzip" : undefined;
}

export interface Compressed {
  readonly bytes: Uint8Array;
  readonly encoding: Encoding | undefined;
}

export async function compress(
  bytes: Uint8Array,
  encoding: Encoding | undefined,
): Promise<Compressed> {
  if (encoding === undefined || bytes.length < bytesMin) return { bytes, encoding: undefined };
  return { bytes: await compressors[encoding](bytes), encoding };
}

export function openCompressor(encoding: Encoding): Gzip | ZstdCompress {
  return encoding === "gzip" ? createGzip() : createZstdCompress();
}
