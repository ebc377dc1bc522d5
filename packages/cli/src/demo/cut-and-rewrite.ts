/** Scenes 2 and 3: the newest hour disappears; the whole past is written anew, and signed with the real keys. */
import { verifyDirectory } from "@cairnlog/verify";
import { scapegoat, thief } from "./events.ts";
import { findEntry, replaceHistory, rewriteEntries, stealLog } from "./forgery.ts";
import { Application, Monitor } from "./outsiders.ts";
import { NotNoticed, refusalOf, type Scene } from "./scene.ts";
import { Site } from "./site.ts";
import { askToCosign, leavesSplit, refusesToStart } from "./witness-answers.ts";

const events = 240;

export const deleteHour: Scene = {
  title: "Delete the newest hour",
  async play(act, stage) {
    const site = await Site.make(act, stage, "delete-hour", { events, theftAt: 200 });
    const { note } = (await site.start()).publishedCheckpoint();
    await site.cosigned();
    await site.stop();
    const stolen = stealLog(site.logFolder, site.origin);
    // Entry 0 is the log's own; the third hour begins after two thirds of the events.
    const kept = stolen.entries.slice(0, 1 + (events * 2) / 3);
    await act.attack(
      `Root stops the log, cuts off the ${stolen.entries.length - kept.length} entries of the last hour, makes the commit records fit, ` +
        "and signs a checkpoint of what is left with the log's real keys.",
    );
    await replaceHistory(stolen, kept);
    await act.isBlind("cairn verify, with the right keys", () => site.verify());
    await act.finds("cairn verify --checkpoint, with an older note", async () => {
      const { problems } = await verifyDirectory(site.logFolder, {
        vkeys: site.vkeys,
        checkpoint: note,
      });
      const rollback = problems.find(({ code }) => code === "rollback");
      if (rollback === undefined) throw new NotNoticed("it is called good");
      return rollback.message;
    });
    await refusesToStart(act, stage, site);
    await act.isBlind("the same log, if it had no witnesses", async () => {
      await site.start({ isWitnessed: false });
      const { size } = site.log.status();
      await site.stop();
      return `it starts with ${size} entries and says nothing`;
    });
    await act.limit(
      "Without witnesses only receipts, kept checkpoints and mirrors know that there was more.",
    );
  },
};

export const rewritePast: Scene = {
  title: "Rewrite the past, and sign it again with the real keys",
  async play(act, stage) {
    const site = await Site.make(act, stage, "rewrite-past", { events, theftAt: 40 });
    await site.start();
    const application = new Application(act, site);
    const receipt = await application.record();
    await site.cosigned();
    const { size } = site.log.status();
    const monitor = await Monitor.open(act, stage, site, "rewrite-past/monitor");
    await monitor.caughtUp(size);
    await site.stop();
    const stolen = stealLog(site.logFolder, site.origin);
    const at = findEntry(stolen.entries, thief);
    const rewritten = rewriteEntries(stolen.entries, (seq, event) =>
      seq === at ? event.replace(thief, scapegoat) : event,
    );
    await act.attack(
      `Root blames somebody else in entry ${at}, chains and hashes the ${size - at - 1} entries after it anew, and signs the new root ` +
        "with the log's real Ed25519 and ML-DSA-44 keys.",
    );
    const checkpoint = await replaceHistory(stolen, rewritten);
    await act.isBlind("cairn verify, with the right keys", () => site.verify());
    await act.finds("the witness, asked for a cosignature", async () => {
      const ask = (oldSize: number): Promise<string> =>
        askToCosign(stage, { oldSize, proof: [], checkpoint });
      return `as if it were new: ${await ask(0)}. As it is: ${await ask(size)}`;
    });
    await refusesToStart(act, stage, site);
    await act.attack(
      "So root takes the witnesses out of the configuration, and starts the log without them.",
    );
    await site.start({ isWitnessed: false });
    act.strike();
    await act.watches("the monitor", monitor.alarm("fork"));
    await act.finds("the application's receipt", async () => {
      const { message } = await refusalOf(receipt.full(), "unverified");
      return message;
    });
    await leavesSplit(act, stage, site.origin);
    await act.leaves(stage.shown(monitor.alarmsFile), monitor.excerpt("fork"));
    await act.limit(
      "cairn verify remembers nothing: give it a checkpoint that you kept, or a policy, or let a monitor remember.",
    );
  },
};
