import { ConfigurationError } from "../../core/errors";
import { isKindPart } from "../../core/names";
import type { Session } from "../../core/session";
import { AgentTools } from "../shared/agent-tools/agent-tools";
import type { AgentToolsOptions } from "../shared/agent-tools/options";
import type { ToolOrigin } from "../shared/model-api/options";
import { checkTogether } from "../shared/joint-decision";
import type { FunctionTool, SdkMcpServer, SdkTool } from "./framework";

/** A tool of a server as the model sees it, and what decides its calls. */
export interface ServerTool {
  readonly tool: FunctionTool;
  readonly tools: AgentTools;
  /** What it was when it was listed: the server may give its name to another. */
  readonly origin: ToolOrigin;
}

/** A tool as its server lists it. */
interface ListedTool {
  readonly name: string;
  readonly inputSchema?: object;
}

/** One MCP server of an agent, on the authority of one session. */
export class GuardedServer {
  /** For the agent's `mcpServers`: opening it is decided first. */
  readonly server: SdkMcpServer;
  readonly #origins = new Map<string, ToolOrigin>();
  /** By the server's own names. The first counts: one that a server lists later does not widen what its tool takes. */
  readonly #schemas = new Map<string, object>();
  readonly #said: (tool: string) => ToolOrigin | undefined;
  readonly #tools: AgentTools;
  #isOpen = false;
  #mayBeListed = false;
  #isHidden = false;

  constructor(
    private readonly given: SdkMcpServer,
    private readonly name: string,
    private readonly session: Session,
    options: AgentToolsOptions,
  ) {
    const { tools, untyped } = options;
    const own = (tool: string): ToolOrigin | undefined =>
      typeof tools === "function"
        ? tools(tool)
        : tools && Object.hasOwn(tools, tool)
          ? tools[tool]
          : undefined;
    this.#said = own;
    this.#tools = new AgentTools("guardAgent", session, {
      tools: (tool) => this.#origins.get(tool),
      ...(untyped !== undefined && { untyped }),
    });
    this.server = overlay(given, {
      connect: async () => {
        const allowed = await session.authorize({ kind: `mcp_${this.name}`, action: "initialize" });
        this.#isOpen = true;
        try {
          await given.connect();
          allowed.settle("done");
        } catch (error) {
          allowed.settle("failed");
          throw error;
        }
      },
    });
  }

  /**
   * Its tools, listed by the SDK for a view of the server. None, where the server may not be opened or listed.
   *
   * @param list lists the tools of the server that it is given.
   */
  async list(list: (server: SdkMcpServer) => Promise<readonly SdkTool[]>): Promise<readonly ServerTool[]> {
    if (!(await this.#mayList())) return [];
    const { given } = this;
    const shown: ListedTool[] = [];
    const view = overlay(given, {
      // The SDK keeps its lists by the server's name, for all who have one of that name.
      cacheToolsList: false,
      // It asks for one tool after the other, in their order, which the tools that it makes of them keep.
      toolFilter: async (context: unknown, tool: ListedTool) => {
        const passes = await passesFilter(given.toolFilter, context, tool);
        if (passes) shown.push(tool);
        return passes;
      },
    });
    const listed = (await list(view)) as readonly FunctionTool[];
    if (listed.length !== shown.length) throw new Error(`the tools of ${this.name} cannot be told apart`);
    return listed.map((tool, index) => {
      const { name, inputSchema = {} }: ListedTool = shown[index] ?? tool;
      // The SDK's own admits members that the server's does not, unless it is made strict.
      const schema = this.#schemas.get(name) ?? (tool.strict ? (tool.parameters as object) : inputSchema);
      this.#schemas.set(name, schema);
      const origin = this.#origin(tool.name, { server: this.name, tool: name, schema });
      this.#origins.set(tool.name, origin);
      return { tool, tools: this.#tools, origin };
    });
  }

  /** The operator's word on a tool of this server holds; on one of another, it is about another tool of that name. */
  #origin(name: string, origin: ToolOrigin): ToolOrigin {
    const said = this.#said(name);
    return said?.server === this.name ? ({ ...origin, ...said } as ToolOrigin) : origin;
  }

  async #mayList(): Promise<boolean> {
    if (this.#mayBeListed) return true;
    const actions = this.#isOpen ? ["tools/list"] : ["initialize", "tools/list"];
    // On every turn the runner lists all servers: one that is hidden is not refused again each time.
    const options = { lookUp: this.#isHidden };
    const decision = await checkTogether(
      this.session,
      actions.map((action) => ({ hop: { kind: `mcp_${this.name}`, action }, options })),
    );
    const wasHidden = this.#isHidden;
    this.#isHidden = decision?.effect !== "allow";
    if (decision?.effect !== "allow") return false;
    if (wasHidden) return this.#mayList();
    decision.settle("done");
    this.#mayBeListed = true;
    return true;
  }
}

/** @throws {ConfigurationError} where neither the option nor the server's name says what policies call it. */
export function serverName(server: SdkMcpServer, names: ReadonlyMap<string, string>): string {
  const name = names.get(server.name) ?? server.name;
  if (isKindPart(name)) return name;
  throw new ConfigurationError(
    `guardAgent.mcpServers: say what policies call the server "${server.name}": { ${JSON.stringify(server.name)}: "…" }, of a-z, 0-9 and _`,
  );
}

async function passesFilter(
  filter: unknown,
  context: unknown,
  tool: { readonly name: string },
): Promise<boolean> {
  if (typeof filter === "function")
    return Boolean(await (filter as (...args: unknown[]) => unknown)(context, tool));
  const { allowedToolNames = [], blockedToolNames = [] } = (filter ?? {}) as Readonly<
    Record<string, readonly string[]>
  >;
  const isAllowed = allowedToolNames.length === 0 || allowedToolNames.includes(tool.name);
  return isAllowed && !blockedToolNames.includes(tool.name);
}

/** The same server with other members in a few places. Its own methods run on itself: what is private to it is in no copy. */
function overlay(server: SdkMcpServer, members: Readonly<Record<string, unknown>>): SdkMcpServer {
  return new Proxy(server, {
    get(target, name) {
      if (typeof name === "string" && Object.hasOwn(members, name)) return members[name];
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === "function" ? (value.bind(target) as unknown) : value;
    },
  });
}
