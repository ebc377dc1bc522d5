/** A log with witnesses, for tests: both on one clock that the test winds. Not part of what is published. */
import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import { parseEntry, parseVkey, utf8, verifyWitnessedCheckpoint } from "@cairnlog/core";
import { nodeCrypto } from "@cairnlog/crypto";
import { memoryStore, type Store } from "@cairnlog/store";
import { ManualClock } from "@cairnlog/testing";
import {
  createLog,
  openLog,
  toBatch,
  type Log,
  type LogOptions,
  type WitnessHealth,
} from "./index.ts";
import { networkOf, policyOf, TestWitness, until } from "./witness-network.testing.ts";
import type { WitnessOptions } from "./witnessing.ts";

export interface Setting {
  readonly clock: ManualClock;
  readonly store: Store;
  readonly witnesses: readonly TestWitness[];
  readonly options: LogOptions & { readonly witnesses: WitnessOptions };
}

export const origin = "example.com/logs/main";

/** Half of the largest value: every back-off is 0.75 of its most. */
export function halfRandom(byteLength: number): Uint8Array {
  return new Uint8Array(byteLength).map((_, i) => (i === 0 ? 0x80 : 0));
}

/**
 * A log that exists and is closed, and witnesses that know its keys. `threshold` of them are a quorum. A plus sign
 * behind a name: it has a key of ML-DSA-44 as well.
 */
export async function makeSetting(
  names: readonly string[],
  threshold: number,
  more: Partial<WitnessOptions> = {},
): Promise<Setting> {
  const clock = new ManualClock();
  const store = memoryStore();
  const log = await createLog(store, { name: "main", origin }, { clock });
  const witnesses = names.map((name) =>
    new TestWitness(name.replace("+", ""), clock, name.endsWith("+")).knows(log.vkeys),
  );
  await log.close();
  const policy = policyOf(witnesses, threshold);
  const options = {
    clock,
    randomBytes: halfRandom,
    witnesses: { policy, transport: networkOf(witnesses), ...more },
  };
  return { clock, store, witnesses, options };
}

export function open({ store, options }: Setting, more: LogOptions = {}): Promise<Log> {
  return openLog(store, "main", { ...options, ...more });
}

/** One beat, and the round that it begins. */
export async function beat({ clock }: Setting, log: Log): Promise<void> {
  const before = log.publishedCheckpoint();
  clock.advance(1000);
  await until(() => log.publishedCheckpoint() !== before, "a checkpoint is published");
}

/** One beat whose round finds no quorum. */
export async function vainBeat({ clock }: Setting, log: Log): Promise<void> {
  const before = log.status().quorumFailure;
  clock.advance(1000);
  await until(() => log.status().quorumFailure !== before, "a round fails");
}

/** Opened, with its first round done. */
export async function opened(t: TestContext, setting: Setting, more?: LogOptions): Promise<Log> {
  const log = await open(setting, more);
  t.after(() => log.close());
  await beat(setting, log);
  return log;
}

export function healthOf(log: Log, { name }: TestWitness): WitnessHealth {
  return log.status().witnesses.find((health) => health.name === name)!;
}

/** Stands in a witness's way: nobody is there. */
export function down(): never {
  throw new Error("connection refused");
}

let events = 0;

/** Records `count` events; the seq of the last one. */
export async function append(log: Log, count = 1): Promise<number> {
  const batch = Array.from({ length: count }, () => ({
    type: "database.query",
    actor: { id: "alice" },
    action: "SELECT",
    details: { i: events++ },
  }));
  const appended = await log.append(toBatch(batch), "api");
  return appended.seq(count - 1);
}

/** The names of those whose cosignatures a note holds, in the policy's order; the note must be sound. */
export async function cosignersOf({ options }: Setting, log: Log, note: string): Promise<string[]> {
  const { policy } = options.witnesses;
  const logs = log.vkeys.map((vkey) => ({ vkey: parseVkey(nodeCrypto.sha256, vkey) }));
  const verified = await verifyWitnessedCheckpoint(nodeCrypto, utf8(note), { ...policy, logs });
  assert.equal(verified.logKeys.length, 2, "both keys of the log signed");
  return verified.witnesses.map(({ name }) => name);
}

export interface ReadEvent {
  readonly type: string;
  readonly details: Readonly<Record<string, unknown>>;
}

/** The log's events of one type. */
export async function eventsOf(log: Log, type: string): Promise<ReadEvent[]> {
  const found: ReadEvent[] = [];
  for await (const { bytes } of log.entries(0, log.status().size)) {
    const event = JSON.parse(new TextDecoder().decode(parseEntry(bytes).event)) as ReadEvent;
    if (event.type === type) found.push(event);
  }
  return found;
}
