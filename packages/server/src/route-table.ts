/**
 * The routes that a server has: for "405 Method Not Allowed", and for the tests that no route is
 * forgotten.
 */
import type { FastifyInstance } from "fastify";

export interface Route {
  readonly method: string;
  /** In the framework's spelling: `/v1/logs/:log`, `/logs/:log/tile/entries/*`. */
  readonly path: string;
}

export class RouteTable {
  readonly #routes: (Route & { readonly pattern: RegExp })[] = [];

  /** Sees all routes that are added to `app` from now on. */
  constructor(app: FastifyInstance) {
    app.addHook("onRoute", ({ method, url }) => {
      for (const each of [method].flat()) {
        this.#routes.push({ method: each, path: url, pattern: patternOf(url) });
      }
    });
  }

  get routes(): readonly Route[] {
    return this.#routes;
  }

  /** Methods that the path of `url` takes; none where there is no such path. */
  methodsOf(url: string): string[] {
    const path = url.split("?", 1)[0]!;
    const fitting = this.#routes.filter((route) => route.pattern.test(path));
    return [...new Set(fitting.map((route) => route.method))].toSorted();
  }
}

function patternOf(path: string): RegExp {
  const escaped = path.replace(/[.+]/g, String.raw`\$&`);
  return new RegExp(`^${escaped.replace(/:[a-z0-9]+/g, "[^/]+").replace("*", ".+")}$`);
}
