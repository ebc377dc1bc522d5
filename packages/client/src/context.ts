/**
 * Who acts, in which session, under which trace: set once where a request comes in, and found by
 * every `log()` that runs because of it, across `await`, timers and callbacks (AsyncLocalStorage).
 *
 * There is one storage for each process: whoever loads a second copy of this package shares it by a
 * registered symbol, so that the middleware of one copy speaks to the client of another. What lies
 * in it is plain data, and is never changed: `withContext` lays a new one over the old.
 *
 * The platform's AsyncLocalStorage is looked for without importing it, because this package runs in
 * browsers too. Where there is none, `withContext` throws rather than lose who acted.
 */
import { CairnError } from "@cairnlog/core";

/** What `log()` fills into an event that does not say otherwise. */
export interface CairnContext {
  readonly actor?: { readonly id: string; readonly [member: string]: unknown };
  /** Becomes `actor.session`. */
  readonly session?: string;
  /** W3C traceparent. */
  readonly trace?: string;
  /** Members for `details`, under those that the event has itself. */
  readonly details?: Readonly<Record<string, unknown>>;
}

/** The part of node:async_hooks' AsyncLocalStorage that is used. */
export interface ContextStorage {
  run<T>(context: CairnContext, run: () => T): T;
  getStore(): CairnContext | undefined;
}

const storageKey = Symbol.for("cairnlog.context.1");
const place = globalThis as { [storageKey]?: ContextStorage };

interface Platform {
  readonly process?: {
    getBuiltinModule?(name: string): { AsyncLocalStorage?: new () => ContextStorage } | undefined;
  };
}

/** The context of the code that is running; undefined outside of `withContext`. */
export function currentContext(): CairnContext | undefined {
  return place[storageKey]?.getStore();
}

/**
 * Runs `run`, and whatever it brings about, in `context` laid over the current one. Returns what it
 * returns. "usage" where the platform has no AsyncLocalStorage.
 */
export function withContext<T>(context: CairnContext, run: () => T): T {
  return storage().run(overlay(currentContext(), context), run);
}

/**
 * For platforms on which AsyncLocalStorage cannot be found (Node 20 before 20.16): the application
 * gives `new AsyncLocalStorage()` before the first `withContext`. "usage" where there is one.
 */
export function provideContextStorage(given: ContextStorage): void {
  if (place[storageKey] !== undefined) {
    throw new CairnError("usage", "this process has a storage for contexts already");
  }
  place[storageKey] = given;
}

function storage(): ContextStorage {
  const found = place[storageKey];
  if (found !== undefined) return found;
  const { process } = globalThis as Platform;
  const Storage = process?.getBuiltinModule?.("node:async_hooks")?.AsyncLocalStorage;
  if (Storage === undefined) {
    throw new CairnError(
      "usage",
      "this platform shows no AsyncLocalStorage: give one to provideContextStorage(), " +
        "or name the actor in each event",
    );
  }
  return (place[storageKey] = new Storage());
}

function overlay(outer: CairnContext | undefined, inner: CairnContext): CairnContext {
  if (outer === undefined) return inner;
  const isOther = inner.actor !== undefined && inner.actor.id !== outer.actor?.id;
  const kept: CairnContext = { ...outer };
  // Another actor does not act in the session of the one outside.
  if (isOther) delete (kept as { session?: string }).session;
  const actor = isOther ? inner.actor : { ...outer.actor, ...inner.actor };
  const details = { ...outer.details, ...inner.details };
  return {
    ...kept,
    ...withoutUndefined(inner),
    ...(actor?.id === undefined ? {} : { actor: actor as CairnContext["actor"] & object }),
    ...(outer.details === undefined && inner.details === undefined ? {} : { details }),
  };
}

function withoutUndefined(context: CairnContext): CairnContext {
  return Object.fromEntries(Object.entries(context).filter(([, value]) => value !== undefined));
}
