/**
 * Where the tour plays: a folder for all of it, and three witnesses on loopback, which are not the attacker's. Their
 * policy (two of three) is what an auditor would have been given beforehand.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { parsePolicy, utf8, type Policy } from "@cairnlog/core";
import { nodeCrypto } from "@cairnlog/crypto";
import { openLogList, Witness, WitnessServer, type LogList } from "@cairnlog/witness";
import type { BucketOptions } from "@cairnlog/worm";

const { sha256 } = nodeCrypto;
const witnessNames = ["w1", "w2", "w3"] as const;

interface StageWitness {
  readonly name: string;
  readonly url: string;
  readonly folder: string;
  readonly witness: Witness;
  readonly server: WitnessServer;
}

export interface StageOptions {
  /** Where a bucket under Object Lock is, for the scene that needs one. */
  readonly bucket?: { readonly place: string; readonly s3: BucketOptions };
}

export class Stage {
  readonly folder: string;
  readonly bucket: StageOptions["bucket"];
  readonly witnesses: readonly StageWitness[];
  readonly #policyText: string;

  private constructor(
    folder: string,
    witnesses: readonly StageWitness[],
    policyText: string,
    { bucket }: StageOptions,
  ) {
    this.folder = folder;
    this.witnesses = witnesses;
    this.#policyText = policyText;
    this.bucket = bucket;
  }

  static async open(options: StageOptions = {}): Promise<Stage> {
    const folder = mkdtempSync(join(tmpdir(), "cairn-demo-"));
    const witnesses: StageWitness[] = [];
    let policyText = "";
    for (const name of witnessNames) {
      const at = join(folder, "witnesses", name);
      const clock = { now: () => Date.now(), monotonic: () => performance.now() };
      const witness = Witness.open({
        folder: at,
        name: `${name}.example/witness`,
        clock,
        cosignWith: ["ed25519"],
      });
      const server = new WitnessServer(witness);
      const url = await server.listen({ host: "127.0.0.1", port: 0 });
      witnesses.push({ name, url, folder: at, witness, server });
      policyText += `witness ${name} ${witness.vkeys[0]!} ${url}\n`;
    }
    policyText += `group two-of-three 2 ${witnessNames.join(" ")}\nquorum two-of-three\n`;
    return new Stage(folder, witnesses, policyText, options);
  }

  /** What a log is configured with. */
  get witnessPolicy(): Policy {
    return parsePolicy(sha256, utf8(this.#policyText));
  }

  /** What an auditor of a log holds: its keys, its witnesses, their quorum. */
  auditPolicy(vkeys: readonly string[]): Policy {
    return parsePolicy(sha256, utf8(this.auditPolicyText(vkeys)));
  }

  auditPolicyText(vkeys: readonly string[]): string {
    return vkeys.map((vkey) => `log ${vkey}\n`).join("") + this.#policyText;
  }

  /** The witnesses get to know a log. */
  introduce(vkeys: readonly string[]): void {
    for (const { witness } of this.witnesses) witness.addLogs(vkeys);
  }

  /** What the first witness has kept against a log, as `cairn witness logs --evidence` shows it. */
  evidenceAgainst(origin: string): ReturnType<LogList["evidence"]> {
    const logs = openLogList(this.witnesses[0]!.folder);
    try {
      return logs.evidence(origin);
    } finally {
      logs.close();
    }
  }

  /** A path of the tour as it is shown. */
  shown(path: string): string {
    return relative(this.folder, path);
  }

  /** Writes a file into the tour's folder; its path. */
  write(path: string, content: string | Uint8Array): string {
    const whole = join(this.folder, path);
    writeFileSync(whole, content);
    return whole;
  }

  async close(isKept: boolean): Promise<void> {
    for (const { server, witness } of this.witnesses) {
      await server.stop();
      await witness.close();
    }
    if (!isKept) rmSync(this.folder, { recursive: true, force: true });
  }
}
