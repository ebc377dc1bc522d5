/**
 * Goal: a syslog message becomes its parts as RFC 5424 and RFC 3164 have them and as real senders write them; whatever
 * else comes is kept, bit for bit; and every event that is made of any bytes is one that a log takes.
 * Method: the RFCs' examples and a table of senders' spellings with a clock passed in; years and zones around their
 * edges; and random bytes, cut and changed messages, with a fixed seed.
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { EventScanner, checkEvent, parseBase64, utf8 } from "@cairnlog/core";
import fc from "fast-check";
import { renderCaptured } from "./captured-event.ts";
import { captureSyslog } from "./syslog-event.ts";
import { parseSyslog, type SyslogContext, type SyslogMessage } from "./syslog-message.ts";
import { parseZone } from "./syslog-time.ts";

const nowMs = Date.UTC(2026, 10, 24, 5, 0, 0);

function parsed(text: string, context: SyslogContext = { receivedMs: nowMs }): SyslogMessage {
  const message = parseSyslog(utf8(text), context);
  assert.equal(message.header + message.message, text);
  return message;
}

/** What is not the same in all of them: without the priority's numbers and the text. */
function partsOf(text: string, context?: SyslogContext): unknown[] {
  const { format, time, host, app, procid, message } = parsed(text, context);
  return [format, time, host, app, procid, message];
}

describe("RFC 5424", () => {
  it("reads the examples of section 6.5", () => {
    const one = parsed(
      "<34>1 2003-10-11T22:14:15.003Z mymachine.example.com su - ID47 - \ufeff'su root' failed",
    );
    assert.equal(one.format, "rfc5424");
    assert.deepEqual([one.facility, one.severity], [4, 2]);
    assert.deepEqual([one.time, one.host], ["2003-10-11T22:14:15.003Z", "mymachine.example.com"]);
    assert.deepEqual([one.app, one.procid, one.msgid], ["su", undefined, "ID47"]);
    assert.equal(one.message, "'su root' failed");
    const two = parsed(
      '<165>1 2003-10-11T22:14:15.003Z h evntslog - ID47 [exampleSDID@32473 iut="3" ' +
        'eventID="1011"][examplePriority@32473 class="high"] text',
    );
    assert.deepEqual(two.structuredData, {
      "exampleSDID@32473": { iut: "3", eventID: "1011" },
      "examplePriority@32473": { class: "high" },
    });
    assert.equal(two.message, "text");
    assert.equal(parsed("<165>1 2003-10-11T22:14:15.003Z h e - - [a@1]").message, "");
    assert.equal(parsed("<165>1 2003-08-24T05:14:15.000003-07:00 h e 8710 - - x").procid, "8710");
  });

  it("reads structured data with escapes, repetitions and strange names", () => {
    const data = (text: string): unknown => parsed(`<1>1 - h a - - ${text}`).structuredData;
    assert.deepEqual(data('[x@1 a="\\"\\\\\\]" b="\\n"]'), { "x@1": { a: '"\\]', b: "\\n" } });
    assert.deepEqual(data('[origin ip="192.0.2.1" ip="192.0.2.9" ip="::1"]'), {
      origin: { ip: ["192.0.2.1", "192.0.2.9", "::1"] },
    });
    assert.deepEqual(
      JSON.stringify(data('[__proto__ __proto__="x"]')),
      '{"__proto__":{"__proto__":"x"}}',
    );
    assert.deepEqual(data('[x a="é]\\]"]'), undefined, "a bracket has to be escaped");
  });

  it("keeps as text what is not strictly one, with its priority", () => {
    const strange = [
      "<34>1 2003-10-11T22:14:15.003Z h su - ID47 [x",
      '<34>1 2003-10-11T22:14:15.003Z h su - ID47 [x a="1"][x b="2"] same id twice',
      "<34>1 2003-13-11T22:14:15.003Z h su - ID47 - no month",
      "<34>1 2003-10-11T22:14:15.003Z h su - ID47 -no blank",
      "<34>2 2003-10-11T22:14:15.003Z h su - ID47 - of a later version",
      "<34>1 2003-10-11T22:14:15.003Z h  - ID47 - two blanks",
    ];
    for (const text of strange) {
      const { format, facility, severity, message } = parsed(text);
      assert.deepEqual([format, facility, severity], ["raw", 4, 2], text);
      assert.equal(message, text.slice(4));
    }
    for (const text of ["<192>1 - h a - - x", "<034>1 - h a - - x", "<>1 - h a - - x", ""]) {
      assert.deepEqual([parsed(text).format, parsed(text).facility], ["raw", undefined], text);
    }
  });
});

