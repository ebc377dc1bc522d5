/**
 * A small HTTP server that only shows: GET and HEAD, no body, no state. Whoever may reach it may read it, but not a web
 * page that had its own name pointed at us: the Host header must be one of ours.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { CairnError, HostCheck, isCairnError, utf8 } from "@cairnlog/core";

export interface Shown {
  readonly status: number;
  readonly body: Uint8Array;
  readonly headers: Readonly<Record<string, string>>;
}

export interface ReadingServerOptions {
  /** What is at a path, without the slash it begins with and without a query; undefined for nothing. */
  readonly show: (path: string) => Promise<Shown | undefined>;
  /** Names that the Host header may have besides loopback's and the listening address. */
  readonly hostNames?: readonly string[];
  /** Called with what is our fault; the client hears "500" and no more. */
  readonly onError: (error: unknown) => void;
}

export interface ReadingServer {
  /** Resolves with the server's address, with a slash at its end. "unavailable" where it cannot listen. */
  listen(host: string, port: number): Promise<string>;
  close(): Promise<void>;
}

/** Text as it is shown: a line, and nothing that a browser could take for a page. */
export function shownText(status: number, text: string): Shown {
  const headers = { "content-type": "text/plain; charset=utf-8" };
  return { status, body: utf8(`${text}\n`), headers };
}

export function createReadingServer(options: ReadingServerOptions): ReadingServer {
  const hosts = new HostCheck(options.hostNames ?? [], false);
  const server = createServer(
    // The check of the Host header says what is wrong with none.
    { requestTimeout: 10_000, headersTimeout: 10_000, requireHostHeader: false },
    (request, response) => {
      answer(options, hosts, request, response).catch((error: unknown) => {
        options.onError(error);
        if (response.headersSent) response.destroy();
        else send(response, shownText(500, "internal error"));
      });
    },
  );
  return {
    listen: (host, port) => listen(server, hosts, host, port),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function listen(
  server: Server,
  hosts: HostCheck,
  host: string,
  port: number,
): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject).listen(port, host, resolve);
  try {
    await promise;
  } catch (cause) {
    const what = `cannot listen on ${host} port ${port}: ${String(cause)}`;
    throw new CairnError("unavailable", what, { cause });
  }
  server.off("error", reject);
  const { address, port: bound, family } = server.address() as AddressInfo;
  hosts.listensOn(host, bound);
  return `http://${family === "IPv6" ? `[${address}]` : address}:${bound}/`;
}

async function answer(
  { show }: ReadingServerOptions,
  hosts: HostCheck,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { method = "", url = "", headers, socket } = request;
  try {
    hosts.check(headers.host, socket.localAddress);
  } catch (error) {
    if (!isCairnError(error, "misdirected")) throw error;
    return send(response, shownText(421, `${error.message}: see --host-name`));
  }
  if (method !== "GET" && method !== "HEAD") {
    response.setHeader("allow", "GET, HEAD");
    return send(response, shownText(405, "this is only read"));
  }
  const shown = await show(url.replace(/\?.*$/s, "").slice(1));
  send(response, shown ?? shownText(404, "there is nothing of that name here"));
}

function send(response: ServerResponse, { status, body, headers }: Shown): void {
  response.writeHead(status, {
    "content-length": body.length,
    "x-content-type-options": "nosniff",
    ...headers,
  });
  response.end(body);
}
