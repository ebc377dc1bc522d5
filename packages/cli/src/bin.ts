#!/usr/bin/env node
/** The process around the command: its streams, its environment, its signals. */
import { hostname } from "node:os";
import type { Io } from "./io.ts";
import { run } from "./main.ts";

const interrupted = new AbortController();
let signals = 0;
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.on(signal, () => {
    signals++;
    if (signals === 1) interrupted.abort();
    // As if nobody had caught it: the shell sees which signal it was.
    else {
      process.removeAllListeners(signal);
      process.kill(process.pid, signal);
    }
  });
}

const io: Io = {
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  env: process.env,
  cwd: process.cwd(),
  isTerminal: {
    stdin: process.stdin.isTTY === true,
    stdout: process.stdout.isTTY === true,
    stderr: process.stderr.isTTY === true,
  },
  hostName: hostname(),
  now: () => Date.now(),
  interrupted: interrupted.signal,
};

process.exitCode = await run(process.argv.slice(2), io);
// A pipe on standard input that nobody closed would keep the process.
process.stdin.destroy();
