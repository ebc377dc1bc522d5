/** What the benchmark of the SDK logs, and how it takes its time. */
import type { EventInput } from "@cairnlog/client";

/** As many are logged in one turn of the event loop. */
export const perTurn = 100;

/** What a process that filled a spool has to say. */
export interface Filled {
  readonly events: number;
  readonly micros: number;
  readonly memoryMib: number;
}

export function eventOf(i: number): EventInput {
  return {
    type: "database.query",
    actor: { id: "alice@example.com", type: "user", ip: "203.0.113.9", session: "s-1" },
    action: "SELECT",
    targets: [{ type: "postgres", id: "orders-prod/public.orders" }],
    outcome: "success",
    trace: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    details: { statement: "SELECT * FROM orders WHERE id = $1", rows: i % 7, durationMs: 1.25 },
  };
}

/** Processor time of this thread alone, from now on. */
export function threadMicros(): () => number {
  const before = process.threadCpuUsage();
  return () => {
    const { user, system } = process.threadCpuUsage(before);
    return user + system;
  };
}
