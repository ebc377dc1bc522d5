/** `cairn doctor store`: proves that an S3 keeps the promises that write-once copies rest on. */
import type { CheckResult } from "@cairnlog/worm";
import type { CommandContext, CommandSpec } from "../command.ts";
import type { Exit } from "../io.ts";
import { asciiJson, safeText } from "../safe-text.ts";
import { bucketOptions } from "../worm-copies.ts";

export const doctorStoreCommand: CommandSpec = {
  name: "doctor store",
  parameters: [{ usage: "<place>", about: "s3://bucket/prefix: a bucket with Object Lock" }],
  summary: "prove that an S3 keeps its word",
  description:
    "Tries each promise that write-once copies and a log in a bucket rest on: racing conditional puts, versions, reading and listing at once, checksums, " +
    "and a lock in compliance mode that nobody can shorten or bypass. Each check is a line with what was expected and what was seen. " +
    "It writes under a prefix of its own, and leaves one object there, under the shortest lock that the server takes. " +
    "Exit status: 0 all promises kept, 1 one is not, 2 usage, 3 not to be asked.",
  settings: ["s3Endpoint", "s3Region", "s3PathStyle"],
  examples: [
    { line: "cairn doctor store s3://example-audit/logs", about: "a bucket at AWS" },
    {
      line: "cairn doctor store s3://audit/logs --s3-endpoint https://s3.example.com --s3-path-style",
      about: "another S3",
    },
  ],
  run,
};

async function run({ io, output, config, parameters }: CommandContext): Promise<Exit> {
  const { examineStore } = await import("@cairnlog/worm");
  const lines: Promise<void>[] = [];
  const diagnosis = await examineStore(parameters[0]!, {
    s3: bucketOptions(config.values),
    now: () => io.now(),
    signal: AbortSignal.any([io.interrupted, output.closed]),
    onCheck: (check) => {
      if (!output.isJson) lines.push(output.line(lineOf(check)));
      // A reader who has gone is heard of below.
      lines.at(-1)?.catch(() => undefined);
    },
  });
  await Promise.all(lines);
  const { ok, checks, place, lockedUntil } = diagnosis;
  if (output.isJson) {
    await output.line(asciiJson(diagnosis));
    return ok ? 0 : 1;
  }
  const failed = checks.filter((check) => !check.ok).length;
  const verdict = ok
    ? output.paint("good", `All ${checks.length} promises were kept.`)
    : output.paint("bad", `${failed} of ${checks.length} promises were broken: keep no log there.`);
  await output.line(verdict);
  if (lockedUntil !== undefined) {
    output.note(`One object stays locked until ${lockedUntil}: ${place}`);
  }
  return ok ? 0 : 1;

  function lineOf({ name, expected, seen, ok: isKept }: CheckResult): string {
    const word = isKept ? output.paint("good", "ok    ") : output.paint("bad", "BROKEN");
    return `${word}  ${name}\n          expected: ${expected}\n          seen:     ${safeText(seen)}`;
  }
}