describe("RFC 3164", () => {
  it("reads what senders write", () => {
    const time = "2026-10-11T22:14:15Z";
    const table: [string, unknown[]][] = [
      [
        "<34>Oct 11 22:14:15 mymachine su: 'su root'",
        [time, "mymachine", "su", undefined, "'su root'"],
      ],
      ["<34>Oct 11 22:14:15 vm sshd[42]: hello", [time, "vm", "sshd", "42", "hello"]],
      ["<34>Oct 11 22:14:15 sshd[42]: local", [time, undefined, "sshd", "42", "local"]],
      ["<34>Oct 11 22:14:15 fe80::1 kernel: up", [time, "fe80::1", "kernel", undefined, "up"]],
      ["Oct 11 22:14:15 vm cron[7]: of a file", [time, "vm", "cron", "7", "of a file"]],
      ["<34>Oct 11 22:14:15.250 vm a: x", ["2026-10-11T22:14:15.250Z", "vm", "a", undefined, "x"]],
      ["<34>Oct 11 2019 22:14:15 vm a: x", ["2019-10-11T22:14:15Z", "vm", "a", undefined, "x"]],
      ["<34>Oct 11 22:14:15 2019 vm a: x", ["2019-10-11T22:14:15Z", "vm", "a", undefined, "x"]],
      [
        "<189>*Oct 11 22:14:15.003: %SYS-5: x",
        ["2026-10-11T22:14:15.003Z", undefined, "%SYS-5", undefined, "x"],
      ],
      ["<34>Oct 11 22:14:15 vm no tag here", [time, "vm", undefined, undefined, "no tag here"]],
      [
        "<34>2026-10-11T22:14:15.1+02:00 vm a[1]: x",
        ["2026-10-11T22:14:15.1+02:00", "vm", "a", "1", "x"],
      ],
      ["<13>app[12]: no time", [undefined, undefined, "app", "12", "no time"]],
      ["<34>Nov  4 22:14:15 vm a: x", ["2026-11-04T22:14:15Z", "vm", "a", undefined, "x"]],
    ];
    for (const [text, expected] of table) {
      assert.deepEqual(partsOf(text), ["rfc3164", ...expected], text);
    }
    assert.equal(parsed("<34>Oct 32 22:14:15 vm a: x").format, "raw");
    assert.equal(parsed("<34>Okt 11 22:14:15 vm a: x").format, "raw");
    assert.equal(parsed("<13>no tag, no time").format, "raw");
  });

  it("takes the year from when it was received, around new year and on leap days", () => {
    const time = (text: string, received: string): string | undefined =>
      parsed(`<13>${text} h a: x`, { receivedMs: new Date(received).getTime() }).time;
    assert.equal(time("Dec 31 23:59:59", "2027-01-01T00:00:01Z"), "2026-12-31T23:59:59Z");
    assert.equal(time("Jan  1 00:00:01", "2026-12-31T23:59:50Z"), "2027-01-01T00:00:01Z");
    assert.equal(time("Jan  1 00:00:01", "2027-01-01T00:00:02Z"), "2027-01-01T00:00:01Z");
    assert.equal(time("Jul  1 00:00:00", "2026-12-20T00:00:00Z"), "2026-07-01T00:00:00Z");
    assert.equal(time("Feb 29 12:00:00", "2028-03-01T00:00:00Z"), "2028-02-29T12:00:00Z");
    assert.equal(time("Feb 29 12:00:00", "2026-03-01T00:00:00Z"), undefined);
    assert.equal(parsed("<13>Feb  1 12:00:00 h a: x", {}).time, undefined);
  });

  it("takes the zone it was given, also when clocks change", () => {
    const time = (text: string, received: string, zone: string): string | undefined =>
      parsed(`<13>${text} h a: x`, {
        receivedMs: new Date(received).getTime(),
        zone: parseZone(zone),
      }).time;
    assert.equal(
      time("Jul  1 12:00:00", "2026-07-01T10:00:00Z", "Europe/Berlin"),
      "2026-07-01T10:00:00Z",
    );
    assert.equal(
      time("Dec  1 12:00:00", "2026-12-01T11:00:00Z", "Europe/Berlin"),
      "2026-12-01T11:00:00Z",
    );
    // 02:30 comes twice on that day: the one nearer to now.
    assert.equal(
      time("Oct 25 02:30:00", "2026-10-25T00:30:02Z", "Europe/Berlin"),
      "2026-10-25T00:30:00Z",
    );
    assert.equal(
      time("Oct 25 02:30:00", "2026-10-25T01:30:02Z", "Europe/Berlin"),
      "2026-10-25T01:30:00Z",
    );
    assert.equal(time("Jan  1 01:00:00", "2026-12-31T23:00:01Z", "+02:00"), "2026-12-31T23:00:00Z");
    assert.equal(time("Dec 31 20:00:00", "2027-01-01T01:30:00Z", "-05:30"), "2027-01-01T01:30:00Z");
    assert.throws(() => parseZone("Europe/Nowhere"), /time zone/);
    assert.throws(() => parseZone("+2"), /time zone/);
  });
});

