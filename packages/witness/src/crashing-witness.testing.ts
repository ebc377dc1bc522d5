/**
 * A witness as a process of its own, to be killed: `node crashing-witness.testing.ts <folder> <vkey>…`. Says
 * its URL.
 */
import { Witness } from "./witness.ts";
import { WitnessServer } from "./witness-server.ts";

const [folder = "", ...vkeys] = process.argv.slice(2);
const witness = Witness.open({
  folder,
  name: "witness.example/crashing",
  clock: { now: () => Date.now(), monotonic: () => performance.now() },
  // Without the slower key more commits fall into each round.
  cosignWith: ["ed25519"],
});
witness.addLogs(vkeys);
const url = await new WitnessServer(witness).listen({ host: "127.0.0.1", port: 0 });
console.log(url);
