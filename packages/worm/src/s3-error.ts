/** What an S3 server refused, or why it was not reached, as one of our errors. */
import { CairnError } from "@cairnlog/core";

/** HTTP status of a refusal; undefined where there was no answer. */
export function statusOf(error: unknown): number | undefined {
  const metadata = (error as { $metadata?: { httpStatusCode?: unknown } } | undefined)?.$metadata;
  const status = metadata?.httpStatusCode;
  return typeof status === "number" ? status : undefined;
}

/** `PreconditionFailed (412)`, or the name of what went wrong on the way. */
export function refusalText(error: unknown): string {
  const status = statusOf(error);
  const name = error instanceof Error ? error.name : String(error);
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  if (status !== undefined) return `${name} (${status})`;
  return typeof code === "string" ? code : error instanceof Error ? error.message : name;
}

/**
 * "not_found", "forbidden" (credentials, permissions), "usage" (the server says that the request makes no sense: a
 * bucket without Object Lock, a wrong region) or "unavailable". A `CairnError` stays what it is.
 */
export function bucketError(error: unknown, what: string, path?: string): CairnError {
  if (error instanceof CairnError) return error;
  const status = statusOf(error);
  const message = error instanceof Error ? error.message.slice(0, 300) : "";
  const place = path === undefined ? {} : { path };
  const options = { cause: error, place };
  const said = `cannot ${what}: ${refusalText(error)} ${message}`.trim();
  if (status === 404) return new CairnError("not_found", said, options);
  const isUnauthorised = status === 401 || status === 403;
  // The SDK found none, before it asked anybody.
  const isWithoutKey = error instanceof Error && error.name === "CredentialsProviderError";
  if (isUnauthorised || isWithoutKey) {
    return new CairnError(
      "forbidden",
      `${said}. Credentials come from the AWS SDK's own variables and files (AWS_ACCESS_KEY_ID, AWS_PROFILE …)`,
      options,
    );
  }
  if (status === 400 || status === 301) return new CairnError("usage", said, options);
  return new CairnError("unavailable", said, options);
}
