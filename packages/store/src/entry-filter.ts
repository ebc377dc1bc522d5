/**
 * What somebody looks for among entries, so that most of them need not be parsed: byte strings that an entry must hold
 * to match at all. They are looked for in many entries at once.
 */

export interface EntryFilter {
  /** An entry that matches holds at least one string of each list. That is for whoever makes the filter to see to. */
  readonly holds: readonly (readonly Buffer[])[];
  /** Whether an entry matches. It is verified; its `seq` and `prev` may be left out. */
  matches(entry: Uint8Array): boolean;
}

/** Where the entries of a run of bytes begin and end, in order. */
export type EntryRanges = readonly { readonly begin: number; readonly end: number }[];

/** Indexes of the entries in `bytes` that hold what matching ones must, ascending. `ranges` is asked if any does. */
export function findHolding(
  bytes: Uint8Array,
  ranges: () => EntryRanges,
  { holds }: EntryFilter,
): number[] {
  const [first, ...others] = holds;
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  if (first === undefined) return [...ranges().keys()];
  if (!first.some((needle) => buffer.includes(needle))) return [];
  const places = ranges();
  const found = new Set<number>();
  for (const needle of first) addHolding(buffer, places, needle, found);
  return [...found]
    .sort((a, b) => a - b)
    .filter((index) => {
      const { begin, end } = places[index]!;
      const entry = buffer.subarray(begin, end);
      return others.every((list) => list.some((needle) => entry.includes(needle)));
    });
}

/** Goes from one place of `needle` to the next entry that has one. */
function addHolding(buffer: Buffer, ranges: EntryRanges, needle: Buffer, found: Set<number>): void {
  let index = 0;
  for (let at = buffer.indexOf(needle); at >= 0;) {
    while (index < ranges.length && ranges[index]!.end < at + needle.length) index++;
    const range = ranges[index];
    if (range === undefined) return;
    // Between two entries, or across their border, is in none of them.
    if (at < range.begin) {
      at = buffer.indexOf(needle, at + 1);
      continue;
    }
    found.add(index);
    at = buffer.indexOf(needle, range.end);
  }
}
