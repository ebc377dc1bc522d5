/**
 * What a follower of somebody else's log remembers from one look to the next: the newest checkpoint that it found
 * true, and where to go on. Without this memory a log could show it a new history each time.
 *
 * The file has one spelling; one that was edited is refused, because what it says is what the log is held to.
 */
import {
  base64,
  CairnError,
  isCairnError,
  isSameBytes,
  parseBase64,
  parseCheckpoint,
  parseNote,
  parseUtf8,
  utf8,
  type Hash,
  type ParsedCheckpoint,
} from "@cairnlog/core";
import { chainBegin, type ChainPosition } from "@cairnlog/verify";

/** A place between two full bundles, and all that going on from there needs. */
export interface FollowPosition extends ChainPosition {
  /** A multiple of 256. */
  readonly size: number;
  /** The right edge of the tree of that size: see `RightEdge`. */
  readonly peaks: readonly Hash[];
}

export interface FollowState {
  /** The newest checkpoint that was found true, a signed note; undefined before the first. */
  readonly note: string | undefined;
  /** The last multiple of 256 in that checkpoint's tree. */
  readonly base: FollowPosition;
  /**
   * How far a longer walk has come towards a newer checkpoint; else `base`. Its entries are of some tree that continues
   * `note`'s, but of which one only the end of the walk will say.
   */
  readonly walked: FollowPosition;
}

export const stateByteLengthMax = 64 * 1024;
const format = "cairn-follow/1";
const begin: FollowPosition = { ...chainBegin, peaks: [] };

/** Nothing was seen yet. */
export const firstState: FollowState = { note: undefined, base: begin, walked: begin };

/** The checkpoint of a state; undefined before the first. */
export function checkpointOf({ note }: FollowState): ParsedCheckpoint | undefined {
  if (note === undefined) return undefined;
  return parseCheckpoint(parseNote(utf8(note)).text, { allowExtensions: true });
}

export function formatFollowState({ note, base, walked }: FollowState): Uint8Array {
  const value = { format, note: note ?? null, base: toJson(base), walked: toJson(walked) };
  return utf8(`${JSON.stringify(value, undefined, 2)}\n`);
}

/** "malformed", or "unsupported_version" for a newer format. */
export function parseFollowState(bytes: Uint8Array, path: string): FollowState {
  const refuse = (why: string): CairnError => {
    const what = `${path} is not as it was written (${why})`;
    const advice = "restore it, or follow the log anew in another folder and compare";
    return new CairnError("malformed", `${what}: ${advice}`, { place: { path } });
  };
  try {
    const value = JSON.parse(parseUtf8(bytes)) as Record<string, unknown>;
    const given = value.format;
    if (given !== format && typeof given === "string" && /^cairn-follow\/[0-9]{1,5}$/.test(given)) {
      const what = `${path} has the format ${given}; this release knows ${format}: upgrade Cairn`;
      throw new CairnError("unsupported_version", what, { place: { path } });
    }
    if (value.note !== null && typeof value.note !== "string") throw refuse("its note is no text");
    const note = value.note ?? undefined;
    const state = { note, base: fromJson(value.base), walked: fromJson(value.walked) };
    if (!isSameBytes(formatFollowState(state), bytes)) throw refuse("it was edited");
    const size = checkpointOf(state)?.size ?? 0;
    if (state.base.size !== size - (size % 256) || state.walked.size < state.base.size) {
      throw refuse("its places do not fit its checkpoint");
    }
    return state;
  } catch (error) {
    if (isCairnError(error) && error.place.path === path) throw error;
    throw refuse(error instanceof Error ? error.message : "unreadable");
  }
}

function toJson({ size, prev, lastTimeMs, isOurs, peaks }: FollowPosition): object {
  const lastTime = lastTimeMs === -Infinity ? null : lastTimeMs;
  return { size, prev: base64(prev), lastTimeMs: lastTime, isOurs, peaks: peaks.map(base64) };
}

function fromJson(value: unknown): FollowPosition {
  const { size, prev, lastTimeMs, isOurs, peaks } = value as Record<string, unknown>;
  const isWell =
    typeof size === "number" &&
    Number.isSafeInteger(size) &&
    size >= 0 &&
    size % 256 === 0 &&
    (lastTimeMs === null || typeof lastTimeMs === "number") &&
    typeof isOurs === "boolean" &&
    Array.isArray(peaks);
  if (!isWell) throw new CairnError("malformed", "a place has another shape");
  return {
    size,
    prev: parseBase64(String(prev)),
    lastTimeMs: lastTimeMs ?? -Infinity,
    isOurs,
    peaks: peaks.map((peak) => parseBase64(String(peak))),
  };
}
