/**
 * Serves a mirror's copy over the C2SP tile API, to anybody who may reach it: a mirror is for those who do not want to
 * ask the log itself.
 *
 * It vouches for nothing with a key of its own: what it serves is what the log signed, and readers check that.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { isCairnError, parseTilePath, utf8 } from "@cairnlog/core";
import type { FollowState } from "./follow-state.ts";
import type { MirrorFiles } from "./mirror-files.ts";
import type { WatchStatus } from "./watch.ts";

export interface MirrorServerOptions {
  readonly files: MirrorFiles;
  readonly state: () => FollowState;
  readonly status: () => WatchStatus;
  /** Called with what is our fault; the client hears "500" and no more. */
  readonly onError: (error: unknown) => void;
}

export interface MirrorServer {
  /** Resolves with the address that tiles lie under, with a slash at its end. */
  listen(host: string, port: number): Promise<string>;
  close(): Promise<void>;
}

export function createMirrorServer(options: MirrorServerOptions): MirrorServer {
  const server = createServer(
    { requestTimeout: 10_000, headersTimeout: 10_000 },
    (request, response) => {
      answer(options, request, response).catch((error: unknown) => {
        options.onError(error);
        if (response.headersSent) response.destroy();
        else send(response, 500, "text/plain; charset=utf-8", utf8("internal error\n"));
      });
    },
  );
  return {
    listen: (host, port) => listen(server, host, port),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function listen(server: Server, host: string, port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, () => {
      const { address, port: bound, family } = server.address() as AddressInfo;
      resolve(`http://${family === "IPv6" ? `[${address}]` : address}:${bound}/`);
    });
  });
}

async function answer(
  { files, state, status }: MirrorServerOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { method = "", url = "" } = request;
  if (method !== "GET" && method !== "HEAD") {
    response.setHeader("allow", "GET, HEAD");
    return send(response, 405, "text/plain; charset=utf-8", utf8("a mirror is only read\n"));
  }
  const path = url.replace(/\?.*$/s, "").slice(1);
  if (path === "healthz") {
    const now = status();
    const body = utf8(`${JSON.stringify(now)}\n`);
    return send(response, now.alarms.length === 0 ? 200 : 503, "application/json", body);
  }
  if (path === "checkpoint") {
    const { note } = state();
    if (note === undefined) return missing(response);
    response.setHeader("cache-control", "no-cache");
    return send(response, 200, "text/plain; charset=utf-8", utf8(note));
  }
  if (!path.startsWith("tile/")) return missing(response);
  let bytes: Uint8Array | undefined;
  try {
    bytes = await files.tile(parseTilePath(path));
  } catch (error) {
    if (!isCairnError(error, "malformed")) throw error;
  }
  if (bytes === undefined) return missing(response);
  response.setHeader("cache-control", "public, max-age=31536000, immutable");
  return send(response, 200, "application/octet-stream", bytes);
}

function missing(response: ServerResponse): void {
  send(response, 404, "text/plain; charset=utf-8", utf8("there is no such tile here\n"));
}

function send(response: ServerResponse, status: number, type: string, body: Uint8Array): void {
  response.writeHead(status, {
    "content-type": type,
    "content-length": body.length,
    "x-content-type-options": "nosniff",
  });
  response.end(body);
}
