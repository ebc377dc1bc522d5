/** Where in a log the attack of a story lies: found by the ids of its events, which telling it again brings back. */
import { formatLogTime, parseEntryHead, parseUtf8 } from "@cairnlog/core";
import type { Store } from "@cairnlog/store";
import { FolderLog } from "../folder-log.ts";
import type { Step } from "./intruder.ts";
import type { Story } from "./story.ts";

/** `{"id":"`, then an id: how each event of a story begins. */
const [idFrom, idTo] = [7, 33];

/** Reads the whole log, also while somebody else writes it. */
export async function findSteps(
  store: Store,
  name: string,
  story: Story,
  signal: AbortSignal,
): Promise<ReadonlyMap<Step, number>> {
  const steps = new Map<string, Step>();
  for (const { id, step } of story.tell()) if (step !== undefined) steps.set(id, step);
  const log = await FolderLog.open(store, name);
  const range = { from: 0, to: undefined, sinceMs: undefined, untilMs: undefined };
  const seqs = new Map<Step, number>();
  for await (const { seq, bytes } of log.entries({
    ...range,
    limit: undefined,
    follow: false,
    signal,
  })) {
    const { event } = parseEntryHead(bytes);
    if (event.length < idTo) continue;
    const step = steps.get(latin(event.subarray(idFrom, idTo)));
    if (step !== undefined) seqs.set(step, seq);
  }
  return seqs;
}

/** The entries of other senders may have any bytes there, half characters among them. */
function latin(bytes: Uint8Array): string {
  return bytes.every((byte) => byte < 0x80) ? parseUtf8(bytes) : "";
}

/** The solution, a line a step; where a step left nothing but a gap in the numbers, it says so. */
export function describeAttack(story: Story, seqs: ReadonlyMap<Step, number>): string[] {
  const lines = story.attack.map((step) => {
    const { happening, meaning } = step;
    const seq = happening.isLost === true ? "lost" : String(seqs.get(step) ?? "?");
    const time = formatLogTime(happening.timeMs);
    return `${seq.padStart(9)}  ${time}  ${happening.type.padEnd(30)}  ${meaning}`;
  });
  const found = [...seqs.values()].sort((a, b) => a - b);
  return [
    "",
    "The attack, step by step (seq, time in the story, type):",
    "",
    ...lines,
    "",
    `--seq ${found.join(",")}`,
  ];
}
