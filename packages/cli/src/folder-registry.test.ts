/**
 * Goal: a log that was never born does not keep the others of its folder from being served, and one
 * that lost a file does. A log that fails while it is served ends `cairn serve`, and nothing that
 * was acknowledged is gone. Method: the creation of a log is stopped at each of its operations on a
 * simulated disk, and its neighbour is opened; the command runs in this process, on a real folder
 * whose syncs are made to fail.
 */
import assert from "node:assert/strict";
import fs, { writeFileSync } from "node:fs";
import { test } from "node:test";
import { createLog } from "@cairnlog/log";
import { filesStore, processLock, type Store } from "@cairnlog/store";
import { SeededRandom, SimulatedDisk } from "@cairnlog/testing";
import { FolderRegistry } from "./folder-registry.ts";
import { Workplace, type Ran } from "./run-command.testing.ts";

const born = { name: "born", origin: "example.com/logs/born" };
const second = { name: "second", origin: "example.com/logs/second" };
const storeOn = (disk: SimulatedDisk): Store =>
  filesStore({ folder: "/data", disk, lock: processLock() });

async function diskWithLog(): Promise<SimulatedDisk> {
  const disk = new SimulatedDisk({ random: new SeededRandom(1) });
  await (await createLog(storeOn(disk), born)).close();
  return disk;
}

test("a creation that was interrupted anywhere: the other log is served, and it can be taken up", async () => {
  const before = await diskWithLog();
  const ends = { absent: 0, passedOver: 0, served: 0 };
  for (let at = 0, isWhole = false; !isWhole; at++) {
    const disk = before.copy(new SeededRandom(at));
    disk.fault = (_operation, _path, n) => (n === at ? "crash" : "ok");
    isWhole = await createLog(storeOn(disk), second).then(
      (log) => log.close().then(() => true),
      () => false,
    );
    const logs = new FolderRegistry(storeOn(disk.kill()), "host", {});
    const told: string[] = [];
    await logs.openAll((line) => told.push(line));
    const names = logs.list().map(({ name }) => name);
    if (names.length === 2) ends.served++;
    else {
      assert.deepEqual(names, ["born"], `stopped at operation ${at}`);
      if (told.length === 0) ends.absent++;
      else {
        assert.match(told.join(), /^the log second is not served: .*creation was interrupted/);
        ends.passedOver++;
      }
      assert.equal((await logs.create(second)).status().size, 1);
    }
    await logs.closeAll();
  }
  for (const count of Object.values(ends)) assert.ok(count > 0, JSON.stringify(ends));
});

test("a log that lost a file is not passed over", async () => {
  const disk = await diskWithLog();
  await disk.unlink("/data/born/log.json");
  const logs = new FolderRegistry(storeOn(disk), "host", {});
  await assert.rejects(
    logs.openAll(() => assert.fail("nothing is to be passed over")),
    { code: "tampered" },
  );
  await logs.closeAll();
});

test("serve ends with 3 when a log fails, and everything acknowledged is there", async (t) => {
  const work = new Workplace();
  t.after(() => work.remove());
  const { key } = JSON.parse(await work.ok("init --json")) as { key: string };
  let serving: Promise<Ran> | undefined;
  const url = await new Promise<string>((resolve, reject) => {
    serving = work.run("serve --listen 127.0.0.1:0 --json", {
      onOut: (piece) => resolve((JSON.parse(piece) as { url: string }).url),
    });
    void serving.then((ran) => reject(new Error(ran.err)));
  });
  const append = (n: number): Promise<Response> =>
    fetch(`${url}/v1/logs/main/events`, {
      method: "POST",
      headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
      body: JSON.stringify({ id: `${n}`, type: "a.b", actor: { id: "x" }, action: "y" }),
    });
  assert.equal((await append(1)).status, 201);

  const failed = Object.assign(new Error("EIO: i/o error, fdatasync"), { code: "EIO" });
  const mocks = [
    t.mock.method(fs, "fdatasyncSync", () => {
      throw failed;
    }),
    t.mock.method(fs, "fdatasync", (_file: number, done: (error: Error) => void) => {
      setImmediate(done, failed);
    }),
  ];
  const refused = await append(2);
  assert.equal(refused.status, 503);
  assert.equal(((await refused.json()) as { code: string }).code, "unavailable");
  const { exit, err } = await serving!;
  for (const mock of mocks) mock.mock.restore();
  assert.equal(exit, 3);
  assert.match(err, /a commit of the log main failed.*EIO/s);
  assert.match(err, /^cairn: the server ends/m);
  await assert.rejects(append(3));

  writeFileSync(work.path("vkeys"), await work.ok("logs show --vkeys"));
  await work.ok("append --type a.b --actor x --action y");
  assert.match(await work.ok("verify cairn-data --vkey vkeys"), /^VERIFIED/);
  assert.match(await work.ok("get 1"), /"id": ?"1"/);
});
