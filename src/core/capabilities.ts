import type { SessionContext } from "./context";
import type { DenyDecision } from "./decision";
import { isKindPart, isModelId, isToolName } from "./names";
import { lookUp, type Visibility, type VisibilityCache } from "./visibility";

/** What to ask about. Names are the operator's; tools are listed under the server or toolset they belong to. */
export interface Candidates {
  readonly models?: readonly string[];
  readonly servers?: readonly string[];
  readonly tools?: Readonly<Record<string, readonly string[]>>;
  readonly toolsets?: Readonly<Record<string, readonly string[]>>;
  readonly agents?: readonly string[];
}

export type VisibilityByName = Readonly<Record<string, Visibility>>;

/** The same shape as the candidates, with an answer for each name. */
export interface Capabilities {
  readonly models: VisibilityByName;
  readonly servers: VisibilityByName;
  readonly tools: Readonly<Record<string, VisibilityByName>>;
  readonly toolsets: Readonly<Record<string, VisibilityByName>>;
  readonly agents: VisibilityByName;
}

export type ToolOwner = { readonly server: string } | { readonly toolset: string };

/** An object without a prototype, so that a tool named `constructor` is only a name. */
function byName<T>(entries: Iterable<readonly [string, T]>): Readonly<Record<string, T>> {
  const result = Object.create(null) as Record<string, T>;
  for (const [name, value] of entries) result[name] = value;
  return Object.freeze(result);
}

export class VisibilityReader {
  constructor(
    private readonly session: SessionContext,
    private readonly cache: VisibilityCache,
    private readonly signal: AbortSignal | undefined,
    /** Ends the look-up with the denial; never returns. */
    private readonly refuse: (denied: DenyDecision) => never,
  ) {}

  /** A name outside the grammar is hidden without asking. */
  async tools(owner: ToolOwner, names: readonly string[]): Promise<VisibilityByName> {
    const [kind, name, attr] =
      "server" in owner
        ? [`mcp_${owner.server}`, owner.server, { server: owner.server }]
        : [`tool_${owner.toolset}`, owner.toolset, { toolset: owner.toolset }];
    const askable = isKindPart(name) ? [...new Set(names)].filter(isToolName) : [];
    const actions = askable.map((tool) => `tools/call/${tool}`);
    const seen = await this.#lookUp({ kind, name, id: name, attr, actions, plan: true });
    return byName(names.map((tool) => [tool, seen.get(`tools/call/${tool}`) ?? "never"]));
  }

  /** Whether a model may be shown: the action `list` on it. */
  async models(ids: readonly string[]): Promise<VisibilityByName> {
    return this.#each(ids, isModelId, (id) => ({
      kind: "llm_model",
      name: id,
      id,
      attr: {},
      action: "list",
      plan: false,
    }));
  }

  async servers(names: readonly string[]): Promise<VisibilityByName> {
    return this.#each(names, isKindPart, (name) => {
      return {
        kind: `mcp_${name}`,
        name,
        id: name,
        attr: { server: name },
        action: "initialize",
        plan: true,
      };
    });
  }

  async agents(names: readonly string[]): Promise<VisibilityByName> {
    return this.#each(names, isKindPart, (name) => {
      return {
        kind: `a2a_${name}`,
        name,
        id: name,
        attr: { agent: name },
        action: "message/send",
        plan: true,
      };
    });
  }

  async all({
    models = [],
    servers = [],
    tools = {},
    toolsets = {},
    agents = [],
  }: Candidates): Promise<Capabilities> {
    const owned = async (
      groups: Readonly<Record<string, readonly string[]>>,
      owner: (name: string) => ToolOwner,
    ): Promise<Readonly<Record<string, VisibilityByName>>> =>
      byName(
        await Promise.all(
          Object.entries(groups).map(
            async ([name, names]) => [name, await this.tools(owner(name), names)] as const,
          ),
        ),
      );
    // Asked together, so that the checks share requests to the PDP.
    const [m, s, t, l, a] = await Promise.all([
      this.models(models),
      this.servers(servers),
      owned(tools, (server) => ({ server })),
      owned(toolsets, (toolset) => ({ toolset })),
      this.agents(agents),
    ]);
    return Object.freeze({ models: m, servers: s, tools: t, toolsets: l, agents: a });
  }

  async #each(
    names: readonly string[],
    isAskable: (name: string) => boolean,
    question: (name: string) => Omit<Parameters<typeof lookUp>[2], "actions"> & { readonly action: string },
  ): Promise<VisibilityByName> {
    return byName(
      await Promise.all(
        [...new Set(names)].map(async (name) => {
          if (!isAskable(name)) return [name, "never"] as const;
          const { action, ...rest } = question(name);
          const seen = await this.#lookUp({ ...rest, actions: [action] });
          return [name, seen.get(action) ?? "never"] as const;
        }),
      ),
    );
  }

  async #lookUp(question: Parameters<typeof lookUp>[2]): Promise<ReadonlyMap<string, Visibility>> {
    if (question.actions.length === 0) return new Map();
    const seen = await lookUp(this.session, this.cache, question, this.signal);
    return "effect" in seen ? this.refuse(seen) : seen;
  }
}
