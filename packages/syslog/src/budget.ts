/**
 * How much may be read and not yet durable: bytes, over all connections. Who finds no room waits, in order; a stream
 * that waits is not read, and its sender is slowed down by TCP. Nothing is ever dropped here.
 */

export class Budget {
  readonly #bytesMax: number;
  readonly #waiting: { readonly byteLength: number; readonly go: () => void }[] = [];
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get heldBytes(): number {
    return this.#bytes;
  }

  /** True if there is room at once, which is then taken. */
  tryTake(byteLength: number): boolean {
    // What alone is larger than all the room may pass when nothing else is held.
    const hasRoom = this.#bytes === 0 || this.#bytes + byteLength <= this.#bytesMax;
    if (!hasRoom || this.#waiting.length > 0) return false;
    this.#bytes += byteLength;
    return true;
  }

  async take(byteLength: number): Promise<void> {
    if (this.tryTake(byteLength)) return;
    await new Promise<void>((go) => this.#waiting.push({ byteLength, go }));
  }

  give(byteLength: number): void {
    this.#bytes -= byteLength;
    for (;;) {
      const [first] = this.#waiting;
      if (first === undefined) return;
      if (this.#bytes > 0 && this.#bytes + first.byteLength > this.#bytesMax) return;
      this.#waiting.shift();
      this.#bytes += first.byteLength;
      first.go();
    }
  }
}
