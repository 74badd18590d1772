import { ConfigurationError, denialError } from "../../core/errors";
import type { AgentTools } from "../shared/agent-tools/agent-tools";
import { agentBehind, rememberAgentTool, runsAgent } from "./agent-tool";
import type { Authority } from "./authority";
import type { FunctionTool, SdkAgent, SdkHandoff, SdkMcpServer, SdkTool } from "./framework";
import type { GuardedGraph } from "./guarded-graph";
import { guardedHandoff, RefusedHandoffs } from "./guarded-handoff";
import { OfferedModel } from "./guarded-model";
import { guardedTool } from "./guarded-tool";
import { agentGate, receivingGate, toolGate, type ToolGate } from "./tool-gate";

const guardedAgents = new WeakSet<object>();

/**
 * A copy of an agent that runs its tools, its model and its handoffs by the policy. The runner asks an agent for its tools on every turn
 * (`getAllTools`), so that what is added to it later is guarded too.
 */
export class GuardedAgent {
  readonly agent: SdkAgent;
  readonly #handoffs = new Map<string, SdkAgent>();
  readonly #refused = new RefusedHandoffs();
  readonly #guarded = new WeakMap<SdkTool, FunctionTool>();
  readonly #guards = new WeakSet<SdkTool>();
  /** What decides whether a tool is shown, by the name that the model sees. `undefined`: nothing does. */
  readonly #owners = new Map<string, AgentTools | undefined>();

  constructor(
    private readonly graph: GuardedGraph,
    private readonly given: SdkAgent,
    private readonly authority: Authority,
    name: string,
  ) {
    const { model } = given;
    if (typeof model !== "string") {
      throw new ConfigurationError(
        `guardAgent: the agent "${given.name}" has a model that no policy knows by name; give it the model's name, and \`models\` its provider`,
      );
    }
    const { models } = graph.means(authority);
    this.agent = given.clone({
      name,
      model: new OfferedModel(() => models(model || undefined), {
        receive: () => this.#receive(),
        hiddenTools: (names, signal) => this.#hiddenTools(names, signal),
        hiddenHandoffs: (names) => this.#hiddenHandoffs(names),
      }),
      // They depend on the model's name, which the copy does not have.
      modelSettings: given.modelSettings,
      mcpServers: Object.freeze(given.mcpServers.map((server) => graph.server(server, authority).server)),
      handoffs: [],
    } as never);
    guardedAgents.add(this.agent);
  }

  static isGuarded(agent: object): boolean {
    return guardedAgents.has(agent);
  }

