/** Cosigned checkpoints and evidence of real logs, for tests of policies. Not part of what is published. */
import {
  cosignCheckpoint,
  cosigner,
  evidencePieces,
  formatNote,
  formatVkey,
  parseNote,
  parsePolicy,
  utf8,
  type EvidenceHeader,
  type NoteSigner,
  type Policy,
} from "@cairnlog/core";
import { nodeCrypto, signerFromSeed } from "@cairnlog/crypto";
import type { Log, SignedCheckpoint } from "@cairnlog/log";

const { sha256 } = nodeCrypto;

export const cosignedAt = 1_795_410_060;

export function witnessOf(name: string): NoteSigner {
  const signer = signerFromSeed("ed25519", sha256(utf8(name)));
  return cosigner(sha256, `witness.example/${name}`, signer);
}

export const [w1, w2, w3] = ["w1", "w2", "w3"].map(witnessOf) as [
  NoteSigner,
  NoteSigner,
  NoteSigner,
];

/** Two of three witnesses, for logs with these keys. */
export function policyText(vkeys: readonly string[]): string {
  const logs = vkeys.map((vkey) => `log ${vkey}\n`).join("");
  const witnesses = [w1, w2, w3].map(({ vkey }, i) => `witness w${i + 1} ${formatVkey(vkey)}\n`);
  return `${logs}${witnesses.join("")}group g 2 w1 w2 w3\nquorum g\n`;
}

export function policyOf(vkeys: readonly string[]): Policy {
  return parsePolicy(sha256, utf8(policyText(vkeys)));
}

export async function cosigned(note: string, by: readonly NoteSigner[]): Promise<string> {
  const { text, signatures } = parseNote(utf8(note));
  const lines = await cosignCheckpoint(by, text, cosignedAt);
  return formatNote(text, [...signatures, ...lines]);
}

export interface Exported {
  readonly log: Log;
  readonly seqs: readonly number[];
  readonly checkpoint: SignedCheckpoint;
  readonly cosigners: readonly NoteSigner[];
  readonly header?: Partial<EvidenceHeader>;
}

/** An evidence file as an exporter might make it who also changes the header as he likes. */
export async function evidenceOf(exported: Exported): Promise<Uint8Array> {
  const { log, seqs, checkpoint, cosigners } = exported;
  const { entries, leafHashes, proof } = await log.prove(seqs, checkpoint);
  const header: EvidenceHeader = {
    origin: log.origin,
    size: checkpoint.size,
    count: entries.length,
    keys: log.vkeys,
    export: { who: "x", why: "y", time: "2026-11-23T05:00:00.000Z", query: {} },
    ...exported.header,
  };
  const note = await cosigned(checkpoint.note, cosigners);
  const front = { header, checkpoint: note, proof, leafHashes };
  return Buffer.concat([...evidencePieces(front, entries)]);
}
