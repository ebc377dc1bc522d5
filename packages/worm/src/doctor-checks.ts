/** What a write-once copy and a compare-and-swap head rest on, each asked of the server itself. */
import { createHash } from "node:crypto";
import type { DoctorBench, Outcome } from "./doctor-bench.ts";

export interface CheckResult {
  /** What the server has to keep. */
  readonly name: string;
  readonly expected: string;
  readonly seen: string;
  readonly ok: boolean;
}

type Check = (bench: DoctorBench, races: Races) => Promise<CheckResult[]>;

export interface Races {
  /** Requests at a time, and how often. */
  readonly racers: number;
  readonly rounds: number;
}

/** Checks that leave nothing locked. */
export const plainChecks: readonly Check[] = [
  putsIfAbsent,
  racesPuts,
  swapsIfMatching,
  racesSwaps,
  readsAndListsAtOnce,
  refusesWrongChecksums,
  keepsVersions,
];

/** Checks on an object that is locked until `untilMs`, in this order. */
export const lockChecks: readonly ((
  bench: DoctorBench,
  locked: LockedObject,
) => Promise<CheckResult[]>)[] = [showsLock, coversLocked, keepsDate, keepsLocked];

export interface LockedObject {
  readonly key: string;
  readonly versionId: string;
  readonly text: string;
  readonly untilMs: number;
}

async function putsIfAbsent(bench: DoctorBench): Promise<CheckResult[]> {
  const first = await bench.put("absent", "first", { ifNoneMatch: true });
  const second = await bench.put("absent", "second", { ifNoneMatch: true });
  const found = await bench.get("absent");
  const is = found.isDone && found.value.text === "first";
  return [
    {
      name: "put if absent",
      expected: "the first is taken, the second refused with 412 or 409, the first stays",
      seen: `${outcomeText(first)}, ${outcomeText(second)}, ${found.isDone ? `"${found.value.text}" is there` : found.text}`,
      ok: first.isDone && isPreconditionRefusal(second) && is,
    },
  ];
}

/** Many at once, on a key that is not there: the log's head and its copies have one writer only if one wins. */
async function racesPuts(bench: DoctorBench, races: Races): Promise<CheckResult[]> {
  const race = (key: string): Promise<Outcome<unknown>[]> =>
    Promise.all(
      Array.from({ length: races.racers }, (_, i) =>
        bench.put(key, `racer ${i}`, { ifNoneMatch: true }),
      ),
    );
  const name = "racing puts if absent";
  return [await runRaces(bench, name, races, race)];
}

async function swapsIfMatching(bench: DoctorBench): Promise<CheckResult[]> {
  const first = await bench.put("swap", "first");
  const etag = first.isDone ? first.value.etag : "";
  const wrong = await bench.put("swap", "wrong", { ifMatch: '"00000000000000000000000000000000"' });
  const right = await bench.put("swap", "second", { ifMatch: etag });
  const stale = await bench.put("swap", "third", { ifMatch: etag });
  const found = await bench.get("swap");
  return [
    {
      name: "overwrite if matching",
      expected: "refused for a wrong ETag, taken for the right one, refused for the one before",
      seen: [wrong, right, stale].map(outcomeText).join(", "),
      ok:
        isPreconditionRefusal(wrong) &&
        right.isDone &&
        isPreconditionRefusal(stale) &&
        found.isDone &&
        found.value.text === "second",
    },
  ];
}

async function racesSwaps(bench: DoctorBench, races: Races): Promise<CheckResult[]> {
  const name = "racing overwrites if matching";
  const race = async (key: string): Promise<Outcome<unknown>[]> => {
    const first = await bench.put(key, "before");
    const ifMatch = first.isDone ? first.value.etag : "";
    return Promise.all(
      Array.from({ length: races.racers }, (_, i) => bench.put(key, `racer ${i}`, { ifMatch })),
    );
  };
  return [await runRaces(bench, name, races, race)];
}

