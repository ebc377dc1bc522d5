/**
 * One fixture: a delivery as a sender puts it on the wire, and the events that must come of it. Lies in
 * `fixtures/<adapter>/<kind>.json`, with `/` and `:` of the kind as `-`; others than the adapter's known kinds may lie
 * beside them under any name.
 */
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Adapter, Delivery, SourceSettings } from "./adapter.ts";

export interface Fixture {
  readonly name: string;
  /** Produced by a sender that was run (`recorded`), or written from a published schema (`documented`). */
  readonly provenance: { readonly recorded: string } | { readonly documented: string };
  readonly source: SourceSettings;
  readonly nowMs: number;
  readonly delivery: Delivery;
  /** As a log would hold them: with the names of their blobs. */
  readonly events: readonly unknown[];
  readonly refused: readonly string[];
  readonly answer: {
    readonly status: number;
    readonly body: string;
    /** Those that matter. */
    readonly headers: Readonly<Record<string, string>>;
  };
}

interface FixtureFile {
  readonly provenance: Fixture["provenance"];
  readonly source?: { readonly secrets?: string[]; readonly options?: Record<string, string> };
  readonly nowMs?: number;
  readonly delivery: {
    readonly method?: string;
    readonly path?: string;
    readonly query?: string;
    readonly headers?: Record<string, string>;
    readonly body?: string;
    readonly bodyBase64?: string;
  };
  readonly events: readonly unknown[];
  readonly refused?: readonly string[];
  readonly answer?: {
    readonly status?: number;
    readonly body?: string;
    readonly headers?: Record<string, string>;
  };
}

const folder = fileURLToPath(new URL("../fixtures/", import.meta.url));

/** Kinds of adapters for which there are fixtures. */
export function fixtureKinds(): string[] {
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name)
    .sort();
}

export function fixtureName(kind: string): string {
  return kind.replaceAll(/[/:]/g, "-");
}

export function fixturesOf(adapter: Pick<Adapter, "kind">): Fixture[] {
  const own = `${folder}${adapter.kind}`;
  if (!existsSync(own)) return [];
  return readdirSync(own)
    .filter((file) => file.endsWith(".json"))
    .sort()
    .map((file) => readFixture(adapter.kind, file));
}

function readFixture(kind: string, file: string): Fixture {
  const path = `${folder}${kind}/${file}`;
  const read = JSON.parse(readFileSync(path, "utf8")) as FixtureFile;
  const { method = "POST", path: subPath = "", query = "", headers = {} } = read.delivery;
  const { body = "", bodyBase64 } = read.delivery;
  return {
    name: file.slice(0, -".json".length),
    provenance: read.provenance,
    source: {
      name: `${kind}-test`,
      secrets: read.source?.secrets ?? ["a-secret-of-the-fixtures"],
      options: read.source?.options ?? {},
    },
    nowMs: read.nowMs ?? 1_764_000_000_000,
    delivery: {
      method,
      path: subPath,
      query: new URLSearchParams(query),
      headers,
      body: bodyBase64 === undefined ? Buffer.from(body) : Buffer.from(bodyBase64, "base64"),
    },
    events: read.events,
    refused: read.refused ?? [],
    answer: {
      status: read.answer?.status ?? 200,
      body: read.answer === undefined ? "{}" : (read.answer.body ?? ""),
      headers: read.answer?.headers ?? {},
    },
  };
}
