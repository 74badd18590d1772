import { createOpenAI } from "@ai-sdk/openai";
import { generateText, isStepCount, type ModelMessage, type PrepareStepFunction } from "ai";
import type { Session } from "hopguard";
import { guardProvider, guardTools, hopguardApproval } from "hopguard/ai-sdk";
import type { Stage } from "./stage";

const PEOPLE = {
  tier1: { id: "u-1042", roles: ["tier-1-support"] },
  tier2: { id: "u-2001", roles: ["tier-2-lead"] },
} as const;

/** The session of somebody at the desk whose agent works on ticket T-1001. */
export const sessionOf = ({ guard }: Stage, person: keyof typeof PEOPLE): Promise<Session> =>
  guard.session({
    principal: PEOPLE[person],
    agent: { id: "refund-bot", harness: "ai-sdk" },
    task: { id: "T-1001", attr: { ticket_id: "T-1001" } },
  });

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
