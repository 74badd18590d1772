import * as z from "zod";
import type { Candidates } from "./capabilities";
import type { Classifier } from "./classification";
import type { GuardContext } from "./context";
import { Degradation, type DegradedHop } from "./degradation";
import { ConfigurationError } from "./errors";
import { modelFactsSchema, type ModelFacts } from "./model-facts";
import { isAction, isFactName, isKind } from "./names";
import { aliasProblem, ModelAliases } from "./model-aliases";
import { aFunction, objectWith } from "./option-types";
import { parseOptions } from "./options";
import { withDeadline } from "./pdp-deadline";
import { providersInOrder } from "./provider-order";
import type {
  AssertionSigner,
  AttributeProvider,
  AuditSink,
  DelegationTokens,
  Guardrail,
  IdentityVerifier,
  PolicyDecisionPoint,
  RevocationStore,
  StateStore,
  TaskStore,
} from "./ports";

/** What a guard is made of. Only `pdp` is needed. */
export interface GuardOptions {
  /** Who decides: `cerbos("http://localhost:3592")` from `hopguard/cerbos`. */
  readonly pdp: PolicyDecisionPoint;
  /** Where audit records go. Default: one JSON line each on stderr. What cannot be recorded is not allowed. */
  readonly audit?: AuditSink | AuditSink["write"];
  /** Where sessions are counted and revocations are kept. Default: this process's memory. */
  readonly state?: StateStore;
  /** Proves who a token speaks for; needed for `session({ token })`. */
  readonly identity?: IdentityVerifier;
  /**
   * Hands the subject's verified token to the PDP, so that policies read its claims as `request.auxData.jwt`. The PDP verifies it again with its own
   * key sets (`auxData.jwt` of its configuration); `keySetId` names one of several. Default: no token leaves the guard.
   */
  readonly auxData?: { readonly keySetId?: string };
  /**
   * Whether the agent is context of the subject's check only (`"context"`, the default), or also a principal of its own with its roles and
   * the role `agent`, which must be allowed as well (`"principal"`).
   */
  readonly agents?: "context" | "principal";
  /**
   * How agents delegate. `tokens` (`delegationTokens` of `hopguard/identity`) sign a delegation for another process and verify one from there;
   * `maxDepth`, default 3, is how many links a chain may have; `strict` refuses a delegation of all that the delegating agent has.
   */
  readonly delegation?: {
    readonly tokens?: DelegationTokens;
    readonly maxDepth?: number;
    readonly strict?: boolean;
  };
  /** Signs what was decided, so that the service that is called can check it again: `assertions` of `hopguard/identity`. */
  readonly assertions?: AssertionSigner;
  /** Policy information points: what they find out is there for the policy, fresh on every hop unless they say otherwise. */
  readonly enrich?: readonly AttributeProvider[];
  /** Say what kinds of data a request holds: `R.attr.context.data`. */
  readonly classifiers?: readonly Classifier[];
  /** What is known of models: tier, region and price, at one base URL or at any. Policies read `R.attr.tier` and `R.attr.region`. */
  readonly modelFacts?: readonly ModelFacts[];
  /**
   * Counts calls, tokens and money per session, task, principal and agent, as `R.attr.context.usage`. What a hop may use up is reserved before
   * the PDP is asked, so that limits in policies hold at any concurrency. Default: off. `windows` are in milliseconds, default
   * `{ hour: 3600000, day: 86400000 }`; `assumedOutputTokens`, default 4096, is what a call without any limit reserves.
   */
  readonly usage?: {
    readonly windows?: Readonly<Record<string, number>>;
    readonly assumedOutputTokens?: number;
  };
  /**
   * Whether a task is what the session says (`"asserted"`, the default), or must be registered (`guard.registerTask`) and alive
   * (`"registered"`): then a hop without such a task is denied, and state that was lost denies too.
   */
  readonly tasks?: "asserted" | "registered";
  /**
   * Hops that stay allowed while the PDP is unreachable, and for how many milliseconds from its first silence (default 60000). Every other stage
   * must have passed. Each such decision is marked, and on record as degraded. Default: none.
   */
  readonly degraded?: { readonly allow: readonly DegradedHop[]; readonly forMs?: number };
  /** Milliseconds after which the policy is asked again about a stream that is still running. Default 30000; 0 for never. */
  readonly recheckEveryMs?: number;
  /** Pre-call hooks of your own: they may add facts or deny, and can never allow. */
  readonly guardrails?: readonly Guardrail[];
  /** Whether an agent reads the policy's reason and remediation (`"explain"`, the default) or only that it was denied (`"hide"`). */
  readonly denials?: "explain" | "hide";
  /**
   * What names of models stand for: `{ "team-fast": "gpt-4o-mini", "openai/*": "*", "gpt-4o-{date}": "gpt-4o" }`. A name and what it stands for
   * are both checked, so that an alias never allows more. `*` stands for any characters, `{date}` for `2024-08-06` or `20240806`.
   * A name that is not here is looked up exactly as it is.
   */
  readonly models?: Readonly<Record<string, string>>;
  /**
   * When a call that the PDP has denied several times in a row, unchanged, is refused without asking (`repeat_denied`), and for how many
   * milliseconds: a looping agent is stopped cheaply. Default `{ afterDenials: 3, forMs: 10000 }`; `false` turns it off.
   */
  readonly repeats?: { readonly afterDenials?: number; readonly forMs?: number } | false;
  /** `R.attr.context.environment`: `production`, `staging`, … */
  readonly environment?: string;
  /** What `session.capabilities()` asks about by default. */
  readonly catalogue?: Candidates;
  /** Recorded with each decision: a Git revision, or a digest of the bundle. */
  readonly policyRevision?: string;
  /** Keep arguments in the audit records in clear. Default false: only their digest is kept. */
  readonly recordArguments?: boolean;
  /** Milliseconds for which a session remembers what to show. Default 5000; 0 turns it off. Decisions are never remembered. */
  readonly visibilityTtlMs?: number;
  /** Milliseconds that any one of identity, state, audit, a provider or a guardrail may take. Default 1000. Later is a denial. */
  readonly timeoutMs?: number;
  /** The largest call that is looked at. Default 64 levels and 1,048,576 characters of JSON; more is denied. */
  readonly limits?: { readonly maxDepth?: number; readonly maxLength?: number };
  /** The time of day for records. Default `() => new Date()`. */
  readonly clock?: () => Date;
}

