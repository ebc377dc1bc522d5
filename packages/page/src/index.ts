/**
 * Evidence as one page for any browser: it shows the events, and checks the evidence that it holds with the code that
 * it brings. It needs no network and may not use any.
 *
 * A page cannot vouch for itself, and says so: who made it could have made it say anything. It hands out the evidence
 * file that it holds, byte for byte, for the reader's own tool.
 */
export { evidencePage, pageEvidenceBytesMax } from "./page.ts";
