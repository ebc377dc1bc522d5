/** Scenes 5 and 6: an older state of the disk comes back, under the running log, and while it is stopped. */
import { cpSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { tailPath } from "@cairnlog/store";
import { alarmText } from "./edit-bytes.ts";
import { overwrite } from "./forgery.ts";
import { Application, Monitor } from "./outsiders.ts";
import { NotNoticed, refusalOf, type Act, type Scene } from "./scene.ts";
import { Site } from "./site.ts";
import { refusesToStart } from "./witness-answers.ts";

const secret = `whsec_${Buffer.alloc(32, 7).toString("base64")}`;

export const rollBackDisk: Scene = {
  title: "Roll the disk back under the running log",
  async play(act, stage) {
    const site = await Site.make(act, stage, "roll-back", { events: 240, theftAt: 200 });
    const pager = await Pager.open(act);
    const said = Promise.withResolvers<string>();
    const vital = (line: string): void => {
      if (line.includes("takes no more events")) said.resolve(alarmText(line));
    };
    const log = await site.start({ scrubber: { say: vital, webhook: { url: pager.url, secret } } });
    const files = ["commits", tailPath(0), "checkpoint"];
    const old = files.map((path) => readFileSync(join(site.logFolder, path)));
    const application = new Application(act, site);
    for (let i = 0; i < 20; i++) await application.record();
    await log.publish();
    await act.attack(
      "The server runs. Below it root puts back the newest files as they were 20 events ago: tail, commit records and checkpoint, " +
        "each of them whole and right, all three together.",
    );
    for (const [i, path] of files.entries()) overwrite(join(site.logFolder, path), old[i]!);
    await act.watches("the scrubber", said.promise);
    await act.watches("the pager, off this host, by a signed webhook", pager.called());
    const path = stage.write("roll-back/webhook.json", `${pager.body}\n`);
    await act.leaves(stage.shown(path), [pager.body]);
    await act.limit(
      "The scrubber is silent while the server does not run; for that see the next scene.",
    );
  },
};

export const restoreSnapshot: Scene = {
  title: "Restore an old snapshot, with its own commit records",
  async play(act, stage) {
    const site = await Site.make(act, stage, "old-snapshot", { events: 120, theftAt: 100 });
    await site.start();
    await site.stop();
    const snapshot = join(stage.folder, "old-snapshot/snapshot");
    cpSync(site.data, snapshot, { recursive: true });
    await site.start();
    const application = new Application(act, site);
    for (let i = 0; i < 10; i++) await application.record();
    await site.cosigned();
    const { size } = site.log.status();
    const monitor = await Monitor.open(act, stage, site, "old-snapshot/monitor");
    await monitor.caughtUp(size);
    await act.attack(
      "Root stops the log and restores a snapshot of the whole disk from before the last 10 events: every file, every commit " +
        "record, every signature in it is genuine.",
    );
    await site.stop();
    rmSync(site.data, { recursive: true });
    cpSync(snapshot, site.data, { recursive: true });
    await act.isBlind("cairn verify, with the right keys", async () => {
      return `${await site.verify()}. It was the log, once`;
    });
    await refusesToStart(act, stage, site);
    await act.attack("So root starts it without its witnesses.");
    await site.start({ isWitnessed: false });
    act.strike();
    await act.watches("the monitor", monitor.alarm("rollback"));
    await act.finds("the application, at its next event", async () => {
      const { message } = await refusalOf(application.record(), "unverified");
      return message.replace(/ Keep both:.*$/s, " Keep both.");
    });
    await act.leaves(stage.shown(monitor.alarmsFile), monitor.excerpt("rollback"));
    await act.limit(
      "What came after the last cosigned checkpoint, within the last second, only receipts can prove; --require-witnesses closes that gap.",
    );
  },
};

/** Somebody's phone, on another host. */
class Pager {
  url = "";
  body = "";
  readonly #called = Promise.withResolvers<string>();

  static async open(act: Act): Promise<Pager> {
    const pager = new Pager();
    const server = createServer((request, response) => {
      let body = "";
      request.setEncoding("utf8");
      request.on("data", (piece: string) => (body += piece));
      request.on("end", () => {
        response.end();
        pager.take(body, String(request.headers["webhook-signature"]));
      });
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    pager.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    act.defer(async () => {
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    });
    return pager;
  }

  take(body: string, signature: string): void {
    if (this.body !== "") return;
    this.body = body;
    const { type, data } = JSON.parse(body) as {
      type: string;
      data: { file: string; what: string };
    };
    this.#called.resolve(`${type}, ${data.file}: ${data.what} (signed ${signature.slice(0, 20)}…)`);
  }

  async called(): Promise<string> {
    const said = await this.#called.promise;
    if (!said.startsWith("system.tamper")) throw new NotNoticed(said);
    return said;
  }
}
