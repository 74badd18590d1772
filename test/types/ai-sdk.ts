/**
 * Compiled by `tsc`, never run: what is guarded keeps its type, the AI SDK takes it, and an approval that is misspelt is none.
 */
import { createOpenAI, type OpenAIProvider } from "@ai-sdk/openai";
import { generateText, streamText, tool, ToolLoopAgent, wrapEmbeddingModel, wrapLanguageModel } from "ai";
import type { Session } from "hopguard";
import {
  guardProvider,
  guardTools,
  hopguardApproval,
  hopguardEmbeddingMiddleware,
  hopguardImageMiddleware,
  hopguardMiddleware,
  noModelsByName,
  type ApprovalStatus,
} from "hopguard/ai-sdk";
import { guardFetch } from "hopguard/fetch";
import { expectTypeOf } from "vitest";
import { z } from "zod";

declare const session: Session;

const openai = guardProvider(createOpenAI(), session, { tools: { refund: { toolset: "desk" } } });
expectTypeOf(openai).toEqualTypeOf<OpenAIProvider>();
globalThis.AI_SDK_DEFAULT_PROVIDER = openai;
globalThis.AI_SDK_DEFAULT_PROVIDER = noModelsByName;
createOpenAI({ fetch: guardFetch(session, { baseURL: "https://api.openai.com/v1" }) });

const model = wrapLanguageModel({ model: createOpenAI()("gpt-4o"), middleware: hopguardMiddleware(session) });
wrapEmbeddingModel({
  model: createOpenAI().embeddingModel("text-embedding-3-small"),
  middleware: hopguardEmbeddingMiddleware(session),
});
export const imageMiddleware = hopguardImageMiddleware(session);

const own = {
  refund: tool({
    inputSchema: z.object({ amount_cents: z.number() }),
    execute: ({ amount_cents }) => ({ refunded: amount_cents }),
  }),
};
const tools = guardTools(own, session, { toolset: "desk", stepUp: "ask" });
expectTypeOf(tools).toEqualTypeOf<typeof own>();
const { toolResults } = await generateText({ model, tools, prompt: "", toolApproval: hopguardApproval() });
for (const result of toolResults) {
  if (!result.dynamic) expectTypeOf(result.output).toEqualTypeOf<{ refunded: number }>();
}
streamText({
  ...{ model, tools, prompt: "" },
  toolApproval: hopguardApproval(({ toolCall }) =>
    toolCall.toolName === "refund" ? "user-approval" : undefined,
  ),
});
new ToolLoopAgent({ model, tools, toolApproval: hopguardApproval() });

// @ts-expect-error -- a status that is misspelt
hopguardApproval(() => "deny");
// @ts-expect-error -- likewise
hopguardApproval(() => ({ type: "reject" }));
// @ts-expect-error -- likewise
export const status: ApprovalStatus = "Denied";
// @ts-expect-error -- nobody says where the tools belong to whom
guardTools(own, session, { toolSet: "desk" });
// @ts-expect-error -- what is read in answers is seen at fetch only
hopguardMiddleware(session, { answers: "check" });
