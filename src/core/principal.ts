import * as z from "zod";
import { parseOptions } from "./options";
import type { DelegationLink } from "./delegation";
import type { Proof } from "./identification";
import { isJsonObject, snapshot, type JsonObject, type JsonValue } from "./json";

/** How the identity is known; the policy reads it as `P.attr.auth`. */
export interface Authentication {
  /** `asserted` (the caller's word), `jwt`, `spiffe`, … */
  readonly method: string;
  readonly issuer?: string;
  readonly verified: boolean;
}

/** The human or service on whose behalf the agent acts; for an autonomous agent its own workload identity. */
export interface PrincipalInput {
  readonly id: string;
  readonly roles: readonly string[];
  /** Default `"user"`. */
  readonly type?: "user" | "service" | "agent";
  /** What policies read as `P.attr.<name>`. `type`, `auth`, `agent`, `subject`, `delegation` and `task` are the guard's own. */
  readonly attr?: Readonly<Record<string, unknown>>;
}

/** The agent that acts. Its roles are never merged with the principal's. */
export interface AgentInput {
  readonly id: string;
  readonly roles?: readonly string[];
  readonly attr?: Readonly<Record<string, unknown>>;
  /** The product or framework that runs the agent. */
  readonly harness?: string;
  readonly version?: string;
  /**
   * The agent's own token (a JWT-SVID, say), verified by the guard's `identity` on every hop; roles and attributes are then the token's. A
   * function is asked on every hop and may renew it. Default: the agent is who you say.
   */
  readonly token?: TokenSource;
}

/** A token, or what answers with one that is still good. */
export type TokenSource = string | (() => string | Promise<string>);

/** What the agent was set to work on. Its facts stand beside its id, as in `P.attr.task.ticket_id`. */
export interface TaskInput {
  readonly id: string;
  readonly attr?: Readonly<Record<string, unknown>>;
}

/** The agent as it was read: plain, frozen JSON. */
export interface Agent {
  readonly id: string;
  readonly roles: readonly string[];
  readonly attr: JsonObject;
  readonly harness?: string;
  readonly version?: string;
}

/** The task as it was read: plain, frozen JSON. */
export interface Task {
  readonly id: string;
  readonly attr: JsonObject;
}

export const RESERVED_ATTRIBUTES = ["type", "auth", "agent", "subject", "delegation", "task"];

/** Of a person, a role, an agent, a session: what can be read aloud and stands in one line. */
export const identifier = z
  .string()
  .min(1)
  .max(256)
  .regex(/^[^\u0000-\u001f\u007f-\u009f]*$/, "holds control characters")
  .refine((id) => id.isWellFormed() && id.trim() === id, "has spaces around it or ill-formed Unicode");
const roles = z.array(identifier).max(100);
/** The PDP refuses a principal that has a role twice, as groups of groups do. */
const each = (names: readonly string[]): readonly string[] => [...new Set(names)];

/** Plain JSON first, and then its names: a `toJSON` may answer with others than are seen here. */
const attributes = (reserved: readonly string[]) =>
  z
    .record(z.string(), z.unknown())
    .default({})
    .transform((given, context): JsonObject => {
      const attr = plain(given, (message) => context.addIssue({ code: "custom", message }));
      for (const name of reserved.filter((name) => Object.hasOwn(attr, name))) {
        context.addIssue({ code: "custom", path: [name], message: "is a name of the guard's own" });
      }
      return attr;
    });

function plain(given: unknown, complain: (message: string) => void): JsonObject {
  let value: JsonValue | undefined;
  try {
    value = snapshot(given);
  } catch (error) {
    complain((error as Error).message);
    return {};
  }
  if (isJsonObject(value)) return value;
  complain("expected an object");
  return {};
}

