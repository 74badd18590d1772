import { denialError } from "../../core/errors";
import type { Denial } from "../../core/denial";
import type { Session } from "../../core/session";
import { AgentTools } from "../shared/agent-tools/agent-tools";
import { assertSession } from "../shared/assert-session";
import { guardFetch } from "../fetch/guard-fetch";
import { builtInSchema } from "./built-in-tools";
import { guardedCanUseTool } from "./can-use-tool";
import { DeclaredSchemas } from "./declared-schemas";
import { guardedHooks } from "./hooks";
import { installedVersion } from "./installed-version";
import { openModelDoor, type ModelDoor } from "./model-door";
import { openServers } from "./open-servers";
import { readOptions, type GuardQueryOptions, type Settings } from "./options";
import { throughDoor, upstreamOf, withoutDetours, type ProcessEnv } from "./process-env";
import { assertGuardable } from "./refused-options";
import type { CanUseTool, QueryOptions } from "./sdk-types";
import { ToolDecisions } from "./tool-decisions";
import { assertServerNames, toolOrigins } from "./tool-origins";
import { assertTestedVersion } from "./version";

/** What {@link guardQueryOptions} makes. */
export interface GuardedQuery<Options extends QueryOptions = QueryOptions> extends AsyncDisposable {
  /** For `query`, and for one run of it. */
  readonly options: Options & { readonly abortController: AbortController; readonly env: ProcessEnv };
  /** Why servers of `mcpServers` were left out. */
  readonly denials: readonly Denial[];
  /** Ends what was begun for this run. Call it when the run is over. */
  readonly close: () => Promise<void>;
}

/**
 * Guards one run of a Claude agent: every call of a tool, built-in or of an MCP server, of the agent or of one that it hands work to, is decided in a hook
 * before it runs, and every model call at a door on loopback. MCP servers that may not be opened are left out.
 *
 * A denied call is a result that the model reads. Where authority is withdrawn while a tool runs, the run is aborted with the denial as the signal's reason.
 *
 * @throws {ConfigurationError} naming the wrong option, or one that could lead past the guard.
 */
export async function guardQueryOptions<Options extends QueryOptions>(
  options: Options,
  session: Session,
  guard: GuardQueryOptions = {},
): Promise<GuardedQuery<Options>> {
  assertSession("guardQueryOptions", session);
  const settings = readOptions(guard);
  assertTestedVersion(installedVersion());
  assertGuardable(options, settings.admit);
  const { mcpServers = {}, env = process.env } = options;
  assertServerNames(Object.keys(mcpServers));

  // The run's own: the user's may be that of other runs, which go on when this one's authority is withdrawn.
  const abortController = new AbortController();
  const given = options.abortController?.signal;
  const { opened, denials } = await openServers(session, mcpServers, given ?? abortController.signal);
  const originOf = toolOrigins(new Set(Object.keys(opened)), settings.toolset, settings.tools);
  const { untyped, deadlineMs, onDenial } = settings;
  const tools = new AgentTools("guardQueryOptions", session, { tools: originOf, untyped });
  const schemas = new DeclaredSchemas();
  const decisions = new ToolDecisions(tools, {
    schemaOf: (name) => builtInSchema(name) ?? schemas.of(name),
    withdraw: (denial) => abortController.abort(denialError(denial)),
    ...{ deadlineMs, onDenial, aborted: abortController.signal },
  });
  const door = await openDoor(session, settings, env, originOf, schemas);
  const canUseTool = options.canUseTool as CanUseTool | undefined;
  const follow = (): void => abortController.abort(given?.reason);
  if (given?.aborted) follow();
  else given?.addEventListener("abort", follow, { once: true });
  const close = async (): Promise<void> => {
    given?.removeEventListener("abort", follow);
    decisions.close();
    await door?.close();
  };
  return {
    options: {
      ...options,
      // Left out, or undefined, it would be all of them.
      settingSources: options.settingSources ?? [],
      // Else what stands in a prompt reads files, and gets prompts from MCP servers, before any hook.
      verbatimPrompts: options.verbatimPrompts ?? true,
      abortController,
      mcpServers: opened,
      // Servers that files name would be opened undecided.
      strictMcpConfig: true,
      env: withoutDetours(door ? throughDoor(env, door) : env, {
        plugins: settings.admit.includes("plugins"),
      }),
      hooks: guardedHooks(options.hooks, decisions, { asksPerson: canUseTool !== undefined, deadlineMs }),
      ...(canUseTool && { canUseTool: guardedCanUseTool(canUseTool, decisions) }),
    },
    denials,
    close,
    [Symbol.asyncDispose]: close,
  };
}

async function openDoor(
  session: Session,
  { models }: Settings,
  env: NonNullable<QueryOptions["env"]>,
  tools: ReturnType<typeof toolOrigins>,
  schemas: DeclaredSchemas,
): Promise<ModelDoor | undefined> {
  if (models === "unguarded") return undefined;
  const upstream = upstreamOf(env);
  const fetch = guardFetch(session, {
    // The hook decides the calls of an answer, and tells the model in Claude's own way.
    answers: "pass",
    ...models,
    ...{ tools, api: "anthropic", baseURL: upstream.baseURL },
  });
  return openModelDoor({ upstream, fetch, onBody: (body) => schemas.read(body) });
}
