/**
 * A change as an event: what was and what is, and the difference as a unified diff. Who changed it, a file system does
 * not say: the actor is the owner of the file, marked as that; of what is gone not even this says anything.
 */
import { execFileSync } from "node:child_process";
import { basename } from "node:path";
import { createTwoFilesPatch } from "diff";
import { eventFrom, fitted, given } from "@cairnlog/capture";
import type { NamedBlob } from "@cairnlog/core";
import type { Change } from "./changes.ts";
import type { FileState } from "./file-state.ts";

export interface ChangeContext {
  readonly id: string;
  readonly host: string;
  readonly nowMs: number;
  /** It was made while nobody watched. */
  readonly isWhileAway: boolean;
  /** Contents before and after, where they are known and may be shown. */
  readonly texts: { readonly before: string; readonly after: string } | undefined;
  /** Why there is no diff, where the content changed. */
  readonly whyNoDiff: string | undefined;
  /** The content itself, where it is kept. */
  readonly content: NamedBlob | undefined;
}

export interface ChangeRecord {
  readonly event: object;
  /** A diff that is too large for the event: the caller names it there. */
  readonly largeDiff: string | undefined;
}

export const diffMediaType = "text/x-diff";
const diffBytesMax = 16 * 1024;
/** Two large files with nothing in common take longer than anybody would wait. */
const diffTimeoutMs = 2000;
const pathBytesMax = 2048;

const actions = {
  created: "create",
  modified: "modify",
  deleted: "delete",
  renamed: "rename",
  permissions_changed: "change permissions",
  retargeted: "retarget",
} as const;

export function changeRecord(change: Change, context: ChangeContext): ChangeRecord {
  const { verb, path, from, before, after } = change;
  const { id, host, nowMs, isWhileAway, texts } = context;
  const diff = texts === undefined ? undefined : diffOf(path, texts.before, texts.after);
  const isLarge = diff !== undefined && Buffer.byteLength(JSON.stringify(diff)) > diffBytesMax;
  const noDiff = texts !== undefined && diff === undefined ? "it took too long" : context.whyNoDiff;
  const event = eventFrom({
    id,
    type: `change.${verb}`,
    time: new Date(nowMs).toISOString(),
    actor:
      after === undefined
        ? { id: "unknown" }
        : { id: userName(after.uid), type: "file-owner", uid: after.uid },
    action: actions[verb],
    targets: [{ type: "file", id: path, host }],
    outcome: "success",
    details: {
      path: fitted(path, pathBytesMax),
      ...given("from", fitted(from, pathBytesMax)),
      ...given("before", shown(before)),
      ...given("after", shown(after)),
      ...given("diff", isLarge ? undefined : diff),
      ...given("noDiff", noDiff),
      ...(isWhileAway ? { whileAway: true } : {}),
      who: "not known: the actor is the owner of the file",
    },
  });
  const whole = context.content === undefined ? event : { ...event, blobs: [context.content] };
  return { event: whole, largeDiff: isLarge ? diff : undefined };
}

/** Adds a blob to an event. */
export function withBlob(event: object, blob: NamedBlob): object {
  const { blobs = [] } = event as { readonly blobs?: readonly NamedBlob[] };
  return { ...event, blobs: [...blobs, blob] };
}

/** Takes a blob out of an event, and says why. */
export function withoutBlob(event: object, blob: NamedBlob, why: string): object {
  const {
    blobs = [],
    details,
    ...rest
  } = event as {
    readonly blobs?: readonly NamedBlob[];
    readonly details?: object;
  };
  const others = blobs.filter(({ sha256 }) => sha256 !== blob.sha256);
  return {
    ...rest,
    details: { ...details, blobNotKept: { ...blob, why: fitted(why, 512) } },
    ...(others.length > 0 ? { blobs: others } : {}),
  };
}

/** Undefined for what is not text. */
export function textOf(bytes: Uint8Array): string | undefined {
  if (bytes.includes(0)) return undefined;
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

function diffOf(path: string, before: string, after: string): string | undefined {
  const name = basename(path);
  const options = { context: 3, timeout: diffTimeoutMs };
  const patch = createTwoFilesPatch(name, name, before, after, "", "", options);
  return patch === undefined
    ? undefined
    : wellFormedText(patch.replace(/^(?:Index: .*\n)?=+\n/, ""));
}

/** A text of any file may hold what no event may. */
function wellFormedText(text: string): string {
  return text.replace(/\p{Noncharacter_Code_Point}/gu, "\uFFFD");
}

/** Without what only tells whether to look again. */
function shown(state: FileState | undefined): object | undefined {
  if (state === undefined) return undefined;
  const { stamp: _stamp, inode: _inode, target, ...rest } = state;
  return { ...rest, ...given("target", fitted(target, pathBytesMax)) };
}

const names = new Map<number, string>();

/** As `id` says, which asks whatever the machine's users are in. */
function userName(uid: number): string {
  let name = names.get(uid);
  if (name !== undefined) return name;
  try {
    name = execFileSync("id", ["-nu", String(uid)], {
      encoding: "utf8",
      timeout: 5000,
      stdio: ["ignore", "pipe", "ignore"],
    }).trim();
  } catch {
    name = "";
  }
  if (name === "") name = `uid:${uid}`;
  names.set(uid, name);
  return name;
}
