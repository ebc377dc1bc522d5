/** What the middlewares of all frameworks are given. `Request` is the framework's own. */
import { CairnError, openTelemetryTrace } from "@cairnlog/client";
import type { Actor } from "./actor.ts";
import { parsePointers, type Pointer } from "./selection.ts";

export interface MiddlewareOptions<Request> {
  /**
   * Who acts, once the application knows: asked whenever something is recorded during the request,
   * and again at its end, so authentication may come after this middleware. Undefined for nobody.
   */
  readonly actor?: (request: Request) => Actor | undefined;
  /** What stands before the path in targets: `orders` makes `orders/orders/42` of `/orders/42`. */
  readonly service?: string;
  /**
   * "No record, no access": the handler runs only once the log has durably recorded that it is about
   * to, else the answer is 503. Put it behind authentication. Default: false.
   */
  readonly required?: boolean | ((request: Request) => boolean);
  /** How long that may take. Default: 5,000. */
  readonly requiredTimeoutMs?: number;
  /** JSON pointers into `{ headers, query, body }`; names of headers in lower case. Default: none. */
  readonly request?: readonly string[];
  /** JSON pointers into `{ headers, body }` of the answer. Default: none. */
  readonly response?: readonly string[];
  /** More members for `details`, asked at the end. */
  readonly details?: (request: Request) => Readonly<Record<string, unknown>> | undefined;
  /** True for what is not to be recorded at all, as health checks. */
  readonly skip?: (request: Request) => boolean;
  /**
   * Whether a caller's trace is gone on with. `start` where anybody can call: a stranger could put
   * their request into another's trace. What they sent is then in `details.callerTrace`. Default:
   * `keep`.
   */
  readonly trace?: "keep" | "start";
  /** The trace that is active already. Default: OpenTelemetry's, where its API is in use. */
  readonly findTrace?: () => string | undefined;
  /** The header that tells the caller the trace. Default: `traceresponse`; false for none. */
  readonly traceHeader?: string | false;
}

/** The options with their defaults. */
export interface MiddlewareSettings<Request> {
  readonly actor: (request: Request) => Actor | undefined;
  readonly service: string | undefined;
  readonly isRequired: ((request: Request) => boolean) | undefined;
  readonly requiredTimeoutMs: number;
  readonly request: readonly Pointer[];
  readonly response: readonly Pointer[];
  /** Whether any of `response` is in the body, so that it must be kept until the end. */
  readonly readsAnswer: boolean;
  readonly details: (request: Request) => Readonly<Record<string, unknown>> | undefined;
  readonly isSkipped: (request: Request) => boolean;
  readonly keepsTrace: boolean;
  readonly findTrace: () => string | undefined;
  readonly traceHeader: string | undefined;
}

/** "usage" for what cannot work, and for pointers to secrets. */
export function settingsOf<Request>(
  options: MiddlewareOptions<Request>,
): MiddlewareSettings<Request> {
  const { required = false, traceHeader = "traceresponse", requiredTimeoutMs = 5000 } = options;
  if (!(requiredTimeoutMs > 0)) {
    throw new CairnError(
      "usage",
      `requiredTimeoutMs must be more than 0, not ${requiredTimeoutMs}`,
    );
  }
  const response = parsePointers(options.response);
  return {
    actor: options.actor ?? (() => undefined),
    service: options.service,
    isRequired: required === true ? () => true : required === false ? undefined : required,
    requiredTimeoutMs,
    request: parsePointers(options.request),
    response,
    readsAnswer: response.some(([first]) => first === "body"),
    details: options.details ?? (() => undefined),
    isSkipped: options.skip ?? (() => false),
    keepsTrace: options.trace !== "start",
    findTrace: options.findTrace ?? openTelemetryTrace,
    traceHeader: traceHeader === false ? undefined : traceHeader,
  };
}
