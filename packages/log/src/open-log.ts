/** Creating and opening logs: puts the parts together. `record.ts` has the short way for an app's own events. */
import { resolve } from "node:path";
import {
  CairnError,
  formatLogTime,
  isCairnError,
  isSameBytes,
  parseCheckpoint,
  parseNote,
  parseUtf8,
  parseVkey,
  verifyCheckpoint,
  type Crypto,
} from "@cairnlog/core";
import { nodeCrypto, randomBytes as systemRandomBytes } from "@cairnlog/crypto";
import { filesStore, type LogStore, type Store } from "@cairnlog/store";
import { systemClock, type Clock } from "./clock.ts";
import { CommitBuilder } from "./commit-builder.ts";
import { Duplicates } from "./duplicates.ts";
import { History } from "./history.ts";
import { IdHasher } from "./id-table.ts";
import {
  createIdentity,
  interruptedCreation,
  logPath,
  readIdentity,
  type KeyReader,
  type LogIdentity,
} from "./identity.ts";
import type { Log, SignedCheckpoint } from "./log.ts";
import { isUnborn, openState, type Opened } from "./opening.ts";
import { OpenedLog } from "./opened-log.ts";
import { checkpointPath, Publisher } from "./publisher.ts";
import { Sealer } from "./sealer.ts";
import { logCreated, logRecovered, type Succession } from "./system-events.ts";
import { TailRoom } from "./tail-room.ts";
import { defaultWriterLimits, Writer, type WriterLimits } from "./writer.ts";

export interface LogOptions {
  readonly clock?: Clock;
  /** Fresh random bytes: salts, nonces, the key of id hashes. */
  readonly randomBytes?: (byteLength: number) => Uint8Array;
  readonly crypto?: Crypto;
  /** Makes a signer of a key file's content. Default: the platform's own. */
  readonly readKey?: KeyReader;
  readonly limits?: Partial<WriterLimits>;
  /** How often the published checkpoint moves, at most. Default 1,000 ms. */
  readonly publishIntervalMs?: number;
  /** The log can't go on: a sync failed, or what it signs from was tampered with. A server ends its process here. */
  readonly onFailure?: (error: CairnError) => void;
}

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
 * Creates a log with keys of its own and opens it. "conflict" where the name is taken. A creation that was interrupted is
 * taken up again: until entry 0 is durable nobody was told of the log, and `openLog` says "not_found".
 */
