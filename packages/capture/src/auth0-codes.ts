/**
 * Auth0's codes of log events, by the type that they come to and how it ended. From the published schemas and the list
 * of log event type codes; the words are ours. A code that is not here becomes `identity.auth0_<code>`.
 */
import { type Outcome } from "./event-fields.ts";

type Codes = { readonly [outcome in Outcome]?: string };

/** Codes are separated by blanks. The first of a row is the one that the docs show and a fixture has. */
const codesOfTypes: Readonly<Record<string, Codes>> = {
  "identity.login": {
    success: "s scoa sens sdel",
    failure: "f fp fu fc fco fcoa fens",
    unknown: "w pla",
  },
  "identity.silent_login": { success: "ssa sdelsa", failure: "fsa fdelsa" },
  "identity.logout": {
    success: "slo oidc_backchannel_logout_succeeded universal_logout_succeeded",
    failure: "flo federated_logout_failed oidc_backchannel_logout_failed universal_logout_failed",
  },
  "identity.signup": { success: "ss", failure: "fs fpurh" },
  "identity.credential_check": { success: "scv" },
  "identity.token_exchange": {
    success:
      "seccft seacft sercft sertft sepft seoobft seotpft sede secte seta sepkoobft sepkotpft sepkrcft" +
      " sdeleacft ciba_exchange_succeeded idjag_exchange_succeeded success_on_behalf_of_token_exchange",
    failure:
      "feccft feacft fercft fertft ferrt fepft feoobft feotpft fepotpft fede fecte feta fdeleacft" +
      " ciba_exchange_failed idjag_exchange_failed jwt_bearer_exchange_failed" +
      " failed_on_behalf_of_token_exchange",
  },
  "identity.token_revoked": { success: "srrt" },
  "identity.delegation": { success: "sd", failure: "fd" },
  "identity.device_authorization": { failure: "fdeac fdeaz", denied: "fdecc" },
  "identity.authorization_request": { failure: "fpar" },
  "identity.backchannel_login": {
    success: "ciba_start_succeeded",
    failure: "ciba_start_failed",
  },
  "identity.password_changed": { success: "scp", failure: "fcp fcph" },
  "identity.password_change_requested": { success: "scpr", failure: "fcpr" },
  "identity.email_changed": { success: "sce", failure: "fce" },
  "identity.phone_changed": { success: "scpn", failure: "fcpn" },
  "identity.username_changed": { success: "scu", failure: "fcu" },
  "identity.email_verification": { success: "sv", failure: "fv" },
  "identity.email_verification_requested": { success: "svr", failure: "fvr" },
  "identity.invitation_accepted": { success: "si", failure: "fi" },
  "identity.user_deleted": { success: "sdu du", failure: "fdu" },
  "identity.user_unblocked": { success: "ublkdu" },
  "identity.users_imported": { success: "sui", failure: "fui" },
  "identity.user_warning": { unknown: "wum" },
  "identity.organization_member_added": { success: "organization_member_added" },
  "identity.code_sent": { success: "cs cls" },
  "identity.notification": { failure: "fn", unknown: "wn" },
  "identity.account_linked": {
    success: "connected_accounts_connection_succeeded",
    failure: "connected_accounts_connection_failed",
  },
  "identity.account_unlinked": {
    success: "connected_accounts_delete_succeeded",
    failure: "connected_accounts_delete_failed",
  },
  "identity.mfa_required": { unknown: "mfar" },
  "identity.mfa_started": {
    success: "gd_start_auth passkey_challenge_started",
    failure: "passkey_challenge_failed",
  },
  "identity.mfa": {
    success: "gd_auth_succeed gd_auth_email_verification",
    failure: "gd_auth_failed gd_webauthn_challenge_failed",
    denied: "gd_auth_rejected gd_otp_rate_limit_exceed",
  },
  "identity.mfa_recovery": { success: "gd_recovery_succeed", failure: "gd_recovery_failed" },
  "identity.mfa_sent": {
    success: "gd_send_pn gd_send_sms gd_send_voice gd_send_email gd_send_email_verification",
    failure: "gd_send_pn_failure gd_send_sms_failure gd_send_voice_failure",
  },
  "identity.mfa_enrollment_started": {
    success: "gd_start_enroll",
    failure: "gd_start_enroll_failed",
  },
  "identity.mfa_enrolled": {
    success: "gd_enrollment_complete gd_update_device_account",
    failure: "gd_webauthn_enrollment_failed",
  },
  "identity.mfa_removed": { success: "gd_unenroll" },
  "identity.authentication_method_changed": {
    success: "my_account_authentication_method_succeeded",
    failure: "my_account_authentication_method_failed",
  },
  "identity.provisioning": {
    success: "sscim directory_sync_completed",
    failure: "fscim directory_sync_failed fcpro",
    unknown: "directory_sync_started",
  },
  "identity.consent": { failure: "rich_consents_access_error" },
  "change.management_api": { success: "sapi", failure: "fapi" },
  "api.management_api_read": { success: "mgmt_api_read" },
  "change.mfa_settings": { success: "gd_tenant_update" },
  "change.self_service_sso": {
    success: "ss_sso_success",
    failure: "ss_sso_failure",
    unknown: "ss_sso_info",
  },
  "change.keys": {
    success: "kms_key_management_success kms_key_state_changed",
    failure: "kms_key_management_failure",
  },
  "change.custom_domain": { failure: "custom_domain_verification_failed" },
  "change.action_executed": { failure: "actions_execution_failed" },
  "change.flow_executed": {
    success: "flows_execution_completed",
    failure: "flows_execution_failed",
  },
  "change.form_submitted": {
    success: "forms_submission_succeeded",
    failure: "forms_submission_failed",
  },
  "change.connector": { success: "con", failure: "coff" },
  "change.notice": { unknown: "depnote acul_sdk_notice appi resource_cleanup admin_update_launch" },
  "api.rate_limited": { denied: "api_limit", unknown: "api_limit_warning" },
  "security.blocked": {
    denied: "limit_wc limit_mu limit_sul limit_delegation limit_phone limit_ui",
  },
  "security.leaked_password": { denied: "pwd_leak signup_pwd_leak reset_pwd_leak" },
  "security.network_rules": { unknown: "acls_summary" },
};

export interface Auth0Code {
  readonly code: string;
  readonly type: string;
  readonly outcome: Outcome;
}

/** All codes, in the order of the table. */
export const auth0Codes: readonly Auth0Code[] = Object.entries(codesOfTypes).flatMap(
  ([type, rows]) =>
    (Object.entries(rows) as [Outcome, string][]).flatMap(([outcome, codes]) =>
      codes.split(" ").map((code) => ({ code, type, outcome })),
    ),
);

const byCode = new Map(auth0Codes.map((row) => [row.code, row]));

export function findAuth0Code(code: string): Auth0Code | undefined {
  return byCode.get(code);
}

/** One code of each type: rows of the table in the docs. */
export const shownAuth0Codes: readonly Auth0Code[] = auth0Codes.filter(
  ({ type }, i) => auth0Codes.findIndex((other) => other.type === type) === i,
);
