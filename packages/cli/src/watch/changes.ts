/** What is different between two looks at the same paths. Pure. */
import type { FileState } from "./file-state.ts";
import type { Snapshot } from "./scan.ts";

export type Verb =
  "created" | "modified" | "deleted" | "renamed" | "permissions_changed" | "retargeted";

export interface Change {
  readonly verb: Verb;
  readonly path: string;
  /** Of one that was renamed: its path before. */
  readonly from?: string;
  readonly before?: FileState;
  readonly after?: FileState;
}

/** In the order of the paths; what only was touched is no change. */
export function changesBetween(before: Snapshot, after: Snapshot): Change[] {
  const gone = new Map<string, { path: string; state: FileState }>();
  for (const [path, state] of before) {
    if (!after.has(path) && state.kind !== "directory") gone.set(state.inode, { path, state });
  }
  const changes: Change[] = [];
  const moved = new Set<string>();
  for (const [path, state] of after) {
    const known = before.get(path);
    if (known !== undefined) {
      const verb = verbOf(known, state);
      if (verb !== undefined) changes.push({ verb, path, before: known, after: state });
      continue;
    }
    const source = gone.get(state.inode);
    // An inode is given again after a file was deleted: the same file has the same content too.
    if (source !== undefined && isSameContent(source.state, state)) {
      moved.add(source.path);
      gone.delete(state.inode);
      changes.push({
        verb: "renamed",
        path,
        from: source.path,
        before: source.state,
        after: state,
      });
    } else changes.push({ verb: "created", path, after: state });
  }
  for (const [path, state] of before) {
    if (!after.has(path) && !moved.has(path))
      changes.push({ verb: "deleted", path, before: state });
  }
  return changes.toSorted((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0));
}

function verbOf(before: FileState, after: FileState): Verb | undefined {
  if (before.kind !== after.kind) return "modified";
  if (before.target !== after.target) return "retargeted";
  if (!isSameContent(before, after)) return "modified";
  const isSameAccess =
    before.mode === after.mode && before.uid === after.uid && before.gid === after.gid;
  return isSameAccess ? undefined : "permissions_changed";
}

function isSameContent(a: FileState, b: FileState): boolean {
  const isSameRead = a.sha256 === b.sha256 && a.unreadable === b.unreadable;
  return a.kind === b.kind && isSameRead && a.target === b.target;
}
