#!/usr/bin/env node
/** The process around the command: its streams, its environment, its signals. */
import { hostname } from "node:os";
import type { Io } from "./io.ts";
import { run } from "./main.ts";

const interrupted = new AbortController();
const forwarded = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2"] as const;
let signals = 0;
const stopSignals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
const onStop = (signal: NodeJS.Signals): void => {
  signals++;
  if (signals === 1) interrupted.abort();
  // As if nobody had caught it: the shell sees which signal it was.
  else die(signal);
};
for (const signal of stopSignals) process.on(signal, onStop);

function die(signal: NodeJS.Signals): void {
  process.removeAllListeners(signal);
  process.kill(process.pid, signal);
}

function takeSignals(listener: (signal: NodeJS.Signals) => void): () => void {
  for (const signal of stopSignals) process.off(signal, onStop);
  for (const signal of forwarded) process.on(signal, listener);
  return () => {
    for (const signal of forwarded) process.off(signal, listener);
    for (const signal of stopSignals) process.on(signal, onStop);
  };
}

/** How the process ends, where it is not with a status. */
const ending: { signal?: NodeJS.Signals } = {};

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
  process: { takeSignals, endBySignal: (signal) => (ending.signal = signal) },
};

process.exitCode = await run(process.argv.slice(2), io);
// A pipe on standard input that nobody closed would keep the process.
process.stdin.destroy();
if (ending.signal !== undefined) die(ending.signal);
