/**
 * Alarms: what the application hears when receipts do not become witnessed checkpoints. An alarm
 * carries the signed checkpoints that it is about. They are the evidence: whoever holds the log's
 * key signed both, and cannot take that back.
 */
import type { Conflict } from "./checkpoint-claim.ts";

export type AlarmCode =
  | "late" // No published checkpoint that contains the receipts was shown in time.
  | "unwitnessed" // It was shown in time, but not cosigned by the policy's quorum.
  | "fork" // Two signed checkpoints of one size have different roots.
  | "rollback" // The log shows an older state than it did before.
  | "inconsistent" // It cannot prove that its checkpoint contains what a receipt stands under.
  | "memory"; // What the client should remember cannot be read or kept.

export interface Alarm {
  readonly code: AlarmCode;
  readonly message: string;
  /** The log's. */
  readonly origin: string;
  /** When it was noticed, RFC 3339. */
  readonly time: string;
  /** Signed note: what receipts stand under, or what the log showed before. */
  readonly known: string | undefined;
  /** Signed note: what the log shows now; undefined where it showed nothing. */
  readonly shown: string | undefined;
  /** With "inconsistent": the consistency proof that came and proves nothing, base64. */
  readonly proof: readonly string[] | undefined;
}

export type OnAlarm = (alarm: Alarm) => void;

/** Takes what must not be lost, as JSON text: to a file, to another service. */
export type KeepEvidence = (evidence: string, alarm: Alarm) => void | Promise<void>;

const alarmFormat = "cairn-receipt-alarm/1";

/** The alarm as one JSON text that holds the notes verbatim. */
export function formatAlarm(alarm: Alarm): string {
  const { code, message, origin, time, known, shown, proof } = alarm;
  const members = {
    format: alarmFormat,
    code,
    message,
    origin,
    time,
    known: known ?? null,
    shown: shown ?? null,
    proof: proof ?? null,
  };
  return `${JSON.stringify(members, undefined, 2)}\n`;
}

export function alarmOfConflict(conflict: Conflict, nowMs: number): Alarm {
  const { code, message, known, shown, proof } = conflict;
  return {
    code,
    message,
    origin: shown.origin,
    time: new Date(nowMs).toISOString(),
    known: known.note,
    shown: shown.note,
    proof,
  };
}

/** The `onAlarm` of those who gave none. Contradictions are printed whole, so that nothing is lost. */
export function consoleAlarm(write: (text: string) => void): OnAlarm {
  return (alarm) => {
    const isPassing = alarm.code === "late" || alarm.code === "memory";
    const evidence = isPassing ? "" : `\nKeep this as evidence:\n${formatAlarm(alarm)}`;
    write(`cairn: ALARM: ${alarm.code}: ${alarm.message}${evidence}`);
  };
}