/** The object itself is kept, so that a class with state of its own works. */
const hook = <T extends { readonly name: string }>(method: string) =>
  objectWith<T>(method).refine(
    ({ name }) => isFactName(name),
    "expected a name of letters, digits and _: it becomes R.attr.facts.<name>",
  );
const storeOfRevocations = objectWith<RevocationStore>("find", "revoke", "restore", "list");
const storeOfTasks = objectWith<TaskStore>("register", "end");
const names = z.array(z.string());

const guardSchema = z.strictObject({
  pdp: objectWith<PolicyDecisionPoint>("check", "plan"),
  audit: z.union([objectWith<AuditSink>("write"), aFunction<AuditSink["write"]>()]),
  state: objectWith<StateStore>("session").refine(
    ({ revocations, tasks }) =>
      storeOfRevocations.safeParse(revocations).success && storeOfTasks.safeParse(tasks).success,
    "expected `revocations` with find(), revoke(), restore() and list(), and `tasks` with register() and end()",
  ),
  identity: objectWith<IdentityVerifier>("verify").optional(),
  auxData: z.strictObject({ keySetId: z.string().min(1).exactOptional() }).optional(),
  agents: z.enum(["context", "principal"]).default("context"),
  delegation: z
    .strictObject({
      tokens: objectWith<DelegationTokens>("sign", "verify").optional(),
      maxDepth: z.int().positive().max(100).default(3),
      strict: z.boolean().default(false),
    })
    .default({ maxDepth: 3, strict: false }),
  assertions: objectWith<AssertionSigner>("sign").optional(),
  enrich: z.array(hook<AttributeProvider>("provide")).default([]),
  classifiers: z.array(hook<Classifier>("classify")).default([]),
  modelFacts: z.array(modelFactsSchema).default([]),
  usage: z
    .strictObject({
      windows: z
        .record(
          z
            .string()
            .refine(
              (name) => isFactName(name) && name !== "total",
              'expected a name of letters, digits and _, and not "total"',
            ),
          z.int().positive(),
        )
        .default({ hour: 3_600_000, day: 86_400_000 }),
      assumedOutputTokens: z.int().positive().default(4096),
    })
    .optional(),
  tasks: z.enum(["asserted", "registered"]).default("asserted"),
  degraded: z
    .strictObject({
      allow: z.array(
        z.strictObject({
          kind: z.string().refine(isKind, "expected a kind: letters, digits and _"),
          actions: z.array(z.string().refine(isAction, "expected an action, without globs")).optional(),
        }),
      ),
      forMs: z.int().positive().max(3_600_000).default(60_000),
    })
    .optional(),
  recheckEveryMs: z.int().nonnegative().max(3_600_000).default(30_000),
  guardrails: z.array(hook<Guardrail>("check")).default([]),
  denials: z.enum(["explain", "hide"]).default("explain"),
  models: z
    .record(z.string(), z.string())
    .superRefine((aliases, context) => {
      for (const [alias, target] of Object.entries(aliases)) {
        const message = aliasProblem(alias, target);
        if (message !== undefined) context.addIssue({ code: "custom", path: [alias], message });
      }
    })
    .default({}),
  repeats: z
    .union([
      z.literal(false),
      z.strictObject({
        afterDenials: z.int().positive().max(1000).default(3),
        forMs: z.int().positive().max(60_000).default(10_000),
      }),
    ])
    .default({ afterDenials: 3, forMs: 10_000 }),
  environment: z.string().min(1).optional(),
  catalogue: z
    .strictObject({
      models: names.optional(),
      servers: names.optional(),
      tools: z.record(z.string(), names).optional(),
      toolsets: z.record(z.string(), names).optional(),
      agents: names.optional(),
    })
    .default({}),
  policyRevision: z.string().min(1).optional(),
  recordArguments: z.boolean().default(false),
  visibilityTtlMs: z.int().nonnegative().max(60_000).default(5000),
  timeoutMs: z.int().positive().max(60_000).default(1000),
  limits: z
    .strictObject({
      maxDepth: z.int().positive().max(90).optional(),
      maxLength: z.int().positive().optional(),
    })
    .default({}),
  clock: aFunction<() => Date>().default(() => () => new Date()),
});

