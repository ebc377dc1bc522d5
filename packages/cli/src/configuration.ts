/**
 * Puts the settings together: flags over variables over `cairn.yaml` over defaults, remembering
 * where each came from.
 */
import { existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { CairnError } from "@cairnlog/core";
import { readConfigFile, type ConfigFile } from "./config-file.ts";
import type { Io } from "./io.ts";
import { findNearest } from "./nearest.ts";
import { pathType } from "./setting-types.ts";
import {
  flagOf,
  settingNames,
  settingOf,
  variableOf,
  type SettingName,
  type Settings,
} from "./settings.ts";

export type Level = "flag" | "environment" | "file" | "default";

export interface Origin {
  readonly level: Level;
  /** `--listen`, `CAIRN_LISTEN`, `cairn.yaml:3`, or "" for a default. */
  readonly place: string;
  /** The value as text; undefined where there is none. */
  readonly text: string | undefined;
}

export interface Configuration {
  readonly values: Settings;
  readonly origins: ReadonlyMap<SettingName, Origin>;
  /** The file that was read, if any. */
  readonly file: string | undefined;
  /** What is probably a mistake, each in a sentence. */
  readonly warnings: readonly string[];
}

const fileName = "cairn.yaml";
const prefix = "CAIRN_";
const precedence: readonly Level[] = ["flag", "environment", "file", "default"];

/** `flags` holds what the command line gave; lists are joined with commas. */
export function readConfiguration(
  io: Pick<Io, "env" | "cwd">,
  flags: Readonly<Partial<Record<SettingName, string>>>,
  configFlag: string | undefined,
): Configuration {
  const { file, shown } = findFile(io, configFlag);
  const fromFile: ConfigFile = file === undefined ? new Map() : readConfigFile(file, shown);
  const origins = new Map<SettingName, Origin>();
  const values: Partial<Record<SettingName, unknown>> = {};
  for (const name of settingNames) {
    const origin = originOf(name, flags, io.env, fromFile);
    origins.set(name, origin);
    const { type } = settingOf(name);
    if (origin.text === undefined) continue;
    const value = type.parse(origin.text, origin.place || name);
    values[name] =
      type.placeholder === pathType.placeholder ? resolve(io.cwd, String(value)) : value;
  }
  return { values: values as Settings, origins, file, warnings: misspelled(io.env) };
}

function originOf(
  name: SettingName,
  flags: Readonly<Partial<Record<SettingName, string>>>,
  env: Io["env"],
  file: ConfigFile,
): Origin {
  const flag = flags[name];
  if (flag !== undefined) return { level: "flag", place: `--${flagOf(name)}`, text: flag };
  const variable = env[variableOf(name)];
  if (variable !== undefined && variable !== "") {
    return { level: "environment", place: variableOf(name), text: variable };
  }
  // https://no-color.org: any value that is not empty.
  if (name === "color" && (env["NO_COLOR"] ?? "") !== "") {
    return { level: "environment", place: "NO_COLOR", text: "never" };
  }
  const inFile = file.get(name);
  if (inFile !== undefined) return { level: "file", ...inFile };
  return { level: "default", place: "", text: settingOf(name).default };
}

function findFile(
  { env, cwd }: Pick<Io, "env" | "cwd">,
  configFlag: string | undefined,
): { file: string | undefined; shown: string } {
  const named = configFlag ?? (env["CAIRN_CONFIG"] || undefined);
  if (named !== undefined) return { file: resolve(cwd, named), shown: named };
  const file = resolve(cwd, fileName);
  return { file: existsSync(file) ? file : undefined, shown: fileName };
}

/**
 * Variables that look like a misspelled setting. Only a warning: an orchestrator sets variables of
 * its own, such as `CAIRN_SERVICE_HOST` for a service named cairn.
 */
function misspelled(env: Io["env"]): string[] {
  const known = settingNames.map(variableOf);
  const warnings: string[] = [];
  for (const name of Object.keys(env)) {
    if (!name.startsWith(prefix) || name === "CAIRN_CONFIG" || known.includes(name)) continue;
    const near = findNearest(
      name.slice(prefix.length),
      known.map((each) => each.slice(prefix.length)),
    );
    if (near === undefined) continue;
    warnings.push(`there is no setting for the variable ${name}; did you mean ${prefix}${near}?`);
  }
  return warnings;
}

/** The API key to send, from `key` or `keyFile`, whichever was said nearer to the command line. */
export function findApiKey({ values, origins }: Configuration): string | undefined {
  const { key, keyFile } = values;
  if (key === undefined && keyFile === undefined) return undefined;
  if (keyFile === undefined || (key !== undefined && !isNearer(origins, "keyFile", "key")))
    return key;
  let text: string;
  try {
    text = readFileSync(keyFile, "utf8").trim();
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new CairnError("usage", `the API key cannot be read: ${why}`, {
      cause,
      place: { path: keyFile },
    });
  }
  if (/^\S+$/.test(text)) return text;
  throw new CairnError("usage", `${keyFile} does not hold one API key and nothing else`, {
    place: { path: keyFile },
  });
}

/** Whether setting `a` was said at a level that comes before that of `b`. */
export function isNearer(
  origins: Configuration["origins"],
  a: SettingName,
  b: SettingName,
): boolean {
  return precedence.indexOf(origins.get(a)!.level) < precedence.indexOf(origins.get(b)!.level);
}
