/**
 * Goal: what the daemons that people run send over every transport of syslog is in the log, whole and once; and what a
 * sender of RELP was told is safe is there although the receiver was killed in the middle.
 * Method: real processes: `cairn serve` under this Node, Debian's rsyslog and syslog-ng and logger, ports chosen by the
 * system. Events are counted in the log afterwards, which must verify.
 */
import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import { Receiver, messages, numbered } from "./syslog-receiver.testing.ts";
import {
  Senders,
  makeCertificates,
  missingLogger,
  missingRsyslog,
  missingSyslogNg,
} from "./syslog-senders.testing.ts";

/** rsyslog's `uuid` is one for each message, over whichever transport it leaves: only one of them may carry it. */
function rsyslogFormat(app: string, hasId = false): string {
  const data = hasId ? '[x@32473 uuid=\\"%uuid%\\"]' : "-";
  const head = `<%PRI%>1 %TIMESTAMP:::date-rfc3339% host ${app} %PROCID% - ${data}`;
  return `template(name="${app}" type="string" string="${head} %msg%\\n")\n`;
}

describe("syslog from rsyslog", { skip: missingRsyslog() }, () => {
  const receiver = new Receiver();
  const senders = new Senders();
  after(async () => {
    await senders.close();
    await receiver.close();
  });

  it("arrives whole over TCP in both framings, TLS, UDP, RELP and RELP over TLS", async () => {
    makeCertificates(senders, ["server", "web-1"]);
    await receiver.init();
    const tls = ["--syslog-tls-cert", senders.path("server.pem")];
    tls.push("--syslog-tls-key", senders.path("server.key"));
    tls.push("--syslog-client-ca", senders.path("ca.pem"));
    const sockets = ["--syslog-tcp", "--syslog-tls", "--syslog-udp", "--relp", "--relp-tls"];
    await receiver.start(...sockets.flatMap((name) => [name, "127.0.0.1:0"]), ...tls);
    const lines = numbered(300);
    const file = senders.write("input", `${lines.join("\n")}\n`);
    const port = (name: string): string => `target="127.0.0.1" port="${receiver.ports.get(name)}"`;
    const mine = `"${senders.path("web-1.key")}"`;
    const apps = ["octets", "lines", "secured", "datagrams", "relp", "relps"];
    senders.rsyslog(
      "rsyslog",
      `global(defaultNetstreamDriverCAFile="${senders.path("ca.pem")}"
         defaultNetstreamDriverCertFile="${senders.path("web-1.pem")}"
         defaultNetstreamDriverKeyFile=${mine})
       module(load="imfile") module(load="omrelp" tls.tlslib="openssl")
       ${apps.map((app) => rsyslogFormat(app)).join("")}
       ruleset(name="all") {
         action(type="omfwd" ${port("tcp")} protocol="tcp" tcp_framing="octet-counted" template="octets")
         action(type="omfwd" ${port("tcp")} protocol="tcp" template="lines")
         action(type="omfwd" ${port("tls")} protocol="tcp" tcp_framing="octet-counted" template="secured"
           StreamDriver="ossl" StreamDriverMode="1" StreamDriverAuthMode="x509/name"
           StreamDriverPermittedPeers="server")
         action(type="omfwd" ${port("udp")} protocol="udp" template="datagrams")
         action(type="omrelp" ${port("relp")} template="relp")
         action(type="omrelp" ${port("relp-tls")} template="relps" tls="on"
           tls.caCert="${senders.path("ca.pem")}" tls.myCert="${senders.path("web-1.pem")}"
           tls.myPrivKey=${mine} tls.authMode="name" tls.permittedPeer=["server"])
       }
       input(type="imfile" file="${file}" tag="app" ruleset="all" facility="authpriv")`,
    );
    const entries = await receiver.until((found) => found.length >= lines.length * apps.length);
    for (const app of apps) {
      const found = messages(entries, app);
      assert.equal(found.length, lines.length, `${app}: ${senders.output("rsyslog")}`);
      assert.deepEqual(found, lines, app);
    }
    const sources = new Map(entries.map(({ source, event }) => [event.details.app, source]));
    assert.deepEqual(Object.fromEntries(sources), {
      octets: "syslog",
      lines: "syslog",
      secured: "syslog/web-1",
      datagrams: "syslog",
      relp: "syslog",
      relps: "syslog/web-1",
    });
    assert.equal(entries[0]!.event.details.facility, "authpriv");
    await receiver.end("SIGTERM");
    await receiver.work.ok("verify");
  });
});

describe("RELP from rsyslog, the receiver being killed", { skip: missingRsyslog() }, () => {
  const receiver = new Receiver();
  const senders = new Senders();
  after(async () => {
    await senders.close();
    await receiver.close();
  });

  it("brings every line, and those with an id once", async () => {
    await receiver.init();
    await receiver.start("--relp", "127.0.0.1:0");
    const lines = numbered(6000);
    const file = senders.write("input", `${lines.join("\n")}\n`);
    const retry = 'action.resumeRetryCount="-1" action.resumeInterval="1" queue.type="LinkedList"';
    const to = (name: string): string => `target="127.0.0.1" port="${receiver.ports.get(name)}"`;
    senders.rsyslog(
      "rsyslog",
      `module(load="imfile") module(load="omrelp")
       ${rsyslogFormat("relp", true)}
       ruleset(name="all") {
         action(type="omrelp" ${to("relp")} template="relp" queue.size="100000" ${retry})
       }
       input(type="imfile" file="${file}" tag="app" ruleset="all")`,
    );
    for (const size of [500, 2500]) {
      await receiver.untilSize(size);
      await receiver.end("SIGKILL");
      await receiver.start(...receiver.samePorts());
    }
    const last = lines.at(-1)!;
    const entries = await receiver.until((found) => messages(found, "relp").includes(last));
    assert.deepEqual(messages(entries, "relp").toSorted(), lines.toSorted());
    await receiver.end("SIGTERM");
    await receiver.work.ok("verify");
  });
});

