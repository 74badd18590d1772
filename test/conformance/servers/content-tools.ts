import { fromJsonSchema, type CallToolResult, type McpServer } from "@modelcontextprotocol/server";
import { setTimeout as delay } from "node:timers/promises";
import { PNG, WAV } from "./media";

const text = (words: string): CallToolResult => ({ content: [{ type: "text", text: words }] });

const embedded = (uri: string, mimeType: string, words: string) =>
  ({ type: "resource", resource: { uri, mimeType, text: words } }) as const;

/** What each tool without arguments answers. */
const ANSWERS: Readonly<Record<string, CallToolResult>> = {
  test_simple_text: text("This is a simple text response for testing."),
  test_image_content: { content: [{ type: "image", data: PNG, mimeType: "image/png" }] },
  test_audio_content: { content: [{ type: "audio", data: WAV, mimeType: "audio/wav" }] },
  test_embedded_resource: {
    content: [embedded("test://embedded-resource", "text/plain", "This is an embedded resource content.")],
  },
  test_multiple_content_types: {
    content: [
      { type: "text", text: "Multiple content types test:" },
      { type: "image", data: PNG, mimeType: "image/png" },
      embedded(
        "test://mixed-content-resource",
        "application/json",
        JSON.stringify({ test: "data", value: 123 }),
      ),
    ],
  },
  test_error_handling: { ...text("This tool intentionally returns an error for testing"), isError: true },
  test_streaming_elicitation: text("Nothing was asked."),
};

/** A schema with the vocabulary of 2020-12 that lists must keep as it is. */
const SCHEMA_2020_12 = {
  $schema: "https://json-schema.org/draft/2020-12/schema",
  type: "object",
  $defs: {
    address: {
      $anchor: "addressDef",
      type: "object",
      properties: { street: { type: "string" }, city: { type: "string" } },
    },
  },
  properties: {
    name: { type: "string" },
    address: { $ref: "#/$defs/address" },
    contactMethod: { type: "string", enum: ["phone", "email"] },
    phone: { type: "string" },
    email: { type: "string" },
  },
  allOf: [{ anyOf: [{ required: ["phone"] }, { required: ["email"] }] }],
  if: { properties: { contactMethod: { const: "phone" } }, required: ["contactMethod"] },
  then: { required: ["phone"] },
  else: { required: ["email"] },
  additionalProperties: false,
} as const;

/** The SDK's types do not know the keyword. */
const MIRRORED = {
  type: "object",
  properties: { region: { type: "string", "x-mcp-header": "Region" }, level: { type: "integer" } },
} as const;

/** Tools that answer by themselves: contents of each kind, an error, log messages, progress. */
export function registerContentTools(server: McpServer): void {
  for (const [name, answer] of Object.entries(ANSWERS)) {
    server.registerTool(name, { description: `Answers always the same (${name}).` }, () => answer);
  }

  server.registerTool("test_tool_with_logging", { description: "Says what it does." }, async (ctx) => {
    for (const data of ["Tool execution started", "Tool processing data", "Tool execution completed"]) {
      await ctx.mcpReq.notify({ method: "notifications/message", params: { level: "info", data } });
      await delay(50);
    }
    return text("Tool with logging executed successfully");
  });

  server.registerTool(
    "test_logging_tool",
    { description: "Logs to whoever asked for logs." },
    async (ctx) => {
      // eslint-disable-next-line @typescript-eslint/no-deprecated -- the suite asks for it
      await ctx.mcpReq.log("info", "test_logging_tool ran");
      return text("logged");
    },
  );

  server.registerTool("test_tool_with_progress", { description: "Reports progress." }, async (ctx) => {
    const progressToken = ctx.mcpReq._meta?.progressToken;
    if (progressToken === undefined) return text("Nobody asked for progress.");
    for (const progress of [0, 50, 100]) {
      const params = { progressToken, progress, total: 100, message: `Completed step ${progress} of 100` };
      await ctx.mcpReq.notify({ method: "notifications/progress", params });
      await delay(50);
    }
    return text(String(progressToken));
  });

  const inputSchema = fromJsonSchema(SCHEMA_2020_12);
  server.registerTool(
    "json_schema_2020_12_tool",
    { description: "Has a rich schema.", inputSchema },
    (args) => text(JSON.stringify(args)),
  );

  const mirrored = fromJsonSchema<{ readonly region?: string }>(MIRRORED);
  server.registerTool(
    "test_x_mcp_header",
    { description: "Has an argument that stands in a header too.", inputSchema: mirrored },
    ({ region = "none" }) => text(`region=${region}`),
  );
}
