/**
 * Looks, writes down what changed, and sends it. Each look is whole and stands on the state on disk alone; what the
 * kernel tells (`watch-signal.ts`) only makes the next look come sooner. So nothing depends on the kernel telling all.
 * A file that changed twice between two looks is one change.
 */
import { CairnError, isCairnError, utf8, type NamedBlob } from "@cairnlog/core";
import { eventFrom } from "@cairnlog/capture";
import { readBlobFile } from "../blob-file.ts";
import type { LogSink } from "../log-view.ts";
import { changesBetween, type Change } from "./changes.ts";
import {
  changeRecord,
  diffMediaType,
  textOf,
  withBlob,
  withoutBlob,
  type ChangeContext,
} from "./change-events.ts";
import { isMatch, scan, type Selection, type Snapshot } from "./scan.ts";
import { blobsOfEvent, type WatchState } from "./watch-state.ts";

export interface WatcherOptions {
  readonly selection: Selection;
  /** Of these only hashes are recorded. */
  readonly hashOnly: readonly string[];
  readonly keepContent: boolean;
  readonly host: string;
  readonly now: () => number;
  readonly openSink: () => Promise<LogSink>;
}

/** Larger files are compared by their hash alone. */
const diffedBytesMax = 1024 * 1024;
const keptBytesMax = 16 * 1024 * 1024;
/** Then what comes is noticed later, when the log has taken some: the state on disk has its bounds too. */
const pendingMax = 10_000;
const batchEvents = 200;

export class Watcher {
  readonly #state: WatchState;
  readonly #options: WatcherOptions;
  /** Whether what the next look finds was made while nobody watched. */
  #isAway = true;

  constructor(state: WatchState, options: WatcherOptions) {
    this.#state = state;
    this.#options = options;
  }

