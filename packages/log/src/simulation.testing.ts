/**
 * One simulated history of a log on a faulty disk, made from one seed: lives that begin with opening the log and end
 * with a close, the kill of the process or the loss of power; in each, several writers, readers and the publisher at
 * once, while operations of the disk fail in whatever way the seed says. Everything that the log says goes to the
 * ledger, which judges the log when it lies on a sound disk again.
 *
 * Deterministic: the disk, the clock, signatures and random bytes are simulated, and nothing runs on another thread.
 */
import assert from "node:assert/strict";
import {
  hex,
  isCairnError,
  parseEntryBundle,
  utf8,
  verifyInclusion,
  type NamedBlob,
} from "@cairnlog/core";
import { filesStore, processLock, type Store } from "@cairnlog/store";
import { ManualClock, SimulatedDisk, type SeededRandom } from "@cairnlog/testing";
import { readNdjson } from "./event-batch.ts";
import type { Log } from "./log.ts";
import { createLog, openLog, type OpenOptions } from "./open-log.ts";
import { simulatedCrypto, simulatedKeys } from "./simulated-keys.testing.ts";
import { noFaults, planFaults } from "./simulation-faults.testing.ts";
import { Ledger, type Sent } from "./simulation-ledger.testing.ts";
import { LostWatch } from "./simulation-lost.testing.ts";

const name = "main";
const dataFolder = "/data";
const folder = `${dataFolder}/${name}`;
const origin = "example.com/simulated";

/** A disk with a log on it, from which many histories begin. */
export interface Beginning {
  readonly disk: SimulatedDisk;
  /** Entries below this one are not audited one by one. */
  readonly soundTo: number;
}

/** What happened, for the reader to see that something did. */
export interface History {
  readonly acknowledged: number;
  readonly faults: number;
  readonly flips: number;
  readonly crashes: number;
  readonly refusedOpenings: number;
  readonly recovered: number;
  readonly sealed: number;
  readonly blobs: number;
}

export async function simulate(
  random: SeededRandom,
  beginning: Beginning | undefined,
): Promise<History> {
  return new Simulation(random, beginning).run();
}

/** A log of `entries` small events, cleanly closed. */
export async function beginningOf(random: SeededRandom, entries: number): Promise<Beginning> {
  const disk = new SimulatedDisk({ random });
  const store = filesStore({ folder: dataFolder, disk, lock: processLock() });
  const log = await createLog(
    store,
    { name, origin },
    {
      ...{ clock: new ManualClock(), crypto: simulatedCrypto },
      ...{ readKey: simulatedKeys(() => undefined), randomBytes: (n) => random.bytes(n) },
    },
  );
  const line = utf8('{"type":"a.b","actor":{"id":"c"},"action":"d"}\n');
  const lines = new Uint8Array(line.length * 8192);
  for (let i = 0; i < 8192; i++) lines.set(line, i * line.length);
  for (let size = 1; size < entries; size += 8192) {
    const count = Math.min(8192, entries - size);
    await log.append(readNdjson(lines.subarray(0, count * line.length)), "before");
  }
  await log.close();
  return { disk, soundTo: Math.max(0, entries - 1024) };
}