  /** Guards what the agent hands work to, and seals the copy. */
  connect(): void {
    const { agent, given } = this;
    const { prototype } = this.graph.framework.Agent;
    const members = {
      tools: given.tools.map((tool) => this.#agentTool(tool) ?? this.#guard(tool)),
      handoffs: Object.freeze(given.handoffs.map((entry) => this.#handoff(this.graph.handoff(entry)))),
      model: agent.model,
      mcpServers: agent.mcpServers,
      getMcpTools: (context: never, span?: never) => this.#mcpTools(context, span),
      getAllTools: async (context: never, span?: never) => {
        const all = await prototype.getAllTools.call(agent, context, span);
        return all.map((tool) => this.#guard(tool));
      },
      getSystemPrompt: async (context: never) =>
        this.#refused.explainedIn(await prototype.getSystemPrompt.call(agent, context), context),
      asTool: (options: never) => rememberAgentTool(prototype.asTool.call(agent, options), agent, options),
      clone: (): never => {
        throw new ConfigurationError("guardAgent: clone the agent before it is guarded");
      },
      // Whoever listens to the agent as it was hears of the copy's runs.
      emit: (event: never, ...details: never[]) => {
        given.emit(event, ...details);
        return prototype.emit.call(agent, event, ...details);
      },
    };
    for (const [name, value] of Object.entries(members))
      Object.defineProperty(agent, name, { value, writable: false, configurable: false, enumerable: true });
  }

  /** A tool that runs the guarded copy of an agent. Guarded where it stands: saved runs know it by what the SDK has made, and no copy. */
  #agentTool(tool: SdkTool): SdkTool | undefined {
    const behind = agentBehind(tool);
    if (!behind) return undefined;
    const { agent, options } = behind;
    this.authority.nameOf(agent);
    const made = this.graph.agent(agent, this.authority.for(agent)).asTool(options as never);
    const guarded = Object.assign(
      made,
      this.#remember(made as FunctionTool, agentGate(this.authority, agent)),
    );
    this.#guards.add(guarded);
    return guarded;
  }

  #handoff(handoff: SdkHandoff): SdkHandoff {
    const { agent: receiver, toolName } = handoff;
    this.authority.nameOf(receiver);
    this.#handoffs.set(toolName, receiver);
    return guardedHandoff(handoff, {
      from: this.agent,
      to: this.graph.agent(receiver, this.authority.for(receiver)),
      refused: this.#refused,
      handOver: () => this.authority.handOver(receiver),
    });
  }

  async #mcpTools(context: never, span?: never): Promise<readonly SdkTool[]> {
    const { agent, given, graph, authority } = this;
    const { prototype } = graph.framework.Agent;
    const lists = await Promise.all(
      given.mcpServers.map((server) =>
        graph.server(server, authority).list((view: SdkMcpServer) => {
          const alone = Object.create(agent, { mcpServers: { value: [view] } }) as SdkAgent;
          return prototype.getMcpTools.call(alone, context, span as never);
        }),
      ),
    );
    const listed = lists.flat();
    const names = new Set(listed.map(({ tool }) => tool.name));
    if (names.size < listed.length) throw new Error("two MCP servers have tools of the same name");
    return listed.map(({ tool, tools, origin }) => this.#remember(tool, toolGate(tools, tool, origin)));
  }

  #guard(tool: SdkTool): SdkTool {
    if (this.#guards.has(tool)) return tool;
    const gate = this.#gateOf(tool);
    if (!gate) return tool;
    return this.#guarded.get(tool) ?? this.#remember(tool as FunctionTool, gate);
  }

  #remember(tool: FunctionTool, gate: ToolGate): FunctionTool {
    const own = receivingGate(gate, () => this.authority.receive(this.given));
    const guarded = guardedTool(tool, own, this.graph.settings.interrupts);
    this.#guards.add(guarded);
    this.#guarded.set(tool, guarded);
    this.#owners.set(tool.name, gate.tools);
    return guarded;
  }

  /**
   * What decides a tool's calls; `undefined` for one that runs at the provider, which is decided where it is declared.
   *
   * @throws {ConfigurationError} for a tool that would run here, or be brought in, without being asked for.
   */
  #gateOf(tool: SdkTool): ToolGate | undefined {
    const { name, type } = tool;
    const where = `guardAgent: the tool "${name}" of the agent "${this.given.name}"`;
    if (type === "function") {
      if (runsAgent(tool)) {
        throw new ConfigurationError(
          `${where} runs an agent, which is not guarded with it: give it to the agent before that is guarded, made by agentTool(agent, options)`,
        );
      }
      return toolGate(this.graph.means(this.authority).tools, tool as FunctionTool);
    }
    const { providerData, shell } = tool as {
      readonly providerData?: { readonly execution?: unknown };
      readonly shell?: unknown;
    };
    const isHosted =
      (type === "hosted_tool" && providerData?.execution !== "client") ||
      (type === "shell" && shell === undefined);
    if (isHosted) return undefined;
    throw new ConfigurationError(`${where} is of the type ${type}, whose calls cannot be decided`);
  }

  async #receive(): Promise<void> {
    const denial = await this.authority.receive(this.given);
    if (denial) throw denialError(denial);
  }

  async #hiddenTools(
    names: readonly string[],
    signal: AbortSignal | undefined,
  ): Promise<ReadonlySet<string>> {
    const byOwner = new Map<AgentTools, string[]>();
    const hidden = new Set<string>();
    for (const name of names) {
      const owner = this.#owners.get(name);
      if (owner) byOwner.set(owner, [...(byOwner.get(owner) ?? []), name]);
      // Brought in by another way than the agent's list.
      else if (!this.#owners.has(name)) hidden.add(name);
    }
    const found = await Promise.all([...byOwner].map(([owner, names]) => owner.hidden(names, signal)));
    return new Set([...hidden, ...found.flatMap((some) => [...some])]);
  }

  async #hiddenHandoffs(names: readonly string[]): Promise<ReadonlySet<string>> {
    const hidden = await Promise.all(
      names.map(async (name) => {
        const receiver = this.#handoffs.get(name);
        return !receiver || (await this.authority.hides(receiver));
      }),
    );
    return new Set(names.filter((_, index) => hidden[index]));
  }
}
