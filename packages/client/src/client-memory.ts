/**
 * What a client remembers beyond its own life: the newest checkpoint that a receipt stood under, and
 * the newest published one that it found good. With both a restarted client notices that the log
 * was rolled back or rewritten meanwhile.
 *
 *     {"format":"cairn-client-memory/1","recorded":"<signed note>","witnessed":"<signed note>"}
 *
 * What is not known yet is null. None of this is believed: the notes are verified when they are read.
 * A client that trusts on first use remembers the log's keys too, and those it does believe:
 *
 *     {"format":"cairn-client-memory/2","recorded":…,"witnessed":…,"vkeys":["<verifier key>"]}
 */
import { CairnError } from "@cairnlog/core";
import { isObject } from "./problem.ts";

/** Where a client's memory lies: a file, a table, `localStorage`. One client at a time. */
export interface ClientMemory {
  /** What `save` was given last; undefined (or null) the first time. */
  load(): Promise<string | null | undefined>;
  save(text: string): Promise<void>;
}

export interface RememberedNotes {
  readonly recorded: string | undefined;
  readonly witnessed: string | undefined;
  /** The keys that were met first. */
  readonly vkeys?: readonly string[] | undefined;
}

const format = "cairn-client-memory/1";
const formatWithKeys = "cairn-client-memory/2";

export function formatMemory({ recorded, witnessed, vkeys }: RememberedNotes): string {
  const notes = { recorded: recorded ?? null, witnessed: witnessed ?? null };
  return vkeys === undefined
    ? JSON.stringify({ format, ...notes })
    : JSON.stringify({ format: formatWithKeys, ...notes, vkeys });
}

/** "malformed" for anything but what `formatMemory` writes. */
export function parseMemory(text: string): RememberedNotes {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new CairnError("malformed", "the client's memory is not JSON", { cause });
  }
  if (isObject(value)) {
    const { recorded, witnessed, vkeys } = value;
    const notes = {
      recorded: noteOf(recorded),
      witnessed: noteOf(witnessed),
      vkeys: isTextList(vkeys) ? vkeys : undefined,
    };
    if (formatMemory(notes) === text) return notes;
  }
  throw new CairnError("malformed", `the client's memory is not of the format ${format}`);
}

function isTextList(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((each) => typeof each === "string");
}

function noteOf(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}
