/**
 * Goal: whoever can write into a mirror's copy cannot make its server eat the memory: a bundle that decompresses to
 * more than any bundle is refused, and the server goes on. Method: a real copy behind its server, one file of it
 * replaced.
 */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { it } from "node:test";
import { zstdCompressSync } from "node:zlib";
import { nodeCrypto } from "@cairnlog/crypto";
import { policyOfKeys } from "@cairnlog/core";
import { FollowedLog, followedStartMs } from "./followed-log.testing.ts";
import { Follower } from "./follower.ts";
import { MirrorFiles } from "./mirror-files.ts";
import { createMirrorServer } from "./mirror-server.ts";

it("a bundle that decompresses to more than any bundle is an error of the server, and no more", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "cairn-mirror-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const log = await new FollowedLog().append(513).publish();
  const files = new MirrorFiles(folder, nodeCrypto.sha256);
  const policy = policyOfKeys(nodeCrypto.sha256, [log.signer.vkey]);
  const parts = { source: log, crypto: nodeCrypto, memory: files, sink: files };
  const follower = await Follower.open({ ...parts, policy, now: () => followedStartMs });
  assert.equal((await follower.look()).kind, "seen");
  const errors: unknown[] = [];
  const server = createMirrorServer({
    files,
    state: () => follower.state,
    status: () => assert.fail("nobody asks for its health"),
    onError: (error) => errors.push(error),
  });
  const url = await server.listen("127.0.0.1", 0);
  t.after(() => server.close());
  const bomb = zstdCompressSync(new Uint8Array(32 * 2 ** 20));
  assert.ok(bomb.length < 65_536);
  writeFileSync(join(folder, "tile/entries/000.zst"), bomb);
  const answers: number[] = [];
  for (const path of ["tile/entries/000", "tile/entries/001", "tile/0/000"]) {
    const response = await fetch(url + path);
    await response.arrayBuffer();
    answers.push(response.status);
  }
  assert.deepEqual(answers, [500, 200, 200]);
  assert.deepEqual(
    errors.map((error) => (error as NodeJS.ErrnoException).code),
    ["ERR_BUFFER_TOO_LARGE"],
  );
});
