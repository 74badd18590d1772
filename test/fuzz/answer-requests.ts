import { ANTHROPIC } from "./anthropic-requests";
import { DELETE_PARAMETERS, ORIGINS } from "./answer-oracle";
import type { Exchange } from "./answer-plans";
import type { Format } from "./answer-calls";
import type { Draft } from "./carriers";
import type { Provider } from "./model-oracle";
import { post } from "./model-requests";
import { CALL_HEADER } from "./model-upstream";
import { OPENAI } from "./openai-requests";

/** Who answers in which format. */
export const PROVIDERS: Readonly<Record<Format, Provider>> = {
  chat: OPENAI,
  responses: OPENAI,
  messages: ANTHROPIC,
};

const TOOL_NAMES = Object.keys(ORIGINS);
const parametersOf = (name: string): object => (name === "delete" ? { parameters: DELETE_PARAMETERS } : {});

const BODIES: Readonly<Record<Format, { readonly path: string; readonly body: object }>> = {
  chat: {
    path: "/chat/completions",
    body: {
      model: "gpt-4o",
      messages: [{ role: "user", content: "Hello" }],
      tools: TOOL_NAMES.map((name) => ({ type: "function", function: { name, ...parametersOf(name) } })),
    },
  },
  responses: {
    path: "/responses",
    body: {
      model: "gpt-4o",
      input: "Hello",
      tools: TOOL_NAMES.map((name) => ({ type: "function", name, ...parametersOf(name) })),
    },
  },
  messages: {
    path: "/messages",
    body: {
      model: "claude-haiku",
      max_tokens: 10,
      messages: [{ role: "user", content: "Hello" }],
      tools: TOOL_NAMES.map((name) => ({
        name,
        ...(name === "delete" && { input_schema: DELETE_PARAMETERS }),
      })),
    },
  },
};

/** A request that says which of the exchanges it is. */
export function requestOf({ format, isStreamed }: Exchange, index: number): Pick<Draft, "url"> & RequestInit {
  const { path, body } = BODIES[format];
  const {
    url,
    headers,
    body: sent,
    ...init
  } = post(PROVIDERS[format].baseURL + path, { ...body, stream: isStreamed });
  const tagged = [...headers, [CALL_HEADER, String(index)] as const].map(
    ([name, value]): [string, string] => [name, value],
  );
  return { ...init, url, headers: tagged, ...(sent && "text" in sent && { body: sent.text }) };
}
