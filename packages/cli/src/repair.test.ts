/**
 * Goal: who runs `cairn serve` is told of damage without having asked for it (health, metrics, webhook, standard
 * error), appends stop with `tampered` where the log signs from what was changed while reading goes on, and `cairn
 * repair` brings the log back from a copy.
 * Method: the command in this process on loopback, a receiver for the webhook beside it; files of the served log are
 * damaged; each effect is waited for with a deadline.
 */
import assert from "node:assert/strict";
import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { parseSecret, signWebhook } from "@cairnlog/scrub";
import { Workplace, type Ran } from "./run-command.testing.ts";

const deadlineMs = 10_000;
const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const work = new Workplace();
const stop = new AbortController();

interface Alarm {
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

describe("a served log that is damaged", () => {
  const alarms: Alarm[] = [];
  let receiver: Server;
  let serving: Promise<Ran>;
  let url = "";
  let env: Record<string, string> = {};

  before(async () => {
    receiver = createServer((request, response) => {
      let body = "";
      request.setEncoding("utf8").on("data", (piece: string) => (body += piece));
      request.on("end", () => {
        alarms.push({ headers: request.headers, body });
        response.writeHead(204).end();
      });
    });
    await new Promise<void>((resolve) => receiver.listen(0, "127.0.0.1", resolve));
    const hook = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/alarm`;
    const { key } = JSON.parse(await work.ok("init --json")) as { key: string };
    writeFileSync(work.path("api.key"), key);
    writeFileSync(work.path("hook.secret"), `${secret}\n`);
    url = await new Promise<string>((resolve, reject) => {
      const line = `serve --listen 127.0.0.1:0 --json --alarm-webhook ${hook} --alarm-secret-file hook.secret`;
      serving = work.run(line, {
        interrupted: stop.signal,
        onOut: (piece) => resolve((JSON.parse(piece) as { url: string }).url),
      });
      void serving.then((ran) => reject(new Error(ran.err)));
    });
    env = { CAIRN_URL: url, CAIRN_KEY_FILE: "api.key" };
    await work.ok("append --type a.b --actor x --action y", { env });
  });
  after(() => {
    receiver.close();
    work.remove();
  });

  function flip(path: string, byte: number): void {
    const full = work.path(`cairn-data/main/${path}`);
    const bytes = readFileSync(full);
    bytes[byte] = bytes[byte]! ^ 1;
    writeFileSync(full, bytes, { flag: "r+" });
  }

  async function metrics(): Promise<string> {
    const created = await work.ok("keys create --source ops --scopes operate --json");
    const { key } = JSON.parse(created) as { readonly key: string };
    const headers = { authorization: `Bearer ${key}` };
    let text = "";
    // The server looks for new keys from time to time.
    await until(async () => {
      const response = await fetch(`${url}/metrics`, { headers });
      text = await response.text();
      return response.status === 200;
    }, "the new key counts");
    return text;
  }

  async function health(): Promise<number> {
    return (await fetch(`${url}/healthz`)).status;
  }

  async function until(isSo: () => boolean | Promise<boolean>, what: string): Promise<void> {
    const end = performance.now() + deadlineMs;
    while (!(await isSo())) {
      assert.ok(performance.now() < end, `not within ${deadlineMs} ms: ${what}`);
      await sleep(10);
    }
  }

  it("is not healthy, says so off the host, and is healthy again when it is sound again", async () => {
    assert.equal(await health(), 200);
    flip("log.json", 30);
    await until(async () => (await health()) === 503, "an alarm");
    assert.match(await metrics(), /^cairn_log_alarms\{log="main"\} 1$/m);
    await until(() => alarms.length === 1, "a message");
    const { headers, body } = alarms[0]!;
    const id = String(headers["webhook-id"]);
    const timestamp = String(headers["webhook-timestamp"]);
    const signature = signWebhook(parseSecret(secret), id, timestamp, body);
    assert.equal(headers["webhook-signature"], signature);
    const { type, data } = JSON.parse(body) as { type: string; data: Record<string, unknown> };
    assert.equal(type, "system.tamper");
    assert.equal(data.file, "log.json");
    await work.ok("append --type a.b --actor x --action y", { env });
    flip("log.json", 30);
    await until(async () => (await health()) === 200, "the end of the alarm");
    assert.match(await work.ok("tail -n 5 --json", { env }), /system\.tamper[^]*system\.repaired/);
  });

  it("stops appending where the log signs from what was changed, and goes on serving", async () => {
    await work.ok("append --type a.b --actor x --action last", { env });
    const copy = work.path("copy");
    cpSync(work.path("cairn-data/main"), copy, { recursive: true });
    flip("tail/0000000000000000", 60);
    await until(async () => {
      const { exit, err } = await work.run("append --type a.b --actor x --action y", { env });
      return exit !== 0 && /tail\/0000000000000000 of the log main was changed/.test(err);
    }, "appends are refused");
    assert.equal(await health(), 503);
    assert.match(await work.ok("get 2", { env }), /"seq":2|2/);
    stop.abort();
    const { err } = await serving;
    assert.match(err, /cairn: alarm: tail\/0000000000000000/);
  });

  it("starts again after a repair, with nothing lost, and tells of it", async () => {
    assert.equal((await work.run("serve --listen 0")).exit, 1);
    const out = await work.ok("repair cairn-data/main --from copy");
    assert.match(out, /restored {2}tail\/0000000000000000 {2}from its entries/);
    await work.ok("verify cairn-data");
    const again = new AbortController();
    const { exit } = await work.run("serve --listen 127.0.0.1:0", {
      interrupted: again.signal,
      onOut: () => again.abort(),
    });
    assert.equal(exit, 0);
    assert.match(await work.ok("tail -n 3 --json"), /system\.repaired/);
    assert.match(await work.ok("repair cairn-data/main --from copy"), /^Nothing is damaged/);
  });

  it("refuses settings that make no sense", async () => {
    const cases: readonly [string, RegExp][] = [
      ["serve --alarm-webhook http://x.example", /needs a secret/],
      ["serve --alarm-webhook http://x.example --alarm-secret short", /whsec_/],
      ["serve --scrub off --alarm-webhook http://x.example", /needs the scrubber/],
      ["repair cairn-data/main", /--from/],
      ["repair cairn-data/main --from nowhere", /no folder/],
    ];
    for (const [line, expected] of cases) {
      const { exit, err } = await work.run(line);
      assert.ok(exit === 2 || exit === 3, line);
      assert.match(err, expected, line);
    }
  });
});
