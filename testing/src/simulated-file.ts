/**
 * One file of the simulated disk: what the running system sees, what the medium holds, and the writes between
 * the two.
 */
import type { SeededRandom } from "./seeded.ts";

const sectorByteLength = 512;

interface PendingWrite {
  readonly at: number;
  readonly bytes: Uint8Array;
}

/** Bytes with room to grow. */
class Content {
  #room: Uint8Array;
  length: number;

  constructor(bytes: Uint8Array = new Uint8Array(0)) {
    this.#room = bytes;
    this.length = bytes.length;
  }

  write({ at, bytes }: PendingWrite): void {
    const end = at + bytes.length;
    if (end > this.#room.length) {
      const room = new Uint8Array(Math.max(end, 2 * this.#room.length));
      room.set(this.bytes());
      this.#room = room;
    }
    this.#room.set(bytes, at);
    this.length = Math.max(this.length, end);
  }

  /** A view, good until the next write. */
  bytes(): Uint8Array {
    return this.#room.subarray(0, this.length);
  }

  copy(): Content {
    return new Content(this.bytes().slice());
  }
}

export class SimulatedFile {
  #seen: Content;
  #durable: Content;
  #pending: PendingWrite[] = [];

  constructor(seen = new Content(), durable = new Content()) {
    this.#seen = seen;
    this.#durable = durable;
  }

  /** What the running system reads: a view. */
  bytes(): Uint8Array {
    return this.#seen.bytes();
  }

  get hasPending(): boolean {
    return this.#pending.length > 0;
  }

  write(bytes: Uint8Array, at: number): void {
    const write = { at, bytes: bytes.slice() };
    this.#seen.write(write);
    this.#pending.push(write);
  }

  sync(): void {
    for (const write of this.#pending) this.#durable.write(write);
    this.#pending = [];
  }

  /**
   * A sync that reports failure. As on Linux, the system gives up on what it could not write and takes it for
   * clean: it still reads it, a later sync succeeds without it, and a power loss shows what became of it.
   */
  failSync(random: SeededRandom): void {
    for (const write of this.#pending) settle(this.#durable, write, random);
    this.#pending = [];
  }

  /** Changes what is there behind everybody's back, durably. */
  overwrite(bytes: Uint8Array): void {
    this.#seen = new Content(bytes.slice());
    this.#durable = new Content(bytes.slice());
    this.#pending = [];
  }

  /** What a power loss leaves: every write that was not synced, each by itself, is lost, kept or torn. */
  afterPowerLoss(random: SeededRandom): SimulatedFile {
    const left = this.#durable.copy();
    for (const write of this.#pending) settle(left, write, random);
    return new SimulatedFile(left, left.copy());
  }

  /** What the end of the process leaves: all of it, still not synced. */
  afterKill(): SimulatedFile {
    const left = new SimulatedFile(this.#seen.copy(), this.#durable.copy());
    left.#pending = [...this.#pending];
    return left;
  }
}

/** Lets one write reach `content` as chance will have it. */
function settle(content: Content, { at, bytes }: PendingWrite, random: SeededRandom): void {
  const fate = random.below(6);
  if (fate < 2) return;
  if (fate < 4) content.write({ at, bytes });
  else if (fate === 4) content.write({ at, bytes: prefix(bytes, at, random) });
  else scatter(content, { at, bytes }, random);
}

/** The first bytes of a write: up to a sector's border, or to any place. */
export function prefix(bytes: Uint8Array, at: number, random: SeededRandom): Uint8Array {
  const cut = random.below(bytes.length + 1);
  if (random.chance(0.5)) return bytes.subarray(0, cut);
  const border = Math.floor((at + cut) / sectorByteLength) * sectorByteLength - at;
  return bytes.subarray(0, Math.max(0, border));
}

/** Some of the sectors that a write touches, in no order. */
function scatter(content: Content, { at, bytes }: PendingWrite, random: SeededRandom): void {
  const end = at + bytes.length;
  let from = at;
  while (from < end) {
    const border = (Math.floor(from / sectorByteLength) + 1) * sectorByteLength;
    const to = Math.min(border, end);
    if (random.chance(0.5)) content.write({ at: from, bytes: bytes.subarray(from - at, to - at) });
    from = to;
  }
}
