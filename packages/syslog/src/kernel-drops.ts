/** Reads how many datagrams Linux has dropped at a port, from the text of /proc/net/udp or udp6 (proc_net(5)). */
import { parseDecimal } from "@cairnlog/core";

/** The sum over the sockets of that port; undefined where there is none, or where the last column is no number. */
export function findKernelDrops(table: string, port: number): number | undefined {
  const hexPort = port.toString(16).toUpperCase().padStart(4, "0");
  let drops: number | undefined;
  for (const line of table.split("\n").slice(1)) {
    const columns = line.trim().split(/ +/);
    if (columns[1]?.endsWith(`:${hexPort}`) !== true) continue;
    const last = columns.at(-1)!;
    if (!/^(?:0|[1-9][0-9]{0,14})$/.test(last)) return undefined;
    drops = (drops ?? 0) + parseDecimal(last, "drops");
  }
  return drops;
}
