/**
 * Frames of RELP (Reliable Event Logging Protocol, version 1; also 0, which librelp calls itself):
 * "TXNR SP COMMAND SP DATALEN [SP DATA] LF". Reading is strict: a peer that counts wrong cannot be understood further.
 */
import { CairnError } from "@cairnlog/core";
import { ByteQueue } from "./byte-queue.ts";

export interface RelpFrame {
  readonly txnr: number;
  readonly command: string;
  /** A view, good until the next `push`. */
  readonly data: Uint8Array;
  /** A message beyond the limit comes in pieces: only the last one ends the frame. */
  readonly piece?: { readonly number: number; readonly isLast: boolean };
}

/** TXNR and COMMAND and DATALEN with the blanks between them. */
const headBytesMax = 9 + 1 + 32 + 1 + 9 + 1;
const lf = 0x0a;
export const txnrMax = 999_999_999;

interface Head {
  readonly txnr: number;
  readonly command: string;
  readonly dataLength: number;
}

export class RelpFrames {
  readonly #queue = new ByteQueue();
  readonly #dataBytesMax: number;
  #head: Head | undefined;
  #left = 0;
  #pieces = 0;

  constructor(dataBytesMax: number) {
    this.#dataBytesMax = dataBytesMax;
  }

  /** The frames that are complete with `chunk`. They must be read before the next call. "malformed". */
  push(chunk: Uint8Array): RelpFrame[] {
    this.#queue.append(chunk);
    const frames: RelpFrame[] = [];
    for (;;) {
      const frame = this.#next();
      if (frame === undefined) return frames;
      frames.push(frame);
    }
  }

  #next(): RelpFrame | undefined {
    if (this.#head === undefined && !this.#readHead()) return undefined;
    const { bytes } = this.#queue;
    const { txnr, command } = this.#head!;
    const number = this.#pieces + 1;
    if (this.#left > this.#dataBytesMax) {
      const size = this.#dataBytesMax;
      if (bytes.length < size) return undefined;
      this.#queue.take(size);
      this.#left -= size;
      this.#pieces = number;
      return { txnr, command, data: bytes.subarray(0, size), piece: { number, isLast: false } };
    }
    const size = this.#left;
    if (bytes.length <= size) return undefined;
    if (bytes[size] !== lf) throw malformed("a frame does not end where its length says");
    this.#queue.take(size + 1);
    this.#head = undefined;
    this.#pieces = 0;
    const data = bytes.subarray(0, size);
    return number === 1
      ? { txnr, command, data }
      : { txnr, command, data, piece: { number, isLast: true } };
  }

  #readHead(): boolean {
    const { bytes } = this.#queue;
    const text = String.fromCharCode(...bytes.subarray(0, headBytesMax));
    const found = /^([0-9]{1,9}) ([A-Za-z]{1,32}) ([0-9]{1,9})(?=[ \n])/.exec(text);
    if (found === null) {
      if (bytes.length >= headBytesMax || !couldBeHead.test(text)) {
        throw malformed("what came is no frame of RELP");
      }
      return false;
    }
    const [whole, txnr, command, length] = found;
    const dataLength = digitsValue(length!);
    const hasSpace = text[whole.length] === " ";
    // Without data there is no blank before the LF; librelp takes one all the same.
    if (!hasSpace && dataLength > 0) throw malformed("a frame's data is missing");
    this.#head = { txnr: digitsValue(txnr!), command: command!, dataLength };
    this.#left = dataLength;
    this.#queue.take(whole.length + (hasSpace ? 1 : 0));
    return true;
  }
}

const couldBeHead = /^[0-9]{0,9}(?:(?<=[0-9]) (?:[A-Za-z]{0,32}(?:(?<=[A-Za-z]) [0-9]{0,9})?)?)?$/;

/** The value of at most nine digits, which a pattern has matched. */
function digitsValue(digits: string): number {
  let value = 0;
  for (let i = 0; i < digits.length; i++) value = value * 10 + digits.charCodeAt(i) - 0x30;
  return value;
}

function malformed(message: string): CairnError {
  return new CairnError("malformed", message);
}

/** One frame to a client. `text` is ASCII. */
export function relpFrame(txnr: number, command: string, text = ""): string {
  const data = text === "" ? "" : ` ${text}`;
  return `${txnr} ${command} ${text.length}${data}\n`;
}

export interface Offers {
  readonly version: number;
  readonly commands: readonly string[];
}

/** The offers of an `open`: "LF name=value[,value…]" each. Undefined without a version. */
export function parseOffers(data: Uint8Array): Offers | undefined {
  const text = new TextDecoder("latin1").decode(data);
  const offers = new Map<string, string>();
  for (const line of text.split("\n")) {
    const [, name, value] = /^([a-z_]{1,32})=(.{0,1024})$/.exec(line.trim()) ?? [];
    if (name !== undefined && !offers.has(name)) offers.set(name, value!);
  }
  const version = /^[0-9]{1,4}$/.exec(offers.get("relp_version") ?? "")?.[0];
  if (version === undefined) return undefined;
  return { version: digitsValue(version), commands: (offers.get("commands") ?? "").split(",") };
}
