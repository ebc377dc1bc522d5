/**
 * Goal: whoever answers in a witness's place can neither fill the memory nor send the log elsewhere, and connections
 * are kept.
 * Method: the default transport against a server on loopback that misbehaves by path.
 */
import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, describe, it } from "node:test";
import { answerBytesMax, fetchTransport, type WitnessResponse } from "./witness-transport.ts";

let connections = 0;
const server = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on("data", (chunk: Buffer) => chunks.push(chunk));
  request.on("end", () => {
    const { url } = request;
    if (url === "/echo") response.writeHead(409).end(Buffer.concat(chunks));
    else if (url === "/elsewhere") response.writeHead(307, { location: "/echo" }).end();
    else if (url === "/flood") response.end(Buffer.alloc(answerBytesMax + 1));
    else response.writeHead(200).flushHeaders();
  });
});
server.on("connection", () => connections++);

const send = (path: string, signal = new AbortController().signal): Promise<WitnessResponse> => {
  const { port } = server.address() as AddressInfo;
  const body = new TextEncoder().encode("old 0\n");
  return fetchTransport({ method: "POST", url: `http://127.0.0.1:${port}${path}`, body, signal });
};

describe("the transport to witnesses", () => {
  before(() => new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve)));
  after(() => {
    server.closeAllConnections();
    server.close();
  });

  it("brings any status, and keeps the connection", async () => {
    for (let i = 0; i < 20; i++) {
      const { status, body } = await send("/echo");
      assert.deepEqual([status, new TextDecoder().decode(body)], [409, "old 0\n"]);
    }
    // The second request may come before the first connection counts as free.
    assert.ok(connections <= 2, `${connections} connections for 20 requests`);
  });

  it("follows nobody", async () => {
    await assert.rejects(send("/elsewhere"));
  });

  it("takes no more than a note's bytes", async () => {
    await assert.rejects(send("/flood"), { code: "too_large" });
  });

  it("ends when nobody waits any more", async () => {
    const abort = new AbortController();
    const hanging = assert.rejects(send("/hang", abort.signal));
    abort.abort(new Error("enough"));
    await hanging;
  });
});
