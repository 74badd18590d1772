import type { SessionContext } from "./context";
import type { DenyDecision } from "./decision";
import type { Denial } from "./denial";
import { factsOf, modelAttributes } from "./model-facts";
import { isKindPart, isModelId, isToolName } from "./names";
import type { ToolEffect } from "./hop";
import { lookUp, type Answer, type Question } from "./visibility";
import { least, type Visibility } from "./visibility-cache";

/** What to ask about. Names are the operator's; tools are listed under the server or toolset they belong to. */
export interface Candidates {
  readonly models?: readonly string[];
  readonly servers?: readonly string[];
  readonly tools?: Readonly<Record<string, readonly string[]>>;
  readonly toolsets?: Readonly<Record<string, readonly string[]>>;
  readonly agents?: readonly string[];
}

/** The answer for each name that was asked about. */
export type VisibilityByName = Readonly<Record<string, Visibility>>;

/** The same shape as the candidates, with an answer for each name. */
export interface Capabilities {
  readonly models: VisibilityByName;
  readonly servers: VisibilityByName;
  readonly tools: Readonly<Record<string, VisibilityByName>>;
  readonly toolsets: Readonly<Record<string, VisibilityByName>>;
  readonly agents: VisibilityByName;
}

/** What tools belong to: an MCP server or a toolset, by its name in policies. A server's prompts are asked about like its tools. */
export type ToolOwner =
  { readonly server: string; readonly list?: "tools" | "prompts" } | { readonly toolset: string };

/** Options of questions about what may be used, which decide nothing. */
export interface LookUpOptions {
  readonly signal?: AbortSignal;
  /** How the operator classifies the tools; policies read it as `R.attr.effect`. */
  readonly effects?: Readonly<Record<string, ToolEffect>>;
}

/** An object without a prototype, so that a tool named `constructor` is only a name. */
function byName<T>(entries: Iterable<readonly [string, T]>): Readonly<Record<string, T>> {
  const result = Object.create(null) as Record<string, T>;
  for (const [name, value] of entries) result[name] = value;
  return Object.freeze(result);
}

export class VisibilityReader {
  constructor(
    private readonly session: SessionContext,
    private readonly options: LookUpOptions,
    /** Ends the look-up with the denial; never returns. */
    private readonly refuse: (denied: DenyDecision) => never,
  ) {}

  /** A name outside the grammar is hidden without asking. */
  async tools(owner: ToolOwner, names: readonly string[]): Promise<VisibilityByName> {
    const isServer = "server" in owner;
    const name = isServer ? owner.server : owner.toolset;
    const kind = isServer ? `mcp_${name}` : `tool_${name}`;
    const prefix = isServer && owner.list === "prompts" ? "prompts/get/" : "tools/call/";
    const { effects = {} } = this.options;
    // The actions of one resource share its attributes, so tools are asked about by effect.
    const groups = new Map<ToolEffect | undefined, Set<string>>();
    for (const tool of isKindPart(name) ? names.filter(isToolName) : []) {
      const effect = Object.hasOwn(effects, tool) ? effects[tool] : undefined;
      groups.set(effect, (groups.get(effect) ?? new Set()).add(`${prefix}${tool}`));
    }
    const questions = [...groups].map(([effect, actions]) => {
      const attr = { [isServer ? "server" : "toolset"]: name, ...(effect && { effect }) };
      return { kind, id: name, attr, actions: [...actions], plan: true };
    });
    const answers = await this.#lookUp({ kind, name, action: `${prefix}*` }, questions);
    const seen = new Map(answers.flatMap((answer) => [...answer]));
    return byName(names.map((tool) => [tool, seen.get(`${prefix}${tool}`) ?? "never"]));
  }

  /** Whether a model may be shown: the action `list` on it, and on all that its name stands for. */
  async models(ids: readonly string[]): Promise<VisibilityByName> {
    const { models: aliases, modelFacts } = this.session.guard;
    const names = new Map(ids.map((id) => [id, aliases.namesOf(id) ?? []]));
    const seen = await this.#each([...names.values()].flat(), isModelId, "llm_model", "list", (id) => {
      // Where it would run is not known here, so that only what is known of it everywhere is said.
      const facts = factsOf(modelFacts, aliases.namesOf(id)?.at(-1) ?? id, undefined);
      return { kind: "llm_model", id, attr: modelAttributes(facts), plan: false };
    });
    return byName([...names].map(([id, all]) => [id, least(all.map((name) => seen[name] ?? "never"))]));
  }

  async servers(names: readonly string[]): Promise<VisibilityByName> {
    return this.#each(names, isKindPart, "mcp_*", "initialize", (name) => {
      return { kind: `mcp_${name}`, id: name, attr: { server: name }, plan: true };
    });
  }

  async agents(names: readonly string[]): Promise<VisibilityByName> {
    return this.#each(names, isKindPart, "a2a_*", "message/send", (name) => {
      return { kind: `a2a_${name}`, id: name, attr: { agent: name }, plan: true };
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

  /** One question a name, all of them on one record. */
  async #each(
    names: readonly string[],
    isAskable: (name: string) => boolean,
    kind: string,
    action: string,
    question: (name: string) => Omit<Question, "actions">,
  ): Promise<VisibilityByName> {
    const askable = [...new Set(names)].filter(isAskable);
    const questions = askable.map((name) => ({ ...question(name), actions: [action] }));
    const label = { kind, name: askable.length === 1 ? String(askable[0]) : "*", action };
    const answers = await this.#lookUp(label, questions);
    const seen = new Map(askable.map((name, index) => [name, answers[index]?.get(action)]));
    return byName(names.map((name) => [name, seen.get(name) ?? "never"]));
  }

  async #lookUp(label: Denial["hop"], questions: readonly Question[]): Promise<readonly Answer[]> {
    if (questions.length === 0) return [];
    const seen = await lookUp(this.session, label, questions, this.options.signal);
    return "effect" in seen ? this.refuse(seen) : seen;
  }
}
