import * as z from "zod";
import { ConfigurationError } from "../../core/errors";
import { grantSchema, type AuthorizationDetails } from "../../core/grant";
import { isKindPart } from "../../core/names";
import { parseOptions } from "../../core/options";
import { agentToolsShape, type AgentToolsOptions } from "../shared/agent-tools/options";
import type { ModelGuardOptions } from "../shared/model-api/options";
import type { SdkClient } from "../shared/seal-client";
import type { SdkModelProvider } from "./framework";

/** How policies know an agent, and what it is granted when work is handed to it. */
export interface HandedOn {
  /** Its name for policies: a handoff to it is `delegate` on `a2a_<agent>`. Default: the SDK's name, if that is one of a-z, 0-9 and _. */
  readonly agent?: string;
  /**
   * What it may do, and nothing else: it then acts under a session of its own. Default: it acts under the session of the agent that handed
   * over. The members below are those of `session.delegate`.
   */
  readonly authorization_details?: readonly AuthorizationDetails[];
  readonly mayDelegate?: boolean;
  readonly maxDepth?: number;
  /** Seconds. */
  readonly expiresIn?: number;
}

/** Options of `guardAgent`. */
export interface GuardAgentOptions extends AgentToolsOptions {
  /**
   * Where models come from, whatever a run is configured with: a client of `openai`, which is guarded at `fetch`, or the provider of other
   * models, each call of which is decided before it is made.
   */
  readonly models: SdkClient | SdkModelProvider;
  /** The API that a client of `openai` is used with. Default: the SDK's own. */
  readonly api?: "responses" | "chat";
  /** As `guardOpenAI` has them; for a provider, `provider` (its name for policies) and `hostedServers` are of use. */
  readonly modelOptions?: Omit<ModelGuardOptions, "tools" | "answers" | "hiddenTools">;
  /** What policies call the agents' MCP servers, by the SDK's name. Default: the SDK's name, if that is one of a-z, 0-9 and _. */
  readonly mcpServers?: Readonly<Record<string, string>>;
  /** What policies call the agents that work is handed to, by the SDK's name, and what each of them is granted. */
  readonly agents?: Readonly<Record<string, HandedOn>>;
  /**
   * What becomes of a call that is denied with the remediation `step_up`. Default `"interrupt"`: the run is interrupted as for `needsApproval`, and on
   * resuming the policy is asked again. `"deny"`: the model reads the denial.
   */
  readonly stepUp?: "interrupt" | "deny";
}

const name = z.string().refine(isKindPart, "expected a name of a-z, 0-9 and _");
const handedOn = z
  .strictObject({
    agent: name.optional(),
    authorization_details: grantSchema.optional(),
    mayDelegate: z.boolean().optional(),
    maxDepth: z.int().positive().max(100).optional(),
    expiresIn: z.number().positive().max(604_800).optional(),
  })
  .refine(
    ({ authorization_details, agent: _, ...conditions }) =>
      authorization_details !== undefined || Object.values(conditions).every((value) => value === undefined),
    "has conditions of a delegation, and no authorization_details",
  );
const optionsSchema = z.strictObject({
  ...agentToolsShape,
  models: z.custom<SdkClient | SdkModelProvider>(
    (value) => isClient(value) || isProvider(value),
    "expected a client of openai, or a provider of models with getModel",
  ),
  api: z.enum(["responses", "chat"]).optional(),
  modelOptions: z.custom<object>((value) => typeof value === "object" && value !== null).default({}),
  mcpServers: z.record(z.string(), name).default({}),
  agents: z.record(z.string(), handedOn).default({}),
  stepUp: z.enum(["interrupt", "deny"]).default("interrupt"),
});

/** The options with every default in place. Maps, so that an agent named `constructor` is only a name. */
export interface Settings {
  readonly tools: AgentToolsOptions;
  readonly models: SdkClient | SdkModelProvider;
  readonly api: "responses" | "chat" | undefined;
  readonly modelOptions: ModelGuardOptions;
  readonly mcpServers: ReadonlyMap<string, string>;
  readonly agents: ReadonlyMap<string, HandedOn>;
  readonly interrupts: boolean;
}

/** @throws {ConfigurationError} naming the option. */
export function readOptions(caller: string, options: GuardAgentOptions): Settings {
  const { models, api, modelOptions, mcpServers, agents, stepUp, toolset, tools, untyped } = parseOptions(
    optionsSchema,
    caller,
    options,
  );
  const decidedHere = ["tools", "answers", "hiddenTools"].find((option) => option in modelOptions);
  if (decidedHere !== undefined) {
    throw new ConfigurationError(
      `${caller}.modelOptions.${decidedHere}: tools are shown and decided by the agent here; give \`toolset\` and \`tools\` beside it`,
    );
  }
  return Object.freeze({
    tools: {
      untyped,
      ...(toolset !== undefined && { toolset }),
      ...(tools && { tools }),
    } as AgentToolsOptions,
    models,
    api,
    modelOptions: Object.freeze({ ...modelOptions }),
    mcpServers: new Map(Object.entries(mcpServers)),
    agents: new Map(Object.entries(agents)) as ReadonlyMap<string, HandedOn>,
    interrupts: stepUp === "interrupt",
  });
}

export const isClient = (value: unknown): value is SdkClient =>
  typeof (value as Partial<SdkClient> | null | undefined)?.withOptions === "function";

const isProvider = (value: unknown): value is SdkModelProvider =>
  typeof (value as Partial<SdkModelProvider> | null | undefined)?.getModel === "function";
