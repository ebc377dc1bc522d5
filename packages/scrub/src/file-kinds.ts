/** What each file in a log's folder is, by its path (docs/spec/files.md). */
import { parseDecimal } from "@cairnlog/core";
import {
  findBlobHash,
  findTailFirst,
  idSidecarPath,
  sealedPath,
  treeTilePath,
} from "@cairnlog/store";

export type FileKind =
  | { readonly kind: "sealed" | "ids" | "streams" | "tail"; readonly first: number }
  | { readonly kind: "tile"; readonly level: number; readonly index: number }
  | { readonly kind: "ring" | "checkpoint" | "settings" | "lock" }
  | { readonly kind: "key"; readonly which: number }
  | { readonly kind: "blob"; readonly sha256: string }
  /** What recovery or a repair has put aside: written once, by us or by `cairn repair`. */
  | { readonly kind: "kept" }
  /** None of the log's, or unfinished: it holds nothing that counts. */
  | { readonly kind: "other" };

export const ringPath = "commits";
export const checkpointPath = "checkpoint";
export const settingsPath = "log.json";
export const lockPath = "LOCK";
export const keyPaths: readonly string[] = ["keys/ed25519.pem", "keys/ml-dsa-44.pem"];
/** Where `cairn repair` keeps the bytes that it replaced. */
export const damagedFolder = "damaged";

const temporary = /\.tmp-[0-9]+$/;
const numbered = /^(sealed|index\/ids|index\/streams|tree\/([1-9]?[0-9]))\/([0-9]{16})$/;

export function fileKind(path: string): FileKind {
  if (temporary.test(path)) return { kind: "other" };
  if (path === ringPath) return { kind: "ring" };
  if (path === checkpointPath) return { kind: "checkpoint" };
  if (path === settingsPath) return { kind: "settings" };
  if (path === lockPath) return { kind: "lock" };
  if (keyPaths.includes(path)) return { kind: "key", which: keyPaths.indexOf(path) };
  if (path.startsWith("lost/") || path.startsWith(`${damagedFolder}/`)) return { kind: "kept" };
  const sha256 = findBlobHash(path);
  if (sha256 !== undefined) return { kind: "blob", sha256 };
  const tail = findTailFirst(path);
  if (tail !== undefined) return { kind: "tail", first: tail };
  const [, folder, level, digits] = numbered.exec(path) ?? [];
  if (folder === undefined || digits === undefined) return { kind: "other" };
  if (digits > String(Number.MAX_SAFE_INTEGER)) return { kind: "other" };
  const n = parseDecimal(withoutZeros(digits), "number in a file's name");
  if (folder === "sealed" && sealedPath(n) === path) return { kind: "sealed", first: n };
  if (folder === "index/streams") return { kind: "streams", first: n };
  if (folder === "index/ids" && idSidecarPath(n) === path) return { kind: "ids", first: n };
  const tileLevel = parseDecimal(level ?? "0", "level of a tile");
  const isTile = tileLevel >= 2 && treeTilePath(tileLevel, n) === path;
  return isTile ? { kind: "tile", level: tileLevel, index: n } : { kind: "other" };
}

function withoutZeros(digits: string): string {
  return digits.replace(/^0+(?=[0-9])/, "");
}
