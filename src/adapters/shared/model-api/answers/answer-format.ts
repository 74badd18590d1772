import { isJsonObject, type JsonObject } from "../../../../core/json";
import type { ModelApi } from "../routes";

/** What an endpoint answers with, as far as tool calls can stand in it. `binary` is the event stream of Amazon Bedrock. */
export type AnswerFormat = "chat" | "responses" | "messages" | "binary";

/** Whether a request wants its answer as JSON: chat completions and Responses say so in places of their own. */
export function asksForJson({ response_format: given, text }: JsonObject): boolean {
  const format = given ?? (isJsonObject(text ?? null) ? (text as JsonObject).format : undefined) ?? null;
  return isJsonObject(format) && (format.type === "json_schema" || format.type === "json_object");
}

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
