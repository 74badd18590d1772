import type { ModelApi } from "../routes";

/** What an endpoint answers with, as far as tool calls can stand in it. `binary` is the event stream of Amazon Bedrock. */
export type AnswerFormat = "chat" | "responses" | "messages" | "binary";

/** By the shape of the path, so that an endpoint which the option `endpoints` admits is read like the one it resembles. */
const FORMATS: Readonly<Record<ModelApi, readonly (readonly [RegExp, AnswerFormat])[]>> = {
  openai: [
    [/\/chat\/completions(?:\/[^/]+)?$/, "chat"],
    [/\/responses(?:\/[^/]+(?:\/cancel)?)?$/, "responses"],
  ],
  anthropic: [
    [/\/messages$|\/invoke$|:(?:rawPredict|streamRawPredict)$/, "messages"],
    [/\/invoke-with-response-stream$/, "binary"],
  ],
};

/** The format of an endpoint's answers; `undefined` where they hold no tool calls. */
export function answerFormat(api: ModelApi, { pathname }: URL): AnswerFormat | undefined {
  return FORMATS[api].find(([path]) => path.test(pathname))?.[1];
}
