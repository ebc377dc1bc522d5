/** Sources as the server uses them: whose delivery is this? A change of the file is noticed without a restart. */
import type { Clock } from "@cairnlog/log";
import { WatchedFile } from "../watched-file.ts";
import { parseSourceFile, type Source } from "./source-file.ts";

/** Where the server gets its sources from. */
export interface SourceRegistry {
  /** Not older than a second; `isFresh` asks for what is there right now. "unavailable". */
  list(isFresh?: boolean): readonly Source[];
}

/** Reads sources from the file at `path`, which need not exist yet. */
export function sourceRing(path: string, clock: Pick<Clock, "monotonic">): SourceRegistry {
  const file = new WatchedFile<readonly Source[]>(path, "its sources", clock, (text) =>
    text === undefined ? [] : parseSourceFile(text, "sources.json"),
  );
  return { list: (isFresh) => (isFresh === true ? file.getNow() : file.get()) };
}

/** What a server has that was given no sources. */
export const noSources: SourceRegistry = { list: () => [] };