class Simulation {
  readonly #random: SeededRandom;
  readonly #ledger = new Ledger();
  readonly #lost = new LostWatch(folder);
  readonly #soundTo: number;
  #disk: SimulatedDisk;
  #faults = noFaults();
  #wallMs = 1_767_225_600_000;
  #isCreated: boolean;
  #sentCount = 0;
  /** Events that may be sent again. */
  readonly #sent: Sent[] = [];
  readonly #history = {
    faults: 0,
    flips: 0,
    crashes: 0,
    refusedOpenings: 0,
    recovered: 0,
    sealed: 0,
  };

  constructor(random: SeededRandom, beginning: Beginning | undefined) {
    this.#random = random;
    this.#disk =
      beginning?.disk.copy(random.fork()) ?? new SimulatedDisk({ random: random.fork() });
    this.#isCreated = beginning !== undefined;
    this.#soundTo = beginning?.soundTo ?? 0;
  }

  async run(): Promise<History> {
    // Opening a log with a full tail takes as long as a hundred small histories.
    const livesMax = this.#soundTo > 0 ? 2 : 4;
    for (let lives = 1 + this.#random.below(livesMax); lives > 0; lives--) await this.#life();
    await this.#judge();
    return { ...this.#history, acknowledged: this.#ledger.acknowledged, blobs: this.#ledger.blobs };
  }

  async #life(): Promise<void> {
    const random = this.#random;
    this.#faults = planFaults(random.fork(), this.#soundTo > 0, this.#disk.operations);
    this.#disk.fault = this.#faults.plan;
    const clock = new ManualClock(this.#wallMs);
    const log = await this.#open(this.#options(clock));
    if (log !== undefined) {
      await this.#tolerating(() => this.#ledger.opened(log));
      const scripts = Array.from({ length: 1 + random.below(3) }, () =>
        this.#write(log, random.fork()),
      );
      scripts.push(this.#read(log, random.fork()), this.#beat(log, clock, random.fork()));
      if (this.#soundTo > 0 && random.chance(0.7)) scripts.push(this.#seal(log, random.fork()));
      await Promise.all(scripts);
      await this.#ledger.checkpoints(log);
    }
    this.#wallMs = clock.now() + random.below(5000) - 1000;
    const isClosed = await this.#end(log);
    this.#history.sealed += log?.status().counters.segmentsSealed ?? 0;
    this.#history.faults += this.#faults.count;
    this.#history.flips += this.#faults.flips;
    this.#restart(isClosed);
  }

  /** Closes the log, or leaves it as it is. True if it was closed, so that the same process may open it again. */
  async #end(log: Log | undefined): Promise<boolean> {
    if (log === undefined) return !this.#disk.isStopped;
    if (this.#disk.isStopped || this.#random.chance(0.4)) return false;
    await this.#tolerating(() => log.close());
    return !this.#disk.isStopped;
  }

  #restart(isClosed: boolean): void {
    const way = this.#random.below(3);
    if (isClosed && way === 0) return;
    if (this.#disk.isStopped) this.#history.crashes++;
    this.#disk = way === 1 ? this.#disk.kill() : this.#disk.powerLoss(this.#random.fork());
  }

  #store(): Store {
    // A fresh lock: the operating system frees it when a process ends.
    return filesStore({ folder: dataFolder, disk: this.#disk, lock: processLock() });
  }

  #options(clock: ManualClock): OpenOptions {
    const random = this.#random.fork();
    const limits = {
      ...(random.chance(0.3) ? { commitBytesMax: 1 + random.below(4000) } : {}),
      ...(random.chance(0.3) ? { queueEventsMax: 1 + random.below(12) } : {}),
    };
    return {
      ...{ clock, limits, crypto: simulatedCrypto, randomBytes: (n) => random.bytes(n) },
      readKey: simulatedKeys((size, root) => this.#ledger.root(size, root)),
      publishIntervalMs: random.pick([1, 50, 1000]),
    };
  }

  /** Opens the log, or creates it where its creation has never succeeded; undefined where a fault prevents it. */
  async #open(options: OpenOptions): Promise<Log | undefined> {
    this.#lost.before(this.#disk);
    try {
      const log = this.#isCreated
        ? await openLog(this.#store(), name, options)
        : await openLog(this.#store(), name, { ...options, createWith: { origin } });
      this.#isCreated = true;
      this.#lost.after(this.#disk, this.#faults.flips === 0);
      return log;
    } catch (error) {
      this.#faults.expect(error);
      this.#history.refusedOpenings++;
      return undefined;
    }
  }

  async #tolerating(work: () => Promise<unknown>): Promise<boolean> {
    try {
      await work();
      return true;
    } catch (error) {
      this.#faults.expect(error);
      return false;
    }
  }

  /** One writer: batches, one after the other, until the log takes no more. */
  async #write(log: Log, random: SeededRandom): Promise<void> {
    const source = random.pick(["api", "db"]);
    for (let batches = 1 + random.below(5); batches > 0; batches--) {
      const blob = random.chance(0.1) ? await this.#putBlob(log, random) : undefined;
      const events = Array.from({ length: 1 + random.below(5) }, (_, i) =>
        this.#event(source, random, i === 0 ? blob : undefined),
      );
      const batch = readNdjson(utf8(events.map(({ text }) => `${text}\n`).join("")));
      try {
        await this.#ledger.answer(log, events, await log.append(batch, source));
      } catch (error) {
        if (isCairnError(error, "overloaded")) this.#forget(events);
        else if (isCairnError(error, "storage_full")) this.#forget(events);
        else {
          this.#faults.expect(error);
          if (log.status().failure !== undefined) return;
        }
      }
      await turns(random);
    }
  }

  /** One of few blobs, so that several put the same; often one that could not be put. */
  async #putBlob(log: Log, random: SeededRandom): Promise<NamedBlob> {
    const bytes = utf8(`blob ${random.below(8)} `.repeat(1 + random.below(200)));
    const sha256 = hex(simulatedCrypto.sha256(bytes));
    if (random.chance(0.9)) await this.#tolerating(() => log.putBlob(bytes));
    return { sha256, byteLength: bytes.length };
  }

  /** "Nothing of this was recorded": what was sent for the first time must never appear. */
  #forget(events: readonly Sent[]): void {
    for (const event of events) {
      const at = this.#sent.lastIndexOf(event);
      const isFirst = at >= 0 && this.#sent.indexOf(event) === at;
      if (!isFirst) continue;
      this.#sent.splice(at, 1);
      this.#ledger.refuse(event, "the whole batch was refused");
    }
  }

  /** A new event, one that was sent before, another one under an id that was sent, or one that is no event. */
  #event(source: string, random: SeededRandom, blob?: NamedBlob): Sent {
    const n = this.#sentCount++;
    const kind = random.below(20);
    const earlier = this.#sent.length > 0 ? random.pick(this.#sent) : undefined;
    if (kind < 4 && earlier?.source === source) {
      // Noted again, so that it counts as sent before.
      this.#sent.push(earlier);
      return earlier;
    }
    if (kind === 4) return { source, id: "", text: `{"type":"a.b","action":"no actor","n":${n}}` };
    const isConflict = kind === 5 && earlier?.source === source && earlier.id !== "";
    const id = kind === 6 ? "" : isConflict ? earlier.id : `e${n}`;
    const idMember = id === "" ? "" : `"id":"${id}",`;
    const pad = "x".repeat(random.chance(0.02) ? 30_000 : random.below(120));
    const head = `{${idMember}"type":"a.b","actor":{"id":"c"},"action":"d"`;
    const blobs = blob === undefined ? "" : `"blobs":${JSON.stringify([blob])},`;
    // Some have a number, with or without an id. Their streams have gaps, as others have the numbers between.
    const number = kind >= 6 && kind < 10 ? n + 1 : undefined;
    const sequence =
      number === undefined ? "" : `"sequence":{"stream":"s${n % 3}","number":${number}},`;
    const text = `${head},${blobs}${sequence}"details":{"n":${n},"pad":"${pad}"}}`;
    const numbered = number === undefined ? {} : { number };
    const sent = { source, id, text, ...numbered, ...(blob && { blob }) };
    // With neither, sending it again is another event: the ledger knows its text at two places then.
    if (id !== "" || number !== undefined) this.#sent.push(sent);
    return sent;
  }

  /** One reader: what it gets is right, or an error. */
  async #read(log: Log, random: SeededRandom): Promise<void> {
    for (let reads = random.below(10); reads > 0; reads--) {
      await turns(random);
      await this.#tolerating(() => this.#readOnce(log, random));
    }
  }

  async #readOnce(log: Log, random: SeededRandom): Promise<void> {
    const { size } = log.status();
    const known = this.#ledger.seqs();
    const seq = known.length > 0 && random.chance(0.8) ? random.pick(known) : random.below(size);
    if (random.chance(0.3)) {
      const root = await log.root(size);
      this.#ledger.root(size, root);
      const leafHash = await log.leafHash(seq);
      const proof = await log.inclusionProof(seq, size);
      verifyInclusion(simulatedCrypto.sha256, { index: seq, size, leafHash, proof, root });
    } else if (random.chance(0.5)) this.#ledger.read(seq, (await log.entry(seq)).bytes);
    else {
      const index = Math.floor(seq / 256);
      const width = Math.min(256, size - 256 * index);
      const bundle = await log.entryBundle(index, width);
      assert.ok(bundle !== undefined, "what is durable can be read");
      for (const [i, { begin, end }] of parseEntryBundle(bundle).entries()) {
        this.#ledger.read(256 * index + i, bundle.subarray(begin, end));
      }
    }
  }

  /** Waits until the full segment is sealed, and reads from it. */
  async #seal(log: Log, random: SeededRandom): Promise<void> {
    await turns(random);
    await this.#tolerating(() => log.sealed());
    await this.#read(log, random);
  }

  /** Time passes, the clock is set, somebody publishes. */
  async #beat(log: Log, clock: ManualClock, random: SeededRandom): Promise<void> {
    for (let beats = random.below(12); beats > 0; beats--) {
      await turns(random);
      if (random.chance(0.1)) clock.step(random.below(6000) - 3000);
      clock.advance(random.pick([1, 60, 1100, 6000]));
      if (random.chance(0.2)) await this.#tolerating(() => log.publish());
      await this.#ledger.checkpoints(log);
    }
  }

  /** The disk is sound from now on: the log must open, hold everything, and take more. */
  async #judge(): Promise<void> {
    this.#faults = noFaults();
    const rounds = this.#soundTo > 0 ? 1 : 2;
    for (let round = 0; round < rounds; round++) {
      this.#disk.fault = this.#faults.plan;
      const clock = new ManualClock(this.#wallMs);
      const log = await this.#open(this.#options(clock));
      assert.ok(log !== undefined);
      await log.sealed();
      this.#history.sealed += log.status().counters.segmentsSealed;
      await this.#ledger.audit(log, this.#disk, folder, this.#soundTo);
      const { size } = log.status();
      await this.#write(log, this.#random.fork());
      await log.close();
      if (round > 0) continue;
      this.#history.recovered += this.#lost.seen;
      if (this.#random.chance(0.5)) this.#disk = this.#disk.powerLoss(this.#random.fork());
      assert.ok(size > 0);
    }
  }
}

/** Lets others run for a while. */
async function turns(random: SeededRandom): Promise<void> {
  for (let count = random.below(6); count > 0; count--) await Promise.resolve();
  for (let count = random.below(4); count > 0; count--) {
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
}
