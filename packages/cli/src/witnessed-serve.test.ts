/**
 * Goal: a server whose log has witnesses, as an operator sets it up: keys to the witnesses, theirs into a policy, the
 * policy to `cairn serve`; cosigned checkpoints outside; a disk that was rolled back is found when the server starts.
 * Method: the commands in this process, three real witnesses and the server on free ports of loopback.
 */
import assert from "node:assert/strict";
import { cpSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { after, before, describe, it } from "node:test";
import { parsePolicy, parseVkey, utf8, verifyWitnessedCheckpoint } from "@cairnlog/core";
import { nodeCrypto } from "@cairnlog/crypto";
import { Workplace, type Ran } from "./run-command.testing.ts";

const work = new Workplace();
const json = (text: string): Record<string, unknown> => JSON.parse(text) as Record<string, unknown>;

/** A command that goes on until it is stopped. */
class Running {
  readonly url: Promise<string>;
  readonly #stop = new AbortController();
  readonly #ran: Promise<Ran>;
  said: Record<string, unknown> = {};

  constructor(line: string) {
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    this.#ran = work.run(`${line} --listen 127.0.0.1:0 --json`, {
      interrupted: this.#stop.signal,
      onOut: (piece) => {
        this.said = json(piece);
        resolve(String(this.said["url"]));
      },
    });
    this.url = promise;
    void this.#ran.then((ran) => reject(new Error(ran.err)));
    promise.catch(() => {});
  }

  async stop(): Promise<Ran> {
    this.#stop.abort();
    return this.#ran;
  }
}

describe("cairn serve with witnesses", () => {
  const witnesses: Running[] = [];
  let vkeys: string[] = [];
  let key = "";
  const servers: Running[] = [];
  let server: Running;

  const serve = async (more = ""): Promise<string> => {
    server = new Running(
      `serve --witness-policy w.policy --publish-interval 50ms --scrub off ${more}`,
    );
    servers.push(server);
    return server.url;
  };
  const get = async (path: string): Promise<Response> =>
    fetch((await server.url) + path, { headers: { authorization: `Bearer ${key}` } });
  const append = async (): Promise<Record<string, unknown>> => {
    const env = { CAIRN_URL: await server.url, CAIRN_KEY_FILE: "api.key" };
    const flags = "append --type a.b --actor x --action y --receipt full --json";
    return json(await work.ok(flags, { env }));
  };

  before(async () => {
    await work.ok("init --origin example.com/logs/main");
    const create = "keys create --source ops --scopes write,read,operate --json";
    key = String(json(await work.ok(create))["key"]);
    writeFileSync(work.path("api.key"), `${key}\n`);
    writeFileSync(work.path("main.vkeys"), await work.ok("logs show --vkeys"));
    vkeys = (await work.ok("logs show --vkeys")).trimEnd().split("\n");
    let policy = vkeys.map((vkey) => `log ${vkey}\n`).join("");
    for (const name of ["w1", "w2", "w3"]) {
      const witness = new Running(
        `witness --data ${name} --name witness.example/${name} --log main.vkeys --cosign 04`,
      );
      witnesses.push(witness);
      const url = await witness.url;
      const [vkey] = witness.said["vkeys"] as string[];
      policy += `witness ${name} ${vkey!} ${url}\n`;
    }
    policy += "group enough 2 w1 w2 w3\nquorum enough\n";
    writeFileSync(work.path("w.policy"), policy);
    cpSync(work.path("cairn-data"), work.path("snapshot"), { recursive: true });
  });
  after(async () => {
    for (const running of [...servers, ...witnesses]) await running.stop();
    work.remove();
  });

  const verified = (note: string) => {
    const logs = vkeys.map((vkey) => ({ vkey: parseVkey(nodeCrypto.sha256, vkey) }));
    const policy = parsePolicy(nodeCrypto.sha256, utf8(policyText()));
    return verifyWitnessedCheckpoint(nodeCrypto, utf8(note), { ...policy, logs });
  };
  const policyText = (): string => {
    const lines = witnesses.map(
      ({ said }, i) => `witness w${i + 1} ${(said["vkeys"] as string[])[0]!}\n`,
    );
    return `${lines.join("")}group enough 2 w1 w2 w3\nquorum enough\n`;
  };

  it("shows checkpoints that a quorum has cosigned, and how its witnesses are", async () => {
    await serve("--require-witnesses");
    const receipt = await append();
    assert.equal((await verified(String(receipt["checkpoint"]))).isQuorum, true);
    const published = await (await get("/logs/main/checkpoint")).text();
    assert.equal((await verified(published)).isQuorum, true);
    await witnesses[2]!.stop();
    await append();
    const answer = (await (await get("/v1/logs/main/witnesses")).json()) as {
      readonly alarms: string[];
      readonly witnesses: {
        readonly name: string;
        readonly state: string;
        readonly size?: number;
      }[];
    };
    assert.deepEqual(answer.alarms, []);
    assert.deepEqual(
      answer.witnesses.slice(0, 2).map(({ name, state, size }) => [name, state, size]),
      [
        ["w1", "cosigning", 3],
        ["w2", "cosigning", 3],
      ],
    );
    assert.equal(answer.witnesses[2]!.name, "w3");
    const metrics = await (await get("/metrics")).text();
    assert.match(metrics, /^cairn_witness_size\{log="main",witness="w1"\} 3$/m);
    assert.match(metrics, /^cairn_log_quorum_missing\{log="main"\} 0$/m);
    assert.match(metrics, /^cairn_log_alarms\{log="main"\} 0$/m);
    assert.equal((await server.stop()).exit, 0);
  });

  it("does not start on a disk that was rolled back", async () => {
    rmSync(work.path("cairn-data"), { recursive: true });
    cpSync(work.path("snapshot"), work.path("cairn-data"), { recursive: true });
    await assert.rejects(
      serve("--start-without-witnesses"),
      /w[12] holds 3 entries of the log main, and the log itself has 1: it was rolled back/,
    );
    assert.equal((await server.stop()).exit, 1);
    assert.ok(readdirSync(work.path("cairn-data/main/evidence")).length > 0);
  });

  it("asks for a policy where witnesses are required", async () => {
    const { exit, err } = await work.run("serve --require-witnesses");
    assert.equal(exit, 2);
    assert.match(err, /--require-witnesses needs --witness-policy/);
  });
});
