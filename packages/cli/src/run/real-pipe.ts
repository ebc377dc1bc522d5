/**
 * Pipes of the operating system for a command's outputs. Those that Node makes are sockets, and a command feels it:
 * `echo > /dev/stderr` fails on a socket, and who writes to one whose reader has gone gets an error instead of SIGPIPE.
 */
import { spawnSync } from "node:child_process";
import { closeSync, constants, mkdtempSync, openSync, rmSync } from "node:fs";
import { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";

export interface RealPipe {
  readonly readable: Readable;
  /** The end that is the command's. To be closed when the command has it. */
  readonly writeEnd: number;
}

/** So many pipes; undefined where mkfifo(1) is missing. */
export function openPipes(count: number): readonly RealPipe[] | undefined {
  const folder = mkdtempSync(join(tmpdir(), "cairn-run-"));
  try {
    const paths = Array.from({ length: count }, (_, i) => join(folder, String(i)));
    const { status } = spawnSync("mkfifo", ["-m", "600", ...paths], { stdio: "ignore" });
    return status === 0 ? paths.map(openPipe) : undefined;
  } finally {
    // They have no name from here on, and are gone when both ends are.
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Its reader comes first, and does not wait: else each end would wait for the other. */
function openPipe(path: string): RealPipe {
  const readEnd = openSync(path, constants.O_RDONLY + constants.O_NONBLOCK);
  const writeEnd = openSync(path, constants.O_WRONLY);
  return { readable: new Socket({ fd: readEnd, readable: true, writable: false }), writeEnd };
}

export function closeWriteEnds(pipes: readonly RealPipe[] | undefined): void {
  for (const { writeEnd } of pipes ?? []) closeSync(writeEnd);
}
