/**
 * A position in the write-ahead log of a cluster. PostgreSQL writes `16/B374D848`; here it always has 8 digits on each
 * side, so that two compare as texts.
 */
import { CairnError, parseHex } from "@cairnlog/core";

export type Lsn = string & { readonly brand: "Lsn" };

export const zeroLsn = "00000000/00000000" as Lsn;

/** "malformed" */
export function parseLsn(text: string): Lsn {
  const parts = /^([0-9A-Fa-f]{1,8})\/([0-9A-Fa-f]{1,8})$/.exec(text);
  if (parts === null) {
    throw new CairnError("malformed", `not a position in PostgreSQL's log: ${text.slice(0, 40)}`);
  }
  return `${parts[1]!.padStart(8, "0")}/${parts[2]!.padStart(8, "0")}`.toUpperCase() as Lsn;
}

/** As PostgreSQL writes it. */
export function showLsn(lsn: Lsn): string {
  return lsn.replace(/^0{1,7}/, "").replace(/\/0{1,7}/, "/");
}

export function lsnOfBytes(bytes: Uint8Array): Lsn {
  const hex = Buffer.from(bytes.buffer, bytes.byteOffset, 8).toString("hex").toUpperCase();
  return `${hex.slice(0, 8)}/${hex.slice(8)}` as Lsn;
}

export function lsnBytes(lsn: Lsn): Uint8Array {
  return parseHex(lsn.replace("/", "").toLowerCase());
}