const principalSchema = z.strictObject({
  id: identifier,
  roles: roles.min(1).transform(each),
  type: z.enum(["user", "service", "agent"]).default("user"),
  attr: attributes(RESERVED_ATTRIBUTES),
});
const agentSchema = z.strictObject({
  id: identifier.refine(
    (id) => id !== "subject",
    "is what a denial calls the one on whose behalf an agent acts",
  ),
  roles: roles.default([]).transform(each),
  attr: attributes(RESERVED_ATTRIBUTES),
  harness: identifier.optional(),
  version: identifier.optional(),
});
const taskSchema = z.strictObject({ id: identifier, attr: attributes(["id"]) });

/** @throws {ConfigurationError} naming the field, as in `principal.roles`. */
export const parsePrincipal = (input: unknown): PrincipalInput & { readonly attr: JsonObject } =>
  parseOptions(principalSchema, "principal", input);
// Parsing copies; the snapshot makes plain, frozen JSON of what the attributes hold.
export const parseAgent = (input: unknown, name = "agent"): Agent =>
  snapshot(parseOptions(agentSchema, name, input)) as unknown as Agent;
export const parseTask = (input: unknown): Task =>
  snapshot(parseOptions(taskSchema, "task", input)) as unknown as Task;

/** Everyone who stands behind a hop. */
export interface Actors {
  readonly proof: Pick<Proof, "principal" | "auth" | "agent">;
  readonly agent: Agent;
  readonly task: Task | undefined;
  /** The agent that the user set to work. */
  readonly root: Agent;
  /** The delegations from there to the acting agent. */
  readonly links: readonly DelegationLink[];
  /** How deep a user's agent may have its work delegated. */
  readonly maxDepth: number;
}

/** A principal as the PDP sees it. Checks that share the very same object may share a request. */
export interface PdpPrincipal {
  readonly id: string;
  readonly roles: readonly string[];
  readonly attr: JsonObject;
}

/** A principal to be checked, with the name that a denial gives it. */
export interface CheckedPrincipal {
  /** `"subject"`, or the agent's id. */
  readonly label: string;
  readonly principal: PdpPrincipal;
}

/**
 * Whom the PDP is asked about. Authority is an intersection: all of them must be allowed, each with its own roles, because the PDP lets any
 * role's ALLOW win over another role's DENY.
 *
 * @throws {ConfigurationError} naming the field, as in `principal.roles`.
 */
export function checkedPrincipals(
  { proof, agent: named, task, root, links, maxDepth }: Actors,
  agents: "context" | "principal",
): readonly [CheckedPrincipal, ...CheckedPrincipal[]] {
  const { attr, ...subject } = parsePrincipal(proof.principal);
  // An agent whose own token was verified has the token's roles, wherever in the chain it stands.
  const known = (agent: Agent): Agent => (proof.agent?.id === agent.id ? proof.agent : agent);
  const agent = known(named);
  const last = links.at(-1);
  const shared = {
    auth: proof.auth,
    agent: { ...agent, verified: agent === proof.agent },
    delegation: {
      depth: links.length,
      chain: links.map((link) => ({ agent: link.agent.id, grant: link.grant })),
      may_delegate: last?.may_delegate ?? true,
      max_depth: last?.max_depth ?? maxDepth,
      initiated_by: subject.id,
    },
    ...(task && { task: { ...task.attr, id: task.id } }),
  };
  const asSubject = checkedPrincipal("subject", {
    id: subject.id,
    roles: subject.roles,
    attr: { ...attr, ...shared, type: subject.type },
  });
  if (agents === "context") return [asSubject];
  const others = [root, ...links.map((link) => link.agent)].filter(({ id }) => id !== agent.id);
  const asPrincipals = [agent, ...others.map(known)].map((each) =>
    checkedPrincipal(each.id, {
      id: each.id,
      roles: [...new Set([...each.roles, "agent"])],
      attr: {
        ...each.attr,
        ...shared,
        type: "agent",
        subject: { id: subject.id, roles: subject.roles, attr },
      },
    }),
  );
  return [asSubject, ...asPrincipals];
}

function checkedPrincipal(label: string, principal: Record<keyof PdpPrincipal, unknown>): CheckedPrincipal {
  return Object.freeze({ label, principal: snapshot(principal) as JsonObject & PdpPrincipal });
}
