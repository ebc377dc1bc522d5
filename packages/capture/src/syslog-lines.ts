/** The lines of a body, for adapters of formats that have one record a line. Empty ones are passed over. */

export interface LineBody {
  /** Without what ends it: LF, or CR LF. */
  readonly bytes: Uint8Array;
  /** From 1. */
  readonly number: number;
}

export function* lineBodies(body: Uint8Array): Generator<LineBody, void> {
  let number = 0;
  for (let start = 0; start < body.length;) {
    let end = body.indexOf(0x0a, start);
    if (end < 0) end = body.length;
    number++;
    const isReturn = end > start && body[end - 1] === 0x0d;
    const bytes = body.subarray(start, isReturn ? end - 1 : end);
    if (bytes.length > 0) yield { bytes, number };
    start = end + 1;
  }
}
