/**
 * Goal: files, files on the simulated disk, and memory keep the promises of `Store`.
 * Method: the one conformance suite, on each.
 */
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { describeStore, SeededRandom, SimulatedDisk } from "@cairnlog/testing";
import { filesStore } from "./files.ts";
import { processLock } from "./lock.ts";
import { memoryStore } from "./memory.ts";

describeStore("files", async (t) => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "cairn-store-"));
  t.after(() => {
    fs.rmSync(folder, { recursive: true, force: true });
  });
  return filesStore({ folder: `${folder}/data` });
});

describeStore("files on the simulated disk", async () => {
  const disk = new SimulatedDisk({ random: new SeededRandom(1) });
  return filesStore({ folder: "/data", disk, lock: processLock() });
});

describeStore("memory", async () => memoryStore());
