/**
 * Which source a client's certificate makes it: the listener's alias, `/`, and the first DNS name of the certificate,
 * else its common name. A CA vouched for it; a name that no alias can hold is refused, so that no two names meet in
 * one.
 */
import type { PeerCertificate } from "node:tls";
import { CairnError } from "@cairnlog/core";

/** "forbidden" where the certificate has no name that an alias can hold. */
export function clientSource(
  source: string,
  { subjectaltname, subject }: Pick<PeerCertificate, "subjectaltname" | "subject">,
): string {
  // Names with commas or quotes in them are quoted there: they match none of this.
  const alternative = subjectaltname
    ?.split(", ")
    .map((name) => /^DNS:([A-Za-z0-9.-]+)$/.exec(name)?.[1])
    .find((name) => name !== undefined);
  const common: unknown = subject?.CN;
  const name = alternative ?? (typeof common === "string" ? common : "");
  // Names of hosts are the same in either case.
  const alias = `${source}/${name.toLowerCase()}`;
  if (!/^[A-Za-z0-9._-]+$/.test(name) || alias.length > 64) {
    throw new CairnError(
      "forbidden",
      `a client's certificate has no name that can be a source: ${JSON.stringify(name.slice(0, 80))}`,
    );
  }
  return alias;
}
