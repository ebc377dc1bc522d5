/**
 * Connections on which no request was begun yet. The platform closes those that are idle between two requests when a
 * server closes, but would wait for these: a browser opens some in advance, and keeps them.
 */
import type { Server, Socket } from "node:net";

export class UnusedConnections {
  readonly #sockets = new Set<Socket>();

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

  closeAll(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  #add(socket: Socket): void {
    this.#sockets.add(socket);
    socket.once("close", () => this.#sockets.delete(socket));
  }
}

function isSameEnd(a: Socket, b: Socket): boolean {
  return a.remotePort === b.remotePort && a.remoteAddress === b.remoteAddress;
}
