/**
 * Whom a witness cosigns for: adding, removing and showing logs, in the memory of a witness that may be running in
 * another process. It notices at its next request.
 */
import {
  base64,
  CairnError,
  formatKeyId,
  formatVkey,
  isSameBytes,
  parseVkey,
  signatureTypes,
  utf8,
  type Vkey,
} from "@cairnlog/core";
import { nodeCrypto } from "@cairnlog/crypto";
import { readCosignerNames } from "./cosigner-keys.ts";
import {
  headOf,
  WitnessState,
  type Evidence,
  type EvidenceKind,
  type Row,
} from "./witness-state.ts";

/** What `addLogs` did for one log. */
export interface AddedLog {
  readonly origin: string;
  readonly change: "added" | "keys changed" | "nothing";
  /** What is remembered of this log from before, so that it cannot begin anew. */
  readonly size: number | undefined;
}

/** A log as the witness knows it. */
export interface LogListing {
  readonly origin: string;
  /** False for a log that was removed: what was cosigned stays remembered. */
  readonly isListed: boolean;
  readonly vkeys: readonly string[];
  /** Undefined where nothing was cosigned yet. */
  readonly size: number | undefined;
  /** Base64. */
  readonly root: string | undefined;
  /** Seconds since 1970, of the last cosignature. */
  readonly cosigned: number | undefined;
  readonly evidence: Readonly<Record<EvidenceKind, number>>;
}

const originBytesMax = 255;

/**
 * Lists logs by their verifier keys. A log's keys are from now on exactly those that are given here; which log a key is
 * of says its name, or `origin` for all of them. "usage" for keys that can be no log's.
 */
export function addLogs(
  state: WitnessState,
  ownVkeys: readonly string[],
  vkeys: readonly string[],
  origin?: string,
): AddedLog[] {
  const parsed = vkeys.map(parseLogKey);
  const own = ownVkeys.map((vkey) => parseVkey(nodeCrypto.sha256, vkey));
  const byOrigin = Map.groupBy(parsed, (vkey) => origin ?? vkey.name);
  for (const [each, keys] of byOrigin) {
    checkLogOrigin(each);
    checkKeys(keys, own);
  }
  const added: AddedLog[] = [];
  state.transaction(() => {
    for (const [each, keys] of byOrigin) added.push(addLog(state, each, keys));
  });
  return added;
}

/** Stops cosigning for a log. "not_found" where it is not listed. */
export function removeLog(state: WitnessState, origin: string): void {
  const hash = nodeCrypto.sha256(utf8(origin));
  state.transaction(() => {
    const [row] = state.query("DELETE FROM logs WHERE hash = ? RETURNING origin", hash);
    if (row !== undefined) return;
    throw new CairnError(
      "not_found",
      `the witness does not cosign for ${JSON.stringify(origin.slice(0, 300))}; ` +
        "`cairn witness logs` shows whom it does",
    );
  });
}

/** All logs, the removed ones too, by origin. */
export function listLogs(state: WitnessState): LogListing[] {
  const evidence = Map.groupBy(countEvidence(state), ({ origin }) => origin);
  const rows = state.query(
    "SELECT origin, vkeys, size, root, timestamp FROM logs LEFT JOIN heads USING (hash) UNION ALL " +
      "SELECT substr(note, 1, instr(note, char(10)) - 1), NULL, size, root, timestamp FROM heads " +
      "WHERE hash NOT IN (SELECT hash FROM logs) ORDER BY 1",
  );
  return rows.map((row): LogListing => {
    const origin = String(row["origin"]);
    const { vkeys, size, root, timestamp } = row;
    const head = size === null ? undefined : headOf(size, root, timestamp);
    const counts = { split: 0, unproven: 0 };
    for (const { kind, count } of evidence.get(origin) ?? []) counts[kind] = count;
    return {
      origin,
      isListed: vkeys !== null,
      vkeys: typeof vkeys === "string" ? vkeys.split("\n") : [],
      size: head?.size,
      root: head === undefined ? undefined : base64(head.root),
      cosigned: head?.timestamp,
      evidence: counts,
    };
  });
}

/** What a log signed that does not agree with what was cosigned, oldest first. */
export function listEvidence(state: WitnessState, origin: string): Evidence[] {
  const rows = state.query(
    "SELECT kind, time, size, root, note, held FROM evidence WHERE hash = ? ORDER BY id",
    nodeCrypto.sha256(utf8(origin)),
  );
  return rows.map((row) => {
    const { size, root, timestamp: timeMs } = headOf(row["size"], row["root"], row["time"]);
    const [note, held] = [String(row["note"]), String(row["held"])];
    return { kind: kindOf(row), timeMs, size, root, note, held };
  });
}

