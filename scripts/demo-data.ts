/** `npm run demo:data`: the process around it. `--help` shows what it takes; docs/demo-data.md has the rest. */
import { hostname } from "node:os";
import { fileURLToPath } from "node:url";
import { runDemoData } from "@cairnlog/cli";

const controller = new AbortController();
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  // The second one ends the process as if nobody had caught it.
  process.once(signal, () => controller.abort());
}

process.exitCode = await runDemoData(process.argv.slice(2), {
  folder: fileURLToPath(new URL("..", import.meta.url)),
  hostName: hostname(),
  now: () => Date.now(),
  interrupted: controller.signal,
  print: (line) => console.log(line),
  printError: (line) => console.error(line),
  ...(process.stderr.isTTY
    ? { progress: (text: string) => void process.stderr.write(`\r\u001b[K${text}`) }
    : {}),
});
