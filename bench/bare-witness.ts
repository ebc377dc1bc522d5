/**
 * The server that our witness is measured against: `node:http` as it comes, which for each request verifies one Ed25519
 * signature and makes another one, with keys that it has imported once, and answers with a constant of the size of one
 * cosignature. It parses nothing, remembers nothing, proves nothing.
 */
import { generateKeyPairSync, sign, verify } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

const { privateKey, publicKey } = generateKeyPairSync("ed25519");
/** As long as the messages of a checkpoint and of its cosignature. */
const message = Buffer.alloc(100, "x");
const signature = sign(null, message, privateKey);
const answer = Buffer.alloc(150, "x");

const server = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on("data", (chunk: Buffer) => chunks.push(chunk));
  request.on("end", () => {
    if (!verify(null, message, publicKey, signature)) throw new Error("it is the signature");
    sign(null, message, privateKey);
    response.writeHead(200, {
      "content-type": "text/plain; charset=utf-8",
      "content-length": answer.length,
    });
    response.end(answer);
  });
});

process.on("disconnect", () => process.exit());
server.listen(0, "127.0.0.1", () => {
  process.send!({ port: (server.address() as AddressInfo).port });
});
