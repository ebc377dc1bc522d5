/** What somebody may send, as people type it: `1000/s`, `60000/m`, `10gb/day`; several with commas between them. */
import { CairnError, parseDecimal } from "@cairnlog/core";
import type { Quota } from "@cairnlog/server";

const eventsPattern = /^([1-9][0-9]{0,11})\/(s|m)$/;
const bytesPattern = /^([1-9][0-9]{0,14})(kb|mb|gb|b)?\/day$/i;
const unitBytes: Readonly<Record<string, number>> = { b: 1, kb: 1e3, mb: 1e6, gb: 1e9 };

export function parseQuotaArgument(text: string, name: string): Quota {
  let quota: Quota = {};
  for (const part of text.split(",").map((each) => each.trim())) {
    const events = eventsPattern.exec(part);
    const bytes = bytesPattern.exec(part);
    if (events !== null) {
      const count = parseDecimal(events[1]!, "count");
      quota =
        events[2] === "s"
          ? { ...quota, eventsPerSecond: count }
          : { ...quota, eventsPerMinute: count };
    } else if (bytes !== null) {
      const unit = unitBytes[(bytes[2] ?? "b").toLowerCase()]!;
      quota = { ...quota, bytesPerDay: parseDecimal(bytes[1]!, "count") * unit };
    } else {
      throw new CairnError(
        "usage",
        `${name}: not a quota: ${JSON.stringify(part.slice(0, 40))}. Write 1000/s, 60000/m or 10gb/day`,
      );
    }
  }
  return quota;
}
