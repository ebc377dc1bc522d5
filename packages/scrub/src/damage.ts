/** What a check finds: a file is sound, or this is where it is not. */
import { isCairnError, type Crypto, type ErrorPlace, type Vkey } from "@cairnlog/core";
import type { ReadMode } from "./file-bytes.ts";
import type { RestingLog } from "./resting-log.ts";

export interface Damage {
  /** Relative to the log's folder. */
  readonly path: string;
  /** The first entry that is damaged or gone, where entries are. */
  readonly seq?: number;
  /** Where in the file. As near as the hashes go: to the entry, the hash, the slot, or the byte. */
  readonly byte?: number;
  /** What is wrong, in words that end a sentence: "the leaf hash is not the sealed one". */
  readonly what: string;
  /** Hashes in hexadecimal, where there is one on each side. */
  readonly expected?: string;
  readonly found?: string;
  /** True where the log signs from it: the log must not go on. */
  readonly isVital: boolean;
}

/**
 * `unsettled`: the file and what the log says do not agree yet, and may in a moment, because the log is writing.
 * `sha256` of the whole file, where it was had.
 */
export type Verdict =
  | { readonly kind: "sound"; readonly sha256?: string; readonly byteLength: number }
  | { readonly kind: "damaged"; readonly damage: Damage; readonly byteLength: number }
  | { readonly kind: "unsettled" };

/** What all checks share. */
export interface CheckContext {
  /** The log's folder. */
  readonly location: string;
  readonly resting: RestingLog;
  readonly crypto: Crypto;
  /** The log's own keys, parsed. */
  readonly vkeys: readonly Vkey[];
  readonly mode: ReadMode;
}

export function sound(byteLength: number, sha256?: string): Verdict {
  return { kind: "sound", byteLength, ...(sha256 === undefined ? {} : { sha256 }) };
}

export const unsettled: Verdict = { kind: "unsettled" };

export interface DamageMore {
  readonly seq?: number | undefined;
  readonly byte?: number | undefined;
  readonly expected?: string | undefined;
  readonly found?: string | undefined;
  readonly isVital?: boolean;
  readonly byteLength?: number;
}

export function damaged(path: string, what: string, more: DamageMore = {}): Verdict {
  const { seq, byte, expected, found, isVital = false, byteLength = 0 } = more;
  const damage: Damage = {
    path,
    what,
    isVital,
    ...(seq === undefined ? {} : { seq }),
    ...(byte === undefined ? {} : { byte }),
    ...(expected === undefined ? {} : { expected }),
    ...(found === undefined ? {} : { found }),
  };
  return { kind: "damaged", damage, byteLength };
}

/** A refusal of one of our readers, as damage; what is no `CairnError` is our own bug and thrown on. */
export function refused(path: string, error: unknown, more: DamageMore = {}): Verdict {
  if (!isCairnError(error)) throw error;
  const place: ErrorPlace = error.place;
  // What to do about it is said once, by the alarm.
  const what = error.message
    .replace(/ ?Keep the file as evidence, and restore it[^.]*\.$/, "")
    .replace(/\.$/, "")
    .replace(path, "")
    .replace(/^(?:, byte [0-9]+)?(?:, entry [0-9]+)?: /, "");
  return damaged(path, what, {
    ...more,
    seq: place.seq ?? more.seq,
    byte: place.byte ?? more.byte,
  });
}

/** Where two runs of bytes differ first; the shorter one's end where one is the beginning of the other. */
export function firstDifference(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) if (a[i] !== b[i]) return i;
  return length;
}
