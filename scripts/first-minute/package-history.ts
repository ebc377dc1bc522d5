/**
 * What the machine's package manager did, as `change.*` events: from the logs that it keeps anyway,
 * and failing all, from what npm has installed in this checkout. The id is a hash of the rest of
 * the event, so that the same line is recorded once, and another reading of it (the machine's time
 * zone was changed) is another event.
 */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";

export interface PackageHistory {
  /** For people: `dpkg`. */
  readonly name: string;
  readonly events: readonly object[];
}

interface Change {
  readonly verb: "install" | "upgrade" | "remove";
  /** RFC 3339. */
  readonly time: string | undefined;
  readonly manager: string;
  readonly target: string;
  readonly details: Readonly<Record<string, string>>;
}

type Reader = () => readonly Change[];

const changesMax = 20_000;
const readBytesMax = 32 * 1024 * 1024;

/**
 * The first package manager that has something to tell. `at` is where its files begin, for tests.
 */
export function readPackageHistory(at = "/"): PackageHistory | undefined {
  const lines = (path: string, parse: (line: string) => Change | undefined): Reader => {
    return () => readLines(join(at, path)).flatMap((line) => parse(line) ?? []);
  };
  const readers: Readonly<Record<string, Reader>> = {
    dpkg: lines("var/log/dpkg.log", parseDpkg),
    apt: () => parseApt(readLines(join(at, "var/log/apt/history.log"))),
    pacman: lines("var/log/pacman.log", parsePacman),
    dnf: lines("var/log/dnf.rpm.log", parseDnf),
    brew: () =>
      ["opt/homebrew/Cellar", "usr/local/Cellar", "home/linuxbrew/.linuxbrew/Cellar"].flatMap(
        (cellar) => readCellar(join(at, cellar)),
      ),
  };
  for (const [name, read] of Object.entries(readers)) {
    const changes = read().slice(-changesMax);
    if (changes.length > 0) return { name, events: changes.map(eventOf) };
  }
  return undefined;
}

/** What npm has installed here. */
export function readNpmInstalls(root: string): PackageHistory {
  const text =
    readText(join(root, "node_modules", ".package-lock.json")) ??
    readText(join(root, "package-lock.json"));
  const lock =
    text === undefined
      ? {}
      : (JSON.parse(text) as {
          packages?: Record<string, { version?: string; integrity?: string }>;
        });
  const changes: Change[] = [];
  for (const [path, { version, integrity }] of Object.entries(lock.packages ?? {})) {
    if (!path.startsWith("node_modules/") || version === undefined) continue;
    const name = path.slice(path.lastIndexOf("node_modules/") + "node_modules/".length);
    changes.push({
      verb: "install",
      time: undefined,
      manager: "npm",
      target: name,
      details: { version, ...(integrity === undefined ? {} : { integrity }) },
    });
  }
  return { name: "npm", events: changes.map(eventOf) };
}

/** `2025-06-24 14:36:25 upgrade libsystemd0:amd64 252.36-1 252.38-1`, in the machine's own zone. */
export function parseDpkg(line: string): Change | undefined {
  const parts = /^([0-9-]{10}) ([0-9:]{8}) (install|upgrade|remove|purge) (\S+) (\S+) (\S+)$/.exec(
    line,
  );
  if (parts === null) return undefined;
  const [, date, clock, verb, target, before, after] = parts;
  return {
    verb: verb === "purge" ? "remove" : (verb as Change["verb"]),
    time: localTime(`${date}T${clock}`),
    manager: "dpkg",
    target: target!,
    details: versions(before!, after!),
  };
}

/** Paragraphs of `Start-Date`, `Commandline`, `Requested-By`, `Install`, `Upgrade`, `Remove`. */
export function parseApt(lines: readonly string[]): Change[] {
  const changes: Change[] = [];
  let time: string | undefined;
  let common: Record<string, string> = {};
  for (const line of lines) {
    const [, name, value] = /^([A-Za-z-]+): (.*)$/.exec(line) ?? [];
    if (name === undefined || value === undefined) continue;
    if (name === "Start-Date") {
      time = localTime(value.replace(/ +/, "T"));
      common = {};
    } else if (name === "Commandline") common["command"] = value.slice(0, 500);
    else if (name === "Requested-By") common["requestedBy"] = value.slice(0, 200);
    const verb = { Install: "install", Upgrade: "upgrade", Remove: "remove", Purge: "remove" }[
      name
    ];
    if (verb === undefined) continue;
    for (const [, target, version] of value.matchAll(/(\S+) \(([^)]*)\)/g)) {
      changes.push({
        verb: verb as Change["verb"],
        time,
        manager: "apt",
        target: target!,
        details: { version: version!, ...common },
      });
    }
  }
  return changes;
}

