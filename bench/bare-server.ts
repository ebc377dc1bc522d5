/**
 * The server that ours is measured against: `node:http` as it comes, which reads each body to its end and answers with
 * a constant of the same size as our answers. It looks at nothing, keeps nothing, checks nobody. On demand it makes two
 * durable writes for each request, one after the other, as a commit does: what a lone caller must wait for anyway.
 */
import fs from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import { preallocate } from "./floor.ts";

export interface BareOrder {
  readonly answerBytes: number;
  /** Lengths of the writes that are made durable before the answer; none for none. */
  readonly writes: readonly number[];
  readonly folder: string;
}

const write = promisify(fs.write);
const datasync = promisify(fs.fdatasync);
const fileBytes = 32 * 1024 * 1024;

let answer: Buffer = Buffer.alloc(0);
let durableWrite: (() => Promise<void>) | undefined;

function makeDurableWrite({ writes, folder }: BareOrder): (() => Promise<void>) | undefined {
  if (writes.length === 0) return undefined;
  const files = writes.map((length, i) => ({
    file: preallocate(join(folder, `bare-${i}`), fileBytes),
    bytes: Buffer.alloc(length, 1),
    at: 0,
  }));
  return async () => {
    for (const each of files) {
      await write(each.file, each.bytes, 0, each.bytes.length, each.at);
      await datasync(each.file);
      each.at = (each.at + each.bytes.length) % (fileBytes - each.bytes.length);
    }
  };
}

const server = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on("data", (chunk: Buffer) => chunks.push(chunk));
  request.on("end", () => {
    const send = (): void => {
      response.writeHead(200, {
        "content-type": "application/json; charset=utf-8",
        "content-length": answer.length,
      });
      response.end(answer);
    };
    if (durableWrite === undefined) send();
    else void durableWrite().then(send);
  });
});

process.on("message", (order: BareOrder) => {
  answer = Buffer.alloc(order.answerBytes, "x");
  durableWrite = makeDurableWrite(order);
  process.send!("ready");
});
process.on("disconnect", () => process.exit());
server.listen(0, "127.0.0.1", () => {
  process.send!({ port: (server.address() as AddressInfo).port });
});
