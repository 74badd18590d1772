import { ConfigurationError } from "../../core/errors";
import type { Session } from "../../core/session";
import { AgentTools } from "../shared/agent-tools/agent-tools";
import { Authority } from "./authority";
import { assertAgent, type Framework, type SdkAgent, type SdkHandoff } from "./framework";
import { GuardedAgent } from "./guarded-agent";
import { GuardedServer, serverName } from "./mcp-servers";
import { modelSource, type ModelSource } from "./models";
import type { Settings } from "./options";

/** More than any design has; every pair of agents that grant each other something doubles them. */
const MAX_AGENTS = 200;

/** What agents on one authority share. */
interface Means {
  readonly models: ModelSource;
  readonly tools: AgentTools;
  readonly servers: Map<object, GuardedServer>;
  readonly agents: Map<SdkAgent, SdkAgent>;
}

/** Guarded copies of an agent and of all that it hands work to: one for each authority on which an agent may come to act. */
export class GuardedGraph {
  readonly #means = new Map<Authority, Means>();
  /** Saved runs find their agents by name. */
  readonly #names = new Map<string, SdkAgent>();
  readonly #taken = new Set<string>();

  constructor(
    readonly framework: Framework,
    readonly settings: Settings,
  ) {}

  /** @throws {ConfigurationError} for an agent that could not be guarded, by name. */
  static guard(framework: Framework, agent: SdkAgent, session: Session, settings: Settings): SdkAgent {
    const graph = new GuardedGraph(framework, settings);
    const guarded = graph.agent(agent, new Authority(session, agent, settings.agents));
    for (const name of settings.agents.keys()) {
      if (!graph.#names.has(name))
        throw new ConfigurationError(`guardAgent.agents: no work is handed to an agent "${name}"`);
    }
    return guarded;
  }

  agent(agent: SdkAgent, authority: Authority): SdkAgent {
    const { agents } = this.means(authority);
    const known = agents.get(agent);
    if (known) return known;
    assertAgent("guardAgent", this.framework, agent);
    if (GuardedAgent.isGuarded(agent)) {
      // Before, on a session of its own.
      this.#names.set(agent.name, agent);
      return agent;
    }
    const guarded = new GuardedAgent(this, agent, authority, this.#nameFor(agent, authority));
    agents.set(agent, guarded.agent);
    // Only now: two agents may hand work to each other.
    guarded.connect();
    return guarded.agent;
  }

  means(authority: Authority): Means {
    const known = this.#means.get(authority);
    if (known) return known;
    const means: Means = {
      models: modelSource(this.framework, authority.session, this.settings),
      tools: new AgentTools("guardAgent", authority.session, this.settings.tools),
      servers: new Map(),
      agents: new Map(),
    };
    this.#means.set(authority, means);
    return means;
  }

  server(server: SdkAgent["mcpServers"][number], authority: Authority): GuardedServer {
    const { servers } = this.means(authority);
    const known = servers.get(server);
    if (known) return known;
    const { mcpServers, tools } = this.settings;
    const guarded = new GuardedServer(server, serverName(server, mcpServers), authority.session, tools);
    servers.set(server, guarded);
    return guarded;
  }

  handoff(entry: object): SdkHandoff {
    return this.framework.getHandoff(entry);
  }

  #nameFor(agent: SdkAgent, authority: Authority): string {
    const { name } = agent;
    const other = this.#names.get(name);
    if (other && other !== agent) {
      throw new ConfigurationError(
        `guardAgent: two agents are named "${name}"; policies could not tell them apart`,
      );
    }
    if (this.#taken.size >= MAX_AGENTS) {
      throw new ConfigurationError(
        `guardAgent: there are more than ${MAX_AGENTS} ways to hand work on between these agents`,
      );
    }
    this.#names.set(name, agent);
    const own = this.#taken.has(name) ? `${name} (${authority.path.join(" > ")})` : name;
    this.#taken.add(own);
    return own;
  }
}
