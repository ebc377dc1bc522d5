/**
 * Who may do what. Each route names what it requires in its `onRequest`, before a byte of the body
 * is read; a test walks over all routes with every kind of wrong key.
 *
 * A key that does not cover a log gets the same answer whether or not that log exists.
 */
import type { FastifyRequest, onRequestHookHandler } from "fastify";
import { assert, CairnError } from "@cairnlog/core";
import type { Log } from "@cairnlog/log";
import type { Scope } from "./api-key-file.ts";
import type { KeySource, Principal } from "./key-ring.ts";
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

/** Who asks, and for which log, once both are found to be good. */
export interface Admitted {
  readonly principal: Principal;
  /** Where a log was named. */
  readonly log: Log | undefined;
}

export class Access {
  readonly #keys: KeySource;
  readonly #logs: LogRegistry;

  constructor(keys: KeySource, logs: LogRegistry) {
    this.#keys = keys;
    this.#logs = logs;
  }

  /**
   * A key with `scope`; where the route names a log, one that covers it, and the log must be there.
   */
  requires(scope: Scope | "any"): onRequestHookHandler {
    return (request, _reply, done) => {
      try {
        this.#admitTo(request, scope);
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
        else this.#admitTo(request, "read");
      } catch (error) {
        return done(error as Error);
      }
      done();
    };
  }

  #admitTo(request: FastifyRequest, scope: Scope | "any"): void {
    const { authorization } = request.headers;
    // Also of a request that is refused it is known whose it was.
    request.principal = this.#keys.authenticate(authorization);
    const { log } = (request.params as LogParams | null) ?? {};
    request.auditLog = this.#admit(request.principal, scope, log).log;
  }

  /** Throws "unauthenticated", "forbidden" or "not_found". `name` is a log's, where one is named. */
  admit(
    authorization: string | undefined,
    scope: Scope | "any",
    name: string | undefined,
  ): Admitted {
    return this.#admit(this.#keys.authenticate(authorization), scope, name);
  }

  #admit(principal: Principal, scope: Scope | "any", name: string | undefined): Admitted {
    if (scope !== "any" && !principal.scopes.has(scope)) {
      throw new CairnError("forbidden", `the API key does not have the scope "${scope}"`);
    }
    if (name === undefined) return { principal, log: undefined };
    checkPrincipalCovers(principal, name);
    const log = this.#logs.get(name);
    if (log === undefined) {
      throw new CairnError("not_found", `there is no log ${JSON.stringify(name.slice(0, 64))}`);
    }
    return { principal, log };
  }

  /** Throws "forbidden" unless the key behind the request covers the log. */
  checkCovers(request: FastifyRequest, log: string): void {
    checkPrincipalCovers(principalOf(request), log);
  }

  /** Throws "forbidden" unless the key behind the request covers all logs. */
  checkCoversAll(request: FastifyRequest): void {
    if (principalOf(request).coversAll) return;
    throw new CairnError("forbidden", "this takes an API key for all logs");
  }
}

function checkPrincipalCovers(principal: Principal, log: string): void {
  if (!principal.covers(log)) throw new CairnError("forbidden", "the API key is not for this log");
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
