/**
 * Goal: who logs in to a real Keycloak, rightly and wrongly, is in the log, with nothing between the two but what
 * both have: Keycloak's own syslog, or its lines posted to a source. Also where a stranger chose a name to look like a
 * field.
 * Method: `cairn serve` as a process, Keycloak as a process (some 20 seconds to start), a realm and a user made over
 * its API; its lines go both ways at once, and a part of them twice.
 */
import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { CairnEvent } from "@cairnlog/core";
import { addSource } from "@cairnlog/server";
import { missingKeycloak, startKeycloak, type Keycloak } from "@cairnlog/testing";
import { Workplace } from "./run-command.testing.ts";

const bin = fileURLToPath(new URL("bin.ts", import.meta.url));
const patienceMs = 20_000;
const token = "a-token-of-the-source";
/** Ends its value, as a reader might think, and begins another field. */
const strangeName = 'mallory", userId="5917d5c3-0000-4351-a70e-0bf027352134';

interface Entry {
  readonly source: string;
  readonly event: CairnEvent & { readonly details: Record<string, unknown> };
}

describe("Keycloak into a log", { skip: missingKeycloak() }, () => {
  const work = new Workplace();
  const output: Buffer[] = [];
  let served: ChildProcess | undefined;
  let keycloak: Keycloak | undefined;
  let url = "";
  let alice = "";
  let session = "";

  before(async () => {
    await work.ok("init");
    addSource(`${work.folder}/cairn-data`, {
      ...{ name: "keycloak", kind: "keycloak", log: "main", secrets: [token], options: {} },
      created: "2026-11-23T05:00:00.000Z",
    });
    const settings = ["--listen", "0", "--syslog-tcp", "127.0.0.1:0", "--scrub", "off", "--json"];
    served = spawn(process.execPath, [bin, "serve", ...settings], {
      cwd: work.folder,
      stdio: ["ignore", "pipe", "inherit"],
    });
    const [line] = (await once(createInterface({ input: served.stdout! }), "line")) as [string];
    const shown = JSON.parse(line) as { url: string; syslog: { address: string }[] };
    url = shown.url;
    keycloak = await startKeycloak({
      flags: [
        "--log=console,syslog",
        `--log-syslog-endpoint=${shown.syslog[0]!.address}`,
        "--log-syslog-output=json",
        "--log-syslog-max-length=32768",
      ],
      onOutput: (chunk) => output.push(chunk),
    });
    ({ alice, session } = await useIt(keycloak));
  });
  after(async () => {
    await keycloak?.stop();
    if (served !== undefined && served.exitCode === null) {
      served.kill("SIGKILL");
      await once(served, "exit");
    }
    work.remove();
  });

  async function entriesOf(source: string): Promise<Entry[]> {
    const out = await work.ok("tail --from 1 --json");
    const entries = out.split("\n").filter(Boolean);
    return entries.map((line) => JSON.parse(line) as Entry).filter((one) => one.source === source);
  }

  function check(entries: readonly Entry[]): void {
    const events = entries
      .map(({ event }) => event)
      .filter(({ type }) => type.startsWith("identity."));
    const logins = events.filter(
      ({ type, targets = [] }) => type === "identity.login" && targets.some(isOfTheShop),
    );
    const who = { name: "alice", ip: "127.0.0.1", client: "web" };
    assert.deepEqual(
      logins.map(({ actor, action, outcome }) => ({ actor, action, outcome })),
      [
        { actor: { id: alice, type: "user", ...who }, action: "LOGIN", outcome: "denied" },
        {
          actor: { id: strangeName, type: "unknown", ...who, name: strangeName },
          action: "LOGIN",
          outcome: "denied",
        },
        {
          actor: { id: alice, type: "user", ...who, session },
          action: "LOGIN",
          outcome: "success",
        },
      ],
    );
    const logout = events.find(({ type }) => type === "identity.logout");
    assert.deepEqual([logout?.actor["id"], logout?.actor["session"]], [alice, session]);
    const made = events.find(({ action }) => action === "CREATE USER");
    assert.deepEqual(made?.targets, [{ type: "user", id: alice }]);
    for (const { id, time } of events) assert.ok(id !== undefined && time !== undefined);
  }

  it("by syslog over TCP, with no agent in between", async () => {
    let entries: Entry[] = [];
    for (const giveUpAt = Date.now() + patienceMs; Date.now() < giveUpAt; await sleep(100)) {
      entries = await entriesOf("syslog");
      if (entries.some(({ event }) => event.type === "identity.logout")) break;
    }
    check(entries);
  });

  it("by its lines, posted to a source, and each once where they are posted again", async () => {
    const lines = Buffer.concat(output).toString().split("\n");
    const post = async (some: readonly string[]): Promise<void> => {
      const answer = await fetch(`${url}/v1/logs/main/sources/keycloak`, {
        method: "POST",
        headers: { authorization: `Bearer ${token}`, "content-type": "application/x-ndjson" },
        body: some.join("\n"),
      });
      assert.equal(answer.status, 200, await answer.text());
    };
    await post(lines);
    const { length } = await entriesOf("keycloak");
    // The first are no JSON and have no id.
    await post(lines.filter((line) => line.startsWith("{")).slice(-10));
    const entries = await entriesOf("keycloak");
    assert.equal(entries.length, length);
    check(entries);
  });
});

/** A realm, a user, and what people do there. */
async function useIt(keycloak: Keycloak): Promise<{ alice: string; session: string }> {
  await keycloak.admin("POST", "", { realm: "shop", enabled: true });
  const client = { clientId: "web", publicClient: true, directAccessGrantsEnabled: true };
  await keycloak.admin("POST", "/shop/clients", client);
  const credentials = [{ type: "password", value: "right", temporary: false }];
  const { createdId: alice } = await keycloak.admin("POST", "/shop/users", {
    ...{ username: "alice", email: "alice@example.com", firstName: "Alice", lastName: "Liddell" },
    ...{ enabled: true, emailVerified: true, credentials },
  });
  const login = (username: string, password: string): ReturnType<Keycloak["token"]> =>
    keycloak.token("shop", { grant_type: "password", client_id: "web", username, password });
  assert.equal((await login("alice", "wrong")).status, 401);
  assert.equal((await login(strangeName, "wrong")).status, 401);
  const good = await login("alice", "right");
  assert.equal(good.status, 200);
  const tokens = good.body as { session_state: string; refresh_token: string };
  const path = `${keycloak.url}/realms/shop/protocol/openid-connect/logout`;
  const asked = { client_id: "web", refresh_token: tokens.refresh_token };
  await fetch(path, { method: "POST", body: new URLSearchParams(asked) });
  assert.ok(alice !== undefined);
  return { alice, session: tokens.session_state };
}

function isOfTheShop({ type, id }: { readonly type: string; readonly id: string }): boolean {
  return type === "realm" && id === "shop";
}