async function runRaces(
  bench: DoctorBench,
  name: string,
  { racers, rounds }: Races,
  race: (key: string) => Promise<Outcome<unknown>[]>,
): Promise<CheckResult> {
  const seen: string[] = [];
  let ok = true;
  for (let round = 0; round < rounds; round++) {
    const key = `${name.replaceAll(" ", "-")}-${round}`;
    const outcomes = await race(key);
    const winners = outcomes.flatMap(({ isDone }, i) => (isDone ? [i] : []));
    const found = await bench.get(key);
    const isWinner = found.isDone && found.value.text === `racer ${winners[0]}`;
    const areRefused = outcomes.every((each) => each.isDone || isPreconditionRefusal(each));
    ok &&= winners.length === 1 && isWinner && areRefused;
    seen.push(`${winners.length} won${isWinner ? "" : ", and another is there"}`);
  }
  return {
    name,
    expected: `in each of ${rounds} rounds exactly 1 of ${racers} wins and stays, the others get 412 or 409`,
    seen: counted(seen),
    ok,
  };
}

async function readsAndListsAtOnce(bench: DoctorBench): Promise<CheckResult[]> {
  const keys = Array.from({ length: 8 }, (_, i) => `fresh/${i}`);
  let read = 0;
  let listed = 0;
  let listedVersions = 0;
  for (const [i, key] of keys.entries()) {
    await bench.put(key, key);
    const found = await bench.get(key);
    if (found.isDone && found.value.text === key) read++;
    if ((await bench.keys("fresh/")).length === i + 1) listed++;
    if ((await bench.versions("fresh/")).length === i + 1) listedVersions++;
  }
  const behind = await bench.versions("fresh/", "fresh/3~");
  const all = `${keys.length} of ${keys.length}`;
  const result = (name: string, count: number): CheckResult => ({
    name,
    expected: all,
    seen: `${count} of ${keys.length}`,
    ok: count === keys.length,
  });
  return [
    result("read after write", read),
    result("list after write", listed),
    result("list versions after write", listedVersions),
    {
      name: "list versions behind a key",
      expected: keys.slice(4).join(" "),
      seen: behind.map(({ key }) => key).join(" ") || "nothing",
      ok: behind.map(({ key }) => key).join(" ") === keys.slice(4).join(" "),
    },
  ];
}

async function refusesWrongChecksums(bench: DoctorBench): Promise<CheckResult[]> {
  const sha256 = createHash("sha256").update("other bytes").digest("base64");
  const put = await bench.put("checksum", "bytes", { sha256 });
  const found = await bench.get("checksum");
  return [
    {
      name: "wrong SHA-256",
      expected: "refused, and nothing is there",
      seen: `${outcomeText(put)}, ${found.isDone ? "the object is there" : "nothing is there"}`,
      ok: !put.isDone && !found.isDone,
    },
  ];
}

async function keepsVersions(bench: DoctorBench): Promise<CheckResult[]> {
  const key = "versions";
  const older = await bench.put(key, "older");
  const newer = await bench.put(key, "newer");
  const marker = await bench.delete(key);
  const ids = [newer, older].map((put) => (put.isDone ? put.value.versionId : ""));
  const listed = await bench.versions(key);
  const found = await bench.get(key, ids[1]);
  const isHidden = !(await bench.get(key)).isDone;
  const isOrdered =
    listed
      .map(({ versionId }) => versionId)
      .slice(0, 2)
      .join() === ids.join();
  const isMarked = listed[2]?.isDeleteMarker === true && listed.length === 3;
  const isKept = found.isDone && found.value.text === "older";
  return [
    {
      name: "versions",
      expected:
        "an overwritten and deleted object keeps both versions, listed newest first, with a delete marker",
      seen:
        `${listed.length} listed, ${isOrdered ? "newest first" : "in another order"}, ` +
        `${isMarked ? "with" : "without"} a marker, the oldest ${isKept ? "can be read" : "is gone"}` +
        (isHidden ? "" : ", the key is still shown"),
      ok: marker.isDone && isOrdered && isMarked && isKept && isHidden && ids[0] !== ids[1],
    },
  ];
}

