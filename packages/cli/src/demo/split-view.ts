/** Scene 4: two people are shown two histories under one key. */
import { checkQuorum, leafHash, parseTlogProof, utf8, verifyWitnessedProof } from "@cairnlog/core";
import { nodeCrypto } from "@cairnlog/crypto";
import { toBatch } from "@cairnlog/log";
import { theft } from "./events.ts";
import { Application, Monitor } from "./outsiders.ts";
import { refusalOf, type Act, type Scene } from "./scene.ts";
import { Site } from "./site.ts";
import type { Stage } from "./stage.ts";
import { askToCosign, leavesSplit } from "./witness-answers.ts";

export const splitView: Scene = {
  title: "Show two people two histories",
  async play(act, stage) {
    const alices = await Site.make(act, stage, "split-alice", { events: 120, theftAt: -1 });
    await alices.start();
    await alices.stop();
    const bobs = alices.copy(act, "split-bob");
    await alices.start();
    await bobs.start({ isWitnessed: false });
    const { size } = alices.log.status();
    await act.attack(
      `After entry ${size - 1} the log goes on twice, with the same real keys: Alice's server records the theft of the salaries, Bob's does not.`,
    );
    await alices.log.append(toBatch([theft]), "payroll");
    await new Application(act, alices).record();
    await alices.cosigned();
    await showBob(act, stage, bobs);
    await act.finds("the witness, asked to cosign Bob's", async () => {
      const { note: checkpoint } = bobs.log.publishedCheckpoint();
      const proof = await bobs.log.consistencyProof(size, size + 2);
      const first = await askToCosign(stage, { oldSize: size, proof, checkpoint });
      const second = await askToCosign(stage, { oldSize: size + 2, proof: [], checkpoint });
      return `${first}, then ${second}`;
    });
    act.strike();
    const monitor = await Monitor.open(act, stage, bobs, "split-bob/monitor");
    await act.watches("Bob's monitor, with the auditor's policy", monitor.alarm("unwitnessed"));

    await act.attack(
      "Alice's monitor, which remembers what she was shown, is led to Bob's server.",
    );
    const before = await Monitor.open(act, stage, alices, "split-alice/monitor");
    await before.caughtUp(size + 2);
    await before.stop();
    act.strike();
    const led = await Monitor.open(act, stage, alices, "split-alice/monitor", {
      tiles: bobs.tiles,
    });
    await act.watches("Alice's monitor", led.alarm("fork"));
    await leavesSplit(act, stage, alices.origin);
    await act.leaves(stage.shown(led.alarmsFile), led.excerpt("fork"));
    await act.limit(
      "Whoever has keys but no policy with witnesses, and compares with nobody, can be shown a history of their own.",
    );
  },
};

/** Bob's application writes, and holds what the log's key signed for it. */
async function showBob(act: Act, stage: Stage, bobs: Site): Promise<void> {
  const application = new Application(act, bobs, stage.auditPolicyText(bobs.vkeys));
  act.strike();
  await application.record();
  const receipt = await application.record();
  await bobs.log.publish();
  await act.isBlind("Bob's application, by the log's keys alone", async () => {
    const { seq } = await receipt.full();
    return `his receipt of entry ${seq} is right: the real key signed it, as it signed Alice's`;
  });
  await act.finds("Bob's receipt, when it should grow up to a witnessed proof", async () => {
    const proof = parseTlogProof(utf8(await application.proof(receipt.seq)));
    const policy = stage.auditPolicy(bobs.vkeys);
    const hash = leafHash(nodeCrypto.sha256, proof.extra!);
    const judge = async (): Promise<void> =>
      checkQuorum(policy, await verifyWitnessedProof(nodeCrypto, proof, hash, policy));
    return (await refusalOf(judge(), "unverified")).message;
  });
  await act.watches("Bob's application: the SDK, with the auditor's policy", application.alarm());
}
