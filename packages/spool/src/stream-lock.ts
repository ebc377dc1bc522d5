/**
 * One owner for each stream, who is known to be dead the moment it is: a Unix socket in the stream's
 * folder that its owner listens on. The kernel ends it with the process, however that ends, and no
 * number of a process that is used again can be taken for it. It holds between containers that share
 * the folder on one machine, and not between machines.
 *
 * The file of a dead owner's socket stays, and taking it away is where two could both believe to be
 * next. So a name is never used again while another is there: who finds the highest `owner-<n>.sock`
 * dead makes `owner-<n+1>.sock` (which only one can), listens, and then looks at all others once
 * more. Each raises its flag before it looks at the others' flags: of two, at least one sees the
 * other and gives way. Both may; then the stream waits for the next who asks.
 */
import { closeSync, openSync, readdirSync, rmSync } from "node:fs";
import { connect, createServer, type Server } from "node:net";
import { join } from "node:path";
import { CairnError, parseDecimal } from "@cairnlog/core";

const socketName = /^owner-([1-9][0-9]{0,14})\.sock$/;
/** sockaddr_un has 108 bytes on Linux and 104 on others, and libuv ends them with a zero. */
const pathByteLengthMax = 103;

export class StreamLock {
  readonly #server: Server;
  readonly #path: string;
  readonly #folder: number | undefined;

  private constructor(server: Server, path: string, folder: number | undefined) {
    this.#server = server;
    this.#path = path;
    this.#folder = folder;
  }

  /** Undefined where the stream has an owner, or somebody else is about to become it. */
  static async claim(folder: string): Promise<StreamLock | undefined> {
    const highest = Math.max(0, ...ownersIn(folder));
    if (highest > 0 && (await isAlive(folder, highest))) return undefined;
    const own = highest + 1;
    const lock = await StreamLock.#listen(folder, own);
    if (lock === undefined) return undefined;
    const others = ownersIn(folder).filter((n) => n !== own);
    const isLost =
      others.some((n) => n > own) ||
      (await Promise.all(others.map((n) => isAlive(folder, n)))).includes(true);
    if (isLost) {
      await lock.release();
      return undefined;
    }
    for (const n of others) rmSync(join(folder, nameOf(n)), { force: true });
    return lock;
  }

  async release(): Promise<void> {
    await new Promise((resolve) => this.#server.close(resolve));
    rmSync(this.#path, { force: true });
    if (this.#folder !== undefined) closeSync(this.#folder);
  }

  static async #listen(folder: string, n: number): Promise<StreamLock | undefined> {
    const { path, descriptor } = reachable(folder, n);
    // Nobody has anything to say: that it can be called is all.
    const server = createServer((socket) => socket.destroy());
    try {
      await new Promise<void>((resolve, reject) => {
        server.once("error", reject);
        // In a cluster, a shared socket would outlive this worker.
        server.listen({ path, exclusive: true }, resolve);
      });
    } catch (cause) {
      if (descriptor !== undefined) closeSync(descriptor);
      const { code } = cause as NodeJS.ErrnoException;
      if (code === "EADDRINUSE") return undefined;
      throw new CairnError(
        "usage",
        `${folder}: the spool needs a local folder that takes Unix sockets: ${String(cause)}`,
        { cause, place: { path: folder } },
      );
    }
    server.unref();
    return new StreamLock(server, join(folder, nameOf(n)), descriptor);
  }
}

function ownersIn(folder: string): number[] {
  return readdirSync(folder).flatMap((name) => {
    const digits = socketName.exec(name)?.[1];
    return digits === undefined ? [] : [parseDecimal(digits, "an owner's number")];
  });
}

function isAlive(folder: string, n: number): Promise<boolean> {
  const { path, descriptor } = reachable(folder, n);
  return new Promise<boolean>((resolve) => {
    const socket = connect({ path });
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", ({ code }: NodeJS.ErrnoException) => {
      // Anything else, as a full backlog, says nothing of death.
      resolve(code !== "ECONNREFUSED" && code !== "ENOENT");
    });
  }).finally(() => descriptor !== undefined && closeSync(descriptor));
}

/** A path short enough for a socket. Linux knows an open folder by a short name too. */
function reachable(folder: string, n: number): { path: string; descriptor?: number } {
  const path = join(folder, nameOf(n));
  if (process.platform === "win32") {
    throw new CairnError("usage", "the spool has no lock for Windows yet");
  }
  if (Buffer.byteLength(path) <= pathByteLengthMax) return { path };
  if (process.platform !== "linux") {
    throw new CairnError("usage", `${folder}: the path is too long for the lock of a spool`);
  }
  const descriptor = openSync(folder, "r");
  return { path: `/proc/self/fd/${descriptor}/${nameOf(n)}`, descriptor };
}

function nameOf(n: number): string {
  return `owner-${n}.sock`;
}
