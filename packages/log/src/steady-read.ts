/**
 * Reading what recovery will write elsewhere, or tell of for ever. A medium may give now this, now that: such bytes
 * count only where two reads agree on them.
 */
import { CairnError, isSameBytes } from "@cairnlog/core";
import type { LogStore } from "@cairnlog/store";

/** Bytes on which two reads agree. "unavailable" where they do not, or there are fewer. */
export async function readTwice(
  store: LogStore,
  path: string,
  at: number,
  length: number,
): Promise<Uint8Array> {
  const bytes = await store.read(path, at, length);
  const again = await store.read(path, at, length);
  const isSteady = bytes && again && bytes.length === length && isSameBytes(bytes, again);
  if (isSteady !== true) throw unsteady(store, path, at);
  return bytes;
}

/** Two reads of the medium did not agree. */
export function unsteady(store: LogStore, path: string, byte: number): CairnError {
  return new CairnError(
    "unavailable",
    `two reads of ${path} of the log ${store.name} at byte ${byte} gave different bytes; nothing was changed. Look ` +
      "at the medium, then open the log anew",
    { place: { log: store.name, path, byte } },
  );
}
