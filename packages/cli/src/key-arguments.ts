/** Arguments that name files and places: verifier keys, policies, checkpoints, addresses, buckets. */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import {
  CairnError,
  parsePolicy,
  parseVkey,
  policyOfKeys,
  withLogKeys,
  type Policy,
} from "@cairnlog/core";
import { nodeCrypto } from "@cairnlog/crypto";
import type { GivenOptions, OptionSpec } from "./command.ts";

const { sha256 } = nodeCrypto;

export const vkeyOption: OptionSpec = {
  flags: "--vkey <key>",
  about: "a verifier key of the log, or a file with one a line; may be repeated",
  isList: true,
};

/** Whom `--policy` and `--vkey` trust, together; undefined where neither is given. */
export function givenPolicy(cwd: string, options: GivenOptions): Policy | undefined {
  const policy = readPolicy(cwd, options);
  const given = options.list("vkey").flatMap((text) => readVkeys(cwd, text));
  if (policy === undefined) return given.length === 0 ? undefined : policyOfVkeys(given);
  const vkeys = given.map((text) => parseVkey(sha256, text));
  return withLogKeys(sha256, policy, vkeys);
}

/** The policy of `--policy` alone. */
export function readPolicy(cwd: string, options: GivenOptions): Policy | undefined {
  const path = options.text("policy");
  if (path === undefined) return undefined;
  return parsePolicy(sha256, readArgument(cwd, path, "--policy"));
}

/** Whom these keys of logs trust: no witness is asked for. */
export function policyOfVkeys(vkeys: readonly string[]): Policy {
  return policyOfKeys(
    sha256,
    vkeys.map((text) => parseVkey(sha256, text)),
  );
}

/** A verifier key as it is, or a file that holds one a line. */
export function readVkeys(cwd: string, text: string): string[] {
  if (/^[^+]+\+[0-9a-f]{8}\+/.test(text)) return [text];
  const lines = new TextDecoder().decode(readArgument(cwd, text, "--vkey")).split("\n");
  return lines.map((line) => line.trim()).filter((line) => line !== "");
}

/** The file that `flag` names. "usage" where it cannot be read. */
export function readArgument(cwd: string, path: string, flag: string): Uint8Array {
  try {
    return readFileSync(resolve(cwd, path));
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new CairnError("usage", `${flag}: ${why}`, { cause, place: { path } });
  }
}

/** Where a log's tiles lie: an address as it is; of a server's without a path, the place of the log there. */
export function tilesAddress(url: string, log: string): string {
  const isServer = URL.canParse(url) && new URL(url).pathname === "/";
  const base = url.replace(/\/checkpoint$/, "").replace(/\/+$/, "");
  return isServer ? `${base}/logs/${log}/` : `${base}/`;
}

/** True for what can only be meant as a place in a bucket. Who asks it does not load what talks to one. */
export function isBucket(text: string): boolean {
  return /^s3:\/\//i.test(text);
}
