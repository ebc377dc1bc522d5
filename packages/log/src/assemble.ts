/**
 * Puts an open log together: what lies on the medium becomes memory (`opening.ts`), then writer, publisher, sealer and
 * history are made around it, and what opening has to tell is recorded first.
 */
import {
  assert,
  base64,
  CairnError,
  type Crypto,
  genesisPrev,
  isCairnError,
  isSameBytes,
  parseEntryHead,
  parseUtf8,
  parseVkey,
  type Sha256,
  verifyCheckpoint,
} from "@cairnlog/core";
import { nodeCrypto, randomBytes as systemRandomBytes } from "@cairnlog/crypto";
import { withSimd } from "@cairnlog/simd";
import { IdHasher, type LogStore } from "@cairnlog/store";
import { Blobs } from "./blobs.ts";
import { systemClock, type Clock } from "./clock.ts";
import { CommitBuilder } from "./commit-builder.ts";
import { Duplicates } from "./duplicates.ts";
import { History } from "./history.ts";
import {
  formatSettings,
  interruptedCreation,
  type KeyReader,
  type LogIdentity,
  logPath,
} from "./identity.ts";
import type { Log, SignedCheckpoint } from "./log.ts";
import { LogWitnesses } from "./log-witnesses.ts";
import { openState, type Opened } from "./opening.ts";
import { LogTree } from "./log-tree.ts";
import { SourceWatch } from "./sources/source-watch.ts";
import { Sources } from "./sources/sources.ts";
import { OpenedLog } from "./opened-log.ts";
import { checkpointPath, Publisher } from "./publisher.ts";
import type { Recovered } from "./recovery.ts";
import { Sealer } from "./sealer.ts";
import { logCreated, logRecovered, type Succession } from "./system-events.ts";
import { TailRoom } from "./tail-room.ts";
import type { WitnessOptions } from "./witnessing.ts";
import { defaultWriterLimits, type WriterLimits } from "./writer-parts.ts";
import { Writer } from "./writer.ts";

export interface LogOptions {
  readonly clock?: Clock;
  /** Fresh random bytes: salts, nonces, the key of id hashes. */
  readonly randomBytes?: (byteLength: number) => Uint8Array;
  readonly crypto?: Crypto;
  /** Makes a signer of a key file's content. Default: the platform's own. */
  readonly readKey?: KeyReader;
  readonly limits?: Partial<WriterLimits>;
  /** Bytes of one blob, at most. Default 64 MiB. */
  readonly blobBytesMax?: number;
  /** How often the published checkpoint moves, at most. Default 1,000 ms. */
  readonly publishIntervalMs?: number;
  /** Whose cosignatures a published checkpoint needs. Default: no one's. */
  readonly witnesses?: WitnessOptions;
  /** The log can't go on: a sync failed, or what it signs from was tampered with. A server ends its process here. */
  readonly onFailure?: (error: CairnError) => void;
  /** Somebody must look at the log, which goes on: a witness claims another history. Called once for each. */
  readonly onAlarm?: (error: CairnError) => void;
}

/** Given where the log may be without entry 0 still. */
export interface Birth {
  readonly succeeds: Succession | undefined;
}

