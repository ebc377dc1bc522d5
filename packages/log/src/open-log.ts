/** Creating and opening logs. `record.ts` has the short way for an app's own events. */
import { resolve } from "node:path";
import {
  CairnError,
  formatLogTime,
  hashByteLength,
  isCairnError,
  parseCheckpoint,
  parseNote,
} from "@cairnlog/core";
import { nodeCrypto, randomBytes as systemRandomBytes } from "@cairnlog/crypto";
import { filesStore, type LogStore, type Store } from "@cairnlog/store";
import { openStored, type LogOptions } from "./assemble.ts";
import { systemClock } from "./clock.ts";
import { createIdentity, logPath, readIdentity, type LogIdentity } from "./identity.ts";
import type { Log } from "./log.ts";
import { isUnborn } from "./opening.ts";
import { logCreated, type Succession } from "./system-events.ts";

/** More than an ML-DSA-44 key in base64 and a name of 255 bytes come to. */
const longestVkey = 2500;

export interface NewLog {
  /** `[a-z0-9][a-z0-9._-]{0,63}` */
  readonly name: string;
  /** Identity for ever: a schema-less URL such as `audit.example.com/logs/main`. */
  readonly origin: string;
  /** True if everybody may read the log's tiles. */
  readonly isPublic?: boolean;
  /** The closed log that this one follows. */
  readonly succeeds?: Succession;
}

/**
 * Creates a log with keys of its own and opens it. "conflict" where the name is taken. A creation that was
 * interrupted is taken up again: until entry 0 is durable nobody was told of the log, and `openLog` says "not_found".
 */
export async function createLog(
  store: Store,
  created: NewLog,
  options: LogOptions = {},
): Promise<Log> {
  if (created.succeeds !== undefined) checkSuccession(created.succeeds);
  checkGenesis(created.origin, created.succeeds);
  const logStore = await emptyPlace(store, created.name);
  try {
    const identity = await bornIdentity(logStore, created, options);
    const log = await openStored(logStore, identity, options, { succeeds: created.succeeds });
    // Its witnesses may not know it yet: they are told its keys when it exists.
    await log.publish().catch((error: unknown) => {
      if (options.witnesses === undefined || !isCairnError(error, "unavailable")) throw error;
    });
    return log;
  } catch (error) {
    await logStore.close();
    throw error;
  }
}

/** An empty place for the log: a new one, or what an interrupted creation has left. */
async function emptyPlace(store: Store, name: string): Promise<LogStore> {
  try {
    return await store.create(name);
  } catch (error) {
    if (!isCairnError(error, "conflict")) throw error;
    const logStore = await store.open(name);
    if (await isUnborn(logStore)) return logStore;
    await logStore.close();
    throw error;
  }
}

/** The identity of a log that is being created: a new one, or the one that an interrupted creation has made. */
async function bornIdentity(
  logStore: LogStore,
  created: NewLog,
  options: LogOptions,
): Promise<LogIdentity> {
  const { clock = systemClock, randomBytes = systemRandomBytes, crypto = nodeCrypto } = options;
  const { name, origin, isPublic = false } = created;
  if ((await logStore.get(logPath)) === undefined) {
    const birth = { name, origin, isPublic, created: formatLogTime(Math.floor(clock.now())) };
    return createIdentity(logStore, crypto.sha256, birth, randomBytes, options.readKey);
  }
  const identity = await readIdentity(logStore, crypto.sha256, options.readKey);
  const { settings } = identity;
  if (settings.origin === origin && settings.isPublic === isPublic) return identity;
  throw new CairnError(
    "conflict",
    `the creation of the log ${name} was interrupted; it can only be taken up with the origin ${settings.origin}, ` +
      `${settings.isPublic ? "public" : "not public"}, as it was begun`,
    { place: { log: name, path: logPath } },
  );
}

export interface OpenOptions extends LogOptions {
  /** Creates the log where there is none, with this origin. */
  readonly createWith?: Omit<NewLog, "name">;
}

/**
 * Opens a log for writing: in a store, or in the folder of that path. "not_found", "locked" (with the holder's pid), or
 * "tampered" if acknowledged data is damaged: then the message says what, where, and how to go on.
 */
export async function openLog(
  place: Store | string,
  name: string,
  options: OpenOptions = {},
): Promise<Log> {
  const { createWith } = options;
  const store = typeof place === "string" ? filesStore({ folder: resolve(place) }) : place;
  if (createWith === undefined) return openExisting(store, name, options);
  try {
    return await openExisting(store, name, options);
  } catch (error) {
    if (!isCairnError(error, "not_found")) throw error;
    return createLog(store, { name, ...createWith }, options);
  }
}

async function openExisting(store: Store, name: string, options: LogOptions): Promise<Log> {
  const { crypto = nodeCrypto } = options;
  const logStore = await store.open(name);
  try {
    const identity = await readIdentity(logStore, crypto.sha256, options.readKey);
    return await openStored(logStore, identity, options, undefined);
  } catch (error) {
    await logStore.close();
    throw error;
  }
}

function checkSuccession(succeeds: Succession): void {
  // Anybody's log may be succeeded, with keys that this process does not know: only the form is checked here.
  parseCheckpoint(parseNote(new TextEncoder().encode(succeeds.checkpoint)).text);
  if (succeeds.reason.trim() === "" || succeeds.reason.length > 1000) {
    throw new CairnError("usage", "say in 1 to 1,000 characters why the log is succeeded");
  }
}

/** Before anything is made: refuses what entry 0 could not hold, beside keys that are as long as these. */
function checkGenesis(origin: string, succeeds: Succession | undefined): void {
  const vkeys = ["k".repeat(longestVkey), "k".repeat(longestVkey)];
  const hash = new Uint8Array(hashByteLength);
  logCreated({ origin, vkeys, nonce: hash, settings: hash, succeeds });
}
