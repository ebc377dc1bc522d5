/**
 * A bucket, as far as write-once copies need it: put what is not there yet, under a lock; read one version; list all
 * versions. It overwrites nothing and deletes nothing, and there is no call here that could.
 *
 * Keys are relative to the place that the bucket was opened at. Every put names the SHA-256 of its bytes in the header
 * that the server checks, so that what was damaged on the way is refused there.
 */
import { Readable } from "node:stream";
import {
  GetObjectCommand,
  GetObjectLockConfigurationCommand,
  HeadObjectCommand,
  ListObjectVersionsCommand,
  PutObjectCommand,
  S3Client,
  type GetObjectCommandOutput,
} from "@aws-sdk/client-s3";
import { base64, CairnError, hex } from "@cairnlog/core";
import type { Content } from "./content.ts";
import type { BucketPlace } from "./place.ts";
import { bucketError, statusOf } from "./s3-error.ts";
import { groupVersions, type KeyVersions } from "./versions.ts";

export interface BucketOptions {
  /** Address of an S3 that is not AWS. */
  readonly endpoint?: string;
  readonly region?: string;
  /** `https://host/bucket/key` instead of `https://bucket.host/key`. */
  readonly pathStyle?: boolean;
  /** For tests; by default the SDK's own variables and files. */
  readonly credentials?: { readonly accessKeyId: string; readonly secretAccessKey: string };
  /** How long an answer may take to begin. Default 30 s. */
  readonly timeoutMs?: number;
}

/** What a version's headers say. */
export interface VersionHead {
  readonly versionId: string | undefined;
  readonly byteLength: number;
  /** Undefined where the server keeps none. */
  readonly sha256: string | undefined;
  readonly lock: Lock;
}

export interface Lock {
  /** "COMPLIANCE", "GOVERNANCE"; undefined for none, or where the caller may not see it. */
  readonly mode: string | undefined;
  readonly untilMs: number | undefined;
}

export type PutResult =
  { readonly isNew: true; readonly versionId: string | undefined } | { readonly isNew: false };

const timeoutDefaultMs = 30_000;
const connectTimeoutMs = 5_000;
const listKeysMax = 1000;

/** The client that everything here uses; `cairn doctor store` asks more of it than a bucket does. */
export function openClient(options: BucketOptions = {}): S3Client {
  const { endpoint, pathStyle, credentials, timeoutMs = timeoutDefaultMs } = options;
  // Another server than AWS seldom has regions, but the signature wants the name of one.
  const region = options.region ?? (endpoint === undefined ? undefined : "us-east-1");
  return new S3Client({
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(region === undefined ? {} : { region }),
    ...(credentials === undefined ? {} : { credentials }),
    forcePathStyle: pathStyle ?? false,
    // Whoever calls tries again, with longer pauses and in the open.
    maxAttempts: 2,
    // What it has to say (that a stream is not sent twice) is said by the error as well.
    logger: { debug() {}, info() {}, warn() {}, error() {} },
    requestHandler: { requestTimeout: timeoutMs, connectionTimeout: connectTimeoutMs },
  });
}

export class Bucket {
  readonly place: BucketPlace;
  readonly #client: S3Client;

  constructor(client: S3Client, place: BucketPlace) {
    this.#client = client;
    this.place = place;
  }

  /** The same bucket, seen from a place inside. */
  inside(place: BucketPlace): Bucket {
    return new Bucket(this.#client, place);
  }

  close(): void {
    this.#client.destroy();
  }

  /** "usage" where the bucket has no Object Lock: nothing that is put there would be write-once. */
  async checkLockEnabled(): Promise<void> {
    const { bucket } = this.place;
    let enabled: string | undefined;
    try {
      const command = new GetObjectLockConfigurationCommand({ Bucket: bucket });
      const { ObjectLockConfiguration } = await this.#client.send(command);
      enabled = ObjectLockConfiguration?.ObjectLockEnabled;
    } catch (error) {
      const isNone = error instanceof Error && /ObjectLockConfigurationNotFound/.test(error.name);
      if (!isNone) throw bucketError(error, `ask the bucket ${bucket} for its Object Lock`);
    }
    if (enabled === "Enabled") return;
    throw new CairnError(
      "usage",
      `the bucket ${bucket} has no Object Lock: make one that has (docs/worm.md), it cannot be added by this command`,
    );
  }

  /** Puts an object that is not there yet, in compliance mode until `untilMs`. What is there is never touched. */
  async put(key: string, content: Content, untilMs: number): Promise<PutResult> {
    const { bucket } = this.place;
    const command = new PutObjectCommand({
      Bucket: bucket,
      Key: this.#keyOf(key),
      Body: Readable.from(content.pieces(), { objectMode: false }),
      ContentLength: content.byteLength,
      ContentType: "application/octet-stream",
      ChecksumSHA256: base64(content.sha256),
      IfNoneMatch: "*",
      ObjectLockMode: "COMPLIANCE",
      ObjectLockRetainUntilDate: new Date(untilMs),
    });
    signBody(command, content.sha256);
    try {
      const { VersionId } = await this.#client.send(command);
      return { isNew: true, versionId: VersionId };
    } catch (error) {
      // 409: somebody else is putting it right now, so that it is there, or will be.
      const status = statusOf(error);
      if (status === 412 || status === 409) return { isNew: false };
      throw bucketError(error, `put ${key}`, key);
    }
  }

  /** Headers of a version, by default the newest one; undefined where there is none, or a delete marker. */
  async head(key: string, versionId?: string): Promise<VersionHead | undefined> {
    const { bucket } = this.place;
    try {
      const found = await this.#client.send(
        new HeadObjectCommand({
          Bucket: bucket,
          Key: this.#keyOf(key),
          ChecksumMode: "ENABLED",
          ...(versionId === undefined ? {} : { VersionId: versionId }),
        }),
      );
      return {
        versionId: found.VersionId,
        byteLength: found.ContentLength ?? 0,
        sha256: found.ChecksumSHA256,
        lock: lockOf(found),
      };
    } catch (error) {
      // 405: the newest version is a delete marker.
      if (statusOf(error) === 404 || statusOf(error) === 405) return undefined;
      throw bucketError(error, `ask for ${key}`, key);
    }
  }

