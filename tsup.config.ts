import { defineConfig } from "tsup";

/** One entry a subpath export; the names are those of package.json's `exports`. */
export default defineConfig({
  entry: {
    index: "src/index.ts",
    "ai-sdk": "src/adapters/ai-sdk/index.ts",
    anthropic: "src/adapters/anthropic/index.ts",
    audit: "src/audit/index.ts",
    cerbos: "src/pdp/index.ts",
    "claude-agent": "src/adapters/claude-agent/index.ts",
    "cerbos-edge": "src/pdp/edge.ts",
    cli: "src/cli/main.ts",
    enrichment: "src/enrichment/index.ts",
    express: "src/adapters/express/index.ts",
    fetch: "src/adapters/fetch/index.ts",
    hono: "src/adapters/hono/index.ts",
    http: "src/adapters/http/index.ts",
    identity: "src/identity/index.ts",
    langchain: "src/adapters/langchain/index.ts",
    mcp: "src/adapters/mcp/index.ts",
    "mcp-server": "src/adapters/mcp-server/index.ts",
    openai: "src/adapters/openai/index.ts",
    "openai-agents": "src/adapters/openai-agents/index.ts",
    pdp: "src/pdp/launcher/index.ts",
    redis: "src/state/redis/index.ts",
    revocations: "src/revocations/index.ts",
    testing: "src/testing/index.ts",
    tools: "src/adapters/tools/index.ts",
  },
  format: "esm",
  target: "node20",
  platform: "neutral",
  // Deno knows Node's modules by this prefix only, which tsup would take away.
  removeNodeProtocol: false,
  external: [/^node:/],
  dts: true,
  // `--no-dts` leaves the declarations of the last build where they are.
  clean: ["!**/*.d.ts"],
  splitting: true,
  sourcemap: true,
  treeshake: true,
});
