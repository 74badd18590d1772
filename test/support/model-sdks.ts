import Anthropic from "@anthropic-ai/sdk";
import AnthropicV0 from "anthropic-v0";
import OpenAI, { AzureOpenAI, PermissionDeniedError } from "openai";
import OpenAIv6, {
  AzureOpenAI as AzureOpenAIv6,
  PermissionDeniedError as PermissionDeniedErrorV6,
} from "openai-v6";
import { findDenial, type Denial } from "hopguard";
import { expect } from "vitest";

/** Both lines of each SDK are called alike, so that one test serves them, typed by the newer. */
export const openaiLines = [
  {
    line: "openai 6",
    OpenAI: OpenAIv6 as unknown as typeof OpenAI,
    AzureOpenAI: AzureOpenAIv6 as unknown as typeof AzureOpenAI,
    PermissionDenied: PermissionDeniedErrorV6 as unknown as typeof PermissionDeniedError,
  },
  { line: "openai 7", OpenAI, AzureOpenAI, PermissionDenied: PermissionDeniedError },
] as const;

export const anthropicLines = [
  { line: "@anthropic-ai/sdk 0.137", Anthropic: AnthropicV0 as unknown as typeof Anthropic },
  { line: "@anthropic-ai/sdk 1", Anthropic },
] as const;

/** What the call was rejected with; fails when it was not. */
export async function rejection(call: PromiseLike<unknown>): Promise<unknown> {
  return Promise.resolve(call).then(
    (value) => expect.fail(`expected a rejection, and not ${JSON.stringify(value)}`),
    (error: unknown) => error,
  );
}

/** The denial in what the call was rejected with; fails when there is none. */
export async function denialOf(call: PromiseLike<unknown>): Promise<Denial> {
  const error = await rejection(call);
  return findDenial(error) ?? expect.fail(`expected a denial, and not ${String(error)}`);
}