  /**
   * Bytes of one version from `offset`, at most `length`; undefined where the version is gone. The server may send
   * more or less than it was asked for: what comes is cut, not trusted.
   */
  async read(
    key: string,
    versionId: string | undefined,
    offset: number,
    length: number,
  ): Promise<{ readonly bytes: Uint8Array; readonly lock: Lock } | undefined> {
    const { bucket } = this.place;
    try {
      const found = await this.#client.send(
        new GetObjectCommand({
          Bucket: bucket,
          Key: this.#keyOf(key),
          Range: `bytes=${offset}-${offset + length - 1}`,
          ...(versionId === undefined ? {} : { VersionId: versionId }),
        }),
      );
      return { bytes: await bodyOf(found, length), lock: lockOf(found) };
    } catch (error) {
      if (statusOf(error) === 404 || statusOf(error) === 405) return undefined;
      // Nothing from that offset on.
      if (statusOf(error) === 416) return { bytes: new Uint8Array(0), lock: noLock };
      throw bucketError(error, `read ${key}`, key);
    }
  }

  /**
   * All versions and delete markers under `prefix`, key by key in order. `after`: only keys behind this one (which
   * need not be there); `pageKeys`: how many to ask for at a time.
   */
  versions(
    prefix: string,
    options: { readonly after?: string; readonly pageKeys?: number } = {},
  ): AsyncGenerator<KeyVersions> {
    const { after, pageKeys = listKeysMax } = options;
    const begin = this.#keyOf("");
    return groupVersions(begin.length, async (marker) => {
      const keyMarker = marker?.key ?? (after === undefined ? undefined : begin + after);
      try {
        return await this.#client.send(
          new ListObjectVersionsCommand({
            Bucket: this.place.bucket,
            Prefix: begin + prefix,
            MaxKeys: pageKeys,
            ...(keyMarker === undefined ? {} : { KeyMarker: keyMarker }),
            ...(marker?.versionId === undefined ? {} : { VersionIdMarker: marker.versionId }),
          }),
        );
      } catch (error) {
        throw bucketError(error, `list the versions under ${begin + prefix}`);
      }
    });
  }

  #keyOf(key: string): string {
    const { prefix } = this.place;
    return prefix === "" ? key : `${prefix}/${key}`;
  }
}

const noLock: Lock = { mode: undefined, untilMs: undefined };

export function lockOf(found: {
  readonly ObjectLockMode?: string | undefined;
  readonly ObjectLockRetainUntilDate?: Date | undefined;
}): Lock {
  const untilMs = found.ObjectLockRetainUntilDate?.getTime();
  return { mode: found.ObjectLockMode, untilMs: Number.isNaN(untilMs) ? undefined : untilMs };
}

/**
 * The signature of a streamed body covers its hash only where the hash is known beforehand, as it is here; without
 * this header the SDK would sign "UNSIGNED-PAYLOAD".
 */
export function signBody(command: PutObjectCommand, sha256: Uint8Array): void {
  command.middlewareStack.add(
    (next) => (args) => {
      const request = args.request as { headers: Record<string, string> };
      request.headers["x-amz-content-sha256"] = hex(sha256);
      return next(args);
    },
    { step: "build", name: "signBody" },
  );
}

async function bodyOf(found: GetObjectCommandOutput, byteLengthMax: number): Promise<Uint8Array> {
  const body = found.Body as AsyncIterable<Uint8Array> | undefined;
  const pieces: Uint8Array[] = [];
  let byteLength = 0;
  for await (const piece of body ?? []) {
    const rest = byteLengthMax - byteLength;
    pieces.push(piece.length > rest ? piece.subarray(0, rest) : piece);
    byteLength += Math.min(piece.length, rest);
    // Leaving the loop ends the transfer.
    if (byteLength === byteLengthMax) break;
  }
  return Uint8Array.from(Buffer.concat(pieces, byteLength));
}