/** Opens the log in `store`, which is held. The caller closes it where this throws. */
export async function openStored(
  store: LogStore,
  identity: LogIdentity,
  options: LogOptions,
  birth: Birth | undefined,
): Promise<Log> {
  const { randomBytes = systemRandomBytes, crypto = nodeCrypto } = options;
  const sha256 = withSimd(crypto.sha256);
  const idHasher = new IdHasher(identity.settings.idKey);
  const tree = new LogTree(sha256);
  const history = new History(store, tree, sha256);
  const witnesses = makeWitnesses(store, identity, history, options);
  const remembered: { published?: SignedCheckpoint } = {};
  const state = await openState(store, sha256, idHasher, tree, async (size) => {
    if (birth === undefined && tree.size === 0) throw interruptedCreation(store);
    if (tree.size > 0) await checkSettings(identity, sha256, history);
    remembered.published = await readPublished(store, identity, crypto, size, history);
    // A log that is being born has nothing that could have been rolled back, and no witness knows it.
    if (birth === undefined) await witnesses?.ask(size, await history.root(size));
  });
  const { published } = remembered;
  assert(published !== undefined, "an opening looks at what was published");
  const { commit, recovered } = state;
  const found: Found = {
    store,
    identity,
    idHasher,
    state,
    history,
    witnesses,
    published,
    durable: {
      size: commit.size,
      root: commit.root,
      note: await identity.signCommit(commit.size, commit.root),
    },
  };
  const { log, writer, publisher, tailRoom, sealer, sources } = assemble(found, options);
  // The first room is waited for, so that a disk that is full from the start is known before anything is taken.
  await tailRoom.grown();
  if (birth !== undefined && state.tree.size === 0) {
    const { origin, vkeys } = identity.settings;
    const settings = crypto.sha256(formatSettings(identity.settings));
    const nonce = randomBytes(16);
    const { succeeds } = birth;
    writer.appendSystem(logCreated({ origin, vkeys, nonce, settings, succeeds }));
  }
  tellRecovered(recovered, writer, witnesses);
  const startSources = (): void => sources.start(() => writer.wake());
  if (witnesses === undefined) startSources();
  else witnesses.whenOpen(startSources);
  await writer.idle();
  if (writer.failure !== undefined) {
    await log.abandon();
    throw writer.failure;
  }
  sealer.kick();
  if (witnesses !== undefined) publisher.start();
  return log;
}

/** Its entry is of a new size, so it waits until no witness can have seen another log of that size. */
function tellRecovered(
  { rest }: Recovered,
  writer: Writer,
  witnesses: LogWitnesses | undefined,
): void {
  if (rest === undefined) return;
  const tell = (): void => writer.appendSystem(logRecovered(rest));
  if (witnesses === undefined) tell();
  else witnesses.whenOpen(tell);
}

function makeWitnesses(
  store: LogStore,
  identity: LogIdentity,
  history: History,
  options: LogOptions,
): LogWitnesses | undefined {
  const { witnesses, clock = systemClock, crypto = nodeCrypto, limits } = options;
  if (witnesses === undefined) return undefined;
  return new LogWitnesses({
    options: witnesses,
    settings: identity.settings,
    store,
    crypto,
    clock,
    history,
    randomBytes: options.randomBytes ?? systemRandomBytes,
    signAll: (size, root) => identity.signPublished(size, root),
    alarm: (error) => options.onAlarm?.(error),
    waitingEventsMax: limits?.queueEventsMax ?? defaultWriterLimits.queueEventsMax,
  });
}

/** What was found on the medium. */
interface Found {
  readonly store: LogStore;
  readonly identity: LogIdentity;
  readonly idHasher: IdHasher;
  readonly state: Opened;
  readonly history: History;
  readonly witnesses: LogWitnesses | undefined;
  readonly published: SignedCheckpoint;
  readonly durable: SignedCheckpoint;
}

interface Assembled {
  readonly log: OpenedLog;
  readonly writer: Writer;
  readonly publisher: Publisher;
  readonly tailRoom: TailRoom;
  readonly sealer: Sealer;
  readonly sources: Sources;
}

function assemble(found: Found, options: LogOptions): Assembled {
  const { store, identity, state, history, witnesses } = found;
  const { clock = systemClock, crypto = nodeCrypto } = options;
  const { tree } = state;
  const { settings } = identity;
  const tailRoom = new TailRoom(store, tree, clock, settings.name);
  const sources = new Sources({ ...state.streams, clock });
  const writer = makeWriter(found, options, tailRoom, sources, () => log.committed());
  const publisher = new Publisher(
    {
      logName: settings.name,
      store,
      clock,
      witnesses: witnesses?.forPublisher(),
      intervalMs: options.publishIntervalMs ?? 1000,
      durable: () => writer.durable,
      signAll: (size, root) => identity.signPublished(size, root),
      stopped: () => (isCairnError(writer.failure, "tampered") ? writer.failure : undefined),
    },
    found.published,
  );
  witnesses?.begin({
    durable: () => writer.durable,
    published: () => publisher.published,
    appendSystem: (event) => writer.appendSystem(event),
    fail: (error) => writer.fail(error),
  });
  const sealer = new Sealer({
    store,
    tree,
    identity,
    crypto,
    clock,
    durableSize: () => writer.durable.size,
    putDerived: (first) => state.streams.sealing(first),
    prevOf: async (first) => (first === 0 ? genesisPrev() : history.leafHash(first - 1)),
    sealed: (first) => {
      tailRoom.forget(first);
      state.streams.sealed(first);
    },
    tampered: (error) => writer.fail(error),
  });
  const closeStore = (): Promise<void> => store.close();
  const log: OpenedLog = new OpenedLog({
    settings,
    tree,
    writer,
    sources,
    sourceWatch: new SourceWatch(sources, clock),
    blobs: new Blobs(store, () => writer.failure, options.blobBytesMax),
    history,
    publisher,
    sealer,
    tailRoom,
    witnesses,
    clock,
    closeStore,
  });
  return { log, writer, publisher, tailRoom, sealer, sources };
}

