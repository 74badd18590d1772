import * as anthropic from "@anthropic-ai/sdk";
import * as anthropicV0 from "anthropic-v0";
import { findDenial, type Denial } from "hopguard";
import * as openai from "openai";
import * as openaiV6 from "openai-v6";
import { expect } from "vitest";
import { fixture } from "./fixtures";

const oldest = fixture("oldest-sdks");

/** All versions are called alike, so that one test serves them, typed by the newest. */
const openaiLine = (line: string, module: unknown) => {
  const { OpenAI, AzureOpenAI, PermissionDeniedError } = module as typeof openai;
  return { line, OpenAI, AzureOpenAI, PermissionDenied: PermissionDeniedError };
};
const anthropicLine = (line: string, module: unknown, { hasMiddleware = true } = {}) => ({
  line,
  Anthropic: (module as typeof anthropic).Anthropic,
  hasMiddleware,
});

/** The oldest and the newest of each line of the SDK. */
export const openaiLines = [
  openaiLine("openai 6.0", oldest("openai-6")),
  openaiLine("openai 6", openaiV6),
  openaiLine("openai 7.0", oldest("openai-7")),
  openaiLine("openai 7", openai),
];

export const anthropicLines = [
  anthropicLine("@anthropic-ai/sdk 0.52", oldest("anthropic-0"), { hasMiddleware: false }),
  anthropicLine("@anthropic-ai/sdk 0.137", anthropicV0),
  anthropicLine("@anthropic-ai/sdk 1.0", oldest("anthropic-1")),
  anthropicLine("@anthropic-ai/sdk 1", anthropic),
];

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
