/** Evidence for 10,000 events of a large log: written with one proof, and verified alone. */
import {
  inclusionProofNodes,
  isCairnError,
  multiProofLength,
  policyOfKeys,
  parseVkey,
  verifyEvidence,
} from "@cairnlog/core";
import { nodeCrypto } from "@cairnlog/crypto";
import { exportEvidence, openLog, type EvidenceSelection, type Log } from "@cairnlog/log";
import { SeededRandom } from "@cairnlog/testing";
import { withFolder, type Benchmark } from "./benchmark.ts";
import { copyLargeLog, largeLog, largeLogName } from "./large-log.ts";
import { row } from "./report.ts";

const count = 10_000;

export const evidence: Benchmark = {
  name: "evidence",
  claim:
    "evidence for 10,000 events: written in 3 s, verified in 1 s, one proof far smaller than many",
  async run(context) {
    const large = await largeLog(context);
    return withFolder(async (data) => {
      copyLargeLog(large, data);
      const log = await openLog(data, largeLogName);
      try {
        const rows = [];
        for (const shape of ["scattered", "bursts of ten", "contiguous"] as const) {
          rows.push(...(await measure(log, shape, large.entries, context.isQuick ? 1 : 3)));
        }
        rows.push(...(await search(log, context.isQuick ? 1 : 3)));
        return { rows, notes: ["the ratio of a proof is to separate inclusion proofs, in hashes"] };
      } finally {
        await log.close();
      }
    });
  },
};

/**
 * Evidence by what an event says reads the events, of all the log: one actor that is not there, and one of the few
 * that are in every frame. What is written for the second one is within its time.
 */
async function search(log: Log, rounds: number) {
  const { size } = log.status();
  const { bytes } = await log.entry(Math.floor(size / 2));
  const { event } = JSON.parse(Buffer.from(bytes).toString()) as {
    event: { actor: { id: string } };
  };
  const searches: readonly [string, EvidenceSelection][] = [
    ["search: an actor of no event", { actors: ["nobody@example.com"] }],
    ["search: an actor of many, one type", { actors: [event.actor.id], types: ["identity.*"] }],
  ];
  const rows = [];
  for (const [what, selection] of searches) {
    const values: number[] = [];
    for (let round = 0; round < rounds; round++) {
      const request = { selection, who: "bench", why: "to be measured", nowMs: Date.now() };
      const begun = performance.now();
      await exportEvidence(log, request).catch((error: unknown) => {
        if (!isCairnError(error, "not_found")) throw error;
      });
      values.push((size / (performance.now() - begun)) * 1000);
    }
    rows.push(row({ what, unit: "entries/s", values, aim: { atLeast: 400_000 } }));
  }
  return rows;
}

type Shape = "scattered" | "bursts of ten" | "contiguous";

async function measure(log: Log, shape: Shape, size: number, rounds: number) {
  const selection = select(shape, size);
  const policy = policyOfKeys(
    nodeCrypto.sha256,
    log.vkeys.map((vkey) => parseVkey(nodeCrypto.sha256, vkey)),
  );
  const written: number[] = [];
  const verified: number[] = [];
  const separate: number[] = [];
  const together: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const begun = performance.now();
    const request = { selection, who: "bench", why: "to be measured", nowMs: Date.now() };
    const { pieces } = await exportEvidence(log, request);
    const bytes = Buffer.concat([...pieces]);
    written.push((performance.now() - begun) / 1000);
    const again = performance.now();
    const { evidence: read } = await verifyEvidence(nodeCrypto, bytes, policy);
    verified.push((performance.now() - again) / 1000);
    const seqs = read.parsed.map(({ seq }) => seq);
    together.push(multiProofLength(seqs, read.header.size));
    separate.push(
      seqs.reduce((sum, seq) => sum + inclusionProofNodes(seq, read.header.size).length, 0),
    );
  }
  return [
    row({ what: `${shape}: write`, unit: "s", values: written, aim: { atMost: 3 } }),
    row({ what: `${shape}: verify`, unit: "s", values: verified, aim: { atMost: 1 } }),
    row({
      ...{ what: `${shape}: proof`, unit: "hashes", values: together },
      baseline: { what: "separate proofs", values: separate },
      aim: { ratioAtMost: { scattered: 0.45, "bursts of ten": 0.1, contiguous: 0.01 }[shape] },
    }),
  ];
}

function select(shape: Shape, size: number): EvidenceSelection {
  const random = new SeededRandom(4);
  if (shape === "contiguous") {
    const from = random.below(size - count);
    return { seqs: [{ from, to: from + count }] };
  }
  const width = shape === "scattered" ? 1 : 10;
  const starts = new Set<number>();
  while (starts.size < count / width) starts.add(width * random.below(Math.floor(size / width)));
  return { seqs: [...starts].map((from) => ({ from, to: from + width })) };
}
