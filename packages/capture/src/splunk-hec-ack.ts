/**
 * Ack ids of Splunk's HTTP Event Collector, without any memory of those that were told.
 *
 * Splunk answers before it has indexed, and its senders ask later with an ack id. We answer when all is durable: an id
 * that was told is true from then on, for ever. So it is enough to know our own: an id holds a MAC under the source's
 * secret, for one channel. After a restart, too, ours are "true"; any other is "false", and its sender sends again, as
 * it would to Splunk.
 */
import { createHmac } from "node:crypto";
import { isSameSecret } from "./authentication.ts";
import type { Json } from "./foreign-json.ts";

/**
 * A whole number below 2^53: 32 bits of the body's digest, and above them 20 bits that bind these and the channel to
 * the secret. That an id which was never told is taken for one has odds of one in a million, and no sender asks for one.
 */
export function ackIdOf(digest: string, channel: string, [secret = ""]: readonly string[]): number {
  const low = digest.slice(-8);
  return numberOf(macOf(low, channel, secret)) * 2 ** 32 + numberOf(low);
}

export function isAckId(id: Json, channel: string, secrets: readonly string[]): boolean {
  if (typeof id !== "number" || !Number.isSafeInteger(id) || id < 0) return false;
  const digits = id.toString(16).padStart(13, "0");
  const [high, low] = [digits.slice(0, -8), digits.slice(-8)];
  return secrets.some((secret) => isSameSecret(high, macOf(low, channel, secret)));
}

function macOf(low: string, channel: string, secret: string): string {
  const message = `cairn/hec-ack/v1\0${low}\0${channel.toLowerCase()}`;
  return createHmac("sha256", secret).update(message).digest("hex").slice(0, 5);
}

/** The value of at most eight hex digits, which this file made itself. */
function numberOf(hex: string): number {
  return Buffer.from(hex.padStart(8, "0"), "hex").readUInt32BE();
}
