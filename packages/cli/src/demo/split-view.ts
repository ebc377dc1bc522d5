/** Scene 4: two people are shown two histories under one key. */
import {
  formatAddCheckpoint,
  parseTlogProof,
  leafHash,
  checkQuorum,
  verifyWitnessedProof,
} from "@cairnlog/core";
import { nodeCrypto } from "@cairnlog/crypto";
import { theft } from "./events.ts";
import { Application, Monitor } from "./outsiders.ts";
import { toBatch } from "@cairnlog/log";
import { NotNoticed, refusalOf, type Scene } from "./scene.ts";
import { Site } from "./site.ts";

export const splitView: Scene = {
  title: "Show two people two histories",
  async play(act, stage) {
    const alices = await Site.make(act, stage, "split-alice", { events: 120, theftAt: -1 });
    await alices.start();
    await alices.stop();
    const bobs = alices.copy(act, "split-bob");
    await alices.start();
    await bobs.start({ isWitnessed: false });
    const size = alices.log.status().size;
    await act.attack(
      `After entry ${size - 1} the log goes on twice, with the same real keys: Alice's server records the theft of the salaries, Bob's does not.`,
    );
    await alices.log.append(toBatch([theft]), "payroll");
    const [toAlice, toBob] = [
      await new Application(act, alices).record(),
      new Application(act, bobs),
    ];
    await toBob.record();
    const receipt = await toBob.record();
    await alices.cosigned();
    await bobs.log.publish();

    await act.isBlind("Bob's application, by the log's keys alone", async () => {
      const full = await receipt.full();
      return `his receipt of entry ${full.seq} is right: the real key signed it, as it did Alice's of entry ${toAlice.seq}`;
    });
    await act.finds("the witness, asked to cosign Bob's", async () => {
      const { note } = bobs.log.publishedCheckpoint();
      const proof = await bobs.log.consistencyProof(size, size + 2);
      const body = formatAddCheckpoint({ oldSize: size, proof, checkpoint: note });
      const first = await fetch(`${stage.witnesses[0]!.url}/add-checkpoint`, {
        method: "POST",
        body,
      });
      const held = (await first.text()).trim();
      const again = formatAddCheckpoint({ oldSize: size + 2, proof: [], checkpoint: note });
      const second = await fetch(`${stage.witnesses[0]!.url}/add-checkpoint`, {
        method: "POST",
        body: again,
      });
      if (first.ok || second.ok) throw new NotNoticed("the witness cosigned it");
      return `${first.status} ${held}, then ${second.status} ${(await second.text()).trim()}`;
    });
    await act.finds("Bob's receipt, when it should grow up to a witnessed proof", async () => {
      const proof = parseTlogProof(new TextEncoder().encode(await toBob.proof(receipt.seq)));
      const policy = stage.auditPolicy(bobs.vkeys);
      const witnessed = await verifyWitnessedProof(
        nodeCrypto,
        proof,
        leafHash(nodeCrypto.sha256, proof.extra!),
        policy,
      );
      const { message } = await refusalOf(
        (async () => checkQuorum(policy, witnessed))(),
        "unverified",
      );
      return message;
    });
    act.strike();
    const monitor = await Monitor.open(act, stage, bobs, "split-bob/monitor");
    await act.watches("Bob's monitor, with the auditor's policy", monitor.alarm("unwitnessed"));

    await act.attack(
      "Alice's monitor, which remembers what she was shown, is led to Bob's server.",
    );
    const hers = await Monitor.open(act, stage, alices, "split-alice/monitor");
    await hers.caughtUp(size + 2);
    await hers.stop();
    const led = await Monitor.open(act, stage, alices, "split-alice/monitor", {
      tiles: bobs.tiles,
    });
    act.strike();
    await act.watches("Alice's monitor", led.alarm("fork"));
    const [evidence] = stage.evidenceAgainst(alices.origin);
    if (evidence?.kind !== "split") throw new NotNoticed("the witness kept no proof of the split");
    await act.leaves(`${stage.shown(stage.witnesses[0]!.folder)}/witness.db`, [
      `split: two roots of ${evidence.size} entries, both under the log's own key`,
      `root ${evidence.held.split("\n")[2]!}`,
      `root ${evidence.note.split("\n")[2]!}`,
    ]);
    await act.leaves(stage.shown(led.alarmsFile), led.excerpt("fork"));
    await act.limit(
      "Whoever has keys but no policy with witnesses, and compares with nobody, can be shown a history of his own.",
    );
  },
};