export async function createLog(
  store: Store,
  created: NewLog,
  options: LogOptions = {},
): Promise<Log> {
  if (created.succeeds !== undefined) checkSuccession(created.succeeds);
  const logStore = await emptyPlace(store, created.name);
  try {
    const identity = await bornIdentity(logStore, created, options);
    const log = await openStored(logStore, identity, options, { succeeds: created.succeeds });
    await log.publish();
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

async function openStored(
  store: LogStore,
  identity: LogIdentity,
  options: LogOptions,
  /** Given where the log may be without entry 0 still. */
  birth: { readonly succeeds: Succession | undefined } | undefined,
): Promise<Log> {
  const { clock = systemClock, randomBytes = systemRandomBytes, crypto = nodeCrypto } = options;
  const { sha256 } = crypto;
  const idHasher = new IdHasher(identity.settings.idKey);
  const state = await openState(store, sha256, idHasher);
  if (birth === undefined && state.tree.size === 0) throw interruptedCreation(store);
  const { tree, commit, recovered } = state;
  const history = new History(store, tree, sha256);
  const published = await readPublished(store, identity, crypto, state, history);
  const durable: SignedCheckpoint = {
    ...{ size: commit.size, root: commit.root },
    note: await identity.signCommit(commit.size, commit.root),
  };
  const { name } = identity.settings;
  const tailRoom = new TailRoom(store, tree, clock, name);
  const randomFill = (bytes: Uint8Array): void => bytes.set(randomBytes(bytes.length));
  const writer: Writer = new Writer(
    {
      ...{ logName: name, store, tree, ids: state.ids, idHasher, tailRoom, clock },
      builder: new CommitBuilder(sha256, tree, recovered.prev, randomFill),
      duplicates: new Duplicates(
        sha256,
        name,
        (seq) => history.entry(seq),
        (seq, size) => history.inclusionProof(seq, size),
      ),
      limits: { ...defaultWriterLimits, ...options.limits },
      sign: (size, root) => identity.signCommit(size, root),
      committed: () => log.committed(),
      failed: (error) => options.onFailure?.(error),
    },
    durable,
    commit.number,
    recovered.lastTimeMs,
  );
  const publisher = new Publisher(
    {
      ...{ store, clock, intervalMs: options.publishIntervalMs ?? 1000 },
      durable: () => writer.durable,
      signAll: (size, root) => identity.signPublished(size, root),
    },
    published,
  );
  const sealer = new Sealer({
    ...{ store, tree, identity, crypto, clock },
    durableSize: () => writer.durable.size,
    prevOf: async (first) => (first === 0 ? new Uint8Array(32) : history.leafHash(first - 1)),
    sealed: (first) => tailRoom.forget(first),
    tampered: (error) => writer.fail(error),
  });
  const log = new OpenedLog({
    ...{ settings: identity.settings, tree, writer, history, publisher, sealer, tailRoom },
    closeStore: () => store.close(),
  });
  // The first room is waited for, so that a disk that is full from the start is known before anything is taken.
  tailRoom.ensure();
  await tailRoom.settled();
  if (birth !== undefined && tree.size === 0) {
    const { origin, vkeys } = identity.settings;
    const nonce = randomBytes(16);
    writer.appendSystem(logCreated({ origin, vkeys, nonce, succeeds: birth.succeeds }));
  }
  if (recovered.rest !== undefined) writer.appendSystem(logRecovered(recovered.rest));
  await writer.idle();
  if (writer.failure !== undefined) {
    await log.abandon();
    throw writer.failure;
  }
  sealer.kick();
  return log;
}

/**
 * The published checkpoint that the log remembers. One that is larger than the log, or of another root, means that
 * acknowledged data was rolled back or changed.
 */
async function readPublished(
  store: LogStore,
  identity: LogIdentity,
  crypto: Crypto,
  state: Opened,
  history: History,
): Promise<SignedCheckpoint> {
  const { origin, name, vkeys } = identity.settings;
  const bytes = await store.get(checkpointPath);
  if (bytes === undefined) {
    const root = await history.root(0);
    return { size: 0, root, note: await identity.signPublished(0, root) };
  }
  const place = { log: name, path: checkpointPath };
  const keys = vkeys.map((vkey) => parseVkey(crypto.sha256, vkey));
  const { checkpoint } = await verifyCheckpoint(crypto, bytes, keys, origin).catch(
    (cause: unknown) => {
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new CairnError("tampered", `the published checkpoint of ${name} is damaged: ${why}`, {
        ...{ cause, place },
      });
    },
  );
  const { size, root } = checkpoint;
  if (size > state.commit.size) {
    throw new CairnError(
      "tampered",
      `the log ${name} was rolled back: it has published ${size} entries, and its newest commit knows ` +
        `${state.commit.size}. It does not start; go on from a mirror or copy that verifies, or begin a successor`,
      { place },
    );
  }
  if (!isSameBytes(await history.root(size), root)) {
    throw new CairnError(
      "tampered",
      `the log ${name} was changed: the root that it published at size ${size} is not the one that it has now`,
      { place },
    );
  }
  return { size, root, note: parseUtf8(bytes) };
}

function checkSuccession(succeeds: Succession): void {
  // Anybody's log may be succeeded, with keys that this process does not know: only the form is checked here.
  parseCheckpoint(parseNote(new TextEncoder().encode(succeeds.checkpoint)).text);
  if (succeeds.reason.trim() === "" || succeeds.reason.length > 1000) {
    throw new CairnError("usage", "say in 1 to 1,000 characters why the log is succeeded");
  }
}
