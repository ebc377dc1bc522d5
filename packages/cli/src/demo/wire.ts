/** The network between a log and its witnesses, which an attacker can cut. */
import type { WitnessTransport } from "@cairnlog/log";

export class Wire {
  isCut = false;

  readonly transport: WitnessTransport = async ({ method, url, body, signal }) => {
    if (this.isCut) throw new Error("no route to host");
    const response = await fetch(url, {
      method,
      signal,
      redirect: "error",
      ...(body === undefined ? {} : { body }),
    });
    return { status: response.status, body: new Uint8Array(await response.arrayBuffer()) };
  };
}
