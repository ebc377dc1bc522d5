/**
 * Tables that say by JSON pointer where a sender's record has what an event needs. The docs show the same pointers, so
 * that what they say is what is done. A pointer here has no escapes: `/pull_request/base/ref`.
 */
import type { TargetDraft } from "./event-fields.ts";
import { textAt, type Json } from "./foreign-json.ts";

export type Pointer = `/${string}`;

/** A target: its type, the pointer to its id, and pointers to further members. */
export interface TargetAt {
  readonly type: string;
  readonly id: Pointer;
  readonly [member: string]: string;
}

export function textAtPointer(record: Json | undefined, pointer: Pointer): string | undefined {
  return textAt(record, ...pointer.slice(1).split("/"));
}

/** The first text that is there. */
export function firstText(
  record: Json | undefined,
  pointers: readonly Pointer[],
): string | undefined {
  for (const pointer of pointers) {
    const text = textAtPointer(record, pointer);
    if (text !== undefined) return text;
  }
  return undefined;
}

/** Those that have an id; `eventFrom` leaves the others out. */
export function targetsAt(record: Json | undefined, targets: readonly TargetAt[]): TargetDraft[] {
  return targets.map(({ type, ...pointers }) => {
    const members = Object.entries(pointers).map(
      ([name, pointer]): [string, string | undefined] => [
        name,
        textAtPointer(record, pointer as Pointer),
      ],
    );
    return { type, ...Object.fromEntries(members) };
  });
}

/** The row of a word that a sender chose: never one that every object has, as `constructor`. */
export function lookUp<Row>(
  table: Readonly<Record<string, Row>>,
  word: string | undefined,
): Row | undefined {
  return word !== undefined && Object.hasOwn(table, word) ? table[word] : undefined;
}

/** For the docs: where the ids are. */
export function pointersOf(targets: readonly TargetAt[]): string {
  return targets.map(({ id }) => id).join(", ");
}
