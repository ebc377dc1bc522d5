/**
 * A program of its own, started by script(1) within the terminal that it made: runs the command there and tells the
 * wrapper, over the channel that Node keeps to its children, exactly how it ended. script(1) itself cannot say: to it
 * `exit 137` and a SIGKILL are the same.
 */
import { spawn } from "node:child_process";
import type { FromTerminal, ToTerminal } from "./run/terminal-messages.ts";

process.once("message", (message: ToTerminal) => {
  if (!("file" in message)) return;
  const { file, args, env } = message;
  const command = spawn(file, args, { env, stdio: "inherit" });
  // A key of the terminal reaches the command as well: it is the command that decides.
  for (const signal of ["SIGINT", "SIGQUIT", "SIGTERM"] as const) process.on(signal, () => {});
  process.on("message", (more: ToTerminal) => {
    if ("signal" in more) command.kill(more.signal);
  });
  // The wrapper is gone. The command is not to be stopped by that, nor its end missed by script(1).
  process.on("disconnect", () => {});
  command.on("error", (error: NodeJS.ErrnoException) => {
    if (command.pid === undefined) tell({ kind: "failed", code: error.code ?? error.message });
  });
  command.on("exit", (status, signal) => tell({ kind: "ended", status, signal }));
});

function tell(message: FromTerminal): void {
  if (process.send === undefined || !process.connected) return;
  process.send(message, () => process.disconnect());
}
