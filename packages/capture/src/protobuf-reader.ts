/**
 * A strict reader of protobuf messages, for the functions that `scripts/build-otlp.mjs` makes. The wire format itself
 * is read by `@bufbuild/protobuf`; what stands here is what it leaves open and a sender could abuse:
 *
 * - A message ends exactly where its length says, within the message around it.
 * - Tags of more than 32 bits are refused. (A field of another wire type than the schema's is an unknown field.)
 * - Nesting and the number of messages are bounded: two bytes on the wire make an object of a hundred in memory.
 *
 * All throw an Error, which the caller turns into "malformed"; only too many messages are "too_large".
 */
import { BinaryReader } from "@bufbuild/protobuf/wire";
import { CairnError, parseDecimal } from "@cairnlog/core";

/** As the readers of protobuf's own authors have it. */
const depthMax = 100;

export const noBytes: Uint8Array = new Uint8Array(0);

export class MessageReader extends BinaryReader {
  readonly #bytes: Uint8Array;
  readonly #messagesMax: number;
  #messages = 0;

  constructor(bytes: Uint8Array, messagesMax: number) {
    super(bytes, decodeUtf8);
    this.#bytes = bytes;
    this.#messagesMax = messagesMax;
  }

  /** A field's tag: 8 times its number and the wire type. */
  messageTag(): number {
    const first = this.#bytes[this.pos]!;
    if (first < 0x80) {
      if (first < 8) throw new Error(`no field has the tag ${first}`);
      this.pos++;
      return first;
    }
    const [field, wireType] = this.tag();
    return field * 8 + wireType;
  }

  /** Begins a message within one that ends at `end`, and returns where it ends itself. */
  enter(end: number, depth: number): number {
    if (depth >= depthMax) throw new Error(`messages nest deeper than ${depthMax}`);
    if (++this.#messages > this.#messagesMax) {
      throw new CairnError(
        "too_large",
        `the body holds more than ${Math.floor(this.#messagesMax)} messages: send fewer records at once`,
      );
    }
    const byteLength = this.uint32();
    const childEnd = this.pos + byteLength;
    if (childEnd > end) throw new Error(`a message at byte ${this.pos} ends beyond the one around`);
    return childEnd;
  }

  /** Ends a message: its last field must have ended with it. */
  leave(end: number): void {
    if (this.pos !== end)
      throw new Error(`a field ends at byte ${this.pos}, its message at ${end}`);
  }

  text(): string {
    return this.string(true);
  }

  /** An `int64`: a number, or a string of its digits where no number could hold it exactly. */
  integer(): number | string {
    const first = this.#bytes[this.pos]!;
    if (first < 0x80) {
      this.pos++;
      return first;
    }
    return exact(this.int64());
  }

  /** A `fixed64`, in the same way. */
  fixedInteger(): number | string {
    return exact(this.fixed64());
  }

  /** Adds a field that the schema does not have, tag and value as they came. A wire type that is none is refused. */
  unknown(known: Uint8Array[] | undefined, from: number, tag: number): Uint8Array[] {
    const wireType = tag % 8;
    this.skip(wireType, (tag - wireType) / 8, depthMax);
    const fields = known ?? [];
    fields.push(this.#bytes.subarray(from, this.pos));
    return fields;
  }
}

function exact(integer: bigint | string): number | string {
  const digits = String(integer);
  const isSafe =
    typeof integer === "bigint" &&
    integer <= Number.MAX_SAFE_INTEGER &&
    integer >= Number.MIN_SAFE_INTEGER;
  if (!isSafe) return digits;
  return digits.startsWith("-")
    ? -parseDecimal(digits.slice(1), "int64")
    : parseDecimal(digits, "int64");
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Always strict: protobuf's strings are UTF-8. */
function decodeUtf8(bytes: Uint8Array): string {
  return utf8.decode(bytes);
}
