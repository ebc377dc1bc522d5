/**
 * Goal: a log has one writer among all processes; the lock ends with its holder, however that ends.
 * Method: real child processes that hold a log, are asked for, and are killed.
 */
import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { describe, it, type TestContext } from "node:test";
import { isCairnError } from "@cairnlog/core";
import { filesStore } from "./files.ts";

const filesUrl = new URL("./files.ts", import.meta.url).href;

function dataFolder(t: TestContext): string {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "cairn-lock-"));
  t.after(() => {
    fs.rmSync(folder, { recursive: true, force: true });
  });
  return folder;
}

/** A process that opens the log "a" and holds it; resolves with what it said: "held" or the refusal. */
async function opener(
  t: TestContext,
  folder: string,
): Promise<{ child: ChildProcess; said: string }> {
  const script = `
    import { filesStore } from ${JSON.stringify(filesUrl)};
    try {
      globalThis.log = await filesStore({ folder: ${JSON.stringify(folder)} }).open("a");
      console.log("held");
      setInterval(() => {}, 1000);
    } catch (error) { console.log(error.code + ": " + error.message); }`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", script], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  t.after(() => {
    child.kill("SIGKILL");
  });
  const [said] = (await once(child.stdout, "data")) as [Buffer];
  return { child, said: said.toString().trim() };
}

describe("the lock", () => {
  it("is refused to a second process, with the pid of the first", async (t) => {
    const folder = dataFolder(t);
    const log = await filesStore({ folder }).create("a");
    const refused = await opener(t, folder);
    assert.match(refused.said, new RegExp(`^locked: .*locked .*by process ${process.pid}$`));
    // Being refused here must not free it either: the holder's own process opens nothing of LOCK.
    const alias = `${folder}-alias`;
    fs.symlinkSync(folder, alias);
    t.after(() => {
      fs.unlinkSync(alias);
    });
    for (const each of [folder, alias]) {
      await assert.rejects(filesStore({ folder: each }).open("a"), (error) =>
        isCairnError(error, "locked"),
      );
    }
    assert.match((await opener(t, folder)).said, /^locked: /);
    await log.close();
    assert.equal((await opener(t, folder)).said, "held");
  });

  it("is free after kill -9", async (t) => {
    const folder = dataFolder(t);
    const store = filesStore({ folder });
    await (await store.create("a")).close();
    const { child, said } = await opener(t, folder);
    assert.equal(said, "held");
    for (let i = 0; i < 2; i++) {
      await assert.rejects(
        store.open("a"),
        (error) =>
          isCairnError(error, "locked") && error.message.endsWith(`by process ${child.pid}`),
      );
    }
    const ended = once(child, "exit");
    child.kill("SIGKILL");
    await ended;
    const log = await store.open("a");
    assert.match((await opener(t, folder)).said, new RegExp(`by process ${process.pid}$`));
    await log.close();
  });

  it("says that the disk is full where it is", { skip: !fs.existsSync("/dev/full") }, async (t) => {
    const folder = dataFolder(t);
    const log = await filesStore({ folder }).create("a");
    await log.close();
    fs.rmSync(path.join(folder, "a/LOCK"));
    // Whatever is written there finds no room.
    fs.symlinkSync("/dev/full", path.join(folder, "a/LOCK"));
    await assert.rejects(filesStore({ folder }).open("a"), (error) => {
      assert.ok(isCairnError(error, "storage_full"), String(error));
      assert.match(error.message, /cannot lock LOCK .*: free some room on the disk/);
      return true;
    });
  });

  it("does not care what is in its file", async (t) => {
    const folder = dataFolder(t);
    const store = filesStore({ folder });
    await (await store.create("a")).close();
    const garbage = [new Uint8Array(4096), Buffer.from("x"), new Uint8Array(9999).fill(200)];
    for (const bytes of garbage) {
      fs.writeFileSync(`${folder}/a/LOCK`, bytes);
      const log = await store.open("a");
      assert.match((await opener(t, folder)).said, new RegExp(`by process ${process.pid}$`));
      await log.close();
    }
    fs.unlinkSync(`${folder}/a/LOCK`);
    await (await store.open("a")).close();
    assert.equal(fs.statSync(`${folder}/a/LOCK`).mode & 0o777, 0o600);
  });
});
