/**
 * Up to which number the fate of events is known: a file of two slots that are written by turns, so
 * that a write which was cut off leaves the other one.
 *
 *     u48 number | 26 bytes of SHA-256 of it, the stream's id before it
 *
 * It only grows. An old one costs a second sending, which the log recognises; so it is synced only
 * before events that it speaks of are removed, for then it is all that knows of their numbers.
 */
import { createHash } from "node:crypto";
import { closeSync, fdatasync, openSync, readSync, writeSync } from "node:fs";
import { promisify } from "node:util";

const slotByteLength = 32;
const numberByteLength = 6;

export class Cursor {
  readonly #fd: number;
  readonly #stream: string;
  #number = 0;
  #turn = 0;

  private constructor(fd: number, stream: string) {
    this.#fd = fd;
    this.#stream = stream;
  }

  static open(path: string, stream: string): Cursor {
    // Made where it is missing; and opened for writing at places, which "a" does not allow.
    closeSync(openSync(path, "a", 0o600));
    const opened = new Cursor(openSync(path, "r+"), stream);
    const slots = Buffer.alloc(2 * slotByteLength);
    readSync(opened.#fd, slots, 0, slots.length, 0);
    for (let turn = 0; turn < 2; turn++) {
      const slot = slots.subarray(turn * slotByteLength, (turn + 1) * slotByteLength);
      const number = slot.readUIntBE(0, numberByteLength);
      if (!opened.#slotOf(number).equals(slot) || number < opened.#number) continue;
      opened.#number = number;
      opened.#turn = 1 - turn;
    }
    return opened;
  }

  get number(): number {
    return this.#number;
  }

  move(number: number): void {
    writeSync(this.#fd, this.#slotOf(number), 0, slotByteLength, this.#turn * slotByteLength);
    this.#number = number;
    this.#turn = 1 - this.#turn;
  }

  async sync(): Promise<void> {
    await promisify(fdatasync)(this.#fd);
  }

  close(): void {
    closeSync(this.#fd);
  }

  #slotOf(number: number): Buffer {
    const slot = Buffer.alloc(slotByteLength);
    slot.writeUIntBE(number, 0, numberByteLength);
    const digest = createHash("sha256").update(this.#stream).update(slot.subarray(0, 6)).digest();
    digest.copy(slot, numberByteLength);
    return slot;
  }
}
