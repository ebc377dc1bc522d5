/**
 * A row as the write-ahead log has it, as JSON that loses nothing: integers and floats that a double holds are numbers,
 * booleans are booleans, and all else is the text that PostgreSQL writes: `numeric`, times, `json`, `bytea` (as hex).
 */
import { parseForeignText, wellFormed, type Json } from "@cairnlog/capture";
import type { Pgoutput } from "pg-logical-replication";

export type Tuple = Readonly<Record<string, unknown>>;

export interface RowImage {
  readonly values: Readonly<Record<string, Json>>;
  /** Columns whose large value was not changed, and so was not written again. */
  readonly unchanged: readonly string[];
  /** Some text had characters that an event cannot have. */
  readonly isAltered: boolean;
}

/** pg_type.dat: bool; int8, int2, int4, oid, float4, float8. */
const boolOid = 16;
const numberOids = new Set([20, 21, 23, 26, 700, 701]);
const jsonNumber = /^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?$/;

export function rowImage(tuple: Tuple, columns: readonly Pgoutput.RelationColumn[]): RowImage {
  const values: [string, Json][] = [];
  const unchanged: string[] = [];
  let isAltered = false;
  for (const { name, typeOid } of columns) {
    if (!Object.hasOwn(tuple, name)) continue;
    const value = tuple[name];
    const safeName = wellFormed(name);
    isAltered ||= safeName !== name;
    if (value === undefined) {
      unchanged.push(safeName);
    } else if (typeof value === "string") {
      const safe = valueOf(value, typeOid);
      isAltered ||= typeof safe === "string" && safe !== value;
      values.push([safeName, safe]);
    } else {
      values.push([safeName, value instanceof Uint8Array ? hex(value) : null]);
    }
  }
  return { values: Object.fromEntries(values), unchanged, isAltered };
}

function valueOf(text: string, typeOid: number): Json {
  if (typeOid === boolOid && (text === "t" || text === "f")) return text === "t";
  if (numberOids.has(typeOid) && jsonNumber.test(text)) return parseForeignText(text).value;
  return wellFormed(text);
}

/** Only if somebody asked for binary values; as `bytea` looks in text. */
function hex(bytes: Uint8Array): string {
  return `\\x${Buffer.from(bytes).toString("hex")}`;
}

/** Names of the columns that differ, where both images are whole. */
export function changedColumns(before: RowImage, after: RowImage): string[] {
  return Object.keys(after.values).filter((name) => before.values[name] !== after.values[name]);
}