describe("syslog from syslog-ng", { skip: missingSyslogNg() || missingLogger() }, () => {
  const receiver = new Receiver();
  const senders = new Senders();
  after(async () => {
    await senders.close();
    await receiver.close();
  });

  it("arrives whole over TCP in both framings, TLS and UDP", async () => {
    makeCertificates(senders, ["server"]);
    await receiver.init();
    const tls = ["--syslog-tls-cert", senders.path("server.pem")];
    tls.push("--syslog-tls-key", senders.path("server.key"));
    const sockets = ["--syslog-tcp", "--syslog-tls", "--syslog-udp"];
    await receiver.start(...sockets.flatMap((name) => [name, "127.0.0.1:0"]), ...tls);
    const lines = numbered(200);
    const file = senders.write("input", `${lines.join("\n")}\n`);
    const port = (name: string): string => `port(${receiver.ports.get(name)})`;
    const ca = `tls(ca-file("${senders.path("ca.pem")}"))`;
    const named = (app: string): string => `rewrite r_${app} { set("${app}", value("PROGRAM")); };`;
    const drivers = {
      octets: `syslog("127.0.0.1" transport("tcp") ${port("tcp")})`,
      lines: `network("127.0.0.1" transport("tcp") ${port("tcp")})`,
      secured: `syslog("127.0.0.1" transport("tls") ${port("tls")} ${ca})`,
      datagrams: `syslog("127.0.0.1" transport("udp") ${port("udp")})`,
    };
    senders.syslogNg(
      "syslog-ng",
      `source s { file("${file}" flags(no-parse) program-override("app")); };
       ${Object.entries(drivers)
         .map(
           ([app, driver]) =>
             `${named(app)} destination d_${app} { ${driver.slice(0, -1)} persist-name("${app}")); };
              log { source(s); rewrite(r_${app}); destination(d_${app}); };`,
         )
         .join("\n")}`,
    );
    const apps = Object.keys(drivers);
    const entries = await receiver.until((found) => found.length >= lines.length * apps.length);
    for (const app of apps) {
      const found = messages(entries, app);
      assert.equal(found.length, lines.length, `${app}: ${senders.output("syslog-ng")}`);
      assert.deepEqual(found, lines, app);
    }
    // Its syslog driver numbers its messages: these have an id of their own.
    const withId = entries.filter(({ event }) => event.id !== undefined);
    const counted = entries.filter(({ event }) => event.details.app !== "lines");
    assert.equal(new Set(withId.map(({ event }) => event.id)).size, counted.length);
    await receiver.end("SIGTERM");
    await receiver.work.ok("verify");
  });
});

describe("syslog from logger", { skip: missingLogger() }, () => {
  const receiver = new Receiver();
  const senders = new Senders();
  after(async () => {
    await senders.close();
    await receiver.close();
  });

  it("is read in either format, over either transport and framing", async () => {
    await receiver.init();
    await receiver.start("--syslog-tcp", "127.0.0.1:0", "--syslog-udp", "127.0.0.1:0");
    const at = (name: string): string[] => [
      "-n",
      "127.0.0.1",
      "-P",
      String(receiver.ports.get(name)),
    ];
    const common = ["-p", "auth.warning", "-t", "app", "--id=42"];
    const ways: [string, string[]][] = [
      ["tcp", ["-T", "--rfc5424"]],
      ["tcp", ["-T", "--rfc5424", "--octet-count"]],
      ["tcp", ["-T", "--rfc3164"]],
      ["tcp", ["-T", "--rfc3164", "--octet-count"]],
      ["udp", ["-d", "--rfc5424", "--msgid", "M1", "--sd-id", "x@1", "--sd-param", 'a="b\\"c"']],
      ["udp", ["-d", "--rfc3164"]],
    ];
    for (const [i, [name, way]] of ways.entries()) {
      senders.logger(...at(name), ...common, ...way, `message ${i} … ü`);
    }
    const entries = await receiver.until((found) => found.length >= ways.length);
    const found = entries.map(({ event }) => event.details);
    assert.deepEqual(
      found.map(({ message }) => String(message)).toSorted(),
      ways.map((_, i) => `message ${i} … ü`),
    );
    for (const details of found) {
      const { app, procid, facility, severity, host } = details;
      assert.deepEqual([app, procid, facility, severity], ["app", "42", "auth", "warning"]);
      assert.equal(typeof host, "string");
    }
    assert.equal(found.filter(({ format }) => format === "rfc3164").length, 3);
    const named = entries.find(({ event }) => event.details.msgid === "M1");
    assert.equal(named?.event.action, "M1");
    const data = named?.event.details.structuredData as Record<string, unknown>;
    assert.deepEqual(data["x@1"], { a: 'b"c' });
    for (const { event } of entries) assert.match(event.time ?? "", /^20[0-9]{2}-/);
  });
});