describe("an event of any bytes", () => {
  const scanner = new EventScanner();
  const heads = [
    "<34>1 2003-10-11T22:14:15.003Z h su - ID47 - ",
    "<34>Oct 11 22:14:15 vm sudo[4]: ",
    "",
  ];
  const tails = [
    "Failed password for invalid user x from 192.0.2.1 port 22 ssh2",
    "alice : TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/usr/bin/id",
    "pam_unix(su:auth): authentication failure; logname= uid=0 euid=0 tty= ruser=a rhost=  user=b",
  ];

  it("is one that a log takes, and holds them bit for bit", () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 300 }),
      fc
        .string({ unit: "binary", maxLength: 100 })
        .map((text) => Uint8Array.from(Buffer.from(text))),
      fc
        .tuple(
          fc.constantFrom(...heads),
          fc.constantFrom(...tails),
          fc.uint8Array(),
          fc.nat(60),
          fc.nat(99),
        )
        .map(([head, tail, more, at, cut]) =>
          Uint8Array.from(
            [...utf8(head + tail.slice(0, at)), ...more, ...utf8(tail.slice(at))].slice(
              0,
              99 + cut,
            ),
          ),
        ),
    );
    fc.assert(
      fc.property(bytes, (message) => {
        const { bytes: rendered } = renderCaptured(
          captureSyslog(message, { receivedMs: nowMs, peer: "192.0.2.7" }),
          () => "",
        );
        scanner.scan(rendered, 0, rendered.length);
        checkEvent(scanner, rendered);
        const { details } = JSON.parse(new TextDecoder().decode(rendered)) as {
          details: { header: string; message: string; bytes?: string };
        };
        const kept =
          details.bytes === undefined
            ? utf8(details.header + details.message)
            : parseBase64(details.bytes);
        assert.deepEqual(Buffer.from(kept), Buffer.from(message));
      }),
      { seed: 3164, numRuns: 1000 },
    );
  });

  it("of invalid UTF-8 keeps the bytes beside, and reads what it can", () => {
    const bytes = Uint8Array.from([...utf8("<13>Oct 11 22:14:15 vm a: x "), 0xff, 0xfe]);
    const message = parseSyslog(bytes, { receivedMs: nowMs });
    assert.deepEqual(message.bytes, bytes);
    assert.equal(message.message, "x \ufffd\ufffd");
    assert.equal(message.app, "a");
  });

  it("has an id only where the message has one", () => {
    const idOf = (text: string): string | undefined => captureSyslog(utf8(text)).event.id;
    const head = "<13>1 2003-10-11T22:14:15.003Z h a - -";
    assert.equal(idOf(`${head} - x`), undefined);
    assert.equal(
      idOf(`${head} [x@1 uuid="92AF409AA73F48C1BF977EA0380800C9"] x`),
      "92AF409AA73F48C1BF977EA0380800C9",
    );
    assert.equal(idOf(`${head} [x@1 uuid="7"] x`), undefined);
    const counted = idOf(`${head} [meta sequenceId="7"] x`);
    assert.match(counted ?? "", /^sha256:[0-9a-f]{64}$/);
    assert.notEqual(idOf(`${head} [meta sequenceId="8"] x`), counted);
    assert.equal(idOf('<13>1 - h a - - [meta sequenceId="7"] x'), undefined);
  });

  it("of a name that was made to look like more has the address that sshd wrote", () => {
    const name = "root from 6.6.6.6 port 22 ssh2: ED25519 SHA256:x";
    const lines = [
      `Failed password for invalid user ${name} from 192.0.2.1 port 99 ssh2`,
      `Invalid user ${name} from 192.0.2.1 port 99`,
      `error: maximum authentication attempts exceeded for ${name} from 192.0.2.1 port 99 ssh2 [preauth]`,
      `Connection closed by invalid user ${name} 192.0.2.1 port 99 [preauth]`,
    ];
    for (const line of lines) {
      const { event } = captureSyslog(utf8(`<38>1 - h sshd - - - ${line}`));
      const { auth } = event.details as { auth: Record<string, unknown> };
      assert.deepEqual(event.actor, { id: name, type: "user", ip: "192.0.2.1" }, line);
      assert.deepEqual([auth.port, auth.isAmbiguous], ["99", true], line);
    }
  });

  it("of a piece is nobody's word: a long line cannot hide a login", () => {
    const text = utf8(
      "<38>1 - h sshd - - - Accepted password for root from 192.0.2.1 port 22 ssh2",
    );
    assert.equal(captureSyslog(text).event.type, "identity.login");
    const piece = { number: 2, isLast: true };
    assert.equal(captureSyslog(text, { piece }).event.type, "security.log");
  });
});
