/** What the parts of the store's conformance suite have in common. */
import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import { isCairnError, type CairnErrorCode } from "@cairnlog/core";
import type { Commit, LogStore, Store } from "@cairnlog/store";

/** Makes an empty store for one test; what has to be cleaned up is registered with `t.after`. */
export type MakeStore = (t: TestContext) => Promise<Store>;

export function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

export function commitOf(number: number, size = number): Commit {
  const root = new Uint8Array(32).fill(number % 251);
  return { number, size, root, tailFirst: 0, tailOffset: 10 * size };
}

export async function rejects(
  work: Promise<unknown>,
  code: CairnErrorCode,
  message = /./,
): Promise<void> {
  await assert.rejects(work, (error) => {
    assert.ok(isCairnError(error, code), `expected "${code}", got: ${String(error)}`);
    assert.match(error.message, message);
    return true;
  });
}

/** Runs `work` on a new log and closes it. */
export async function withLog(
  make: MakeStore,
  t: TestContext,
  work: (log: LogStore, store: Store) => Promise<void>,
): Promise<void> {
  const store = await make(t);
  const log = await store.create("first");
  try {
    await work(log, store);
  } finally {
    await log.close();
  }
}
