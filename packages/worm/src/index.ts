/** Write-once copies of a log in a bucket under Object Lock: making them, verifying them, proving the S3 below them. */
export { Bucket, openClient, type BucketOptions } from "./bucket.ts";
export {
  checkpointIntervalMs,
  WormCopier,
  type CopiedLog,
  type CopierClock,
  type CopierOptions,
} from "./copier.ts";
export {
  findWormTrouble,
  secondsBehindMax,
  wormGauges,
  wormTotals,
  type WormAlarm,
  type WormAlarmCode,
  type WormStatus,
} from "./copier-status.ts";
export { attemptDeletion } from "./deletion-attempt.ts";
export { examineStore, type DoctorOptions, type StoreDiagnosis } from "./doctor.ts";
export type { CheckResult } from "./doctor-checks.ts";
export { openLockedCopy, type LockedCopy } from "./locked-copy.ts";
export {
  formatBucketPlace,
  isBucketPlace,
  parseBucketPlace,
  placeInside,
  type BucketPlace,
} from "./place.ts";
export { verifyBucket, type VerifyBucketOptions } from "./verify-bucket.ts";
