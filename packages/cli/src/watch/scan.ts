/**
 * Looks at everything below some paths. Links are not followed: a link is watched itself, and what it leads to where it
 * is, if that is watched.
 */
import { readdir } from "node:fs/promises";
import { basename, join, matchesGlob, relative } from "node:path";
import { CairnError } from "@cairnlog/core";
import { readState, type FileState, type ReadFile } from "./file-state.ts";

export type Snapshot = ReadonlyMap<string, FileState>;

export interface Selection {
  /** Absolute. */
  readonly roots: readonly string[];
  /** Files that match one of these, or all where there is none. */
  readonly include: readonly string[];
  /** Files and folders that match one of these are left out. */
  readonly exclude: readonly string[];
  /** Ours: never looked at. */
  readonly own: readonly string[];
}

/** Is given the content of each file that was read now and is not too large. */
export type TakeContent = (path: string, root: string, content: Uint8Array) => void;

/** More are no configuration any more, and would take too long each time. */
const filesMax = 100_000;

export async function scan(
  selection: Selection,
  known: Snapshot,
  contentBytesMax: number,
  take: TakeContent,
): Promise<Snapshot> {
  const files = new Map<string, FileState>();
  const waiting = selection.roots.map((root) => ({ path: root, root }));
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const { path, root } = next;
    if (files.has(path) || selection.own.includes(path)) continue;
    if (path !== root && isMatch(selection.exclude, path, root)) continue;
    const read: ReadFile | undefined = await readState(path, known.get(path), contentBytesMax);
    if (read === undefined) continue;
    const { state, content } = read;
    const isFolder = state.kind === "directory";
    const { include } = selection;
    if (isFolder || path === root || include.length === 0 || isMatch(include, path, root)) {
      files.set(path, state);
      if (content !== undefined) take(path, root, content);
    }
    if (files.size > filesMax) {
      throw new CairnError("usage", `more than ${filesMax} files to watch: name less, or exclude`);
    }
    if (isFolder)
      for (const name of await namesIn(path)) waiting.push({ path: join(path, name), root });
  }
  return files;
}

/**
 * A pattern without a slash is for names, one that begins with a slash for whole paths, any other for the way from the
 * path that is watched.
 */
export function isMatch(patterns: readonly string[], path: string, root: string): boolean {
  return patterns.some((pattern) => {
    if (!pattern.includes("/")) return matchesGlob(basename(path), pattern);
    return matchesGlob(pattern.startsWith("/") ? path : relative(root, path), pattern);
  });
}

/** A folder that is gone by now, or may not be read, has none. */
async function namesIn(path: string): Promise<string[]> {
  try {
    return (await readdir(path)).sort();
  } catch {
    return [];
  }
}
