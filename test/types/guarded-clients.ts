/**
 * Compiled by `tsc`, never run: a guard gives back the type that it was given, whichever copy and line of an SDK it comes from.
 */
import Anthropic from "@anthropic-ai/sdk";
import AnthropicV0 from "anthropic-v0";
import type { Denial, Guard, Session } from "hopguard";
import { guardAnthropic } from "hopguard/anthropic";
import { guardFetch } from "hopguard/fetch";
import { guardOpenAI } from "hopguard/openai";
import { guardTools, type GuardToolsOptions } from "hopguard/tools";
import OpenAI, { AzureOpenAI, BedrockOpenAI } from "openai";
import OpenAIv6, { AzureOpenAI as AzureOpenAIv6 } from "openai-v6";
import { expectTypeOf } from "vitest";
import { z } from "zod";

declare const session: Session;

expectTypeOf(guardOpenAI(new OpenAI(), session)).toEqualTypeOf<OpenAI>();
expectTypeOf(guardOpenAI(new OpenAIv6(), session, { hiddenTools: "deny" })).toEqualTypeOf<OpenAIv6>();
expectTypeOf(guardOpenAI(new AzureOpenAI(), session)).toEqualTypeOf<AzureOpenAI>();
expectTypeOf(guardOpenAI(new AzureOpenAIv6(), session)).toEqualTypeOf<AzureOpenAIv6>();
expectTypeOf(guardOpenAI(new BedrockOpenAI(), session)).toEqualTypeOf<BedrockOpenAI>();
expectTypeOf(guardAnthropic(new Anthropic(), session)).toEqualTypeOf<Anthropic>();
expectTypeOf(guardAnthropic(new AnthropicV0(), session)).toEqualTypeOf<AnthropicV0>();

// A subclass keeps what it adds, and a method its overloads.
class Traced extends OpenAI {
  readonly trace: string[] = [];
}
expectTypeOf(guardOpenAI(new Traced(), session).trace).toEqualTypeOf<string[]>();
const { completions } = guardOpenAI(new OpenAI(), session).chat;
const body = { model: "gpt-4o-mini", messages: [{ role: "user" as const, content: "Hello" }] };
expectTypeOf((await completions.create(body)).choices).toEqualTypeOf<OpenAI.ChatCompletion.Choice[]>();
for await (const { choices } of await completions.create({ ...body, stream: true })) {
  expectTypeOf(choices).toEqualTypeOf<OpenAI.ChatCompletionChunk.Choice[]>();
}

// @ts-expect-error -- what is no client
guardOpenAI({}, session);
// @ts-expect-error -- a session that nobody awaited
guardOpenAI(new OpenAI(), Promise.resolve(session));
// @ts-expect-error -- a misspelt option
guardOpenAI(new OpenAI(), session, { hiddentools: "deny" });
// @ts-expect-error -- a tool belongs to a server or a toolset, and not to both
guardAnthropic(new Anthropic(), session, { tools: { refund: { server: "payments", toolset: "desk" } } });

// An SDK that takes a fetch takes the guarded one.
const fetch = guardFetch(session, { baseURL: "https://api.openai.com/v1" });
export const clients = [
  new OpenAI({ fetch }),
  new OpenAIv6({ fetch }),
  new Anthropic({ fetch }),
  new AnthropicV0({ fetch }),
];

// Tools keep their shape; what they answer comes as a promise.
const tools = {
  add: ({ a, b }: { a: number; b: number }) => a + b,
  refund: {
    description: "Refunds a payment",
    inputSchema: z.object({ amount_cents: z.number() }),
    execute: ({ amount_cents }: { amount_cents: number }, context: { toolCallId: string }) =>
      Promise.resolve(`${amount_cents} ${context.toolCallId}`),
  },
};
const guarded = guardTools(tools, session, { toolset: "desk" });
expectTypeOf(guarded.add).toEqualTypeOf<(args: { a: number; b: number }) => Promise<number>>();
expectTypeOf(guarded.refund.execute).toEqualTypeOf<typeof tools.refund.execute>();
expectTypeOf(guarded.refund.description).toEqualTypeOf<string>();
const returning = guardTools(tools, session, { toolset: "desk", denials: "return" });
expectTypeOf(await returning.add({ a: 1, b: 2 })).toEqualTypeOf<number | Denial>();
declare const unknownMode: GuardToolsOptions;
expectTypeOf(await guardTools(tools, session, unknownMode).add({ a: 1, b: 2 })).toEqualTypeOf<
  number | Denial
>();
// @ts-expect-error -- an object without a function to run
guardTools({ refund: { description: "Refunds a payment", execute: "now" } }, session, { toolset: "desk" });
// @ts-expect-error -- the toolset's name is what policies know it by
guardTools({ add: () => 1 }, session, {});

// What was delegated can be revoked by its name, which a session of one's own has not.
declare const guard: Guard;
const executor = await session.delegate({ to: "executor", authorization_details: [], expiresIn: 60 });
await guard.revoke({ delegation: executor.delegation });
// @ts-expect-error -- it may have none
await guard.revoke({ delegation: session.delegation });
