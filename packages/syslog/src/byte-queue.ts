/** Bytes that arrived and were not yet taken, in one piece. What is taken costs nothing; what stays is moved rarely. */

export class ByteQueue {
  #buffer = new Uint8Array(0);
  #start = 0;
  #end = 0;

  get length(): number {
    return this.#end - this.#start;
  }

  /** The bytes that wait: a view, good until the next `append`. */
  get bytes(): Uint8Array {
    return this.#buffer.subarray(this.#start, this.#end);
  }

  append(chunk: Uint8Array): void {
    const { length } = this;
    if (this.#end + chunk.length > this.#buffer.length) {
      const needed = length + chunk.length;
      // Twice what is there, so that a message that comes byte by byte is not copied for each of them.
      const room = needed > this.#buffer.length / 2 ? Math.max(4096, needed * 2) : undefined;
      const buffer = room === undefined ? this.#buffer : new Uint8Array(room);
      buffer.set(this.bytes);
      this.#buffer = buffer;
      this.#start = 0;
      this.#end = length;
    }
    this.#buffer.set(chunk, this.#end);
    this.#end += chunk.length;
  }

  take(byteLength: number): void {
    this.#start += byteLength;
    if (this.#start < this.#end) return;
    this.#start = 0;
    this.#end = 0;
    // A large message is over: its room is not kept for as long as the connection lives.
    if (this.#buffer.length > 262_144) this.#buffer = new Uint8Array(0);
  }
}
