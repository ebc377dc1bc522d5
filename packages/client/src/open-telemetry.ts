/**
 * The trace that OpenTelemetry is in, as a W3C traceparent, found without importing
 * `@opentelemetry/api`: the API keeps its global registration under a registered symbol, exactly so
 * that any code in the process meets the same one (its `internal/global-utils`), and the span of a
 * context under another (`trace/context-utils`). Both names are those of its major version 1; where
 * they are not there, there is no trace.
 */
const apiKey = Symbol.for("opentelemetry.js.api.1");
const spanKey = Symbol.for("OpenTelemetry Context Key SPAN");

interface SpanContext {
  readonly traceId: string;
  readonly spanId: string;
  readonly traceFlags: number;
}

interface Registration {
  readonly context?: {
    active(): { getValue(key: symbol): { spanContext?(): SpanContext } | undefined };
  };
}

/** Gives the trace of the code that is running. */
export type FindTrace = () => string | undefined;

const zeroTrace = "0".repeat(32);
const zeroSpan = "0".repeat(16);

/** The active span's traceparent; undefined where there is none, or nobody registered a context manager. */
export const openTelemetryTrace: FindTrace = () => {
  const api = (globalThis as { [apiKey]?: Registration })[apiKey];
  const span = api?.context?.active().getValue(spanKey)?.spanContext?.();
  if (span === undefined || span.traceId === zeroTrace || span.spanId === zeroSpan) {
    return undefined;
  }
  return `00-${span.traceId}-${span.spanId}-${span.traceFlags % 2 === 1 ? "01" : "00"}`;
};
