/**
 * Reads what the server says became of a batch (docs/spec/http.md, "Recording"). Nothing in it is
 * believed before it is whole and agrees with itself: a receipt that was made up is worse than
 * none.
 */
import { CairnError } from "@cairnlog/core";
import { isObject, problemError } from "./problem.ts";

export interface RecordedResult {
  readonly seq: number;
  /** Standard base64. */
  readonly leafHash: string;
  readonly duplicate: boolean;
}

export interface BatchAnswer {
  /** Signed note, verbatim. Undefined when nothing was recorded. */
  readonly checkpoint: string | undefined;
  /** In the order of the events. */
  readonly results: readonly (RecordedResult | CairnError)[];
}

/** 32 bytes in base64's only spelling: the last digit before the padding has two bits to spare. */
const hashText = /^[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=$/;

/** Throws "malformed" unless `text` is an answer for exactly `count` events. */
export function parseBatchAnswer(text: string, count: number): BatchAnswer {
  const answer = parseObject(text);
  const { results, checkpoint } = answer;
  if (!Array.isArray(results) || results.length !== count) {
    throw malformed(`results for ${count} events are missing`);
  }
  if (checkpoint !== undefined && typeof checkpoint !== "string") {
    throw malformed("the checkpoint is not a text");
  }
  const parsed = results.map(parseResult);
  const recorded = parsed.some((result) => !(result instanceof CairnError));
  if (recorded && checkpoint === undefined) throw malformed("the checkpoint is missing");
  return { checkpoint, results: parsed };
}

/**
 * Throws "unverified" unless the places that were given out are possible: inside the tree of the
 * checkpoint, and each new one after the one before it. A duplicate has the place that it was given
 * first.
 */
export function checkPlaces(results: BatchAnswer["results"], checkpointSize: number): void {
  let last = -1;
  for (const result of results) {
    if (result instanceof CairnError) continue;
    if (result.seq >= checkpointSize) {
      throw new CairnError(
        "unverified",
        `the answer places an event at ${result.seq}, beyond its checkpoint of ${checkpointSize}`,
        { place: { seq: result.seq } },
      );
    }
    if (result.duplicate) continue;
    if (result.seq <= last) {
      throw new CairnError(
        "unverified",
        `the answer places an event at ${result.seq}, after another at ${last}`,
        { place: { seq: result.seq } },
      );
    }
    last = result.seq;
  }
}

function parseResult(result: unknown, i: number): RecordedResult | CairnError {
  if (!isObject(result)) throw malformed(`result ${i} is not an object`);
  const { error, seq, leafHash, duplicate } = result;
  if (isObject(error)) {
    const status = error["status"];
    return problemError(error, typeof status === "number" ? status : 422, "the event was refused");
  }
  if (typeof seq !== "number" || !Number.isSafeInteger(seq) || seq < 0) {
    throw malformed(`result ${i} has no seq`);
  }
  if (typeof leafHash !== "string" || !hashText.test(leafHash)) {
    throw malformed(`result ${i} has no leaf hash`);
  }
  return { seq, leafHash, duplicate: duplicate === true };
}

function parseObject(text: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw malformed("it is not JSON", cause);
  }
  if (!isObject(value)) throw malformed("it is not an object");
  return value;
}

function malformed(why: string, cause?: unknown): CairnError {
  return new CairnError("malformed", `the server's answer to a batch cannot be read: ${why}`, {
    cause,
  });
}
