/**
 * Goal: a record of GitHub's audit log says who did what from where, with which credential; and whatever stands in it,
 * an event that a log takes comes of it.
 * Method: records written from the documentation of the audit log's fields, then arbitrary ones (fixed seed).
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { EventScanner, checkEvent, utf8 } from "@cairnlog/core";
import { parseForeignText, type Json } from "./foreign-json.ts";
import { githubAuditEvent, isGithubAuditRecord } from "./github-audit-log.ts";

const record = {
  "@timestamp": 1_795_410_000_123,
  _document_id: "9PpOzWsKx3fN2b-7Qm_aRg",
  action: "repo.access",
  actor: "alice-acme",
  actor_id: 70_101,
  actor_ip: "203.0.113.9",
  actor_location: { country_code: "CH" },
  business: "acme-inc",
  created_at: 1_795_410_000_123,
  hashed_token: "3Kp9c0Zb1f6m8wQ2x4Vt7Yr5Ns0Lj8Hg",
  operation_type: "modify",
  org: "acme",
  org_id: 90_001,
  programmatic_access_type: "Fine-grained personal access token",
  repo: "acme/orders",
  user_agent: "curl/8.14.1",
  visibility: "public",
} as const;

describe("GitHub's audit log", () => {
  it("tells who did what, from where, with which credential, and when", () => {
    assert.deepEqual(githubAuditEvent(record), {
      id: "9PpOzWsKx3fN2b-7Qm_aRg",
      type: "identity.repo_access",
      time: "2026-11-23T05:00:00.123Z",
      actor: {
        id: "alice-acme",
        type: "user",
        uid: "70101",
        ip: "203.0.113.9",
        userAgent: "curl/8.14.1",
        credential: "3Kp9c0Zb1f6m8wQ2x4Vt7Yr5Ns0Lj8Hg",
        credentialType: "Fine-grained personal access token",
      },
      action: "repo.access",
      targets: [
        { type: "repository", id: "acme/orders" },
        { type: "organization", id: "acme" },
        { type: "enterprise", id: "acme-inc" },
      ],
      outcome: "success",
      details: record,
    });
  });

  it("puts each category where it belongs", () => {
    const types = {
      "git.clone": "api.git_clone",
      "org.add_member": "identity.org_add_member",
      "org.update_member": "identity.org_update_member",
      "org.enable_saml": "identity.org_enable_saml",
      "org.rename": "change.org_rename",
      "team.add_repository": "identity.team_add_repository",
      "protected_branch.destroy": "change.protected_branch_destroy",
      "secret_scanning_alert.create": "security.secret_scanning_alert_create",
      "workflows.completed_workflow_run": "deployment.workflows_completed_workflow_run",
      "personal_access_token.access_granted": "identity.personal_access_token_access_granted",
      "brand_new.thing": "change.brand_new_thing",
      // A word that every object has is no category.
      "constructor.call": "change.constructor_call",
    };
    for (const [action, type] of Object.entries(types)) {
      assert.equal(githubAuditEvent({ ...record, action }).type, type);
    }
    const outcome = (action: string) => githubAuditEvent({ ...record, action }).outcome;
    assert.equal(outcome("personal_access_token.request_denied"), "denied");
    assert.equal(outcome("user.failed_login"), "failure");
    assert.equal(githubAuditEvent({ ...record, actor: "dependabot[bot]" }).actor["type"], "bot");
  });

  it("is told from records of other kinds", () => {
    assert.ok(isGithubAuditRecord(record));
    const others: Json[] = [{}, { action: "login" }, { action: "a.b" }, null, "a.b", [record]];
    for (const other of others) assert.ok(!isGithubAuditRecord(other), JSON.stringify(other));
  });

  it("makes a good event of any record", () => {
    const scanner = new EventScanner();
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 3 }), fc.string(), (value, text) => {
        const names = Object.keys(record);
        const changed = { ...record, [names[text.length % names.length]!]: value, action: text };
        const json = parseForeignText(JSON.stringify(changed)).value;
        for (const one of [json, parseForeignText(JSON.stringify(value)).value]) {
          const bytes = utf8(JSON.stringify(githubAuditEvent(one)));
          scanner.scan(bytes, 0, bytes.length);
          checkEvent(scanner, bytes);
        }
      }),
      { seed: 20_261_123, numRuns: 500 },
    );
  });
});
