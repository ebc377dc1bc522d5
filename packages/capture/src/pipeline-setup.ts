/** What to put where for a pipeline's steps. The steps themselves are in docs/pipelines.md, ready to paste. */
import type { Paste } from "./adapter.ts";

export function pipelineInstructions({ url, secret, source }: Paste): string {
  return [
    "1. The issuer's public keys, once, and again when it changes them (docs/pipelines.md):",
    "",
    "```sh",
    "curl -fsS https://token.actions.githubusercontent.com/.well-known/jwks > jwks.json   # GitHub",
    "curl -fsS https://gitlab.example.com/oauth/discovery/keys > jwks.json                # your GitLab",
    `cairn sources add pipeline --name ${source} --set jwks="$(cat jwks.json)" --set projects='example/*'`,
    "```",
    "",
    "2. In the CI system's settings:",
    "",
    "| name | value | kind |",
    "| --- | --- | --- |",
    `| \`CAIRN_URL\` | \`${url}\` | variable |`,
    "| `CAIRN_AUDIENCE` | what `audience` says (`cairn`) | variable |",
    `| \`CAIRN_TOKEN\` | \`${secret}\` | secret, masked |`,
    "",
    "3. The script `cairn-record` and the steps that call it: docs/pipelines.md.",
  ].join("\n");
}
