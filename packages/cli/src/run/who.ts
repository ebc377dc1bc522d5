/**
 * Who runs a command, as far as the machine can say. In a pipeline that is the person whom the CI system names; behind
 * sudo the one who called it; else the user of the operating system. None of this is proof: an environment can be set
 * by whoever starts the command. What is proven is the source, by its API key; so each answer says where it is from.
 */
import { userInfo } from "node:os";
import { given } from "@cairnlog/capture";

type Environment = Readonly<Record<string, string | undefined>>;

export interface Who {
  readonly id: string;
  /** `GITHUB_TRIGGERING_ACTOR`, `SUDO_USER`, or `operating system`. */
  readonly from: string;
  /** The user that the process has. */
  readonly user: { readonly name: string; readonly uid: number };
  readonly sudo?: { readonly user: string; readonly command?: string };
  readonly ci?: Readonly<Record<string, string>>;
}

interface CiSystem {
  readonly name: string;
  /** The variable that says that this is it. */
  readonly sign: string;
  /** The first that is set says who. */
  readonly actor: readonly string[];
  /** What else is worth knowing of it: members of `details.ci`. */
  readonly facts: Readonly<Record<string, string>>;
}

/** From the documentation of each about its predefined variables. */
const ciSystems: readonly CiSystem[] = [
  {
    name: "github",
    sign: "GITHUB_ACTIONS",
    actor: ["GITHUB_TRIGGERING_ACTOR", "GITHUB_ACTOR"],
    facts: {
      repository: "GITHUB_REPOSITORY",
      workflow: "GITHUB_WORKFLOW_REF",
      job: "GITHUB_JOB",
      run: "GITHUB_RUN_ID",
      attempt: "GITHUB_RUN_ATTEMPT",
      ref: "GITHUB_REF",
      commit: "GITHUB_SHA",
      server: "GITHUB_SERVER_URL",
    },
  },
  {
    name: "gitlab",
    sign: "GITLAB_CI",
    actor: ["GITLAB_USER_LOGIN"],
    facts: {
      repository: "CI_PROJECT_PATH",
      pipeline: "CI_PIPELINE_ID",
      job: "CI_JOB_NAME",
      ref: "CI_COMMIT_REF_NAME",
      commit: "CI_COMMIT_SHA",
      url: "CI_JOB_URL",
    },
  },
  {
    name: "jenkins",
    sign: "JENKINS_URL",
    actor: ["BUILD_USER_ID", "CHANGE_AUTHOR"],
    facts: { job: "JOB_NAME", run: "BUILD_NUMBER", commit: "GIT_COMMIT", url: "BUILD_URL" },
  },
  {
    name: "circleci",
    sign: "CIRCLECI",
    actor: ["CIRCLE_USERNAME"],
    facts: { job: "CIRCLE_JOB", commit: "CIRCLE_SHA1", url: "CIRCLE_BUILD_URL" },
  },
  {
    name: "buildkite",
    sign: "BUILDKITE",
    actor: ["BUILDKITE_UNBLOCKER_EMAIL", "BUILDKITE_BUILD_CREATOR_EMAIL"],
    facts: {
      pipeline: "BUILDKITE_PIPELINE_SLUG",
      job: "BUILDKITE_JOB_ID",
      commit: "BUILDKITE_COMMIT",
      url: "BUILDKITE_BUILD_URL",
    },
  },
  {
    name: "azure",
    sign: "TF_BUILD",
    actor: ["BUILD_REQUESTEDFOREMAIL", "BUILD_REQUESTEDFOR"],
    facts: {
      repository: "BUILD_REPOSITORY_NAME",
      pipeline: "BUILD_DEFINITIONNAME",
      run: "BUILD_BUILDID",
      commit: "BUILD_SOURCEVERSION",
    },
  },
  {
    name: "bitbucket",
    sign: "BITBUCKET_BUILD_NUMBER",
    actor: ["BITBUCKET_STEP_TRIGGERER_UUID"],
    facts: {
      repository: "BITBUCKET_REPO_FULL_NAME",
      run: "BITBUCKET_BUILD_NUMBER",
      commit: "BITBUCKET_COMMIT",
    },
  },
];

export function whoRuns(env: Environment): Who {
  const user = systemUser();
  const isSet = (name: string): boolean => (env[name] ?? "") !== "";
  const sudoUser = env["SUDO_USER"];
  const sudo =
    sudoUser === undefined || sudoUser === ""
      ? undefined
      : { user: sudoUser, ...given("command", env["SUDO_COMMAND"]) };
  const system = ciSystems.find(({ sign }) => isSet(sign));
  const ci = system === undefined ? undefined : factsOf(system, env);
  const rest = { user, ...given("sudo", sudo), ...given("ci", ci) };
  const variable = system?.actor.find(isSet);
  if (variable !== undefined) return { id: env[variable]!, from: variable, ...rest };
  if (sudo !== undefined) return { id: sudo.user, from: "SUDO_USER", ...rest };
  return { id: user.name, from: "operating system", ...rest };
}

function factsOf({ name, facts }: CiSystem, env: Environment): Readonly<Record<string, string>> {
  const found: Record<string, string> = { system: name };
  for (const [member, variable] of Object.entries(facts)) {
    const value = env[variable];
    if (value !== undefined && value !== "") found[member] = value;
  }
  return found;
}

/** A user without a name, as containers have them, goes by its number. */
function systemUser(): { name: string; uid: number } {
  try {
    const { username, uid } = userInfo();
    return { name: username, uid };
  } catch (error) {
    const uid = process.getuid?.();
    if (uid === undefined) throw error;
    return { name: `uid:${uid}`, uid };
  }
}
