import { ConfigurationError } from "../../core/errors";
import type { Session } from "../../core/session";
import { guardOpenAI } from "../openai/guard-openai";
import { parseModelGuardOptions } from "../shared/model-api/options";
import { DecidedModel } from "./decided-model";
import type { Framework, SdkModel, SdkModelProvider } from "./framework";
import { isClient, type Settings } from "./options";

/** Looks up models, guarded on behalf of one session. */
export type ModelSource = (name: string | undefined) => Promise<SdkModel>;

/** @throws {ConfigurationError} naming the wrong option. */
export function modelSource(
  { OpenAIProvider }: Framework,
  session: Session,
  { models, api, modelOptions }: Settings,
): ModelSource {
  if (isClient(models)) {
    const provider = new OpenAIProvider({
      openAIClient: guardOpenAI(models, session, modelOptions),
      ...(api && { useResponses: api === "responses" }),
      // A global switch of the SDK turns them on, and nothing that is said over a WebSocket can be seen.
      useResponsesWebSocket: false,
    });
    return async (name) => (await provider.getModel(name)) as SdkModel;
  }
  if (api !== undefined) {
    throw new ConfigurationError("guardAgent.api: only a client of openai is used with one API or another");
  }
  const guard = parseModelGuardOptions("guardAgent.modelOptions", "openai", {
    provider: "custom",
    ...modelOptions,
  });
  const provider: SdkModelProvider = models;
  return async (name) => {
    if (name === undefined) {
      throw new ConfigurationError(
        "guardAgent.models: an agent names no model, and no policy could be asked",
      );
    }
    return new DecidedModel((await provider.getModel(name)) as SdkModel, name, session, guard);
  };
}