async function showsLock(bench: DoctorBench, locked: LockedObject): Promise<CheckResult[]> {
  const found = await bench.get(locked.key, locked.versionId);
  const lock = found.isDone ? found.value.lock : { mode: undefined, untilMs: undefined };
  const until = (ms: number | undefined): string =>
    ms === undefined ? "no date" : new Date(ms).toISOString();
  return [
    {
      name: "lock is set",
      expected: `COMPLIANCE until ${until(locked.untilMs)}`,
      seen: `${lock.mode ?? "no lock"} until ${until(lock.untilMs)}`,
      ok: lock.mode === "COMPLIANCE" && Math.abs((lock.untilMs ?? 0) - locked.untilMs) <= 1000,
    },
  ];
}

/** Writing and deleting without a version are allowed, and must not touch what is below. */
async function coversLocked(bench: DoctorBench, locked: LockedObject): Promise<CheckResult[]> {
  await bench.put(locked.key, "over it");
  await bench.delete(locked.key);
  return [await stillThere(bench, locked, "overwritten and deleted without a version")];
}

async function keepsDate(bench: DoctorBench, locked: LockedObject): Promise<CheckResult[]> {
  const { key, versionId, untilMs } = locked;
  const earlier = untilMs - 30_000;
  const tries = [
    ["earlier date", await bench.retain(key, versionId, "COMPLIANCE", earlier)],
    [
      "earlier date, bypassing governance",
      await bench.retain(key, versionId, "COMPLIANCE", earlier, true),
    ],
    ["governance mode", await bench.retain(key, versionId, "GOVERNANCE", untilMs)],
    [
      "governance mode, bypassing governance",
      await bench.retain(key, versionId, "GOVERNANCE", untilMs, true),
    ],
  ] as const;
  const results = tries.map(([name, outcome]) => refusal(`lock: ${name}`, outcome));
  const later = await bench.retain(key, versionId, "COMPLIANCE", untilMs + 1000);
  return [
    ...results,
    {
      name: "lock: later date",
      expected: "taken",
      seen: outcomeText(later),
      ok: later.isDone,
    },
  ];
}

async function keepsLocked(bench: DoctorBench, locked: LockedObject): Promise<CheckResult[]> {
  const { key, versionId } = locked;
  const plain = refusal("delete of a locked version", await bench.delete(key, versionId));
  const bypassing = await bench.delete(key, versionId, true);
  const name = "delete of a locked version, bypassing governance";
  return [plain, refusal(name, bypassing), await stillThere(bench, locked, "after all of this")];
}

async function stillThere(
  bench: DoctorBench,
  { key, versionId, text }: LockedObject,
  name: string,
): Promise<CheckResult> {
  const found = await bench.get(key, versionId);
  const isListed = (await bench.versions(key)).some((each) => each.versionId === versionId);
  const isThere = found.isDone && found.value.text === text;
  return {
    name: `locked version: ${name}`,
    expected: "it is listed and read as it was put",
    seen: `${isListed ? "listed" : "not listed"}, ${isThere ? "as it was put" : "gone or changed"}`,
    ok: isListed && isThere,
  };
}

function refusal(name: string, outcome: Outcome<unknown>): CheckResult {
  return { name, expected: "refused", seen: outcomeText(outcome), ok: !outcome.isDone };
}

function isPreconditionRefusal(outcome: Outcome<unknown>): boolean {
  return !outcome.isDone && (outcome.status === 412 || outcome.status === 409);
}

function outcomeText(outcome: Outcome<unknown>): string {
  return outcome.isDone ? "taken" : `refused: ${outcome.text}`;
}

/** ["1 won", "1 won"] as "2 x 1 won". */
function counted(texts: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const text of texts) counts.set(text, (counts.get(text) ?? 0) + 1);
  return [...counts].map(([text, count]) => `${count} x ${text}`).join("; ");
}
