/**
 * Runs the command in this process, in a folder of its own, with streams that remember. What several tests share; never
 * part of what is published.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable, Writable } from "node:stream";
import type { Io } from "./io.ts";
import { run } from "./main.ts";

export interface Ran {
  readonly exit: number;
  readonly out: string;
  readonly err: string;
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly stdin?: string | Readable;
  /** Both outputs are terminals. */
  readonly isTerminal?: boolean;
  /** Somebody sits there and can be asked. */
  readonly isStdinTerminal?: boolean;
  readonly nowMs?: number;
  readonly interrupted?: AbortSignal;
  /** Sees each piece of standard output as it comes. */
  readonly onOut?: (piece: string) => void;
  /** The same of standard error. */
  readonly onErr?: (piece: string) => void;
}

/** A folder that a test works in. */
export class Workplace {
  readonly folder = mkdtempSync(join(tmpdir(), "cairn-cli-"));

  path(name: string): string {
    return join(this.folder, name);
  }

  async run(line: string | readonly string[], options: RunOptions = {}): Promise<Ran> {
    const { stdin = "", isTerminal = false, interrupted = new AbortController().signal } = options;
    const [out, err] = [new Remembering(options.onOut), new Remembering(options.onErr)];
    const io: Io = {
      stdin: typeof stdin === "string" ? Readable.from([Buffer.from(stdin)]) : stdin,
      stdout: out,
      stderr: err,
      env: options.env ?? {},
      cwd: this.folder,
      isTerminal: {
        stdin: options.isStdinTerminal ?? false,
        stdout: isTerminal,
        stderr: isTerminal,
      },
      hostName: "Test Machine",
      now: () => options.nowMs ?? Date.now(),
      interrupted,
    };
    const exit = await run(typeof line === "string" ? shellWords(line) : line, io);
    return { exit, out: out.text, err: err.text };
  }

  /** The same, where anything but exit status 0 is a failure of the test. */
  async ok(line: string | readonly string[], options: RunOptions = {}): Promise<string> {
    const { exit, out, err } = await this.run(line, options);
    if (exit !== 0) throw new Error(`cairn ${String(line)} ended with ${exit}: ${err}`);
    return out;
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

class Remembering extends Writable {
  text = "";
  readonly #onPiece: ((piece: string) => void) | undefined;

  constructor(onPiece?: (piece: string) => void) {
    super({ decodeStrings: false });
    this.#onPiece = onPiece;
  }

  override _write(piece: string | Buffer, _encoding: string, done: () => void): void {
    this.text += piece.toString();
    this.#onPiece?.(piece.toString());
    done();
  }
}

/** Words as a POSIX shell cuts them, as far as examples need it: quotes, and nothing after `>` or `|`. */
export function shellWords(line: string): string[] {
  const [command = ""] = line.split(/ [>|] /);
  return [...command.matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g)].map(
    ([, double, single, plain]) => double ?? single ?? plain ?? "",
  );
}
