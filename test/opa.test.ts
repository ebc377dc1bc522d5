/**
 * Goal: each decision that a real Open Policy Agent makes is in the log under the id that it gave to whoever asked,
 * with what it decided, without what its operator masked, and once, though its first report seemed to fail. Method:
 * OPA itself, with the configuration that `cairn sources add opa` prints, asked over HTTP on loopback. Skipped,
 * loudly, where OPA is not there.
 */
import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { createServer as createListener, type AddressInfo, type Server } from "node:net";
import { join } from "node:path";
import { describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { findAdapter } from "@cairnlog/capture";
import { findProgram, missingProgram } from "@cairnlog/testing";
import { removeFolder, temporaryFolder } from "./served-log.ts";
import { serveSource, type ServedSource } from "./served-source.ts";

const cached = fileURLToPath(new URL("../node_modules/.cache/opa/opa", import.meta.url));
const program = findProgram([cached, "/usr/local/bin/opa", "/usr/bin/opa"]);
const how =
  "Open Policy Agent is not there (GOBIN=$PWD/node_modules/.cache/opa go install github.com/open-policy-agent/opa@v1.9.0)";
const missing = missingProgram(program, how, "tests with a real Open Policy Agent");

const policy = `package authz
default allow := false
allow if input.user == "alice"
deny contains "no writes" if input.method == "POST"
`;
const mask = `package system.log
mask contains "/input/password"
`;

describe("a real Open Policy Agent", { skip: missing }, () => {
  it("has each decision in the log, once", async () => {
    const folder = temporaryFolder();
    const served = await serveSource(folder, "opa");
    const proxy = await proxyThatFailsOnce(served);
    const opa = await startOpa(folder, proxy.url, served.token);
    try {
      const decided = [
        await opa.ask("authz/allow", { user: "alice", password: "hunter2" }),
        await opa.ask("authz/allow", { user: "bob" }),
        await opa.ask("authz/deny", { user: "bob", method: "POST" }),
        await opa.ask("authz/missing", { user: "bob" }),
      ];
      await until(async () => (await served.events()).length >= decided.length);
      const events = await served.events();
      assert.ok(proxy.refused > 0, "the log was never away");
      assert.deepEqual(
        events.map(({ id }) => id),
        decided,
      );
      assert.deepEqual(
        events.map(({ outcome }) => outcome),
        ["success", "denied", "denied", "unknown"],
      );
      assert.deepEqual(
        events.map(({ actor }) => (actor as { id: string }).id),
        ["alice", "bob", "bob", "bob"],
      );
      assert.ok(!JSON.stringify(events).includes("hunter2"));
      const { erased } = events[0]!["details"] as { erased: unknown };
      assert.deepEqual(erased, ["/input/password"]);
    } finally {
      await opa.close();
      proxy.server.close();
      await served.close();
      removeFolder(folder);
    }
  });
});

/** In front of the log: hands its first delivery on, and tells OPA that it failed. */
async function proxyThatFailsOnce({ url }: ServedSource) {
  const state = { refused: 0 };
  const server = createServer((request, response) => {
    void (async () => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      const { authorization = "", "content-encoding": encoding = "" } = request.headers;
      const answer = await fetch(url + request.url!, {
        method: "POST",
        headers: {
          authorization,
          "content-encoding": encoding,
          "content-type": "application/json",
        },
        body: Buffer.concat(chunks),
      });
      const isFirst = state.refused === 0;
      if (isFirst) state.refused++;
      response.statusCode = isFirst ? 503 : answer.status;
      response.end(await answer.text());
    })();
  });
  const port = await listen(server);
  return Object.assign(state, { server, url: `http://127.0.0.1:${port}` });
}

async function startOpa(folder: string, url: string, secret: string) {
  const paste = { url: `${url}/v1/logs/main/sources/sender`, secret, source: "cairn" };
  const told = findAdapter("opa")!.setup.instructions(paste, {});
  writeFileSync(join(folder, "opa.yaml"), /```yaml\n([^]*?)```/.exec(told)![1]!);
  writeFileSync(join(folder, "authz.rego"), policy);
  writeFileSync(join(folder, "mask.rego"), mask);
  const free = createListener();
  const port = await listen(free);
  await new Promise((resolve) => free.close(resolve));
  const address = ["--addr", `127.0.0.1:${port}`, "--disable-telemetry", "--log-level", "error"];
  const files = ["--config-file", "opa.yaml", "authz.rego", "mask.rego"];
  const child = spawn(program!, ["run", "--server", ...address, ...files], {
    ...{ cwd: folder, stdio: "ignore" },
  });
  const base = `http://127.0.0.1:${port}`;
  await until(() =>
    fetch(`${base}/health`).then(
      ({ ok }) => ok,
      () => false,
    ),
  );
  return {
    /** The id of the decision. */
    async ask(path: string, input: object): Promise<string> {
      const body = JSON.stringify({ input });
      const answer = await fetch(`${base}/v1/data/${path}`, { method: "POST", body });
      return ((await answer.json()) as { decision_id: string }).decision_id;
    },
    close: () => ended(child),
  };
}

function listen(server: Server): Promise<number> {
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => resolve((server.address() as AddressInfo).port));
  });
}

async function ended(child: ChildProcess): Promise<void> {
  const exit = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGKILL");
  await exit;
}

async function until(isTrue: () => Promise<boolean>): Promise<void> {
  for (let i = 0; i < 300; i++) {
    if (await isTrue()) return;
    await sleep(100);
  }
  throw new Error("waited for half a minute");
}
