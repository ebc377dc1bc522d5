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

const lowRange = 2 ** 32;
const macRange = 2 ** 20;

/**
 * A whole number below 2^53: 32 bits of the body's digest, and above them 20 bits that bind these and the channel to
 * the secret. An id that was never told is taken for one once in a million, and no sender asks for one.
 */
export function ackIdOf(digest: Buffer, channel: string, [secret = ""]: readonly string[]): number {
  const low = digest.readUInt32BE();
  return macOf(low, channel, secret) * lowRange + low;
}

export function isAckId(id: number, channel: string, secrets: readonly string[]): boolean {
  if (!Number.isSafeInteger(id) || id < 0) return false;
  const low = id % lowRange;
  const high = String((id - low) / lowRange);
  return secrets.some((secret) => isSameSecret(high, String(macOf(low, channel, secret))));
}

function macOf(low: number, channel: string, secret: string): number {
  const message = `cairn/hec-ack/v1\0${low}\0${channel.toLowerCase()}`;
  const mac = createHmac("sha256", secret).update(message).digest();
  return mac.readUInt32BE() % macRange;
}