/** `[2024-01-01T10:00:00+0000] [ALPM] upgraded linux (6.6.8 -> 6.6.9)` */
export function parsePacman(line: string): Change | undefined {
  const parts =
    /^\[([0-9-]{10}T[0-9:]{8})([+-][0-9]{2})([0-9]{2})\] \[ALPM\] (installed|upgraded|downgraded|removed) (\S+) \(([^)]*)\)$/.exec(
      line,
    );
  if (parts === null) return undefined;
  const [, clock, hours, minutes, verb, target, version] = parts;
  const verbs = {
    installed: "install",
    upgraded: "upgrade",
    downgraded: "upgrade",
    removed: "remove",
  } as const;
  return {
    verb: verbs[verb as keyof typeof verbs],
    time: `${clock}${hours}:${minutes}`,
    manager: "pacman",
    target: target!,
    details: { version: version! },
  };
}

/** `2024-01-01T10:00:00+0000 SUBDEBUG Upgraded: bash-5.2.15-3.fc38.x86_64` */
export function parseDnf(line: string): Change | undefined {
  const parts =
    /^([0-9-]{10}T[0-9:]{8})(Z|([+-][0-9]{2}):?([0-9]{2})) SUBDEBUG (Installed|Upgrade|Erase): (\S+)$/.exec(
      line,
    );
  if (parts === null) return undefined;
  const [, clock, zone, hours, minutes, verb, target] = parts;
  const verbs = { Installed: "install", Upgrade: "upgrade", Erase: "remove" } as const;
  return {
    verb: verbs[verb as keyof typeof verbs],
    time: zone === "Z" ? `${clock}Z` : `${clock}${hours}:${minutes}`,
    manager: "dnf",
    target: target!,
    details: {},
  };
}

/** Homebrew leaves a receipt beside each version of a formula. */
function readCellar(cellar: string): Change[] {
  const changes: Change[] = [];
  for (const formula of namesIn(cellar)) {
    for (const version of namesIn(join(cellar, formula))) {
      const text = readText(join(cellar, formula, version, "INSTALL_RECEIPT.json"));
      if (text === undefined) continue;
      let time: string | undefined;
      try {
        const { time: seconds } = JSON.parse(text) as { time?: number };
        if (typeof seconds === "number") time = new Date(seconds * 1000).toISOString();
      } catch {
        // A receipt without a readable time is a receipt all the same.
      }
      changes.push({
        verb: "install",
        time,
        manager: "brew",
        target: formula,
        details: { version },
      });
    }
  }
  return changes.sort((a, b) => ((a.time ?? "") < (b.time ?? "") ? -1 : 1));
}

function eventOf({ verb, time, manager, target, details }: Change): object {
  const event = {
    type: `change.${verb}`,
    ...(time === undefined ? {} : { time }),
    actor: { id: manager, type: "system" },
    action: verb,
    targets: [{ type: "package", id: target.toWellFormed() }],
    outcome: "success",
    details,
  };
  const id = createHash("sha256").update(JSON.stringify(event)).digest("hex").slice(0, 40);
  return { id: `${manager}-${id}`, ...event };
}

function versions(before: string, after: string): Record<string, string> {
  const isSome = (version: string): boolean => version !== "<none>";
  return {
    ...(isSome(before) ? { before } : {}),
    ...(isSome(after) ? { after } : {}),
  };
}

/** A time in the machine's zone, `YYYY-MM-DDTHH:MM:SS`, in UTC; undefined where it is none. */
function localTime(text: string): string | undefined {
  const date = /^[0-9-]{10}T[0-9:]{8}$/.test(text) ? new Date(text) : undefined;
  return date === undefined || Number.isNaN(date.getTime()) ? undefined : date.toISOString();
}

function readLines(path: string): string[] {
  return (readText(path) ?? "").split("\n");
}

/** A file's text; undefined where there is none, or nobody lets us. */
function readText(path: string): string | undefined {
  try {
    return statSync(path).size > readBytesMax ? undefined : readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
