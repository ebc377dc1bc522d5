/** `cairn replay`: plays what a run showed. */
import { asciicastMediaType, isObject, parseCast } from "@cairnlog/capture";
import { CairnError, parseBlobs, parseDecimal, parseEntry, parseUtf8 } from "@cairnlog/core";
import { checkedBlob } from "../blob-file.ts";
import { parseCount, type CommandContext, type CommandSpec } from "../command.ts";
import type { LogView } from "../log-view.ts";
import { openView } from "../open-target.ts";
import { play, terminalReset } from "../run/playback.ts";
import { parseDuration } from "../time-argument.ts";

/** A recording is read whole, so that nothing is shown that does not have the hash it is named by. */
const castBytesMax = 256 * 1024 * 1024;

export const replayCommand: CommandSpec = {
  name: "replay",
  parameters: [{ usage: "<seq>", about: "the entry that says how the run ended" }],
  summary: "play the terminal of a run",
  description:
    "Plays what a command that `cairn run` ran has shown, with its timing, after the recording's hash was checked. " +
    "Sequences that make a terminal answer, or write to its clipboard or title, are left out. " +
    "Where standard output is no terminal, all of it comes at once and unchanged; `cairn get --blob` fetches the recording itself, an asciicast.",
  settings: ["data", "url", "log", "key", "keyFile"],
  options: [
    { flags: "--speed <number>", about: "how many times as fast (default: 1)" },
    { flags: "--pause-max <duration>", about: "longer pauses are cut to it (default: 2s)" },
  ],
  examples: [
    { line: "cairn replay 42", about: "watch it" },
    { line: "cairn replay 42 --speed 4 --pause-max 500ms", about: "in a hurry" },
    { line: "cairn replay 42 > output.txt", about: "only what it wrote" },
  ],
  async run(context: CommandContext): Promise<0> {
    const { options, parameters, output, io } = context;
    const speed = parseSpeed(options.text("speed") ?? "1");
    const pauseMsMax = parseDuration(options.text("pauseMax") ?? "2s", "--pause-max");
    const seq = parseCount(parameters[0]!, "seq");
    const view = await openView(context);
    const { events } = parseCast(await readCast(view, seq));
    if (!output.isTerminal) {
      for (const { code, text } of events) if (code === "o") await output.raw(text);
      return 0;
    }
    const signal = AbortSignal.any([io.interrupted, output.closed]);
    try {
      await play(events, (text) => output.raw(text), { speed, pauseMsMax, signal });
    } finally {
      await output.raw(terminalReset);
    }
    return 0;
  },
};

/** `2`, `0.5` */
function parseSpeed(text: string): number {
  const [, whole = "", fraction = ""] = /^([0-9]{1,4})(?:\.([0-9]{1,3}))?$/.exec(text) ?? [];
  const thousandths = `${whole}${fraction.padEnd(3, "0")}`.replace(/^0+(?=.)/, "");
  const speed = whole === "" ? 0 : parseDecimal(thousandths, "speed") / 1000;
  if (speed > 0) return speed;
  throw new CairnError(
    "usage",
    `--speed: expected a number as 2 or 0.5, not ${JSON.stringify(text)}`,
  );
}

async function readCast(view: LogView, seq: number): Promise<string> {
  const { bytes } = await view.entry(seq);
  const event: unknown = JSON.parse(parseUtf8(parseEntry(bytes).event));
  const blobs =
    isObject(event) && event["blobs"] !== undefined
      ? parseBlobs(JSON.stringify(event["blobs"]))
      : [];
  const cast = blobs.find(({ mediaType }) => mediaType === asciicastMediaType);
  if (cast === undefined) {
    const message =
      `entry ${seq} names no recording: a run's is in the entry that says how it ended, ` +
      "if there was output and it was kept";
    throw new CairnError("usage", message, { place: { seq } });
  }
  if (cast.byteLength > castBytesMax) {
    throw new CairnError("too_large", `the recording has ${cast.byteLength} bytes`, {
      place: { seq },
    });
  }
  const pieces: Uint8Array[] = [];
  for await (const piece of checkedBlob(cast.sha256, view.blob(cast.sha256))) pieces.push(piece);
  return parseUtf8(Buffer.concat(pieces));
}
