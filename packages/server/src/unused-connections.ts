/**
 * Connections on which no request was begun yet. The platform closes those that are idle between
 * two requests when a server closes, but would wait for these: a browser opens some in advance, and
 * keeps them.
 */
import type { Server, Socket } from "node:net";

export class UnusedConnections {
  readonly #sockets = new Set<Socket>();
  #isClosed = false;

  /** `server` speaks HTTP, over TLS or not. */
  constructor(server: Server) {
    server.on("connection", (socket: Socket) => this.#add(socket));
    server.on("secureConnection", (socket: Socket) => {
      // From here on the connection goes by another object, with the same other end.
      for (const raw of this.#sockets) {
        if (isSameEnd(raw, socket)) this.#sockets.delete(raw);
      }
      this.#add(socket);
    });
    server.on("request", (request: { readonly socket: Socket }) => {
      this.#sockets.delete(request.socket);
    });
  }

  /** Also those that come while the server is still closing. */
  closeAll(): void {
    this.#isClosed = true;
    for (const socket of this.#sockets) socket.destroy();
  }

  #add(socket: Socket): void {
    if (this.#isClosed) {
      socket.destroy();
      return;
    }
    this.#sockets.add(socket);
    socket.once("close", () => this.#sockets.delete(socket));
  }
}

function isSameEnd(a: Socket, b: Socket): boolean {
  return a.remotePort === b.remotePort && a.remoteAddress === b.remoteAddress;
}
