import { createMiddleware, type AgentMiddleware } from "langchain";
import { ConfigurationError } from "../../core/errors";
import type { Session } from "../../core/session";
import { AgentModels } from "./agent-models";
import { guardTool, isLangChainTool } from "./guarded-tool";
import { readToolCheckOptions, type ToolCheckOptions } from "./options";
import { toolGuard } from "./tool-guard";

const CALLER = "hopguardMiddleware";

/** Options of {@link hopguardMiddleware}. */
export type HopguardMiddlewareOptions = ToolCheckOptions;

/**
 * Guards an agent of LangChain 1: its model calls, the tools that its model sees, and the calls of tools. Put it last in the list of middleware: what a
 * later one makes of a model call is seen by a guarded `fetch` alone.
 *
 * A denied model call rejects, with the denial as its cause (`findDenial`). A denied tool is a `ToolMessage` with the status `"error"`, which has the
 * denial as its `artifact`.
 *
 * @throws {ConfigurationError} naming the wrong option, and for a LangChain that would run tools past the guard.
 */
export function hopguardMiddleware(session: Session, options: HopguardMiddlewareOptions): AgentMiddleware {
  const guard = toolGuard(CALLER, session, options);
  const models = new AgentModels(CALLER, session, guard.calls, readToolCheckOptions(CALLER, options));

  const middleware = createMiddleware({
    name: "hopguard",
    wrapModelCall: (request, handler) => models.run(request, handler),
    wrapToolCall: async (request, handler) => {
      const { tool, toolCall, runtime } = request;
      if (isLangChainTool(tool)) return handler({ ...request, tool: guardTool(tool, guard) });
      // No tool of the agent's: the model has made it up, or a later middleware brings it along, with a schema that is not seen here.
      const { name, args, id = "" } = toolCall;
      const call = {
        name,
        arguments: args,
        schema: undefined,
        id,
        signal: runtime.signal,
        interrupt: runtime.interrupt,
      };
      return (await guard.calls.run(call, (input) =>
        handler({ ...request, toolCall: { ...toolCall, args: input as typeof args } }),
      )) as Awaited<ReturnType<typeof handler>>;
    },
  });
  // LangChain 1.4.4 has brought this along. Before 1.2.14 it ran the tool that is registered, whichever the request names.
  if (!("streamTransformers" in middleware)) throw new ConfigurationError(UNSUPPORTED);
  return Object.freeze(middleware) as AgentMiddleware;
}

const UNSUPPORTED = `${CALLER}: this version of langchain is older than 1.4.4, with which it is tested; HopguardCallbackHandler guards agents of all 1.x`;
