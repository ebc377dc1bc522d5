/**
 * The platform's own cryptography behind the core's small interface. This door is for Node; where a bundler resolves
 * for browsers it finds `web.ts`. `platformCrypto` has the same name behind both, for code that runs on either.
 */
export { nodeCrypto, nodeCrypto as platformCrypto, newSecret, randomBytes } from "./node.ts";
export {
  exportSeed,
  generateSigner,
  privateKeyPem,
  signerFromPem,
  signerFromSeed,
  type SignerOptions,
} from "./signer.ts";
