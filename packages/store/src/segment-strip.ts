/**
 * Makes the contents of frames from slices of the tail: cuts `seq` and `prev` off every entry. That both are what they
 * should be is compared on the way, because they leave with this step: a change to them would be neither kept nor
 * seen. Everything else in an entry is proven by its leaf hash, when the written file is read back.
 */
import {
  formatLogTime,
  parseEntryHead,
  parseLogTime,
  type CairnError,
  type Hash,
} from "@cairnlog/core";
import { bundleEntries, frameCount, segmentError } from "./segment-format.ts";
import { EntryPrefix, explain } from "./segment-stripped.ts";

interface StripOptions {
  /** Of the sealed file, for messages. */
  readonly path: string;
  /** Seq of the segment's first entry. */
  readonly first: number;
  /** Leaf hash of the entry before it. */
  readonly prev: Hash;
  readonly hashes: { readonly leafHashes: Uint8Array };
}

export class FrameStripper {
  /** Time of the first entry of the frame that was stripped last. */
  frameTimeMs = 0;
  /** Time of the segment's last entry, once its last frame was stripped. */
  lastTime = "";
  readonly #options: StripOptions;
  readonly #prefix = new EntryPrefix();

  constructor(options: StripOptions) {
    this.#options = options;
  }

  /** The content of frame `frame`, made in place of `bundle`: its 256 entries as the tail has them. */
  strip(frame: number, bundle: Uint8Array): Uint8Array {
    const { first, prev, hashes } = this.#options;
    const prefix = this.#prefix;
    const firstIndex = bundleEntries * frame;
    this.frameTimeMs = parseLogTime(this.#timeOf(bundle, 0, first + firstIndex));
    let at = 0;
    let to = 0;
    for (let index = firstIndex; index < firstIndex + bundleEntries; index++) {
      const begin = at + 2;
      const end = begin + bundle[at]! * 256 + bundle[at + 1]!;
      // Beyond the end the lengths are undefined and `end` is NaN, which fails the comparison as well.
      if (!(end <= bundle.length)) throw this.#refuse(first + index, "the tail ends too early");
      if (index === frameCount * bundleEntries - 1) {
        this.lastTime = this.#timeOf(bundle, at, first + index);
      }
      if (index === 0) prefix.set(first, prev, 0);
      else prefix.set(first + index, hashes.leafHashes, 32 * (index - 1));
      const cut = prefix.bytes.length;
      if (!isPrefixAt(bundle, begin, end, prefix.bytes)) {
        const what = "it does not have this seq, or does not continue the entry before it";
        throw this.#refuse(first + index, what);
      }
      const length = end - begin - cut + 1;
      bundle[to] = length >> 8;
      bundle[to + 1] = length & 0xff;
      bundle[to + 2] = 0x7b;
      bundle.copyWithin(to + 3, begin + cut, end);
      to += 2 + length;
      at = end;
    }
    if (at !== bundle.length) {
      throw this.#refuse(first + firstIndex + bundleEntries - 1, "there are more bytes behind it");
    }
    return bundle.subarray(0, to);
  }

  /** The time of the entry whose length lies at `at`. Its head is parsed strictly. */
  #timeOf(bundle: Uint8Array, at: number, seq: number): string {
    const end = at + 2 + bundle[at]! * 256 + bundle[at + 1]!;
    if (!(end <= bundle.length)) throw this.#refuse(seq, "the tail ends too early");
    let time = "";
    const parse = (): void => {
      time = formatLogTime(parseEntryHead(bundle.subarray(at + 2, end)).timeMs);
    };
    try {
      parse();
    } catch {
      // The tail is no segment yet; its frames have no offsets.
      throw explain(parse, { path: this.#options.path }, seq);
    }
    return time;
  }

  #refuse(seq: number, what: string): CairnError {
    const { path } = this.#options;
    return segmentError("unverified", `cannot be sealed: ${what}`, { path, seq });
  }
}

function isPrefixAt(bytes: Uint8Array, begin: number, end: number, prefix: Uint8Array): boolean {
  if (end - begin <= prefix.length) return false;
  for (let i = 0; i < prefix.length; i++) if (bytes[begin + i] !== prefix[i]) return false;
  return true;
}