/** The options as the guard works with them. */
export interface ParsedGuardOptions {
  readonly context: GuardContext;
  readonly identity: IdentityVerifier | undefined;
  readonly catalogue: Candidates;
}

/** @throws {ConfigurationError} naming every wrong option. */
export function parseGuardOptions(given: unknown): ParsedGuardOptions {
  const { audit, catalogue, degraded, enrich, identity, models, pdp, ...options } = parseOptions(
    guardSchema,
    "createGuard",
    given,
  );
  refuseSharedNames([...enrich, ...options.guardrails]);
  const inTime = withDeadline(pdp, options.timeoutMs);
  const context = Object.freeze({
    ...options,
    pdp: inTime,
    models: new ModelAliases(models),
    enrich: providersInOrder(enrich),
    degradation: degraded && new Degradation(degraded, inTime),
    audit: typeof audit === "function" ? { write: audit } : audit,
  }) as GuardContext;
  return { context, identity, catalogue: catalogue as Candidates };
}

function refuseSharedNames(hooks: readonly { readonly name: string }[]): void {
  const seen = new Set<string>();
  for (const { name } of hooks) {
    if (seen.has(name))
      throw new ConfigurationError(`createGuard: two providers or guardrails are named "${name}"`);
    seen.add(name);
  }
}
