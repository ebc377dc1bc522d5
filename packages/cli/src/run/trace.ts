/**
 * The trace of a run, as W3C Trace Context has it (https://www.w3.org/TR/trace-context/, section 3.2): the one that the
 * environment variable TRACEPARENT names, or a new one. The run is a span of its own in it, which the command gets as
 * its TRACEPARENT, so that what the command calls and records is tied to its run.
 */
import { randomBytes } from "node:crypto";
import { hex } from "@cairnlog/core";

export interface RunTrace {
  /** The run's own span: `00-<trace>-<span>-<flags>`. */
  readonly traceparent: string;
  /** What the environment said; undefined where a new trace was begun. */
  readonly parent: string | undefined;
}

export function traceOfRun(variable: string | undefined): RunTrace {
  const span = randomId(8);
  const parts = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/.exec(variable ?? "");
  const [parent, trace, parentSpan, flags] = parts ?? [];
  const isKnown = parent !== undefined && /[^0]/.test(trace!) && /[^0]/.test(parentSpan!);
  if (!isKnown) return { traceparent: `00-${randomId(16)}-${span}-01`, parent: undefined };
  return { traceparent: `00-${trace}-${span}-${flags}`, parent };
}

/** An id of zeros only is none. */
function randomId(byteLength: number): string {
  const id = hex(randomBytes(byteLength));
  return /[^0]/.test(id) ? id : randomId(byteLength);
}
