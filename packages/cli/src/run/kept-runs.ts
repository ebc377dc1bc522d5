/**
 * What is known of runs that the log does not have yet, in a folder of this user: one file for each run, made before
 * the command starts. While the command runs, the file holds the event that is true if nothing more is heard of it
 * (outcome unknown); if the log could not be reached at the end, it holds what is to be recorded instead, and the
 * output lies beside it. Each `cairn run` first delivers what runs before it have left behind.
 *
 * Delivering twice does no harm: events have ids, and blobs their hash. A file belongs to the process whose number it
 * names until that process is gone.
 */
import { closeSync, fsyncSync, mkdirSync, openSync, readdirSync, readFileSync } from "node:fs";
import { renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { utf8 } from "@cairnlog/core";
import { isObject } from "@cairnlog/capture";
import { readBlobFile, type BlobFile } from "../blob-file.ts";
import type { LogSink } from "../log-view.ts";

type Environment = Readonly<Record<string, string | undefined>>;

interface Kept {
  readonly process: number;
  /** Where the events belong: `https://audit.example.com main`. */
  readonly log: string;
  readonly events: readonly object[];
  /** What the blob beside the file is named by in the events. */
  readonly blob?: { readonly mediaType: string; readonly role: string };
}

const nameForm = /^[0-9a-f-]{36}\.json$/;
/** So that many that wait do not keep the command from starting. */
const deliveredAtOnce = 20;

/** $XDG_STATE_HOME/cairn/runs, as the XDG Base Directory Specification has it; undefined for nobody's home. */
export function runsFolder(env: Environment): string | undefined {
  const { XDG_STATE_HOME: state, HOME: home } = env;
  if (state !== undefined && state.startsWith("/")) return join(state, "cairn", "runs");
  if (home !== undefined && home.startsWith("/")) {
    return join(home, ".local", "state", "cairn", "runs");
  }
  return undefined;
}

export class KeptRun {
  readonly #path: string;
  readonly #log: string;

  private constructor(path: string, log: string) {
    this.#path = path;
    this.#log = log;
  }

  static begin(folder: string, id: string, log: string, events: readonly object[]): KeptRun {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const run = new KeptRun(join(folder, `${id}.json`), log);
    run.keep(events);
    return run;
  }

  /** Replaces the events, durably. */
  keep(events: readonly object[], blob?: BlobFile["name"]): void {
    const kept: Kept = {
      process: process.pid,
      log: this.#log,
      events,
      ...(blob === undefined ? {} : { blob: { mediaType: blob.mediaType!, role: blob.role! } }),
    };
    writeDurably(this.#path, utf8(JSON.stringify(kept)));
  }

  async keepWithBlob(events: readonly object[], blob: BlobFile): Promise<void> {
    const pieces: Uint8Array[] = [];
    for await (const piece of blob.open() as AsyncIterable<Uint8Array>) pieces.push(piece);
    writeDurably(castPath(this.#path), Buffer.concat(pieces));
    this.keep(events, blob.name);
  }

  /** The log has it all. */
  remove(): void {
    removeKept(this.#path);
  }
}

/** Delivers what dead processes left for this log. Returns how many runs; what fails stays for the next time. */
export async function deliverKept(folder: string, log: string, sink: LogSink): Promise<number> {
  let delivered = 0;
  for (const name of keptNames(folder)) {
    const path = join(folder, name);
    const kept = readKept(path);
    if (kept === undefined || kept.log !== log || isAlive(kept.process)) continue;
    if (delivered === deliveredAtOnce) break;
    if (kept.blob !== undefined) {
      const { name: found, open } = await readBlobFile(castPath(path), castPath(path));
      await sink.putBlob({ name: { ...found, ...kept.blob }, open });
    }
    for (const event of kept.events) await recordOnce(sink, event);
    removeKept(path);
    delivered++;
  }
  return delivered;
}

/** Records one event. One with this id that is there already is as good: the first word about an end stands. */
async function recordOnce(sink: LogSink, event: object): Promise<void> {
  const bytes = utf8(JSON.stringify(event));
  const { outcomes } = await sink.append({ form: "one", bytes }, "short");
  const [outcome] = outcomes;
  if (outcome === undefined || !("error" in outcome)) return;
  if (outcome.error.code !== "conflict") throw outcome.error;
}

function keptNames(folder: string): string[] {
  try {
    return readdirSync(folder).filter((name) => nameForm.test(name));
  } catch {
    return [];
  }
}

/** Undefined for a file that another process has just removed, or that is none of ours. */
function readKept(path: string): Kept | undefined {
  try {
    const value: unknown = JSON.parse(readFileSync(path, "utf8"));
    if (!isObject(value) || typeof value["process"] !== "number") return undefined;
    return Array.isArray(value["events"]) ? (value as unknown as Kept) : undefined;
  } catch {
    return undefined;
  }
}

/** Whether there is a process of that number, be it whose it may. */
export function isAlive(process_: number): boolean {
  try {
    process.kill(process_, 0);
    return true;
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}

function castPath(path: string): string {
  return path.replace(/json$/, "cast");
}

/** The output last: a file without it would name what is gone. */
function removeKept(path: string): void {
  rmSync(path, { force: true });
  rmSync(castPath(path), { force: true });
}

function writeDurably(path: string, bytes: Uint8Array): void {
  const partial = `${path}.partial`;
  const file = openSync(partial, "w", 0o600);
  try {
    writeFileSync(file, bytes);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(partial, path);
}
