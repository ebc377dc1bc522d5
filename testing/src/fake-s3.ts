/**
 * An S3 in this process, over real HTTP, as far as versions, conditional puts and Object Lock go; and one that breaks
 * chosen promises, so that tests show that whoever relies on them notices. Signatures are not looked at.
 */
import { createHash } from "node:crypto";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

/** Promises that a server may break. */
export type S3Lie =
  | "ignores If-None-Match"
  | "checks If-None-Match, then writes later"
  | "ignores If-Match"
  | "checks If-Match, then writes later"
  | "reads late"
  | "lists late"
  | "ignores markers of listings"
  | "ignores checksums"
  | "overwrites in place"
  | "loses older versions"
  | "lists oldest first"
  | "drops locks"
  | "shortens locks"
  | "shortens locks when governance is bypassed"
  | "turns compliance into governance"
  | "refuses longer locks"
  | "deletes locked versions"
  | "deletes locked versions when governance is bypassed"
  | "says it deletes nothing, and deletes";

export interface FakeVersion {
  readonly key: string;
  readonly id: string;
  readonly isDeleteMarker: boolean;
  bytes: Uint8Array;
  readonly sha256: string;
  /** What the sender said that it was. */
  claimedSha256: string | undefined;
  readonly storedMs: number;
  mode: string | undefined;
  untilMs: number;
}

interface Asked {
  readonly method: string;
  readonly key: string;
  readonly query: URLSearchParams;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: Buffer;
}

interface Answer {
  readonly status: number;
  readonly body?: string | Uint8Array;
  readonly headers?: Record<string, string>;
}

export interface FakeS3Options {
  readonly lies?: readonly S3Lie[];
  readonly now?: () => number;
  /** Answers before anything else does: for servers in trouble. */
  readonly intercept?: (method: string, key: string) => Answer | undefined;
  readonly hasObjectLock?: boolean;
}

export class FakeS3 {
  /** All versions, oldest first. */
  readonly versions: FakeVersion[] = [];
  /** `PUT main/log.json` … */
  readonly requests: string[] = [];
  intercept: FakeS3Options["intercept"];
  readonly #lies: ReadonlySet<S3Lie>;
  readonly #now: () => number;
  readonly #hasObjectLock: boolean;
  readonly #server: http.Server;
  #count = 0;

  constructor(options: FakeS3Options = {}) {
    this.#lies = new Set(options.lies);
    this.#now = options.now ?? Date.now;
    this.intercept = options.intercept;
    this.#hasObjectLock = options.hasObjectLock ?? true;
    this.#server = http.createServer((request, response) => void this.#serve(request, response));
  }

  /** Resolves with its address. There is one bucket, of any name. */
  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  /** The versions of a key, oldest first. */
  of(key: string): FakeVersion[] {
    return this.versions.filter((version) => version.key === key);
  }

  async #serve(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const url = new URL(request.url ?? "/", "http://s3");
    const pieces: Buffer[] = [];
    for await (const piece of request) pieces.push(piece as Buffer);
    const key = decodeURIComponent(url.pathname).split("/").slice(2).join("/");
    const asked = {
      method: request.method ?? "GET",
      key,
      query: url.searchParams,
      headers: request.headers,
      body: Buffer.concat(pieces),
    };
    this.requests.push(`${asked.method} ${key}`);
    const {
      status,
      body = "",
      headers = {},
    } = this.intercept?.(asked.method, key) ?? (await this.#answer(asked));
    response.writeHead(status, { "content-length": Buffer.byteLength(body), ...headers });
    response.end(asked.method === "HEAD" ? undefined : body);
  }

