/** A witness behind its server, in this process, with a clock that the test moves. For tests. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import { hex, utf8 } from "@cairnlog/core";
import { nodeCrypto } from "@cairnlog/crypto";
import { ManualClock } from "@cairnlog/testing";
import type { GrowingLog } from "./growing-log.testing.ts";
import { WitnessServer, type WitnessServerOptions } from "./witness-server.ts";
import { Witness, type WitnessOptions } from "./witness.ts";

export const witnessName = "witness.example/w1";
export const startSeconds = 1_767_225_600;
const folders: string[] = [];
const running: RunningWitness[] = [];

export interface RunningWitness {
  readonly folder: string;
  readonly clock: ManualClock;
  readonly witness: Witness;
  readonly url: string;
  post(body: string | Uint8Array): Promise<{ status: number; body: string; headers: Headers }>;
  get(path: string): Promise<Response>;
  metrics(): Promise<string>;
  close(): Promise<void>;
}

/** A folder that is removed when the tests of the file are over. */
export function freshFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "cairn-witness-"));
  folders.push(folder);
  return folder;
}

after(async () => {
  // A test that failed has closed nothing.
  for (const each of running) await each.close();
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

export async function startWitness(
  logs: readonly GrowingLog[],
  options: Partial<WitnessOptions> = {},
  serverOptions: WitnessServerOptions = {},
): Promise<RunningWitness> {
  const folder = options.folder ?? freshFolder();
  const clock = new ManualClock(startSeconds * 1000);
  const witness = Witness.open({ name: witnessName, clock, ...options, folder });
  witness.addLogs(logs.flatMap(({ vkeys }) => vkeys));
  const server = new WitnessServer(witness, serverOptions);
  const url = await server.listen({ host: "127.0.0.1", port: 0 });
  const started: RunningWitness = {
    ...{ folder, clock, witness, url },
    async post(body) {
      const response = await fetch(`${url}/add-checkpoint`, {
        method: "POST",
        body: typeof body === "string" ? body : new Uint8Array(body),
      });
      return { status: response.status, body: await response.text(), headers: response.headers };
    },
    get: (path) => fetch(url + path),
    metrics: () => server.registry.metrics(),
    async close() {
      await server.stop();
      await witness.close();
    },
  };
  running.push(started);
  return started;
}

export function pathOf(log: GrowingLog): string {
  return `/${hex(nodeCrypto.sha256(utf8(log.origin)))}/checkpoint`;
}
