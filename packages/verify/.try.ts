import { createLog, readNdjson } from "@cairnlog/log";
import { filesStore } from "@cairnlog/store";
import { utf8 } from "@cairnlog/core";
const folder = process.argv[2]!, n = Number(process.argv[3]);
const log = await createLog(filesStore({ folder }), { name: "main", origin: "example.com/logs/main" });
let line = 0;
for (let at = 0; at < n; at += 1024) {
  let text = "";
  for (let i = at; i < Math.min(n, at + 1024); i++) text += JSON.stringify({ id: `e${i}`, type: "api.call", time: "2026-11-23T05:00:00Z", actor: { id: `user${i % 97}@example.com`, type: "user", ip: "203.0.113.9" }, action: "GET", targets: [{ type: "http", id: `/v1/orders/${(i*7919)%100003}` }], outcome: "success", trace: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", details: { ms: (i * 31) % 700 } }) + "\n";
  await log.append(readNdjson(utf8(text)), "api");
}
await log.sealed();
await log.close();
