/**
 * `cairn.yaml`: read strictly. A key that nobody knows is a mistake that would otherwise go
 * unnoticed for years, so it is an error with its line, column and the key that was probably meant.
 * YAML's own surprises (anchors, tags, duplicate keys, several documents) are not for configuration
 * and refused.
 */
import { readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { CairnError } from "@cairnlog/core";
import { isMap, isScalar, isSeq, LineCounter, parseAllDocuments, type ParsedNode } from "yaml";
import { findNearest } from "./nearest.ts";
import { pathType } from "./setting-types.ts";
import { keyOf, settingNames, settingOf, type SettingName } from "./settings.ts";

export interface FileValue {
  readonly text: string;
  /** `cairn.yaml:3` */
  readonly place: string;
}

export type ConfigFile = ReadonlyMap<SettingName, FileValue>;

/**
 * Reads the file at `path`; `shown` is what messages call it. "usage" for whatever is wrong with
 * it.
 */
export function readConfigFile(path: string, shown: string): ConfigFile {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (cause) {
    throw new CairnError(
      "usage",
      `the configuration file ${shown} cannot be read: ${messageOf(cause)}`,
      {
        cause,
        place: { path: shown },
      },
    );
  }
  return parseConfig(text, shown, dirname(path));
}

/** `folder` is where relative paths in the file begin. */
export function parseConfig(text: string, shown: string, folder: string): ConfigFile {
  return new Reading(text, shown, folder).read();
}

class Reading {
  readonly #text: string;
  readonly #shown: string;
  readonly #folder: string;
  readonly #lines = new LineCounter();
  readonly #found = new Map<SettingName, FileValue>();

  constructor(text: string, shown: string, folder: string) {
    this.#text = text;
    this.#shown = shown;
    this.#folder = folder;
  }

  read(): ConfigFile {
    const documents = parseAllDocuments(this.#text, {
      lineCounter: this.#lines,
      strict: true,
      uniqueKeys: true,
      version: "1.2",
      prettyErrors: false,
    });
    const [document] = documents;
    if (!Array.isArray(documents) || document === undefined) return this.#found;
    for (const problem of [...document.errors, ...document.warnings]) {
      throw this.#refuse(problem.pos[0], problem.message);
    }
    if (documents.length > 1) {
      throw this.#refuse(documents[1]!.range[0], "expected one YAML document");
    }
    const { contents } = document;
    if (contents === null || (isScalar(contents) && contents.value === null)) return this.#found;
    this.#readMap(contents, undefined);
    return this.#found;
  }

  #readMap(node: ParsedNode, under: "limits" | undefined): void {
    if (!isMap(node)) {
      throw this.#refuse(
        node.range[0],
        `expected "key: value" lines${under ? ` under ${under}` : ""}`,
      );
    }
    for (const { key, value } of node.items) {
      const at = key.range[0];
      const name = isScalar(key) ? String(key.value) : "";
      const names = settingNames.filter((each) => settingOf(each).under === under);
      if (under === undefined && name === "limits") {
        if (value !== null && !(isScalar(value) && value.value === null))
          this.#readMap(value, name);
        continue;
      }
      const setting = names.find((each) => each === name);
      if (setting === undefined) throw this.#unknownKey(at, name, under);
      if (value === null) throw this.#refuse(at, `${name} has no value`);
      this.#take(setting, value);
    }
  }

  #unknownKey(at: number, name: string, under: "limits" | undefined): CairnError {
    const near = findNearest(name, [...settingNames, "limits"]);
    const isSetting = settingNames.some((each) => each === near);
    const meant = isSetting ? keyOf(near as SettingName) : near;
    const todo = meant === undefined ? "`cairn config print` lists them" : `Did you mean ${meant}?`;
    const shown = JSON.stringify((under === undefined ? "" : `${under}.`) + name.slice(0, 80));
    return this.#refuse(at, `unknown key ${shown}. ${todo}`);
  }

  #take(name: SettingName, node: ParsedNode): void {
    const at = node.range[0];
    const place = `${this.#shown}:${this.#lines.linePos(at).line}`;
    const { type } = settingOf(name);
    const text = isSeq(node)
      ? node.items.map((item) => this.#scalar(name, item)).join(",")
      : this.#scalar(name, node);
    try {
      type.parse(text, name);
    } catch (error) {
      throw this.#refuse(at, messageOf(error));
    }
    const isPath = type.placeholder === pathType.placeholder;
    this.#found.set(name, { text: isPath ? resolve(this.#folder, text) : text, place });
  }

  /** A scalar as it is spelled: `0777`, `1e3` and `yes` stay what was typed. */
  #scalar(name: string, node: ParsedNode): string {
    if (isScalar(node) && node.value !== null && node.anchor === undefined) {
      if (typeof node.value === "string") return node.value;
      return node.source;
    }
    throw this.#refuse(node.range[0], `${name}: expected a plain value`);
  }

  #refuse(offset: number, why: string): CairnError {
    const { line, col } = this.#lines.linePos(offset);
    return new CairnError("usage", `${this.#shown}, line ${line}, column ${col}: ${why}`, {
      place: { path: this.#shown },
    });
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
