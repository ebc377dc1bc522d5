/**
 * How much the server takes on. Each is a bound on what one client, or all together, can make it
 * hold.
 */
export interface Limits {
  /** Bytes of a body as sent. */
  readonly wireBytesMax: number;
  /** Bytes of a body after decompression. */
  readonly bodyBytesMax: number;
  /** The same for JSON, which is kept whole until its end; more of it goes as lines. */
  readonly jsonBytesMax: number;
  /** Bytes of one line of NDJSON, white space included. */
  readonly lineBytesMax: number;
  /** How many times its size a body may decompress to, once it is beyond `expansionFreeBytes`. */
  readonly expansionMax: number;
  readonly expansionFreeBytes: number;
  /** Bytes of all bodies that are arriving or wait for their commit. */
  readonly inFlightBytesMax: number;
  readonly eventsPerRequestMax: number;
  /** Refused events of one request; each costs a description. */
  readonly refusalsPerRequestMax: number;
  /** Time for a request's head, and for head and body together. */
  readonly headersTimeoutMs: number;
  readonly requestTimeoutMs: number;
  /** How long a connection may be idle between two requests. */
  readonly keepAliveTimeoutMs: number;
  readonly connectionsMax: number;
  /** Entries in one answer to a range. */
  readonly rangeEntriesMax: number;
  /** Entries, and their bytes, in one evidence file. */
  readonly evidenceEntriesMax: number;
  readonly evidenceBytesMax: number;
  /** How long a reader may ask to wait for the next entry. */
  readonly waitSecondsMax: number;
  /** How long `stop` waits for what is under way. */
  readonly stopTimeoutMs: number;
}

const mebibyte = 1024 * 1024;

export const defaultLimits: Limits = {
  wireBytesMax: 16 * mebibyte,
  bodyBytesMax: 64 * mebibyte,
  jsonBytesMax: 16 * mebibyte,
  lineBytesMax: mebibyte / 4,
  expansionMax: 100,
  expansionFreeBytes: mebibyte,
  inFlightBytesMax: 256 * mebibyte,
  eventsPerRequestMax: 200_000,
  refusalsPerRequestMax: 4096,
  headersTimeoutMs: 10_000,
  requestTimeoutMs: 120_000,
  keepAliveTimeoutMs: 72_000,
  connectionsMax: 4096,
  rangeEntriesMax: 10_000,
  evidenceEntriesMax: 100_000,
  evidenceBytesMax: 256 * mebibyte,
  waitSecondsMax: 60,
  stopTimeoutMs: 30_000,
};