/** How much evidence there is, of each log and kind. */
export function countEvidence(
  state: WitnessState,
): readonly { readonly origin: string; readonly kind: EvidenceKind; readonly count: number }[] {
  const rows = state.query(
    "SELECT substr(note, 1, instr(note, char(10)) - 1) AS origin, kind, count(*) AS count FROM evidence GROUP BY 1, 2",
  );
  return rows.map((row) => ({
    origin: String(row["origin"]),
    kind: kindOf(row),
    count: typeof row["count"] === "number" ? row["count"] : 0,
  }));
}

/** How many logs are cosigned for. */
export function countLogs(state: WitnessState): number {
  const count = state.query("SELECT count(*) AS count FROM logs")[0]?.["count"];
  return typeof count === "number" ? count : 0;
}

/** The functions above, for one witness. */
export interface LogList {
  add(vkeys: readonly string[], origin?: string): AddedLog[];
  remove(origin: string): void;
  list(): LogListing[];
  evidence(origin: string): Evidence[];
  close(): void;
}

/** The list of the witness in `folder`, which may be running. "not_found" where there is none. */
export function openLogList(folder: string): LogList {
  const { vkeys: own } = readCosignerNames(folder);
  const state = WitnessState.open(folder);
  return {
    add: (vkeys, origin) => addLogs(state, own, vkeys, origin),
    remove: (origin) => removeLog(state, origin),
    list: () => listLogs(state),
    evidence: (origin) => listEvidence(state, origin),
    close: () => state.close(),
  };
}

function addLog(state: WitnessState, origin: string, keys: readonly Vkey[]): AddedLog {
  const hash = nodeCrypto.sha256(utf8(origin));
  const vkeys = [...new Set(keys.map(formatVkey))].join("\n");
  const [before] = state.query("SELECT vkeys FROM logs WHERE hash = ?", hash);
  const [head] = state.query("SELECT size FROM heads WHERE hash = ?", hash);
  const size = typeof head?.["size"] === "number" ? head["size"] : undefined;
  if (before?.["vkeys"] === vkeys) return { origin, change: "nothing", size };
  state.query(
    "INSERT INTO logs (hash, origin, vkeys) VALUES (?, ?, ?) " +
      "ON CONFLICT (hash) DO UPDATE SET vkeys = excluded.vkeys",
    hash,
    origin,
    vkeys,
  );
  return { origin, change: before === undefined ? "added" : "keys changed", size };
}

function parseLogKey(text: string): Vkey {
  try {
    return parseVkey(nodeCrypto.sha256, text);
  } catch (cause) {
    throw new CairnError("usage", cause instanceof Error ? cause.message : String(cause), {
      cause,
    });
  }
}

/** Logs of others need not follow our own rules for origins; but a cosignature has room for 255 bytes. */
function checkLogOrigin(origin: string): void {
  const byteLength = utf8(origin).length;
  // eslint-disable-next-line no-control-regex
  const isLine = origin.isWellFormed() && !/[\u0000-\u001f]/.test(origin);
  if (isLine && byteLength >= 1 && byteLength <= originBytesMax) return;
  throw new CairnError(
    "usage",
    `not a log's origin: ${JSON.stringify(origin.slice(0, 80))}; it is one line of 1 to ${originBytesMax} bytes`,
  );
}

function checkKeys(keys: readonly Vkey[], own: readonly Vkey[]): void {
  const seen = new Map<string, Vkey>();
  for (const key of keys) {
    const name = `${key.name}+${formatKeyId(key.id)}`;
    // A witness that took a witness's word for a log's would let it speak for the log alone.
    if (key.type === signatureTypes.ed25519Cosignature) {
      throw new CairnError("usage", `${name} is the key of a witness (type 0x04), not of a log`);
    }
    if (own.some(({ publicKey }) => isSameBytes(publicKey, key.publicKey))) {
      throw new CairnError("usage", `${name} is this witness's own key`);
    }
    const other = seen.get(name);
    if (other !== undefined && !isSameBytes(other.publicKey, key.publicKey)) {
      throw new CairnError("usage", `two different keys are both ${name}`);
    }
    seen.set(name, key);
  }
}

function kindOf(row: Row): EvidenceKind {
  return row["kind"] === "split" ? "split" : "unproven";
}
