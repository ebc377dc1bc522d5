/**
 * Connections that stop being HTTP, as WebSockets do: Node gives them to listeners of `upgrade`, past
 * every framework's middleware. One event tells what was answered, and one, for what was taken, that
 * it is over. What goes over the connection meanwhile is not looked at.
 */
import { handOver, type Recorder } from "./recorder.ts";
import { settingsOf, type MiddlewareOptions } from "./request-options.ts";
import { outcomeOf, RequestRecord } from "./request-record.ts";

/** What is used of `http.IncomingMessage`. */
export interface UpgradeRequest {
  readonly method?: string | undefined;
  readonly url?: string | undefined;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly socket: { readonly remoteAddress?: string | undefined };
}

/** What is used of the socket. */
interface UpgradeSocket {
  write(...given: unknown[]): boolean;
  end(...given: unknown[]): unknown;
  once(event: "close", listener: () => void): unknown;
}

/** What is used of `http.Server`. */
export interface UpgradeServer {
  prependListener(event: string, listener: (...given: never[]) => void): unknown;
}

/** Records what `server` is asked to upgrade. Listeners of the application are left alone. */
export function cairnUpgrades<Request extends UpgradeRequest = UpgradeRequest>(
  client: Recorder,
  server: UpgradeServer,
  options: Omit<MiddlewareOptions<Request>, "required" | "traceHeader"> = {},
): void {
  const settings = settingsOf<Request>(options);
  server.prependListener("upgrade", (request: Request, socket: UpgradeSocket) => {
    if (settings.isSkipped(request)) return;
    const sinceMs = performance.now();
    const record = new RequestRecord(client, settings, viewOf(request));
    const upgrade = request.headers["upgrade"];
    let status: number | undefined;
    watchStatus(socket, (found) => {
      status = found;
      record.end({ status, details: { upgrade } });
    });
    socket.once("close", () => {
      record.end({ status, isAborted: true, details: { upgrade } });
      if (status !== 101) return;
      const { actor, trace } = record.context;
      const durationMs = Math.round(performance.now() - sinceMs);
      handOver(client, {
        type: "api.closed",
        action: "close",
        actor,
        targets: record.targets,
        outcome: outcomeOf(status, false),
        trace,
        details: { upgrade, durationMs },
      });
    });
  });
}

/** The status line is the beginning of the first thing that is written, be it the last as well. */
function watchStatus(socket: UpgradeSocket, found: (status: number | undefined) => void): void {
  const write = socket.write.bind(socket);
  const end = socket.end.bind(socket);
  const look = (first: unknown): void => {
    socket.write = write;
    socket.end = end;
    const text = typeof first === "string" ? first.slice(0, 32) : latin1(first);
    const digits = /^HTTP\/1\.1 (\d{3})(?: |\r\n)/.exec(text)?.[1];
    found(digits === undefined ? undefined : statusOf(digits));
  };
  socket.write = (...given) => {
    look(given[0]);
    return write(...given);
  };
  socket.end = (...given) => {
    look(given[0]);
    return end(...given);
  };
}

function latin1(written: unknown): string {
  return written instanceof Uint8Array ? String.fromCharCode(...written.subarray(0, 32)) : "";
}

/** Of three digits. */
function statusOf(digits: string): number {
  return [...digits].reduce((sum, digit) => sum * 10 + digit.charCodeAt(0) - 0x30, 0);
}

function viewOf<Request extends UpgradeRequest>(request: Request) {
  return {
    request,
    method: request.method ?? "GET",
    url: request.url ?? "/",
    ip: request.socket.remoteAddress,
    header(name: string) {
      const value = request.headers[name];
      return typeof value === "string" ? value : undefined;
    },
    route: () => undefined,
    body: () => undefined,
    requestId: () => undefined,
  };
}
