/**
 * The Host header, which every server here looks at before it shows anything. A web page can point a name of its own at
 * our address (DNS rebinding) and then speak to us from inside a victim's browser; what it cannot do is to send another
 * Host than that name.
 */
import { CairnError } from "./errors.ts";

const loopbackNames = ["localhost", "127.0.0.1", "[::1]"];

export class HostCheck {
  readonly #names: ReadonlySet<string>;
  readonly #allowed = new Set<string>();
  #port = 0;
  readonly #defaultPort: number;
  readonly protocol: "http:" | "https:";

  /**
   * `names` hold with any port, because a proxy may listen on another; `name:port` holds as it is.
   */
  constructor(names: readonly string[], isTls: boolean) {
    this.#names = new Set(names.map((name) => name.toLowerCase()));
    this.#defaultPort = isTls ? 443 : 80;
    this.protocol = isTls ? "https:" : "http:";
  }

  /** Called once it is known where the server listens. */
  listensOn(host: string, port: number): void {
    this.#port = port;
    for (const name of [...loopbackNames, bracketed(host.toLowerCase())]) {
      this.#allowed.add(`${name}:${port}`);
      if (port === this.#defaultPort) this.#allowed.add(name);
    }
  }

  /**
   * Throws "misdirected" unless the header names this server. `localAddress` is where the
   * connection came in: an address cannot be rebound, so it is good where the server listens on all
   * of them.
   */
  check(header: string | undefined, localAddress: string | undefined): void {
    if (header !== undefined && this.#allowed.has(header)) return;
    const host = (header ?? "").toLowerCase();
    if (this.#allowed.has(host) || this.#names.has(host)) return;
    if (this.#names.has(host.replace(/:[0-9]{1,5}$/, ""))) return;
    if (localAddress !== undefined && host === this.#addressWithPort(localAddress)) return;
    throw new CairnError(
      "misdirected",
      header === undefined
        ? "the request has no Host header"
        : `this server is not ${JSON.stringify(header.slice(0, 100))}`,
    );
  }

  #addressWithPort(address: string): string {
    const host = bracketed(address.replace(/^::ffff:/, ""));
    return this.#port === this.#defaultPort ? host : `${host}:${this.#port}`;
  }
}

function bracketed(host: string): string {
  return host.includes(":") ? `[${host}]` : host;
}
