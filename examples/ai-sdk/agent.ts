import { createOpenAI } from "@ai-sdk/openai";
import { generateText, isStepCount, type ModelMessage, type PrepareStepFunction } from "ai";
import type { Session } from "hopguard";
import { guardProvider, guardTools, hopguardApproval } from "hopguard/ai-sdk";
import type { Stage } from "./stage";

/** An ordinary agent of the AI SDK. What hopguard adds are the provider, the tools, and whom to ask for approval. */
export function refundAgent({ provider, deskTools }: Stage, session: Session) {
  const openai = guardProvider(createOpenAI({ apiKey: "none", baseURL: provider.openaiBaseURL }), session, {
    tools: deskTools.origins,
  });
  const tools = guardTools(deskTools.tools, session, { tools: deskTools.origins });
  const common = { model: openai.chat("gpt-4o"), tools, stopWhen: isStepCount(4) };
  return {
    openai,
    work: (prompt: string, prepareStep?: PrepareStepFunction<typeof tools>) =>
      generateText({ ...common, prompt, ...(prepareStep && { prepareStep }) }),
    /** The same, for an application in which somebody sits who can be asked. */
    workWithApproval: (messages: ModelMessage[]) =>
      generateText({ ...common, messages, toolApproval: hopguardApproval() }),
  };
}
