/** The sources of a data folder, at rest: adding, listing, changing, removing. A running server notices at once. */
import { join } from "node:path";
import { CairnError } from "@cairnlog/core";
import { readWhole, replaceWhole } from "../replaced-file.ts";
import { formatSourceFile, parseSourceFile, type Source } from "./source-file.ts";

const fileName = "sources.json";

export function sourcesPath(dataFolder: string): string {
  return join(dataFolder, fileName);
}

/** In the order in which they were added; none where there is no file. */
export function listSources(dataFolder: string): Source[] {
  const text = readWhole(sourcesPath(dataFolder));
  return text === undefined ? [] : parseSourceFile(text, fileName);
}

/** "not_found". */
export function findSource(dataFolder: string, name: string): Source {
  const source = listSources(dataFolder).find((one) => one.name === name);
  if (source === undefined) throw unknownSource(name);
  return source;
}

/** Adds a source. "conflict" where the name is taken, "usage" if something about it is not allowed. */
export function addSource(dataFolder: string, source: Source): void {
  update(dataFolder, (sources) => {
    if (sources.some(({ name }) => name === source.name)) {
      throw new CairnError("conflict", `there is a source ${source.name} already`);
    }
    return [...sources, source];
  });
}

/** Replaces the source of that name by what `change` makes of it; returns the new one. "not_found", "usage". */
export function changeSource(
  dataFolder: string,
  name: string,
  change: (source: Source) => Source,
): Source {
  let changed: Source | undefined;
  update(dataFolder, (sources) =>
    sources.map((source) => (source.name === name ? (changed = change(source)) : source)),
  );
  if (changed === undefined) throw unknownSource(name);
  return changed;
}

/** Returns what it was. "not_found". What it has recorded stays. */
export function removeSource(dataFolder: string, name: string): Source {
  let removed: Source | undefined;
  update(dataFolder, (sources) => {
    removed = sources.find((source) => source.name === name);
    if (removed === undefined) throw unknownSource(name);
    return sources.filter((source) => source !== removed);
  });
  return removed!;
}

function update(dataFolder: string, change: (sources: Source[]) => Source[]): void {
  replaceWhole(sourcesPath(dataFolder), "the sources", (text) => {
    const changed = change(text === undefined ? [] : parseSourceFile(text, fileName));
    const next = formatSourceFile(changed);
    // What could not be read back must not be written.
    try {
      parseSourceFile(next, fileName);
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : "";
      throw new CairnError("usage", `the source cannot be kept: ${why}`, { cause });
    }
    return next;
  });
}

function unknownSource(name: string): CairnError {
  const shown = JSON.stringify(name.slice(0, 80));
  return new CairnError("not_found", `there is no source ${shown}: see \`cairn sources list\``);
}
