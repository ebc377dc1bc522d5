/** Who may send: addresses and networks. An empty list lets everybody in. */
import { BlockList, isIP } from "node:net";
import { CairnError, parseDecimal } from "@cairnlog/core";

export type IsAllowed = (address: string) => boolean;

/** "usage" where one of them is no address and no network. */
export function allowedPeers(peers: readonly string[] = []): IsAllowed {
  if (peers.length === 0) return () => true;
  const list = new BlockList();
  for (const peer of peers) {
    const [, address = "", prefix] = /^([0-9A-Fa-f:.]+)(?:\/([0-9]{1,3}))?$/.exec(peer) ?? [];
    const version = isIP(address);
    const family = version === 6 ? "ipv6" : "ipv4";
    const bits = prefix === undefined ? 0 : parseDecimal(prefix, "prefix");
    if (version === 0 || bits > (version === 6 ? 128 : 32)) {
      throw new CairnError(
        "usage",
        `not an address and no network: ${JSON.stringify(peer)}; expected 192.0.2.7 or 192.0.2.0/24`,
      );
    }
    if (prefix === undefined) list.addAddress(address, family);
    else list.addSubnet(address, bits, family);
  }
  return (address) => {
    const plain = plainAddress(address);
    return list.check(plain, isIP(plain) === 6 ? "ipv6" : "ipv4");
  };
}

/** A socket for both families shows IPv4 as `::ffff:192.0.2.7`. */
export function plainAddress(address: string): string {
  return /^::ffff:([0-9.]+)$/i.exec(address)?.[1] ?? address;
}
