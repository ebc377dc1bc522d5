/** Scene 7: the log is gagged, then stopped. Nothing is forged: it just says nothing new any more. */
import { Application, Monitor } from "./outsiders.ts";
import { NotNoticed, type Scene } from "./scene.ts";
import { Site } from "./site.ts";
import { Wire } from "./wire.ts";

/** With `cairn monitor` as it comes these are 3 minutes and 1 minute, and an idle log is cosigned every minute. */
const staleAfterMs = 2000;
const unreachableAfterMs = 300;

export const gagLog: Scene = {
  title: "Stop the log, or keep it from speaking",
  async play(act, stage) {
    const site = await Site.make(act, stage, "gag", { events: 60, theftAt: -1 });
    const wire = new Wire();
    const log = await site.start({ transport: wire.transport });
    const monitor = await Monitor.open(act, stage, site, "gag/monitor", {
      staleAfterMs,
      unreachableAfterMs,
    });
    await monitor.caughtUp(log.status().size);
    await act.attack(
      "A firewall rule cuts the log off from its witnesses. It still answers everybody, with its last checkpoint, correct and complete.",
    );
    monitor.forget();
    wire.isCut = true;
    await act.watches("the monitor: the cosignatures go stale", monitor.alarm("stale"));
    await act.finds("the log itself, in its status and metrics", async () => {
      await new Application(act, site).record();
      await log.publish().catch(() => undefined);
      const { quorumFailure } = log.status();
      if (quorumFailure === undefined)
        throw new NotNoticed("it does not know that it has no quorum");
      return quorumFailure.message;
    });
    await act.attack("Then the server is stopped.");
    await site.close();
    act.strike();
    await act.watches("the monitor", monitor.alarm("unreachable"));
    await act.leaves(stage.shown(monitor.alarmsFile), monitor.excerpt("stale"));
    await act.limit(
      `Here an idle log is cosigned five times a second, and stale after ${staleAfterMs / 1000} s. As it comes: once a minute, and 3 minutes.`,
    );
    await act.limit(
      "A monitor that is cut off together with the log alarms where nobody reads it: run it elsewhere.",
    );
  },
};
