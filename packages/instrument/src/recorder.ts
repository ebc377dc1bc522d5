/**
 * Where events go: the part of the SDK that is used, and a last resort. An event that the SDK or the
 * log refuses because of what is in it, as an application's own details that are too large, is
 * recorded again without them: that something happened is never lost for what was said about it.
 */
import { isCairnError, type CairnError } from "@cairnlog/core";
import type { EventInput } from "@cairnlog/client";

/** A `CairnClient` is one. */
export interface Recorder {
  log(
    event: EventInput,
    options?: { readonly durable: true; readonly timeoutMs?: number },
  ): Promise<unknown>;
}

/** Never throws and never rejects: what is not recorded reaches the client's `onError`. */
export function handOver(client: Recorder, event: EventInput): void {
  client.log(event).catch((error: unknown) => {
    if (!isRefusedForContents(error)) return;
    client.log(bare(event, error)).catch(() => {});
  });
}

/** Resolves when the event is durable in the log; rejects where that cannot be had in time. */
export async function recordDurably(
  client: Recorder,
  event: EventInput,
  timeoutMs: number,
): Promise<void> {
  const durable = { durable: true, timeoutMs } as const;
  try {
    await client.log(event, durable);
  } catch (error) {
    if (!isRefusedForContents(error)) throw error;
    await client.log(bare(event, error), durable);
  }
}

function isRefusedForContents(error: unknown): error is CairnError {
  const codes: readonly string[] = ["invalid", "too_large", "malformed", "private_unsupported"];
  return isCairnError(error) && codes.includes(error.code);
}

function bare({ type, action, actor, outcome, trace }: EventInput, error: CairnError): EventInput {
  const id = actor?.id;
  return {
    type,
    action: action.slice(0, 80) || "unknown",
    actor: { id: typeof id === "string" && id !== "" ? id.slice(0, 500) : "unknown" },
    outcome,
    trace,
    details: { incomplete: error.code, why: error.message.slice(0, 500) },
  };
}