  /** Remembers how everything is, and says that watching begins. Returns what changed while nobody watched. */
  async begin(): Promise<readonly Change[]> {
    const isNew = this.#state.isNew;
    const changes = await this.#look(isNew);
    const { roots } = this.#options.selection;
    const { hashOnly, keepContent } = this.#options;
    const manifest = this.#manifest();
    const event = this.#ownEvent("watch_started", {
      paths: roots.slice(0, 50),
      pathsCount: roots.length,
      files: this.#state.files.size,
      ...(isNew ? { isFirst: true } : { changedWhileAway: changes.length }),
      hashOnly: hashOnly.slice(0, 50),
      keepContent,
    });
    this.#state.pending = [...this.#state.pending, withBlob(event, manifest)];
    this.#state.save();
    this.#isAway = false;
    return changes;
  }

  /** Looks once; what changed is on disk when this resolves, with the events that tell it. */
  async look(): Promise<readonly Change[]> {
    if (this.#state.pending.length >= pendingMax) return [];
    return this.#look(false);
  }

  /** Says that nobody watches from here on. */
  end(): void {
    const event = this.#ownEvent("watch_stopped", { files: this.#state.files.size });
    this.#state.pending = [...this.#state.pending, event];
    this.#state.save();
  }

  /** Sends what waits, oldest first. Returns what the log refused for good: it does not wait any longer. */
  async deliver(): Promise<readonly CairnError[]> {
    if (this.#state.pending.length === 0) return [];
    const sink = await this.#options.openSink();
    const refused: CairnError[] = [];
    try {
      while (this.#state.pending.length > 0) {
        const batch: object[] = [];
        for (const event of this.#state.pending.slice(0, batchEvents)) {
          batch.push(await this.#putBlobs(sink, event));
        }
        const text = batch.map((event) => JSON.stringify(event)).join("\n");
        const { outcomes } = await sink.append({ form: "lines", bytes: utf8(text) }, "short");
        for (const outcome of outcomes) if ("error" in outcome) refused.push(outcome.error);
        this.#state.pending = this.#state.pending.slice(batch.length);
        this.#state.save();
      }
    } finally {
      await sink.close();
    }
    this.#state.tidy();
    return refused;
  }

  async #look(isBaseline: boolean): Promise<readonly Change[]> {
    const { selection, keepContent } = this.#options;
    const before = this.#state.files;
    const bytesMax = keepContent ? keptBytesMax : diffedBytesMax;
    const kept = new Set<string>();
    const after = await scan(selection, before, bytesMax, (path, root, content) => {
      if (this.#isHashOnly(path, root)) return;
      const isText = content.length <= diffedBytesMax && textOf(content) !== undefined;
      if (isText || keepContent) kept.add(this.#state.put(content).sha256);
    });
    const changes = isBaseline ? [] : changesBetween(before, after);
    const events = changes.flatMap((change) => this.#eventOf(change));
    if (changes.length === 0 && isSameStamps(before, after)) return changes;
    this.#state.files = after;
    this.#state.pending = [...this.#state.pending, ...events];
    this.#state.save();
    return changes;
  }

  #eventOf(change: Change): object {
    const { host, now, keepContent } = this.#options;
    const { texts, why } = this.#textsOf(change);
    const context: ChangeContext = {
      id: this.#state.nextEventId(),
      host,
      nowMs: now(),
      isWhileAway: this.#isAway,
      texts,
      whyNoDiff: why,
      content: keepContent ? this.#contentOf(change) : undefined,
    };
    const { event, largeDiff } = changeRecord(change, context);
    if (largeDiff === undefined) return event;
    const named = this.#state.put(utf8(largeDiff));
    return withBlob(event, { ...named, mediaType: diffMediaType, role: "diff" });
  }

  /** What a diff is made of; or why there is none, where the content changed. */
  #textsOf({ path, before, after }: Change): {
    texts?: ChangeContext["texts"];
    why: string | undefined;
  } {
    if (before?.sha256 === after?.sha256) return { why: undefined };
    const root = this.#rootOf(path);
    if (this.#isHashOnly(path, root)) return { why: "only hashes are recorded of this file" };
    const sides: string[] = [];
    for (const state of [before, after]) {
      if (state?.sha256 === undefined) {
        sides.push("");
        continue;
      }
      const isLarge = (state.byteLength ?? 0) > diffedBytesMax;
      const bytes = isLarge ? undefined : this.#state.get(state.sha256);
      const text = bytes === undefined ? undefined : textOf(bytes);
      if (text === undefined) return { why: isLarge ? "it is too large" : "it is no text" };
      sides.push(text);
    }
    return { texts: { before: sides[0]!, after: sides[1]! }, why: undefined };
  }

  #contentOf({ path, after }: Change): NamedBlob | undefined {
    if (after?.sha256 === undefined || this.#isHashOnly(path, this.#rootOf(path))) return undefined;
    const bytes = this.#state.get(after.sha256);
    if (bytes === undefined) return undefined;
    return { sha256: after.sha256, byteLength: bytes.length, role: "content" };
  }

  /** How everything is: a line of JSON for each path. */
  #manifest(): NamedBlob {
    const lines = [...this.#state.files].map(([path, { stamp: _stamp, inode: _inode, ...state }]) =>
      JSON.stringify({ path, ...state }),
    );
    const named = this.#state.put(utf8(`${lines.sort().join("\n")}\n`));
    return { ...named, mediaType: "application/x-ndjson", role: "manifest" };
  }

  #ownEvent(verb: string, details: object): object {
    const { host, now } = this.#options;
    return eventFrom({
      id: this.#state.nextEventId(),
      type: `change.${verb}`,
      time: new Date(now()).toISOString(),
      actor: { id: "cairn-watch", type: "service" },
      action: verb.replace("_", " "),
      targets: [{ type: "host", id: host }],
      details,
    });
  }

  #isHashOnly(path: string, root: string): boolean {
    return isMatch(this.#options.hashOnly, path, root);
  }

  #rootOf(path: string): string {
    const { roots } = this.#options.selection;
    return roots.find((root) => path === root || path.startsWith(`${root}/`)) ?? path;
  }

  /** The event, without those of its blobs that the log will never have: that must not hold up what comes after. */
  async #putBlobs(sink: LogSink, event: object): Promise<object> {
    let rest = event;
    for (const named of blobsOfEvent(event)) {
      try {
        const path = this.#state.contentPath(named.sha256);
        const { name, open } = await readBlobFile(path, path);
        if (name.sha256 !== named.sha256) throw new CairnError("unverified", `${path} was changed`);
        await sink.putBlob({ name: named, open });
      } catch (error) {
        const isForGood = ["usage", "unverified", "too_large"] as const;
        if (!isForGood.some((code) => isCairnError(error, code))) throw error;
        rest = withoutBlob(rest, named, (error as CairnError).message);
      }
    }
    return rest;
  }
}

function isSameStamps(before: Snapshot, after: Snapshot): boolean {
  if (before.size !== after.size) return false;
  return [...after].every(([path, { stamp }]) => before.get(path)?.stamp === stamp);
}
