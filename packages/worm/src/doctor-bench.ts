/**
 * The calls with which a doctor asks an S3, raw: also those that a copier never makes, such as deleting a version. All
 * of them go to keys of its own, under a prefix that nobody else uses.
 */
import { createHash } from "node:crypto";
import {
  DeleteObjectCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  ListObjectVersionsCommand,
  PutObjectCommand,
  PutObjectRetentionCommand,
  type ObjectLockMode,
  type ObjectLockRetentionMode,
  type S3Client,
} from "@aws-sdk/client-s3";
import { lockOf, type Lock } from "./bucket.ts";
import { refusalText, statusOf } from "./s3-error.ts";

/** What became of a request: it was done, or refused with a status. No answer at all is thrown. */
export type Outcome<T> =
  | { readonly isDone: true; readonly value: T }
  | { readonly isDone: false; readonly text: string; readonly status: number };

export interface PutRequest {
  readonly ifNoneMatch?: true;
  readonly ifMatch?: string;
  readonly lockedUntilMs?: number;
  /** Claimed SHA-256, base64, where it is not that of the bytes. */
  readonly sha256?: string;
}

export interface Found {
  readonly text: string;
  readonly etag: string;
  readonly versionId: string | undefined;
  readonly lock: Lock;
}

export interface ListedVersion {
  readonly key: string;
  readonly versionId: string;
  readonly isDeleteMarker: boolean;
}

export class DoctorBench {
  readonly #client: S3Client;
  readonly bucket: string;
  /** Ends in a slash. */
  readonly prefix: string;
  /**
   * Where the bucket locks by itself whatever is put there, perhaps for years: a lock of its own for every object,
   * which comes first and is short.
   */
  lockedUntilMs: number | undefined;

  constructor(client: S3Client, bucket: string, prefix: string) {
    this.#client = client;
    this.bucket = bucket;
    this.prefix = prefix;
  }

  put(
    key: string,
    text: string,
    request: PutRequest = {},
  ): Promise<Outcome<{ versionId: string; etag: string }>> {
    const { ifNoneMatch, ifMatch, lockedUntilMs = this.lockedUntilMs, sha256 } = request;
    const bytes = new TextEncoder().encode(text);
    return this.#ask(async () => {
      const done = await this.#client.send(
        new PutObjectCommand({
          Bucket: this.bucket,
          Key: this.prefix + key,
          Body: bytes,
          ChecksumSHA256: sha256 ?? createHash("sha256").update(bytes).digest("base64"),
          ...(ifNoneMatch === undefined ? {} : { IfNoneMatch: "*" }),
          ...(ifMatch === undefined ? {} : { IfMatch: ifMatch }),
          ...(lockedUntilMs === undefined
            ? {}
            : {
                ObjectLockMode: "COMPLIANCE" satisfies ObjectLockMode,
                ObjectLockRetainUntilDate: new Date(lockedUntilMs),
              }),
        }),
      );
      return { versionId: done.VersionId ?? "", etag: done.ETag ?? "" };
    });
  }

  get(key: string, versionId?: string): Promise<Outcome<Found>> {
    return this.#ask(async () => {
      const found = await this.#client.send(
        new GetObjectCommand({
          Bucket: this.bucket,
          Key: this.prefix + key,
          ...(versionId === undefined ? {} : { VersionId: versionId }),
        }),
      );
      return {
        text: (await found.Body?.transformToString()) ?? "",
        etag: found.ETag ?? "",
        versionId: found.VersionId,
        lock: lockOf(found),
      };
    });
  }

  /** Without a version it asks for a delete marker. */
  delete(key: string, versionId?: string, isBypassing = false): Promise<Outcome<void>> {
    return this.#ask(async () => {
      await this.#client.send(
        new DeleteObjectCommand({
          Bucket: this.bucket,
          Key: this.prefix + key,
          ...(versionId === undefined ? {} : { VersionId: versionId }),
          ...(isBypassing ? { BypassGovernanceRetention: true } : {}),
        }),
      );
    });
  }

  retain(
    key: string,
    versionId: string,
    mode: ObjectLockRetentionMode,
    untilMs: number,
    isBypassing = false,
  ): Promise<Outcome<void>> {
    return this.#ask(async () => {
      await this.#client.send(
        new PutObjectRetentionCommand({
          Bucket: this.bucket,
          Key: this.prefix + key,
          VersionId: versionId,
          Retention: { Mode: mode, RetainUntilDate: new Date(untilMs) },
          ...(isBypassing ? { BypassGovernanceRetention: true } : {}),
        }),
      );
    });
  }

  /** Keys as an ordinary listing shows them. */
  async keys(prefix: string): Promise<string[]> {
    const page = await this.#client.send(
      new ListObjectsV2Command({ Bucket: this.bucket, Prefix: this.prefix + prefix }),
    );
    return (page.Contents ?? []).map(({ Key = "" }) => Key.slice(this.prefix.length));
  }

  /** Versions, then delete markers, each in the order of the listing. `after`: only keys behind this one. */
  async versions(prefix: string, after?: string): Promise<ListedVersion[]> {
    const page = await this.#client.send(
      new ListObjectVersionsCommand({
        Bucket: this.bucket,
        Prefix: this.prefix + prefix,
        ...(after === undefined ? {} : { KeyMarker: this.prefix + after }),
      }),
    );
    const listed =
      (isDeleteMarker: boolean) =>
      ({
        Key = "",
        VersionId = "",
      }: {
        Key?: string | undefined;
        VersionId?: string | undefined;
      }) => ({
        key: Key.slice(this.prefix.length),
        versionId: VersionId,
        isDeleteMarker,
      });
    return [
      ...(page.Versions ?? []).map(listed(false)),
      ...(page.DeleteMarkers ?? []).map(listed(true)),
    ];
  }

  async #ask<T>(send: () => Promise<T>): Promise<Outcome<T>> {
    try {
      return { isDone: true, value: await send() };
    } catch (error) {
      const status = statusOf(error);
      // A refusal is an answer. A server that is in trouble says nothing about what it would do.
      if (status === undefined || status < 300 || status >= 500) throw error;
      return { isDone: false, text: refusalText(error), status };
    }
  }
}
