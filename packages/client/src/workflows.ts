/**
 * The events of the four workflows, typed, for those who would rather not look up how an event is
 * shaped. Each makes an event and hands it to `log()`: nothing else happens here, and whatever these
 * do not know can be said with `log()` itself.
 */
import type { CairnEvent } from "@cairnlog/core";
import type { EventInput } from "./event-input.ts";

export type Outcome = NonNullable<CairnEvent["outcome"]>;
export type Target = NonNullable<CairnEvent["targets"]>[number];

/** What any event may say. The actor may come from the context. */
export interface Common {
  readonly id?: string;
  readonly time?: string;
  readonly actor?: EventInput["actor"];
  readonly outcome?: Outcome;
  readonly trace?: string;
  readonly details?: Readonly<Record<string, unknown>>;
}

export interface Login extends Common {
  /** As in `password`, `passkey`, `saml`. */
  readonly method?: string;
  /** Where the identity was used: an application, a realm. */
  readonly target?: Target;
}

export interface ApiCall extends Common {
  readonly method: string;
  /** The path, or better the route: `/orders/:id`. */
  readonly path: string;
  readonly service?: string;
  readonly status?: number;
  readonly durationMs?: number;
}

export interface DatabaseQuery extends Common {
  /** As in `SELECT`. */
  readonly action: string;
  /** As in `postgres`. */
  readonly system: string;
  /** As in `orders-prod/public.orders`. */
  readonly table: string;
  /** Without values: those may be anybody's data. */
  readonly statement?: string;
  readonly rows?: number;
  readonly durationMs?: number;
}

export interface Deployment extends Common {
  readonly service: string;
  readonly environment: string;
  readonly version?: string;
  readonly commit?: string;
  /** Ties `finished` to `started`. */
  readonly deployment?: string;
}

export interface Change extends Common {
  /** As in `update`. Default: `change`. */
  readonly action?: string;
  readonly target: Target;
  readonly before?: unknown;
  readonly after?: unknown;
}

/** Hands an event over. */
export type LogEvent<Logged> = (event: EventInput) => Logged;

export interface Workflows<Logged> {
  readonly identity: {
    login(what: Login): Logged;
    logout(what: Login): Logged;
  };
  readonly api: { called(what: ApiCall): Logged };
  readonly database: { query(what: DatabaseQuery): Logged };
  readonly deployment: {
    started(what: Deployment): Logged;
    finished(what: Deployment): Logged;
  };
  readonly change: { made(what: Change): Logged };
}

export function workflowsOf<Logged>(log: LogEvent<Logged>): Workflows<Logged> {
  return {
    identity: {
      login: (what) => log(session("login", what)),
      logout: (what) => log(session("logout", what)),
    },
    api: {
      called({ method, path, service, status, durationMs, ...common }) {
        const targets = [{ type: "api", id: service === undefined ? path : service + path }];
        const details = { ...common.details, path, status, durationMs };
        return log({ ...common, type: "api.called", action: method, targets, details });
      },
    },
    database: {
      query({ action, system, table, statement, rows, durationMs, ...common }) {
        const targets = [{ type: system, id: table }];
        const details = { ...common.details, statement, rows, durationMs };
        return log({ ...common, type: "database.query", action, targets, details });
      },
    },
    deployment: {
      started: (what) => log(deployment("started", what)),
      finished: (what) => log(deployment("finished", what)),
    },
    change: {
      made({ action = "change", target, before, after, ...common }) {
        const details = { ...common.details, before, after };
        return log({ ...common, type: "change.made", action, targets: [target], details });
      },
    },
  };
}

function session(action: "login" | "logout", { method, target, ...common }: Login): EventInput {
  const details = { ...common.details, method };
  const targets = target === undefined ? {} : { targets: [target] };
  return { ...common, ...targets, type: `identity.${action}`, action, details };
}

function deployment(step: "started" | "finished", what: Deployment): EventInput {
  const { service, environment, version, commit, deployment: id, ...common } = what;
  const targets = [{ type: "service", id: `${environment}/${service}` }];
  const details = { ...common.details, environment, version, commit, deployment: id };
  return { ...common, type: `deployment.${step}`, action: "deploy", targets, details };
}
