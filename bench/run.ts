/**
 * `npm run bench`: runs the benchmarks, each in a process of its own, one after the other.
 *
 *     npm run bench                          all of them, with a log of a million entries
 *     npm run bench -- http-single verify    these
 *     npm run bench -- --full                with a log of 10 million entries
 *     npm run bench -- --quick               only to see that they run
 *     npm run bench -- --json | --markdown   the results on standard output, in this form
 */
import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { buildPackage } from "../scripts/build-package.mjs";
import { appendNdjson } from "./append-ndjson.ts";
import { withFolder, type Benchmark } from "./benchmark.ts";
import { diskUse } from "./disk-use.ts";
import { evidence } from "./evidence.ts";
import { httpBatch } from "./http-batch.ts";
import { httpLone } from "./http-lone.ts";
import { httpSingle } from "./http-single.ts";
import { noise } from "./measure.ts";
import { middleware } from "./middleware.ts";
import { otlp } from "./otlp.ts";
import {
  formatMarkdown,
  formatResult,
  formatSummary,
  machine,
  type BenchmarkResult,
  type RunResult,
} from "./report.ts";
import { scrub } from "./scrub.ts";
import { sdk } from "./sdk.ts";
import { simd } from "./simd.ts";
import { startUp } from "./start-up.ts";
import { syslog } from "./syslog.ts";
import { verifyLog } from "./verify-log.ts";
import { witness } from "./witness.ts";
import { witnessing } from "./witnessing.ts";

const benchmarks: readonly Benchmark[] = [
  ...[appendNdjson, httpSingle, httpLone, httpBatch, otlp, sdk, middleware, syslog],
  ...[verifyLog, simd, scrub, startUp, diskUse, evidence, witness, witnessing],
];

/** Below node_modules, so that it finds what it depends on. */
const builtFolder = fileURLToPath(new URL("../node_modules/.cache/cairnlog", import.meta.url));

const { values: flags, positionals: names } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: "boolean", default: false },
    full: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    markdown: { type: "boolean", default: false },
    /** Runs this benchmark in this very process: so does this program in the processes that it starts. */
    here: { type: "string" },
  },
});

const unknown = names.filter((name) => !benchmarks.some((each) => each.name === name));
if (unknown.length > 0) {
  console.error(
    `There is no benchmark ${unknown.join(", ")}. There are: ` +
      `${benchmarks.map(({ name }) => name).join(", ")}.`,
  );
  process.exit(2);
}
const chosen = benchmarks.filter(({ name }) => names.length === 0 || names.includes(name));

const here = benchmarks.find(({ name }) => name === flags.here);
if (here === undefined) await runAll();
else await runHere(here);

async function runAll(): Promise<void> {
  const results: RunResult[] = [];
  // What a user installs is measured: sources would have their types stripped first, in each thread.
  process.env.CAIRN_BENCH_COMMAND ??= join(buildPackage(builtFolder), "bin/cairn.js");
  const { node, cpu, cores, memoryGib } = machine();
  console.error(`Node ${node.slice(1)}, ${cores} × ${cpu}, ${memoryGib} GiB`);
  for (const benchmark of chosen) {
    console.error(`\n${benchmark.name}: ${benchmark.claim}`);
    const result = await runApart(benchmark);
    if (result === undefined) {
      process.exitCode = 3;
      continue;
    }
    results.push(result);
    console.error(formatResult(result));
  }
  if (flags.json) console.log(JSON.stringify({ machine: machine(), results }, undefined, 2));
  else if (flags.markdown) console.log(formatMarkdown(results));
  else if (results.length > 1) console.log(`\n${formatSummary(results)}`);
}

/** Undefined if it could not be run: that is said already, and the others are run all the same. */
async function runApart({ name, claim }: Benchmark): Promise<RunResult | undefined> {
  const before = await noise();
  const begun = performance.now();
  const child = fork(fileURLToPath(import.meta.url), [...process.argv.slice(2), "--here", name]);
  let result: BenchmarkResult | undefined;
  child.on("message", (message) => {
    result = message as BenchmarkResult;
  });
  const end = (): void => {
    child.kill();
    process.exit(130);
  };
  process.once("SIGINT", end).once("SIGTERM", end);
  const status = await new Promise<number | null>((resolve) => child.once("exit", resolve));
  process.off("SIGINT", end).off("SIGTERM", end);
  const seconds = (performance.now() - begun) / 1000;
  if (result === undefined) {
    console.error(`  could not be run (exit status ${status})`);
    return undefined;
  }
  return { ...result, name, claim, seconds, noise: { before, after: await noise() } };
}

async function runHere({ name, claim, run }: Benchmark): Promise<void> {
  const entries = flags.full ? 10_000_000 : flags.quick ? 200_000 : 1_000_000;
  const say = (line: string): void => console.error(`  … ${line}`);
  const found = await withFolder((folder) => run({ isQuick: flags.quick, entries, folder, say }));
  const result: BenchmarkResult = { name, claim, ...found };
  if (process.send === undefined) console.log(JSON.stringify(result, undefined, 2));
  else process.send(result);
  if (process.connected) process.disconnect();
}
