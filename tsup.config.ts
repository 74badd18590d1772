import { defineConfig } from "tsup";

/** One entry a subpath export; the names are those of package.json's `exports`. */
export default defineConfig({
  entry: {
    index: "src/index.ts",
    anthropic: "src/adapters/anthropic/index.ts",
    audit: "src/audit/index.ts",
    cerbos: "src/pdp/index.ts",
    "cerbos-edge": "src/pdp/edge.ts",
    cli: "src/cli/main.ts",
    enrichment: "src/enrichment/index.ts",
    express: "src/adapters/express/index.ts",
    fetch: "src/adapters/fetch/index.ts",
    hono: "src/adapters/hono/index.ts",
    http: "src/adapters/http/index.ts",
    identity: "src/identity/index.ts",
    mcp: "src/adapters/mcp/index.ts",
    "mcp-server": "src/adapters/mcp-server/index.ts",
    openai: "src/adapters/openai/index.ts",
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
  clean: true,
  splitting: true,
  sourcemap: true,
  treeshake: true,
});
