/** What a sealed entry takes on the disk, hashes included, per byte of the event that was sent. */
import { statSync } from "node:fs";
import { join } from "node:path";
import { constants, zstdCompressSync } from "node:zlib";
import type { Benchmark } from "./benchmark.ts";
import { EventPool } from "./events.ts";
import { filesIn, largeLog, largeLogName } from "./large-log.ts";
import { row } from "./report.ts";

const segmentEntries = 65_536;
const eventsPerFrame = 256;
const hashBytes = 32;

export const diskUse: Benchmark = {
  name: "disk",
  claim: "sealed entries take at most 0.40 of the raw bytes of their events, hashes included",
  async run(context) {
    const large = await largeLog(context);
    const folder = join(large.data, largeLogName);
    const bytesUnder = (part: string): number =>
      filesIn(join(folder, part)).reduce(
        (sum, path) => sum + statSync(join(folder, part, path)).size,
        0,
      );
    const entries = filesIn(join(folder, "sealed")).length * segmentEntries;
    const eventBytes = large.eventBytes / large.entries;
    const share = (bytes: number): number => bytes / entries / eventBytes;
    const sealed = bytesUnder("sealed");
    const compressed = compressedShare();
    const sidecars = bytesUnder("index") + bytesUnder("tree");
    return {
      rows: [
        row({
          ...{ what: "sealed bytes per raw byte", unit: "", values: [share(sealed)] },
          baseline: { what: "zstd of the events alone", values: [compressed] },
          aim: { atMost: 0.4 },
        }),
        row({
          what: "with what is derived (ids, tree)",
          unit: "",
          values: [share(sealed + sidecars)],
        }),
        row({ what: "sealed bytes per entry", unit: "bytes", values: [sealed / entries] }),
      ],
      notes: [
        `${eventBytes.toFixed(0)} bytes an event; of the sealed bytes of an entry ${hashBytes} are its leaf hash, ` +
          `18 its salt and 10 the random part of its id, none of which can be compressed`,
      ],
    };
  },
};

/** What compression alone would do, with the same level and in pieces of as many events. */
function compressedShare(): number {
  const pool = new EventPool(3, 131_072);
  let raw = 0;
  let compressed = 0;
  const params = { [constants.ZSTD_c_compressionLevel]: 1 };
  for (let from = 0; from < pool.count; from += eventsPerFrame) {
    const events = pool.batch(from, eventsPerFrame);
    raw += events.length - eventsPerFrame;
    compressed += zstdCompressSync(events, { params }).length;
  }
  return compressed / raw;
}
