/**
 * Whether an S3 keeps its word. Servers differ, and their documents say little: so each promise that a log would rest
 * on is tried, with objects under a prefix of their own.
 *
 * What it shows is what the server did today, to these requests. A server that lies only when it is told to, or that
 * forgets when it is switched off, passes: nothing that is asked from outside can tell.
 */
import {
  GetBucketVersioningCommand,
  GetObjectLockConfigurationCommand,
  type S3Client,
} from "@aws-sdk/client-s3";
import { CairnError, hex } from "@cairnlog/core";
import { randomBytes } from "@cairnlog/crypto";
import { openClient, type BucketOptions } from "./bucket.ts";
import { DoctorBench } from "./doctor-bench.ts";
import {
  lockChecks,
  plainChecks,
  type CheckResult,
  type LockedObject,
  type Races,
} from "./doctor-checks.ts";
import { formatBucketPlace, parseBucketPlace, placeInside } from "./place.ts";
import { bucketError, refusalText } from "./s3-error.ts";

export interface DoctorOptions {
  readonly s3?: BucketOptions;
  /** Hears of each check as it is done. */
  readonly onCheck?: (result: CheckResult) => void;
  /** How many requests race for one object, and how often. Default: 16, twice. */
  readonly races?: Races;
  readonly signal?: AbortSignal;
  /** Milliseconds since 1970. Default: the system's clock. */
  readonly now?: () => number;
}

export interface StoreDiagnosis {
  /** True if every check came out as expected. */
  readonly ok: boolean;
  /** Where it wrote. */
  readonly place: string;
  readonly checks: readonly CheckResult[];
  /** When the last object that it had to leave may be deleted; undefined where none is left. */
  readonly lockedUntil: string | undefined;
}

const racesDefault: Races = { racers: 16, rounds: 2 };
/** Long enough for all checks, and shorter than a server would notice. */
const shortLockMs = 120_000;
/** For servers that think in days. */
const dayLockMs = 24 * 3_600_000 + shortLockMs;

/** Examines the S3 at `s3://bucket/prefix`. Rejects where it can't be asked: "usage", "forbidden", "unavailable" … */
export async function examineStore(
  target: string,
  options: DoctorOptions = {},
): Promise<StoreDiagnosis> {
  const { s3, now = Date.now, races = racesDefault, signal, onCheck } = options;
  const at = parseBucketPlace(target);
  const name = `cairn-doctor/${new Date(now()).toISOString().replace(/[:.]/g, "-")}-${hex(randomBytes(4))}`;
  const place = placeInside(at, name);
  const client = openClient(s3);
  const bench = new DoctorBench(client, at.bucket, `${place.prefix}/`);
  const checks: CheckResult[] = [];
  const add = (results: readonly CheckResult[]): void => {
    for (const result of results) {
      checks.push(result);
      onCheck?.(result);
    }
  };
  let locked: LockedObject | undefined;
  try {
    const { results, locksByItself } = await checkBucket(client, at.bucket);
    add(results);
    if (locksByItself) bench.lockedUntilMs = lockEnd(now(), shortLockMs);
    for (const check of plainChecks) {
      signal?.throwIfAborted();
      add(await check(bench, races));
    }
    signal?.throwIfAborted();
    const made = await makeLocked(bench, now);
    if ("key" in made) {
      locked = made;
      for (const check of lockChecks) add(await check(bench, made));
    } else add([made]);
    await cleanUp(bench);
  } catch (error) {
    signal?.throwIfAborted();
    throw bucketError(error, `examine ${formatBucketPlace(at)}`);
  } finally {
    client.destroy();
  }
  return {
    ok: checks.every(({ ok }) => ok),
    place: formatBucketPlace(place),
    checks,
    // One of the checks moves the date by a second.
    lockedUntil: locked === undefined ? undefined : new Date(locked.untilMs + 1000).toISOString(),
  };
}

async function checkBucket(
  client: S3Client,
  bucket: string,
): Promise<{ readonly results: readonly CheckResult[]; readonly locksByItself: boolean }> {
  const ask = async (send: () => Promise<string | undefined>): Promise<string> => {
    try {
      return (await send()) ?? "nothing";
    } catch (error) {
      const trouble = bucketError(error, `ask for the bucket ${bucket}`);
      const isNone = /ObjectLockConfigurationNotFound|NotImplemented/.test(refusalText(error));
      if (isNone) return refusalText(error);
      throw trouble.code === "not_found"
        ? new CairnError("not_found", `there is no bucket ${bucket}`, { cause: error })
        : trouble;
    }
  };
  const Bucket = bucket;
  const versioning = await ask(
    async () => (await client.send(new GetBucketVersioningCommand({ Bucket }))).Status,
  );
  let locksByItself = false;
  const lock = await ask(async () => {
    const answer = await client.send(new GetObjectLockConfigurationCommand({ Bucket }));
    const { ObjectLockEnabled, Rule } = answer.ObjectLockConfiguration ?? {};
    locksByItself = Rule?.DefaultRetention !== undefined;
    return ObjectLockEnabled;
  });
  const enabled = (name: string, seen: string): CheckResult => ({
    name,
    expected: "Enabled",
    seen,
    ok: seen === "Enabled",
  });
  const results = [
    enabled("versioning of the bucket", versioning),
    enabled("Object Lock of the bucket", lock),
  ];
  return { results, locksByItself };
}

/** An object under the shortest lock that the server takes; why not, where it takes none. */
async function makeLocked(
  bench: DoctorBench,
  now: () => number,
): Promise<LockedObject | CheckResult> {
  const text = "locked";
  let refused = "";
  for (const [key, lockMs] of [
    ["locked", shortLockMs],
    ["locked-for-a-day", dayLockMs],
  ] as const) {
    const untilMs = lockEnd(now(), lockMs);
    const put = await bench.put(key, text, { lockedUntilMs: untilMs });
    if (put.isDone) return { key, versionId: put.value.versionId, text, untilMs };
    refused = put.text;
  }
  return {
    name: "put under a lock",
    expected: "taken",
    seen: `refused: ${refused}`,
    ok: false,
  };
}

/** In whole seconds: some servers keep no more. */
function lockEnd(nowMs: number, lockMs: number): number {
  return Math.ceil((nowMs + lockMs) / 1000) * 1000;
}

/** Removes what may be removed: a locked version stays until its date, whatever is asked here. */
async function cleanUp(bench: DoctorBench): Promise<void> {
  for (const { key, versionId } of await bench.versions("")) {
    // What can't be removed is only litter, under a prefix that says whose.
    await bench.delete(key, versionId).catch(() => undefined);
  }
}
