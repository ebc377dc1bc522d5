/** Ways with a socket that Node's defaults do not go. */
import type { Socket } from "node:net";
import type { SyslogClock } from "./listener.ts";

/** What arrives, piece by piece. When it ends the socket can still be written to. */
export function chunksOf(socket: Socket): AsyncIterable<Buffer> {
  return socket.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>;
}

/** Resolves when the socket has passed on what was written to it, or is closed. */
export async function drained(socket: Socket): Promise<void> {
  if (!socket.writableNeedDrain || socket.destroyed) return;
  await new Promise<void>((resolve) => {
    const done = (): void => {
      socket.off("drain", done).off("close", done);
      resolve();
    };
    socket.on("drain", done).on("close", done);
  });
}

/** Ends the socket once all that was written has left; waits for that no longer than `waitMs`. */
export async function endGently(socket: Socket, clock: SyslogClock, waitMs: number): Promise<void> {
  if (socket.destroyed) return;
  await new Promise<void>((resolve) => {
    const timer = clock.setTimer(resolve, waitMs);
    const done = (): void => {
      timer.cancel();
      resolve();
    };
    socket.once("close", done);
    socket.end(done);
  });
}