  async #answer(asked: Asked): Promise<Answer> {
    const { method, key, query } = asked;
    if (key === "") return this.#answerBucket(query);
    if (method === "PUT" && query.has("retention")) return this.#retain(asked);
    if (method === "PUT") return this.#put(asked);
    if (method === "DELETE") return this.#delete(asked);
    return this.#get(asked);
  }

  #answerBucket(query: URLSearchParams): Answer {
    const inner = "<ObjectLockEnabled>Enabled</ObjectLockEnabled>";
    if (query.has("object-lock")) {
      if (!this.#hasObjectLock) return refusal(404, "ObjectLockConfigurationNotFoundError");
      return xml(`<ObjectLockConfiguration>${inner}</ObjectLockConfiguration>`);
    }
    if (query.has("versioning")) {
      const status = this.#hasObjectLock ? "<Status>Enabled</Status>" : "";
      return xml(`<VersioningConfiguration>${status}</VersioningConfiguration>`);
    }
    return query.has("versions") ? this.#listVersions(query) : this.#listKeys(query);
  }

  #listKeys(query: URLSearchParams): Answer {
    const prefix = query.get("prefix") ?? "";
    const keys = [...new Set(this.#listed().map(({ key }) => key))].sort();
    const shown = keys.filter((key) => key.startsWith(prefix) && this.#newest(key) !== undefined);
    const contents = shown.map((key) => `<Contents><Key>${key}</Key></Contents>`).join("");
    return xml(`<ListBucketResult>${contents}</ListBucketResult>`);
  }

  #listVersions(query: URLSearchParams): Answer {
    const prefix = query.get("prefix") ?? "";
    const after = this.#lies.has("ignores markers of listings")
      ? ""
      : (query.get("key-marker") ?? "");
    const afterId = query.get("version-id-marker");
    const max = Math.min(1000, Number(query.get("max-keys") ?? 1000));
    let all = this.#listed().filter(({ key }) => key.startsWith(prefix));
    if (!this.#lies.has("lists oldest first")) all = all.reverse();
    all.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
    if (this.#lies.has("loses older versions")) {
      all = all.filter(({ key }, i) => all[i - 1]?.key !== key);
    }
    const at = all.findIndex(({ key, id }) => key === after && id === afterId);
    const rest = at >= 0 ? all.slice(at + 1) : all.filter(({ key }) => after === "" || key > after);
    const page = rest.slice(0, max);
    const last = page.at(-1);
    const more =
      last !== undefined && page.length < rest.length
        ? `<IsTruncated>true</IsTruncated><NextKeyMarker>${last.key}</NextKeyMarker><NextVersionIdMarker>${last.id}</NextVersionIdMarker>`
        : "<IsTruncated>false</IsTruncated>";
    const shown = page.map(({ key, id, isDeleteMarker, bytes, storedMs }) => {
      const name = isDeleteMarker ? "DeleteMarker" : "Version";
      const date = new Date(storedMs).toISOString();
      return `<${name}><Key>${key}</Key><VersionId>${id}</VersionId><Size>${bytes.length}</Size><LastModified>${date}</LastModified></${name}>`;
    });
    return xml(`<ListVersionsResult>${more}${shown.join("")}</ListVersionsResult>`);
  }

  async #put({ key, headers, body }: Asked): Promise<Answer> {
    const { "if-none-match": ifNoneMatch, "if-match": ifMatch } = headers;
    const newest = this.#newest(key);
    if (ifNoneMatch === "*" && !this.#lies.has("ignores If-None-Match")) {
      if (newest !== undefined) return refusal(412, "PreconditionFailed");
      if (this.#lies.has("checks If-None-Match, then writes later")) await sleep(20);
    }
    if (ifMatch !== undefined && !this.#lies.has("ignores If-Match")) {
      if (newest === undefined || etagOf(newest) !== ifMatch)
        return refusal(412, "PreconditionFailed");
      if (this.#lies.has("checks If-Match, then writes later")) await sleep(20);
    }
    const sha256 = createHash("sha256").update(body).digest("base64");
    const claimed = headers["x-amz-checksum-sha256"];
    if (claimed !== undefined && claimed !== sha256 && !this.#lies.has("ignores checksums")) {
      return refusal(400, "BadDigest");
    }
    const mode = headers["x-amz-object-lock-mode"];
    const until = String(headers["x-amz-object-lock-retain-until-date"] ?? "");
    if (mode !== undefined && !this.#hasObjectLock) return refusal(400, "InvalidRequest");
    const isLocked = typeof mode === "string" && !this.#lies.has("drops locks");
    const version = this.#add(
      key,
      new Uint8Array(body),
      isLocked ? { mode, untilMs: Date.parse(until) } : undefined,
    );
    if (typeof claimed === "string") version.claimedSha256 = claimed;
    if (this.#lies.has("overwrites in place")) {
      for (const older of this.of(key)) if (older !== version) this.#remove(older);
    }
    return { status: 200, headers: { etag: etagOf(version), "x-amz-version-id": version.id } };
  }

  /** Puts a version as if somebody had, without any check. */
  add(key: string, bytes: Uint8Array, lock?: { mode: string; untilMs: number }): FakeVersion {
    return this.#add(key, bytes, lock);
  }

  #add(
    key: string,
    bytes: Uint8Array,
    lock: { readonly mode: string; readonly untilMs: number } | undefined,
    isDeleteMarker = false,
  ): FakeVersion {
    const version = {
      key,
      id: `v${String(++this.#count).padStart(6, "0")}`,
      isDeleteMarker,
      bytes,
      sha256: createHash("sha256").update(bytes).digest("base64"),
      claimedSha256: undefined as string | undefined,
      storedMs: this.#now(),
      mode: lock?.mode,
      untilMs: lock?.untilMs ?? 0,
    };
    this.versions.push(version);
    return version;
  }

  #get({ method, key, query, headers }: Asked): Answer {
    const id = query.get("versionId");
    const found = id === null ? this.#newest(key) : this.of(key).find((each) => each.id === id);
    const isLate = this.#lies.has("reads late") && found === this.versions.at(-1);
    if (found === undefined || found.isDeleteMarker || isLate) return refusal(404, "NoSuchKey");
    const [, from = "0", to = ""] = /^bytes=([0-9]+)-([0-9]*)$/.exec(headers.range ?? "") ?? [];
    const begin = Number(from);
    if (headers.range !== undefined && begin >= found.bytes.length) {
      return refusal(416, "InvalidRange");
    }
    const body = found.bytes.subarray(begin, to === "" ? undefined : Number(to) + 1);
    const isWhole = headers.range === undefined;
    const hasChecksum = isWhole && headers["x-amz-checksum-mode"] === "ENABLED";
    return {
      status: isWhole ? 200 : 206,
      body,
      headers: {
        etag: etagOf(found),
        "x-amz-version-id": found.id,
        "content-length": String(method === "HEAD" ? found.bytes.length : body.length),
        ...(hasChecksum ? { "x-amz-checksum-sha256": found.sha256 } : {}),
        ...(found.mode === undefined
          ? {}
          : {
              "x-amz-object-lock-mode": found.mode,
              "x-amz-object-lock-retain-until-date": new Date(found.untilMs).toISOString(),
            }),
      },
    };
  }

  #delete({ key, query, headers }: Asked): Answer {
    const id = query.get("versionId");
    if (id === null) {
      this.#add(key, new Uint8Array(0), undefined, true);
      if (this.#lies.has("overwrites in place"))
        for (const each of this.of(key)) this.#remove(each);
      return { status: 204 };
    }
    const found = this.of(key).find((each) => each.id === id);
    if (found === undefined) return { status: 204 };
    const isBypassing = headers["x-amz-bypass-governance-retention"] === "true";
    if (this.#isLocked(found)) {
      if (this.#lies.has("says it deletes nothing, and deletes")) this.#remove(found);
      const isAllowed =
        this.#lies.has("deletes locked versions") ||
        (isBypassing && this.#lies.has("deletes locked versions when governance is bypassed"));
      if (!isAllowed) return refusal(403, "AccessDenied");
    }
    this.#remove(found);
    return { status: 204 };
  }

  #retain({ key, query, headers, body }: Asked): Answer {
    const found = this.of(key).find((each) => each.id === query.get("versionId"));
    if (found === undefined) return refusal(404, "NoSuchVersion");
    const text = body.toString();
    const mode = /<Mode>(.*?)<\/Mode>/.exec(text)?.[1] ?? "";
    const untilMs = Date.parse(/<RetainUntilDate>(.*?)<\/RetainUntilDate>/.exec(text)?.[1] ?? "");
    const isBypassing = headers["x-amz-bypass-governance-retention"] === "true";
    const isLonger = mode === "COMPLIANCE" && untilMs > found.untilMs;
    const isShorter = untilMs < found.untilMs;
    const isAllowed =
      !this.#isLocked(found) ||
      (isLonger && !this.#lies.has("refuses longer locks")) ||
      (isShorter && this.#lies.has("shortens locks")) ||
      (isShorter && isBypassing && this.#lies.has("shortens locks when governance is bypassed")) ||
      (mode === "GOVERNANCE" && this.#lies.has("turns compliance into governance"));
    if (!isAllowed) return refusal(403, "AccessDenied");
    found.mode = mode;
    found.untilMs = untilMs;
    return { status: 200 };
  }

  #isLocked({ mode, untilMs }: FakeVersion): boolean {
    return mode === "COMPLIANCE" && untilMs > this.#now();
  }

  /** What listings know of. */
  #listed(): FakeVersion[] {
    return this.#lies.has("lists late") ? this.versions.slice(0, -1) : this.versions.slice();
  }

  #newest(key: string): FakeVersion | undefined {
    const newest = this.of(key).at(-1);
    return newest?.isDeleteMarker === true ? undefined : newest;
  }

  #remove(version: FakeVersion): void {
    const at = this.versions.indexOf(version);
    if (at >= 0) this.versions.splice(at, 1);
  }
}

function etagOf({ id }: FakeVersion): string {
  return `"${id}"`;
}

function xml(text: string): Answer {
  const head = '<?xml version="1.0" encoding="UTF-8"?>';
  return { status: 200, body: head + text, headers: { "content-type": "application/xml" } };
}

function refusal(status: number, code: string): Answer {
  const body = `<?xml version="1.0" encoding="UTF-8"?><Error><Code>${code}</Code><Message>${code}</Message></Error>`;
  return { status, body, headers: { "content-type": "application/xml" } };
}
