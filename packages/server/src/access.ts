/**
 * Who may do what. Each route names what it requires in its `onRequest`, before a byte of the body
 * is read; a test walks over all routes with every kind of wrong key.
 *
 * A key that does not cover a log gets the same answer whether or not that log exists.
 */
import type { FastifyRequest, onRequestHookHandler } from "fastify";
import { assert, CairnError, isCairnError } from "@cairnlog/core";
import type { Log } from "@cairnlog/log";
import type { Scope } from "./api-key-file.ts";
import type { KeySource, Principal } from "./key-ring.ts";
import type { Metrics } from "./metrics.ts";
import type { LogRegistry } from "./registry.ts";

declare module "fastify" {
  interface FastifyRequest {
    /** Set by what the route requires. */
    principal: Principal | undefined;
    auditLog: Log | undefined;
  }
}

interface LogParams {
  readonly log?: string;
}

export class Access {
  readonly #keys: KeySource;
  readonly #logs: LogRegistry;
  readonly #metrics: Metrics;

  constructor(keys: KeySource, logs: LogRegistry, metrics: Metrics) {
    this.#keys = keys;
    this.#logs = logs;
    this.#metrics = metrics;
  }

  /**
   * A key with `scope`; where the route names a log, one that covers it, and the log must be there.
   */
  requires(scope: Scope | "any"): onRequestHookHandler {
    return (request, _reply, done) => {
      try {
        this.#admit(request, scope);
      } catch (error) {
        return done(error as Error);
      }
      done();
    };
  }

  /** Like `requires("read")`, but a public log's tiles are for everybody. */
  requiresTiles(): onRequestHookHandler {
    return (request, _reply, done) => {
      try {
        const log = this.#logs.get((request.params as LogParams).log!);
        if (log?.isPublic === true) request.auditLog = log;
        else this.#admit(request, "read");
      } catch (error) {
        return done(error as Error);
      }
      done();
    };
  }

  #admit(request: FastifyRequest, scope: Scope | "any"): void {
    const name = (request.params as LogParams | null)?.log;
    const principal = this.#authenticate(request);
    request.principal = principal;
    if (scope !== "any" && !principal.scopes.has(scope)) {
      throw this.#forbidden(`the API key does not have the scope "${scope}"`);
    }
    if (name === undefined) return;
    if (!principal.covers(name)) throw this.#forbidden("the API key is not for this log");
    request.auditLog = this.#logs.get(name);
    if (request.auditLog === undefined) {
      throw new CairnError("not_found", `there is no log ${JSON.stringify(name.slice(0, 64))}`);
    }
  }

  /** Throws "forbidden" unless the key behind the request covers the log. */
  checkCovers(request: FastifyRequest, log: string): void {
    if (principalOf(request).covers(log)) return;
    throw this.#forbidden("the API key is not for this log");
  }

  /** Throws "forbidden" unless the key behind the request covers all logs. */
  checkCoversAll(request: FastifyRequest): void {
    if (principalOf(request).coversAll) return;
    throw this.#forbidden("this takes an API key for all logs");
  }

  #authenticate(request: FastifyRequest): Principal {
    try {
      return this.#keys.authenticate(request.headers.authorization);
    } catch (error) {
      if (isCairnError(error, "unauthenticated"))
        this.#metrics.authFailures.inc({ code: error.code });
      throw error;
    }
  }

  #forbidden(message: string): CairnError {
    this.#metrics.authFailures.inc({ code: "forbidden" });
    return new CairnError("forbidden", message);
  }
}

/** The key behind a request, on a route that requires one. */
export function principalOf(request: FastifyRequest): Principal {
  assert(request.principal !== undefined, "the route requires a key");
  return request.principal;
}

/** The log that a request names, on a route that requires access to it. */
export function logOf(request: FastifyRequest): Log {
  assert(request.auditLog !== undefined, "the route requires access to a log");
  return request.auditLog;
}
