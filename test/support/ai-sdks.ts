import * as ai from "ai";
import * as openai from "@ai-sdk/openai";
import { pathToFileURL } from "node:url";
import { fixture } from "./fixtures";

const older = fixture("ai-sdk");
const load = (name: string): Promise<unknown> => import(pathToFileURL(older.resolve(name)).href);

/** All versions are called alike, so that one test serves them, typed by the newest. */
const aiLine = (line: string, sdk: unknown, provider: unknown) => {
  // The oldest calls it experimental.
  const { experimental_generateImage } = sdk as {
    readonly experimental_generateImage?: typeof ai.generateImage;
  };
  return {
    line,
    ai: {
      ...(experimental_generateImage && { generateImage: experimental_generateImage }),
      ...(sdk as typeof ai),
    },
    createOpenAI: (provider as typeof openai).createOpenAI,
    /** Whether `toolApproval` is asked. */
    hasToolApproval: line.startsWith("ai 7"),
  };
};

/** Every part of a stream; the name is the one that all versions have. */
export function partsOf(result: object): AsyncIterable<StreamPart> {
  return Reflect.get(result, "fullStream") as AsyncIterable<StreamPart>;
}

interface StreamPart {
  readonly type: string;
  readonly error?: unknown;
  readonly output?: unknown;
  readonly preliminary?: boolean;
}

export type AiLine = ReturnType<typeof aiLine>;

/** The oldest and the newest of each line of the SDK, each with the provider of its time. */
export const aiLines: readonly AiLine[] = [
  aiLine("ai 6.0.0", await load("ai-6-oldest"), await load("openai-6-oldest")),
  aiLine("ai 6", await load("ai-6"), await load("openai-6")),
  aiLine("ai 7.0.0", await load("ai-7-oldest"), await load("openai-7-oldest")),
  aiLine("ai 7", ai, openai),
];

/** What the AI SDK opens MCP servers with, described by the part that is used. */
export const aiSdkMcp = (await load("@ai-sdk/mcp")) as {
  createMCPClient(config: { readonly transport: never }): Promise<{
    tools(): Promise<unknown>;
    close(): Promise<void>;
  }>;
};
