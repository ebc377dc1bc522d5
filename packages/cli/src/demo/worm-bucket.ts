/**
 * Scene 9: write-once copies are deleted from their bucket, with all rights that its owner has. It needs a bucket with
 * Object Lock; where none was given it is told, and says so.
 */
import { hex } from "@cairnlog/core";
import { randomBytes } from "@cairnlog/crypto";
import { systemClock } from "@cairnlog/log";
import { filesStore, segmentEntries } from "@cairnlog/store";
import type * as WormModule from "@cairnlog/worm";
import type { Bucket, BucketOptions } from "@cairnlog/worm";
import { NotNoticed, type Act, type Scene } from "./scene.ts";
import { Site } from "./site.ts";
import type { Stage } from "./stage.ts";

type Worm = typeof WormModule;

/** So long the tour's copies can't be deleted by anybody: the tour neither. */
const retentionMs = 10 * 60_000;
const sealed = "sealed/0000000000000000";

export const deleteCopies: Scene = {
  title: "Delete the write-once copies from their bucket",
  async play(act, stage) {
    if (stage.bucket === undefined) await tell(act);
    else await show(act, stage, stage.bucket);
    await act.limit(
      "Whoever owns the bucket's account can close it; and when a lock ends, its copy is an ordinary object.",
    );
  },
};

async function tell(act: Act): Promise<void> {
  await act.attack(
    "With the bucket's credentials root deletes sealed files and checkpoints. (Told, not shown: this needs a bucket with Object Lock. " +
      "Give one with --worm s3://bucket/prefix and see it happen.)",
  );
  await act.tells(
    "the bucket, in compliance mode",
    "refuses to delete a locked version, and to shorten its lock; a plain delete only lays a marker over it.",
  );
  await act.tells(
    "cairn verify s3://…",
    "reads the locked version below, verifies it, and counts the marker as a problem (versions): somebody tried.",
  );
  await act.tells(
    "the copier of the running log",
    "finds the marker at its next start: alarm `covered`.",
  );
}

async function show(
  act: Act,
  stage: Stage,
  { place: target, s3 }: { readonly place: string; readonly s3: BucketOptions },
): Promise<void> {
  const worm = await import("@cairnlog/worm");
  const place = worm.placeInside(
    worm.parseBucketPlace(target),
    `cairn-demo-${hex(randomBytes(4))}`,
  );
  const client = worm.openClient(s3);
  const bucket = new worm.Bucket(client, place);
  act.defer(() => bucket.close());
  await bucket.checkLockEnabled();
  const site = await Site.make(act, stage, "worm", { events: segmentEntries + 100, theftAt: 70 });
  await site.start();
  const alarms = await copy(act, worm, site, bucket);
  if (alarms.length > 0) throw new NotNoticed(`the copies raised alarms at once: ${alarms.join()}`);
  const where = worm.formatBucketPlace(place);
  await act.attack(
    `With the bucket owner's own credentials root deletes ${sealed} from ${where}: the object, then its locked version, then the lock itself.`,
  );
  await act.finds("the bucket, in compliance mode", async () => {
    const { purged, unlocked, deleted } = await worm.attemptDeletion(
      client,
      place,
      sealed,
      Date.now(),
    );
    if (purged === "done" || unlocked === "done") throw new NotNoticed("it deletes what is locked");
    return `version: ${purged}; shorter lock: ${unlocked}; plain delete: ${deleted}, a marker over the copy`;
  });
  await act.finds("cairn verify s3://…", async () => {
    const report = await worm.verifyBucket(where, { s3, vkeys: site.vkeys });
    const found = report.problems.find(({ code, path }) => code === "versions" && path === sealed);
    if (found === undefined) throw new NotNoticed("it is called good");
    return `${found.message}. Below it ${report.entriesChecked} entries were verified`;
  });
  await act.finds("the copier, at its next start", async () => {
    const covered = (await copy(act, worm, site, bucket)).find((code) => code === "covered");
    if (covered === undefined) throw new NotNoticed("it raises no alarm");
    return "alarm covered: the copy lies under a delete marker";
  });
  const until = new Date(Date.now() + retentionMs).toISOString();
  await act.leaves(where, [`nobody can delete these copies before ${until}; then they may go`]);
}

/** Copies what is to be copied; the alarms that the copier has then. */
async function copy(act: Act, worm: Worm, site: Site, bucket: Bucket): Promise<string[]> {
  const reader = await filesStore({ folder: site.data }).openReader(site.log.name);
  act.defer(() => reader.close());
  const copier = new worm.WormCopier({
    log: site.log,
    reader,
    bucket,
    retentionMs,
    clock: systemClock,
  });
  await copier.copyNow();
  const { alarms, failure } = copier.status();
  if (failure !== undefined) throw new NotNoticed(`nothing was copied: ${failure}`);
  return alarms.map(({ code }) => code);
}