function makeWriter(
  { store, identity, idHasher, state, history, witnesses, durable }: Found,
  options: LogOptions,
  tailRoom: TailRoom,
  sources: Sources,
  committed: () => void,
): Writer {
  const { clock = systemClock, randomBytes = systemRandomBytes, crypto = nodeCrypto } = options;
  const sha256 = withSimd(crypto.sha256);
  const { tree, ids, commit, recovered } = state;
  const { name } = identity.settings;
  const randomFill = (bytes: Uint8Array): void => bytes.set(randomBytes(bytes.length));
  const duplicates = new Duplicates(
    sha256,
    name,
    (seq) => history.entry(seq),
    (seq, size) => history.inclusionProof(seq, size),
    (source, stream, number) => sources.find(source, stream, number),
  );
  return new Writer(
    {
      logName: name,
      store,
      tree,
      ids,
      idHasher,
      tailRoom,
      sources,
      clock,
      builder: new CommitBuilder(sha256, tree, recovered.prev, randomFill),
      duplicates,
      limits: { ...defaultWriterLimits, ...options.limits },
      sign: (size, root) => identity.signCommit(size, root),
      committed,
      failed: (error) => {
        witnesses?.stop(error);
        options.onFailure?.(error);
      },
    },
    durable,
    commit,
    recovered.lastTimeMs,
  );
}

/**
 * The settings must be those that entry 0 names: whoever can write `log.json` could otherwise declare a log public, and
 * its entries would be served to everybody.
 */
async function checkSettings(
  identity: LogIdentity,
  sha256: Sha256,
  history: History,
): Promise<void> {
  const { event } = parseEntryHead((await history.entry(0)).bytes);
  const created = JSON.parse(parseUtf8(event)) as { details?: { settings?: unknown } };
  const expected = base64(sha256(formatSettings(identity.settings)));
  if (created.details?.settings === expected) return;
  const { name } = identity.settings;
  throw new CairnError(
    "tampered",
    `${logPath} of the log ${name} is not what entry 0 names: it was edited after the log was created; put the ` +
      "right file back",
    { place: { log: name, path: logPath } },
  );
}

/**
 * The published checkpoint that the log remembers. One that is larger than the log, or of another root, means that
 * acknowledged data was rolled back or changed.
 */
async function readPublished(
  store: LogStore,
  identity: LogIdentity,
  crypto: Crypto,
  committedSize: number,
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
  const damaged = (why: string, cause?: unknown): CairnError =>
    new CairnError("tampered", `the published checkpoint of ${name} is damaged: ${why}`, {
      cause,
      place,
    });
  const { checkpoint, verified } = await verifyCheckpoint(crypto, bytes, keys, origin).catch(
    (cause: unknown) => {
      throw damaged(cause instanceof Error ? cause.message : String(cause), cause);
    },
  );
  // Any one signature is enough for others; what we wrote has all of them.
  if (verified.length !== keys.length) throw damaged("it lacks a signature of this log");
  const { size, root } = checkpoint;
  if (size > committedSize) {
    throw new CairnError(
      "tampered",
      `the log ${name} was rolled back: it has published ${size} entries, and its newest commit knows ` +
        `${committedSize}. It does not start; go on from a mirror or copy that verifies, or begin a successor`,
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
