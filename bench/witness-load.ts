/**
 * The load generator for witnesses, a process of its own: many logs, each with a history that grows, over so many
 * connections, on each of them the next request as soon as the answer to the one before is there. A log belongs to one
 * connection, so that its requests follow one another. All requests are made beforehand, and are the same in each
 * round: the witness is a new one then.
 */
import {
  consistencyProof,
  formatAddCheckpoint,
  formatVkey,
  hashChildren,
  hashLeaf,
  noteSigner,
  signCheckpoint,
  TreeAt,
  utf8,
  type Hash,
} from "@cairnlog/core";
import { nodeCrypto, signerFromSeed } from "@cairnlog/crypto";
import { LoadConnection } from "./load-connection.ts";
import { latenciesOf, Samples, type Latencies } from "./measure.ts";

export type WitnessOrder =
  | {
      readonly kind: "make";
      readonly logs: number;
      readonly connections: number;
      readonly requests: number;
    }
  | {
      readonly kind: "round";
      readonly port: number;
      readonly warmUpMs: number;
      readonly measureMs: number;
    };

export interface WitnessRound {
  /** Answers in the measured time, per second. */
  readonly perSecond: number;
  readonly latencies: Latencies;
  /** Answers ever, and those that are not 200. */
  readonly answers: number;
  readonly refused: number;
  readonly cpuShare: number;
}

const { sha256 } = nodeCrypto;
/** All logs have the same entries: a tree that is shared costs the generator less. */
const nodes = new Map<string, Hash>();
/** Requests by connection, in the order in which they are sent. */
let requests: Buffer[][] = [];

function read(level: number, index: number): Hash {
  const key = `${level}/${index}`;
  let hash = nodes.get(key);
  if (hash === undefined) {
    hash =
      level === 0
        ? hashLeaf(sha256, utf8(`entry ${index}`))
        : hashChildren(sha256, read(level - 1, 2 * index), read(level - 1, 2 * index + 1));
    nodes.set(key, hash);
  }
  return hash;
}

/** Makes the logs, and all that is ever sent about them. Returns their verifier keys. */
async function make(order: Extract<WitnessOrder, { kind: "make" }>): Promise<string[]> {
  const logs = Array.from({ length: order.logs }, (_, i) => {
    const origin = `bench.example.com/logs/${i}`;
    const signer = signerFromSeed("ed25519", sha256(utf8(origin)));
    return { origin, signer: noteSigner(sha256, origin, signer), size: 0 };
  });
  requests = Array.from({ length: order.connections }, () => []);
  for (let i = 0; i < order.requests; i++) {
    const log = logs[i % logs.length]!;
    const { origin, signer, size: oldSize } = log;
    log.size += 1 + (i % 7);
    const { size } = log;
    const proof = oldSize === 0 ? [] : consistencyProof(sha256, oldSize, size, read);
    const root = new TreeAt(sha256, size, read).root();
    const checkpoint = await signCheckpoint([signer], { origin, size, root });
    const body = formatAddCheckpoint({ oldSize, proof, checkpoint });
    const head = "POST /add-checkpoint HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: ";
    const bytes = Buffer.from(`${head}${Buffer.byteLength(body)}\r\n\r\n${body}`);
    requests[(i % logs.length) % order.connections]!.push(bytes);
  }
  return logs.map(({ signer }) => formatVkey(signer.vkey));
}

async function run(order: Extract<WitnessOrder, { kind: "round" }>): Promise<WitnessRound> {
  const samples = new Samples();
  let [answers, refused, measureFrom, measureTo] = [0, 0, Infinity, Infinity];
  const open: LoadConnection[] = [];
  const failure = new Promise<never>((_resolve, reject) => {
    for (const own of requests) {
      let next = 0;
      let sentAt = 0;
      const send = (): void => {
        const request = own[next++];
        if (request === undefined) return reject(new Error("too few requests were made"));
        sentAt = performance.now();
        connection.send(request);
      };
      const connection = new LoadConnection(order.port, {
        answered({ status }) {
          const now = performance.now();
          answers++;
          if (status !== 200) refused++;
          if (sentAt >= measureFrom && now <= measureTo) samples.add(now - sentAt);
          if (now <= measureTo) send();
        },
        failed: reject,
      });
      open.push(connection);
      send();
    }
  });
  const wait = (ms: number): Promise<void> =>
    Promise.race([failure, new Promise<void>((resolve) => setTimeout(resolve, ms))]);
  await wait(order.warmUpMs);
  measureFrom = performance.now();
  const cpuBefore = process.cpuUsage();
  await wait(order.measureMs);
  measureTo = performance.now();
  const cpu = process.cpuUsage(cpuBefore);
  await wait(100);
  for (const connection of open) connection.close();
  const seconds = (measureTo - measureFrom) / 1000;
  return {
    perSecond: samples.count / seconds,
    latencies: latenciesOf(samples),
    ...{ answers, refused },
    cpuShare: (cpu.user + cpu.system) / 1e6 / seconds,
  };
}

process.on("message", (order: WitnessOrder) => {
  const work: Promise<WitnessRound | string[]> = order.kind === "make" ? make(order) : run(order);
  work.then(
    (result) => process.send!({ result }),
    (error: unknown) => process.send!({ error: String(error) }),
  );
});
process.on("disconnect", () => process.exit());
