/**
 * Trust on first use: for those to whom the log's keys cannot be brought another way. The first time
 * the server is asked for them, and what it says is remembered for good: from then on only what those
 * keys signed is believed. Whoever stands in between at that one moment is believed, too; so it is
 * said aloud, with the keys, for somebody to compare them.
 */
import { CairnError } from "@cairnlog/core";
import { formatMemory, parseMemory, type ClientMemory } from "./client-memory.ts";
import { findPinned, type Pinned } from "./pinned-keys.ts";
import type { LogInfo } from "./reading.ts";

export interface FirstUse {
  readonly origin: string;
  /** The log's verifier keys, as the server told them. */
  readonly vkeys: readonly string[];
}

export type OnFirstUse = (found: FirstUse) => void;

export interface FirstUseOptions {
  readonly memory: ClientMemory;
  readonly onFirstUse: OnFirstUse;
  readonly info: () => Promise<LogInfo>;
}

/** The keys that are remembered; or those that the server names, remembered from now on. */
export async function pinOnFirstUse(options: FirstUseOptions): Promise<Pinned> {
  const { memory, onFirstUse, info } = options;
  const text = (await reach(() => memory.load(), "read")) ?? undefined;
  const known = text === undefined ? undefined : parseMemory(text);
  if (known?.vkeys !== undefined) return pinned(known.vkeys);
  const { origin, vkeys } = await info();
  const found = pinned(vkeys);
  if (found.origin !== origin) {
    throw new CairnError(
      "unverified",
      `the server's keys are of ${found.origin}, not of ${origin}`,
    );
  }
  // What is not remembered would be believed anew with each start.
  const { recorded, witnessed } = known ?? {};
  await reach(() => memory.save(formatMemory({ recorded, witnessed, vkeys })), "kept");
  onFirstUse({ origin, vkeys });
  return found;
}

/** A memory that cannot be reached now is tried again with the next attempt. */
async function reach<T>(work: () => Promise<T>, what: "read" | "kept"): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    const message = `the log's keys cannot be ${what} in the client's memory: ${why}`;
    throw new CairnError("unavailable", message, { cause });
  }
}

function pinned(vkeys: readonly string[]): Pinned {
  const found = findPinned(vkeys, undefined);
  if (found === undefined) throw new CairnError("unverified", "the server names no keys");
  return found;
}

/** The `onFirstUse` of those who gave none. */
export function consoleFirstUse(write: (line: string) => void): OnFirstUse {
  return ({ origin, vkeys }) => {
    write(
      `cairn: FIRST USE of the log ${origin}: its keys are believed from now on. Compare them with ` +
        `what its operator says: ${vkeys.join(" ")}`,
    );
  };
}
