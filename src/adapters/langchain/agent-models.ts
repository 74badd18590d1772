import { AsyncLocalStorageProviderSingleton } from "@langchain/core/singletons";
import type { AgentMiddleware } from "langchain";
import { AuthorizationDeniedError } from "../../core/errors";
import type { Session } from "../../core/session";
import type { TokenUsage } from "../../core/usage";
import type { JointAllow } from "../shared/joint-decision";
import { UnsupportedRequestError } from "../shared/model-api/unsupported-request";
import { runWatched } from "../shared/run-watched";
import { readAgentModel } from "./agent-model";
import { HopguardCallbackHandler } from "./callback-handler";
import { isLangChainTool } from "./guarded-tool";
import { ModelCalls } from "./model-calls";
import type { ToolCheckSettings } from "./options";
import { usageOf } from "./token-usage";
import type { ToolCalls } from "./tool-calls";

type WrapModelCall = NonNullable<AgentMiddleware["wrapModelCall"]>;
type AgentRequest = Parameters<WrapModelCall>[0];
type CallModel = Parameters<WrapModelCall>[1];

/** The model calls of an agent: decided, and without the tools that this principal may never use. */
export class AgentModels {
  readonly #session: Session;
  readonly #models: ModelCalls;
  readonly #checks: boolean;
  readonly #tools: ToolCalls;

  /** @throws {ConfigurationError} naming the wrong option. */
  constructor(caller: string, session: Session, tools: ToolCalls, settings: ToolCheckSettings) {
    this.#session = session;
    this.#tools = tools;
    this.#models = new ModelCalls(caller, session, settings);
    this.#checks = settings.models === "check";
  }

  /** @throws {AuthorizationDeniedError} with the denial, also one that comes while the model works; what `callModel` throws. */
  async run(request: AgentRequest, callModel: CallModel): Promise<Awaited<ReturnType<WrapModelCall>>> {
    const hiding = this.#tools.hidden(request.tools.flatMap(clientName), request.runtime.signal);
    hiding.catch(() => undefined);
    const decision = await this.#decide(request);
    let shown: AgentRequest;
    try {
      shown = await this.#without(await hiding, request);
    } catch (error) {
      decision?.settle("failed");
      throw error;
    }
    if (!decision) return callModel(shown);
    let used: TokenUsage | undefined;
    const metered: JointAllow = { ...decision, settle: (outcome) => decision.settle(outcome, used) };
    const answer = await runWatched(metered, async () => {
      const message = await callModel(shown);
      used = usageOf(message);
      return message;
    });
    if (answer instanceof AuthorizationDeniedError) throw answer;
    return answer;
  }

  async #decide({ model, modelSettings = {}, messages, systemMessage, tools, runtime }: AgentRequest) {
    if (!this.#checks) return undefined;
    const { configurable, signal } = runtime;
    const read = await readAgentModel(model, modelSettings, configurable).catch((problem: unknown) =>
      this.#models.refuse(problem),
    );
    // A class that says what it calls also announces its calls.
    if (isDecidedBelow(this.#session)) return undefined;
    const said = [...(systemMessage.text === "" ? [] : [systemMessage]), ...messages];
    return this.#models.authorize({ ...read, tools: tools.map(declared), messages: said }, signal);
  }

  async #without(hidden: ReadonlySet<string>, request: AgentRequest): Promise<AgentRequest> {
    const { tools } = request;
    const chosen = chosenNames(request.toolChoice).find((name) => hidden.has(name));
    if (chosen !== undefined) {
      const problem = `The request's tool_choice names the tool "${chosen}", which may not be used.`;
      return this.#models.refuse(new UnsupportedRequestError(problem));
    }
    const shown = tools.filter((tool) => !clientName(tool).some((name) => hidden.has(name)));
    // A choice only makes sense beside tools.
    const isVoid = shown.length === 0 && tools.length > 0;
    const { toolChoice, ...rest } = request;
    return { ...rest, tools: shown, ...(!isVoid && { toolChoice }) } as AgentRequest;
  }
}

/** The tools that a choice names, as LangChain or a provider writes it: `{ type: "function", function: { name } }`, `{ type: "tool", name }`, or the name. */
function chosenNames(choice: unknown): readonly string[] {
  if (typeof choice === "string") return [choice];
  if (typeof choice !== "object" || choice === null) return [];
  const { name, function: inner } = choice as Readonly<Record<string, unknown>>;
  return [name, inner].flatMap(chosenNames);
}

/** Whether a handler of this session will see the model itself start, whichever it is by then. */
function isDecidedBelow(session: Session): boolean {
  const config = AsyncLocalStorageProviderSingleton.getRunnableConfig() as
    { readonly callbacks?: unknown } | undefined;
  const { callbacks } = config ?? {};
  const handlers = Array.isArray(callbacks)
    ? callbacks
    : (callbacks as { handlers?: unknown } | undefined)?.handlers;
  return (
    Array.isArray(handlers) &&
    handlers.some((handler) => handler instanceof HopguardCallbackHandler && handler.decidesModelsOf(session))
  );
}

/** The name of a tool that the agent runs; a declaration of another type is of one that the provider runs. */
function clientName(tool: unknown): readonly string[] {
  if (isLangChainTool(tool)) return [tool.name];
  const { type = "function", name, function: inner } = tool as Readonly<Record<string, unknown>>;
  if (type !== "function" && type !== "custom") return [];
  return [name, (inner as { readonly name?: unknown } | undefined)?.name].filter(
    (each) => typeof each === "string",
  );
}

function declared(tool: unknown): unknown {
  return isLangChainTool(tool) ? { type: "function", name: tool.name } : tool;
}
