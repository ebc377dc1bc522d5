/** That datagrams were lost, as an event: nothing is lost silently. */
import { formatLogTime, type CairnEvent } from "@cairnlog/core";
import type { Loss } from "./listener.ts";

export const lossType = "security.log_loss";

export function lossEvent({ listener, kernel, queue, sinceMs }: Loss): CairnEvent {
  return {
    type: lossType,
    actor: { id: "cairn", type: "service" },
    action: "lose",
    targets: [{ type: "listener", id: listener }],
    outcome: "failure",
    details: {
      datagrams: (kernel ?? 0) + queue,
      ...(kernel === undefined ? {} : { lostByKernel: kernel }),
      lostInQueue: queue,
      since: formatLogTime(sinceMs),
    },
  };
}
