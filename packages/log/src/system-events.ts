/**
 * The log's own events. They are rare, so that they are made the plain way, and then read by the same strict
 * scanner as everybody else's. Their source is `cairn`, which no sender can have.
 */
import { base64, EventScanner, formatNote, hex, parseNote, utf8, type Hash } from "@cairnlog/core";
import type { OwnEvent } from "./at-rest.ts";
import type { WitnessHealth } from "./witness-client.ts";
import type { RecordedConflict } from "./witnessing.ts";

/** The source of the log's own entries. */
export const systemSource = "cairn";

function systemEvent(type: string, action: string, details: object): Uint8Array {
  const event = { type, actor: { id: "cairn", type: "system" }, action, details };
  const bytes = utf8(JSON.stringify(event));
  // What a reason or a foreign checkpoint holds comes from outside: an entry that our own reader refuses would be there
  // for ever.
  new EventScanner().scan(bytes, 0, bytes.length);
  return bytes;
}

/** What a part of Cairn that watches over the log has to tell. */
export function ownEvent({ type, action, details }: OwnEvent): Uint8Array {
  return systemEvent(type, action, details);
}

export interface LogCreated {
  readonly origin: string;
  readonly vkeys: readonly string[];
  /** 16 random bytes: two logs never begin alike. */
  readonly nonce: Uint8Array;
  /** SHA-256 of `log.json`, so that an edit of the settings beside the log shows. */
  readonly settings: Hash;
  readonly succeeds: Succession | undefined;
}

/** Why a log was begun anew, and what it follows. */
export interface Succession {
  /** The closed log's last checkpoint, a signed note, verbatim. */
  readonly checkpoint: string;
  readonly reason: string;
}

/** Entry 0 of every log. */
export function logCreated(created: LogCreated): Uint8Array {
  return systemEvent("system.log.created", "create", {
    format: "cairn-entry/1",
    hash: "sha256",
    origin: created.origin,
    keys: created.vkeys,
    nonce: base64(created.nonce),
    settings: base64(created.settings),
    ...(created.succeeds === undefined ? {} : { succeeds: created.succeeds }),
  });
}

export interface RecoveredRest {
  /** Entries [from, to) were on the medium without a commit, well-formed and chained: they were kept. */
  readonly kept: { readonly from: number; readonly to: number };
  /**
   * What followed them and was no entry: kept aside. `sha256` is that of the bytes, or, above 1 MiB, of the SHA-256s
   * of their pieces of 1 MiB, one after the other.
   */
  readonly lost: readonly {
    readonly path: string;
    readonly byteLength: number;
    readonly sha256: Hash;
  }[];
}

export function logRecovered(rest: RecoveredRest): Uint8Array {
  return systemEvent("system.recovered", "recover", {
    kept: rest.kept,
    lost: rest.lost.map((piece) => ({ ...piece, sha256: hex(piece.sha256) })),
  });
}

/** The system's clock stepped by `stepMs` against a clock that never steps. */
export function clockStepped(stepMs: number): Uint8Array {
  return systemEvent("system.clock", "step", { stepMs: Math.round(stepMs) });
}

export interface SourceConflict {
  readonly source: string;
  /** What is taken: an id, or a number of a stream. */
  readonly id?: string;
  readonly stream?: string;
  readonly number?: number;
  /** The entry that has it. */
  readonly seq: number;
  /** SHA-256 of the refused event's bytes. */
  readonly refused: Hash;
}

/**
 * Somebody sent another event under an id or a number that is taken. Without this entry, knowing one would be enough to
 * swallow an event.
 */
export function sourceConflict(conflict: SourceConflict): Uint8Array {
  return systemEvent("source.conflict", "refuse", {
    ...conflict,
    refused: hex(conflict.refused),
  });
}

/** An event has at most 64,000 bytes: a note of more cosignatures than this is shortened. */
const witnessedNoteBytesMax = 60_000;

/** A checkpoint that a quorum of witnesses had cosigned when this was recorded. */
export function witnessed(note: string): Uint8Array {
  const { text, signatures } = parseNote(utf8(note));
  let shown = note;
  for (let count = signatures.length - 1; utf8(shown).length > witnessedNoteBytesMax; count--) {
    shown = formatNote(text, signatures.slice(0, count));
  }
  return systemEvent("system.witnessed", "witness", { note: shown });
}

/** The log began to accept events although no quorum of its witnesses had said what they hold. */
export function witnessOverride(size: number, witnesses: readonly WitnessHealth[]): Uint8Array {
  return systemEvent("system.witness.override", "override", {
    size,
    witnesses: witnesses.map(({ name, state, error }) => ({
      name: shortened(name),
      state,
      ...(error === undefined ? {} : { error: shortened(error) }),
    })),
  });
}

/** A witness says that it holds another history of this log. What it sent is in the file `evidence`. */
export function witnessConflict({ conflict, evidence }: RecordedConflict): Uint8Array {
  const { witness, url, claim, ourSize, status } = conflict;
  return systemEvent("system.witness.conflict", "contradict", {
    witness: shortened(witness),
    url: shortened(url),
    claim,
    ourSize,
    status,
    ...(evidence === undefined ? {} : { evidence }),
  });
}

/** What others say has no business in being long. */
function shortened(text: string): string {
  return text.slice(0, 300).toWellFormed();
}
