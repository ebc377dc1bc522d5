/**
 * Goal: what really happens on a Linux machine - people who sign in over SSH or are refused, who call sudo and su - is
 * in the log as identity.* events that say who, whence, how, on what and with which outcome.
 * Method: a real sshd, sudo, su and PAM in a mount namespace; rsyslog sends what they say over RELP to `cairn serve`.
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { createServer } from "node:net";
import { once } from "node:events";
import { after, describe, it } from "node:test";
import { readFileSync } from "node:fs";
import { missingLinux, runMachine } from "./linux-machine.testing.ts";
import { Receiver, type Entry } from "./syslog-receiver.testing.ts";
import { Senders, missingRsyslog } from "./syslog-senders.testing.ts";

describe("a real sshd, sudo and su", { skip: missingLinux() || missingRsyslog() }, () => {
  const receiver = new Receiver();
  const senders = new Senders();
  after(async () => {
    await senders.close();
    await receiver.close();
  });

  it("are in the log as who did what", async () => {
    await receiver.init();
    await receiver.start("--relp", "127.0.0.1:0");
    const told = runMachine(senders, receiver.ports.get("relp")!, await freePort());
    await receiver.end("SIGTERM");
    const entries = await receiver.entries();
    const found = entries.filter(({ event }) => event.type.startsWith("identity."));
    const lines = entries.map(({ event }) => String(event.details.message)).join("\n");
    const has = (what: string, isIt: (one: Entry["event"]) => boolean): void =>
      assert.ok(
        found.some(({ event }) => isIt(event)),
        `${what} is missing\n${told}\n${lines}`,
      );
    const fingerprint = fingerprintOf(senders.path("user.pub"));
    has("alice's login", ({ type, actor, outcome, details }) => {
      const auth = details.auth as Record<string, unknown>;
      const isKey = auth.keyFingerprint === fingerprint && auth.method === "publickey";
      const isHers = actor.id === "alice" && actor.ip === "127.0.0.1";
      return type === "identity.login" && outcome === "success" && isHers && isKey;
    });
    const login = (name: string, wanted: string): void =>
      has(`${name}'s ${wanted}`, ({ type, actor, outcome }) => {
        const isHis = actor.id === name && actor.ip === "127.0.0.1";
        return type === "identity.login" && isHis && outcome === wanted;
      });
    login("alice", "failure");
    login("mallory", "failure");
    login("bob", "denied");
    login("root", "denied");
    has("alice's logout", ({ type, actor }) => type === "identity.logout" && actor.id === "alice");
    has("PAM's session", ({ type, action, details }) => {
      const auth = details.auth as Record<string, unknown>;
      return type === "identity.session" && action === "open" && auth.module === "pam_unix";
    });
    const sudo = (name: string, command: string, wanted: string): void =>
      has(`${name}'s sudo ${command}`, ({ type, actor, targets, outcome }) => {
        const on = targets?.map(({ type: kind, id }) => `${kind} ${id}`) ?? [];
        const isIt = on.includes(`command ${command}`) && on.includes("user root");
        return type === "identity.elevate" && actor.id === name && outcome === wanted && isIt;
      });
    sudo("alice", "/usr/bin/id -u", "success");
    sudo("alice", "/usr/bin/cat /etc/shadow", "denied");
    sudo("bob", "/usr/bin/id -u", "denied");
    has("root's su", ({ type, actor, action, outcome }) => {
      const isSu = type === "identity.elevate" && action === "su";
      return isSu && actor.id === "root" && outcome === "success";
    });
    await receiver.work.ok("verify");
  });
});

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  return typeof address === "object" && address !== null ? address.port : 0;
}

/** As ssh-keygen -l shows it: SHA-256 of the key's blob, base64 without padding. */
function fingerprintOf(path: string): string {
  const blob = Buffer.from(readFileSync(path, "utf8").split(" ")[1]!, "base64");
  return `SHA256:${createHash("sha256").update(blob).digest("base64").replace(/=+$/, "")}`;
}
