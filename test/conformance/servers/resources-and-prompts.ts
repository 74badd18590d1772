import { ResourceTemplate, type GetPromptResult, type McpServer } from "@modelcontextprotocol/server";
import * as z from "zod";
import { PNG } from "./media";

const user = (...contents: readonly GetPromptResult["messages"][number]["content"][]): GetPromptResult => ({
  messages: contents.map((content) => ({ role: "user", content })),
});

const text = (words: string) => ({ type: "text", text: words }) as const;

export function registerResources(server: McpServer): void {
  const register = (
    name: string,
    uri: string,
    content: { readonly text: string } | { readonly blob: string },
  ) => {
    const mimeType = "text" in content ? "text/plain" : "image/png";
    const metadata = { title: name, description: `The resource ${name}`, mimeType };
    server.registerResource(name, uri, metadata, () => ({ contents: [{ uri, mimeType, ...content }] }));
  };
  register("static-text", "test://static-text", { text: "This is the content of the static text resource." });
  register("static-binary", "test://static-binary", { blob: PNG });
  register("watched-resource", "test://watched-resource", { text: "Watched resource content" });

  server.registerResource(
    "template",
    new ResourceTemplate("test://template/{id}/data", { list: undefined }),
    { title: "template", description: "A resource for each id", mimeType: "application/json" },
    (uri, { id }) => {
      const data = { id, templateTest: true, data: `Data for ID: ${String(id)}` };
      return {
        contents: [{ uri: uri.toString(), mimeType: "application/json", text: JSON.stringify(data) }],
      };
    },
  );

  server.server.setRequestHandler("resources/subscribe", () => ({}));
  server.server.setRequestHandler("resources/unsubscribe", () => ({}));
}

export function registerPrompts(server: McpServer): void {
  server.registerPrompt("test_simple_prompt", { description: "Without arguments" }, () =>
    user(text("This is a simple prompt for testing.")),
  );
  server.registerPrompt(
    "test_prompt_with_arguments",
    {
      description: "With required arguments",
      argsSchema: z.object({ arg1: z.string().describe("First"), arg2: z.string().describe("Second") }),
    },
    ({ arg1, arg2 }) => user(text(`Prompt with arguments: arg1='${arg1}', arg2='${arg2}'`)),
  );
  server.registerPrompt(
    "test_prompt_with_embedded_resource",
    { description: "With a resource", argsSchema: z.object({ resourceUri: z.string().describe("Which") }) },
    ({ resourceUri: uri }) =>
      user(
        {
          type: "resource",
          resource: { uri, mimeType: "text/plain", text: "Embedded resource content for testing." },
        },
        text("Please process the embedded resource above."),
      ),
  );
  server.registerPrompt("test_prompt_with_image", { description: "With an image" }, () =>
    user({ type: "image", data: PNG, mimeType: "image/png" }, text("Please analyze the image above.")),
  );
}
