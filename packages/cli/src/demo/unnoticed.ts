/** Scene 10: what nobody notices, tried out, so that nobody learns it from somebody else. */
import { toBatch } from "@cairnlog/log";
import { scapegoat, theft, thief } from "./events.ts";
import { replaceHistory, rewriteEntries, stealLog } from "./forgery.ts";
import { Application } from "./outsiders.ts";
import { refusalOf, type Act, type Scene } from "./scene.ts";
import { Site } from "./site.ts";
import type { Stage } from "./stage.ts";
import { Wire } from "./wire.ts";

export const unnoticed: Scene = {
  title: "What nobody notices",
  async play(act, stage) {
    await forgeBefore(act, stage);
    await rewriteUnwitnessed(act, stage);
    await act.tells(
      "write-once copies",
      "Whoever owns the bucket's account can close it, and its objects go with it. Let somebody else own it.",
    );
    await act.tells(
      "a witness",
      "One that is restored from a backup has forgotten, and signs a second history. Hence a quorum, of witnesses that are run by others.",
    );
    await act.limit(
      "A log proves who recorded what, when, and that it was not changed. Not that it is true.",
    );
  },
};

/** A lie that is recorded like everything else. */
async function forgeBefore(act: Act, stage: Stage): Promise<void> {
  const site = await Site.make(act, stage, "unnoticed-forged", { events: 60, theftAt: -1 });
  const log = await site.start();
  await act.attack(
    "Root records an event that never happened, through the log's own door: before it is hashed, chained and signed like every other.",
  );
  const lie = { ...theft, actor: { id: scapegoat, type: "user" } };
  await log.append(toBatch([lie]), "payroll");
  await site.cosigned();
  await site.stop();
  await act.isBlind("cairn verify, and the witnesses", async () => {
    return `${await site.verify()}, cosigned by three witnesses. One of them is a lie`;
  });
}

/** Between an acknowledgement and the next published checkpoint. */
async function rewriteUnwitnessed(act: Act, stage: Stage): Promise<void> {
  const site = await Site.make(act, stage, "unnoticed-tail", { events: 60, theftAt: -1 });
  // Nothing is published while the scene plays.
  const wire = new Wire();
  const log = await site.start({ publishIntervalMs: 3_600_000, transport: wire.transport });
  const { size: witnessed } = log.publishedCheckpoint();
  const application = new Application(act, site);
  await log.append(toBatch([theft]), "payroll");
  const receipt = await application.record();
  await act.attack(
    "Within the second before the next checkpoint goes to the witnesses, root cuts the network, stops the server, rewrites the " +
      "entries that no witness has seen, signs, and starts again.",
  );
  wire.isCut = true;
  await site.stop();
  const stolen = stealLog(site.logFolder, site.origin);
  const rewritten = rewriteEntries(stolen.entries, (seq, event) =>
    seq < witnessed ? event : event.replace(thief, scapegoat),
  );
  await replaceHistory(stolen, rewritten);
  await act.isBlind("the log's start, and its witnesses", async () => {
    const again = await site.start();
    await site.cosigned();
    return `it starts, and three witnesses cosign all ${again.status().size} entries`;
  });
  await act.finds("whoever holds a receipt from that second", async () => {
    const { message } = await refusalOf(receipt.full(), "unverified");
    return message;
  });
  const path = stage.write("unnoticed-tail/receipt.json", `${JSON.stringify({ ...receipt })}\n`);
  await act.leaves(stage.shown(path), [`${JSON.stringify({ ...receipt }).slice(0, 200)}…`]);
  await act.limit(
    "--require-witnesses closes that gap: then nothing is acknowledged before a quorum has cosigned it.",
  );
}
