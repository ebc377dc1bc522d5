/**
 * What whoever holds a bucket's credentials would try on a copy: for the tour of attacks, on copies that were made to
 * be attacked. What the lock lets through here, it lets through for everybody.
 */
import type { S3Client } from "@aws-sdk/client-s3";
import { DoctorBench, type Outcome } from "./doctor-bench.ts";
import type { BucketPlace } from "./place.ts";

/** What the server answered: `done`, or its refusal. */
export interface DeletionAttempt {
  /** Deleting it as one deletes a file: that lays a marker over the copy. */
  readonly deleted: string;
  /** Deleting the locked version itself. */
  readonly purged: string;
  /** Ending its lock early. */
  readonly unlocked: string;
}

const minuteMs = 60_000;

/** Tries on `key` inside `place`, an object that is there. Nothing is undone afterwards. */
export async function attemptDeletion(
  client: S3Client,
  { bucket, prefix }: BucketPlace,
  key: string,
  nowMs: number,
): Promise<DeletionAttempt> {
  const bench = new DoctorBench(client, bucket, prefix === "" ? "" : `${prefix}/`);
  const versions = await bench.versions(key);
  // Newest first: the oldest is the copy.
  const versionId = versions.findLast((each) => each.key === key)?.versionId ?? "";
  const unlocked = await bench.retain(key, versionId, "COMPLIANCE", nowMs + minuteMs, true);
  const purged = await bench.delete(key, versionId, true);
  const deleted = await bench.delete(key);
  return { deleted: said(deleted), purged: said(purged), unlocked: said(unlocked) };
}

function said(outcome: Outcome<void>): string {
  return outcome.isDone ? "done" : outcome.text;
}
