/** Scene 8: an evidence file is edited, made up under another key, and made up under the log's real key. */
import {
  formatEvidence,
  formatNote,
  formatVkey,
  hashLeaf,
  makeEvidence,
  noteSigner,
  parseEvidence,
  parseNote,
  SegmentTree,
  signCheckpoint,
  utf8,
  verifyEvidence,
  type NoteSigner,
  type ParsedEvidence,
} from "@cairnlog/core";
import { generateSigner, nodeCrypto } from "@cairnlog/crypto";
import { exportEvidence } from "@cairnlog/log";
import { scapegoat, thief } from "./events.ts";
import { rewriteEntries, rootOf, stealLog, type StolenLog } from "./forgery.ts";
import { NotNoticed, refusalOf, type Act, type Scene } from "./scene.ts";
import { Site } from "./site.ts";

const { sha256 } = nodeCrypto;

export const forgeEvidence: Scene = {
  title: "Forge an evidence file",
  async play(act, stage) {
    const site = await Site.make(act, stage, "forge-evidence", { events: 120, theftAt: 70 });
    const log = await site.start();
    const request = {
      selection: { actors: [thief] },
      who: "auditor@example.com",
      why: "case 17",
      nowMs: Date.now(),
    };
    const { pieces } = await exportEvidence(log, request);
    const genuine = new Uint8Array(Buffer.concat([...pieces]));
    await site.stop();
    const path = stage.write("forge-evidence/case-17.evidence", genuine);
    const policy = stage.auditPolicy(site.vkeys);
    const { verdict, witnesses } = await verifyEvidence(nodeCrypto, genuine, policy);
    const refuses = (by: string, bytes: Uint8Array): Promise<void> =>
      act.finds(
        by,
        async () =>
          (await refusalOf(verifyEvidence(nodeCrypto, bytes, policy), "unverified", "malformed"))
            .message,
      );

    await act.attack(
      `${stage.shown(path)} is genuine: ${verdict}, cosigned by ${witnesses.map(({ name }) => name).join(" and ")}. ` +
        "An accomplice opens it in an editor and puts alice.b into the place of mallory.",
    );
    const text = Buffer.from(genuine).toString();
    await refuses("evidence verification", utf8(text.replaceAll(thief, scapegoat)));

    const parsed = parseEvidence(genuine);
    const stolen = stealLog(site.logFolder, site.origin);
    await act.attack(
      "Then makes a whole new file: a log of the same name, under keys of their own, which are named in the file.",
    );
    const own = noteSigner(sha256, site.origin, generateSigner("ed25519"));
    const foreign = await forge(stolen, parsed, [own]);
    await refuses("evidence verification, with the auditor's policy", foreign);
    await doubtsStranger(act, foreign);

    await act.attack(
      "Root makes the same under the log's real keys, and moves the witnesses' cosignatures over from the genuine file.",
    );
    const signed = await forge(stolen, parsed, stolen.signers);
    await refuses("evidence verification: nobody cosigned it", signed);
    await refuses(
      "evidence verification: of moved cosignatures",
      await moveCosignatures(signed, parsed),
    );
    const forged = stage.write("forge-evidence/forged.evidence", signed);
    await act.leaves(stage.shown(forged), [
      "a tree that the log's real key signed and no witness knows: proof against whoever holds that key",
    ]);
    await act.limit(
      "A file proves that its entries are in the log, not that they are all there are, nor that what they claim is true.",
    );
  },
};

/** Without a policy the verdict says that it does not know whose the key is. */
async function doubtsStranger(act: Act, foreign: Uint8Array): Promise<void> {
  await act.finds("the same, without any policy", async () => {
    const { verdict, signers } = await verifyEvidence(nodeCrypto, foreign, undefined);
    if (verdict !== "consistent") throw new NotNoticed(verdict);
    return `only "consistent, signer unknown": compare the fingerprint ${signers[0]!.fingerprint.slice(0, 16)}…`;
  });
}

/** The same evidence of a made-up history, under any keys. */
async function forge(
  { origin, entries }: StolenLog,
  { header, parsed }: ParsedEvidence,
  signers: readonly NoteSigner[],
): Promise<Uint8Array> {
  const rewritten = rewriteEntries(entries, (seq, event) =>
    seq === header.recorded ? event : event.replace(thief, scapegoat),
  );
  const tree = new SegmentTree(sha256);
  for (const entry of rewritten) tree.append(hashLeaf(sha256, entry));
  const size = rewritten.length;
  const checkpoint = await signCheckpoint(signers, { origin, size, root: rootOf(rewritten) });
  return formatEvidence(
    makeEvidence(
      sha256,
      {
        checkpoint,
        entries: parsed.map(({ seq }) => rewritten[seq]!),
        keys: signers.map(({ vkey }) => formatVkey(vkey)),
        export: header.export,
        ...(header.recorded === undefined ? {} : { recorded: header.recorded }),
      },
      (level, index) => tree.node(level, index),
    ),
  );
}

/** Lines of the witnesses, from the genuine note under the forged one. */
async function moveCosignatures(forged: Uint8Array, genuine: ParsedEvidence): Promise<Uint8Array> {
  const evidence = parseEvidence(forged);
  const own = parseNote(utf8(evidence.checkpoint));
  const { signatures } = parseNote(utf8(genuine.checkpoint));
  const theirs = signatures.filter(({ name }) => name !== genuine.header.origin);
  return formatEvidence({
    ...evidence,
    checkpoint: formatNote(own.text, [...own.signatures, ...theirs]),
  });
}
