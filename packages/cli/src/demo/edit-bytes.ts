/** Scene 1: bytes are changed on the disk of a running log, in its sealed history and in its newest entries. */
import { mkdirSync, readFileSync, statSync, utimesSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { assert, CairnError, parseEntry, parseUtf8 } from "@cairnlog/core";
import { nodeCrypto } from "@cairnlog/crypto";
import type { Log } from "@cairnlog/log";
import { repairLog, tilesSource } from "@cairnlog/scrub";
import { sealedPath, segmentEntries, tailPath } from "@cairnlog/store";
import { Fetcher, verifyDirectory } from "@cairnlog/verify";
import { Follower, MirrorFiles, openMirrorTiles } from "@cairnlog/witness";
import { scapegoat, thief } from "./events.ts";
import { patch } from "./forgery.ts";
import { NotNoticed, refusalOf, type Act, type Scene } from "./scene.ts";
import { Site } from "./site.ts";
import type { Stage } from "./stage.ts";

const patienceMs = 30_000;
/** Of the second segment, so that there is a sealed file and a tail. */
const newest = 3000;
const theftAt = segmentEntries + 1700;

export const editBytes: Scene = {
  title: "Change a byte on the disk",
  async play(act, stage) {
    const events = segmentEntries + newest;
    const site = await Site.make(act, stage, "edit-bytes", { events, theftAt });
    const alarms = new Alarms();
    const log = await site.start({
      // The pass that reads everything once is over before the attack: then what is seen is the change itself.
      scrubber: { say: (line) => alarms.say(line), bytesPerSecond: 2 ** 30 },
    });
    await until(() => (log.status().scrubbing?.passes ?? 0) > 0);
    const mirror = await mirrored(act, stage, site);
    await editSealed(act, site, log, alarms);
    await editTail(act, site, log, alarms);
    await verifyAll(act, site);
    const tamper = await tamperEntry(site);
    const kept = await repair(act, site, mirror);
    await act.leaves(stage.shown(join(site.logFolder, tailPath(segmentEntries))), [tamper]);
    const [folder, ...name] = kept.split("/");
    await act.leaves(stage.shown(join(site.logFolder, folder!)), [
      `${name.join("/")}: the damaged bytes, as they were found`,
    ]);
    await act.limit(
      "Bytes that are changed on the medium itself, below the kernel, are found by the pass that re-reads " +
        "everything: within the log's size divided by --scrub-rate.",
    );
    await act.limit(
      "Who can write into the memory of the server can silence the scrubber. The witnesses are for that.",
    );
  },
};

/** Lines for the operator, for whoever waits for one. */
class Alarms {
  readonly #heard: string[] = [];
  #onLine: (() => void) | undefined;

  say(line: string): void {
    this.#heard.push(line);
    this.#onLine?.();
  }

  /** The first line about `path`. */
  async about(path: string): Promise<string> {
    for (;;) {
      const line = this.#heard.find((each) => each.includes(path));
      if (line !== undefined) return alarmText(line);
      await new Promise<void>((resolve) => (this.#onLine = resolve));
    }
  }
}

async function editSealed(act: Act, site: Site, log: Log, alarms: Alarms): Promise<void> {
  const path = sealedPath(0);
  const file = join(site.logFolder, path);
  const at = 100_000;
  const heard = alarms.about(path);
  await act.attack(
    `Root flips one bit of one byte in ${path}, 65,536 entries that were sealed and are read-only, and sets the file's time back.`,
  );
  const { atime, mtime } = statSync(file);
  const byte = readFileSync(file)[at]!;
  act.strike();
  patch(file, at, Uint8Array.of(byte % 2 === 0 ? byte + 1 : byte - 1));
  utimesSync(file, atime, mtime);
  await act.watches("the scrubber", heard);
  await act.finds("a reader of the log", async () => {
    const [alarm] = log.status().alarms;
    const seq = alarm?.place.seq;
    if (seq === undefined) throw new NotNoticed("the alarm names no entry");
    const { message } = await refusalOf(log.entry(seq), "unverified", "malformed");
    const before = await log.entry(seq - 1);
    return `${message.split(". ")[0]!}. Entry ${before.seq} before them is served.`;
  });
}

async function editTail(act: Act, site: Site, log: Log, alarms: Alarms): Promise<void> {
  const path = tailPath(segmentEntries);
  const file = join(site.logFolder, path);
  const at = readFileSync(file).indexOf(thief);
  const heard = alarms.about(path);
  await act.attack(
    `In ${path}, where the newest entries are, root writes ${scapegoat} over ${thief}: the same length, in place.`,
  );
  patch(file, at, new TextEncoder().encode(scapegoat));
  await act.watches("the scrubber", heard);
  await act.finds("whoever writes to the log", async () => {
    // The last entry is told before the log stops.
    await until(() => log.status().failure !== undefined);
    const response = await fetch(`${site.url}/v1/logs/main/events`, {
      method: "POST",
      headers: { authorization: `Bearer ${site.key}`, "content-type": "application/json" },
      body: '{"type":"a.b","actor":{"id":"x"},"action":"y"}',
    });
    const problem = (await response.json()) as { readonly title?: string };
    if (response.status !== 503) throw new NotNoticed(`the event was answered ${response.status}`);
    return `${response.status} ${String(problem.title)}: a log that signs from changed bytes takes nothing more.`;
  });
}

async function until(isSo: () => boolean): Promise<void> {
  const giveUpAt = performance.now() + patienceMs;
  while (!isSo()) {
    if (performance.now() > giveUpAt) throw new NotNoticed("the log does not come to it");
    await sleep(1);
  }
}

async function verifyAll(act: Act, site: Site): Promise<void> {
  // A log that has failed says so once more when it closes.
  await site.stop().catch((error: unknown) => {
    if (!(error instanceof CairnError)) throw error;
  });
  await act.finds("cairn verify, afterwards", async () => {
    const { ok, problems } = await verifyDirectory(site.logFolder, { vkeys: site.vkeys });
    if (ok) throw new NotNoticed("it is called good");
    const places = problems.map(({ path, seq, byte }) => `${path}, entry ${seq}, byte ${byte}`);
    return `not verified: ${[...new Set(places)].slice(0, 2).join("; ")}`;
  });
}

/** A mirror's copy of the log as it was before anything happened to it. Returns its folder. */
async function mirrored(act: Act, stage: Stage, site: Site): Promise<string> {
  const folder = join(stage.folder, "edit-bytes", "mirror");
  mkdirSync(folder, { recursive: true });
  const files = new MirrorFiles(folder, nodeCrypto.sha256);
  const follower = await Follower.open({
    source: new Fetcher(site.tiles, { signal: act.signal }),
    crypto: nodeCrypto,
    policy: stage.auditPolicy(site.vkeys),
    memory: files,
    sink: files,
    now: Date.now,
  });
  await follower.look();
  return folder;
}

/** Returns where the damaged bytes are kept, in the log's folder. */
async function repair(act: Act, site: Site, mirror: string): Promise<string> {
  let kept = "";
  await act.mends("cairn repair, from a mirror that was somewhere else", async () => {
    const tiles = await openMirrorTiles(mirror, nodeCrypto.sha256);
    assert(tiles !== undefined, "the mirror has seen the log");
    const report = await repairLog(site.logFolder, tilesSource(mirror, tiles));
    kept = report.kept ?? "";
    const paths = report.restored.map(({ path }) => path).join(" and ");
    return `${paths} are as they were, byte for byte. Again ${await site.verify()}`;
  });
  return kept;
}

/** What the operator reads, without the advice. */
export function alarmText(line: string): string {
  return line.replace(/^cairn: alarm: /, "").replace(/ Keep the file as evidence.*$/s, "");
}

/** The entry that the log recorded about the first damage, from the file itself. */
async function tamperEntry(site: Site): Promise<string> {
  const bytes = readFileSync(join(site.logFolder, tailPath(segmentEntries)));
  const at = bytes.lastIndexOf('{"seq":', bytes.indexOf('"system.tamper"'));
  const length = bytes.readUInt16BE(at - 2);
  const { seq, event } = parseEntry(bytes.subarray(at, at + length));
  return `entry ${seq}: ${parseUtf8(event)}`;
}
