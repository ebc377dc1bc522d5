/**
 * What a capture must remember from one run to the next, as one JSON file that is replaced whole: written aside,
 * synced, renamed, the folder synced. After a crash either the old one is there or the new one.
 */
import { open, readFile, rename } from "node:fs/promises";
import { dirname } from "node:path";
import { CairnError } from "@cairnlog/core";

export class StateFile<State extends object> {
  readonly #path: string;
  /** Names the kind of capture and the version of its state. */
  readonly #format: string;

  constructor(path: string, format: string) {
    this.#path = path;
    this.#format = format;
  }

  /** Undefined where there is none yet. "malformed" and "unsupported_version" are for a person to look at. */
  async load(): Promise<State | undefined> {
    let text: string;
    try {
      text = await readFile(this.#path, "utf8");
    } catch (error) {
      if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
      throw error;
    }
    const place = { path: this.#path };
    let read: { readonly format?: unknown; readonly state?: State } | null;
    try {
      read = JSON.parse(text) as typeof read;
    } catch (cause) {
      const message = `${this.#path} is not what a capture has written. Without it the capture would begin anew`;
      throw new CairnError("malformed", message, { cause, place });
    }
    if (read?.format === this.#format && read.state !== undefined) return read.state;
    const message = `${this.#path} is the state of something else, or of a newer release: expected ${this.#format}`;
    throw new CairnError("unsupported_version", message, { place });
  }

  async save(state: State): Promise<void> {
    const aside = `${this.#path}.tmp`;
    const file = await open(aside, "w", 0o600);
    try {
      await file.writeFile(`${JSON.stringify({ format: this.#format, state })}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(aside, this.#path);
    const folder = await open(dirname(this.#path), "r");
    try {
      await folder.sync();
    } finally {
      await folder.close();
    }
  }
}
