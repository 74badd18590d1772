import { defineConfig } from "tsup";

/** One entry a subpath export; the names are those of package.json's `exports`. */
export default defineConfig({
  entry: {
    index: "src/index.ts",
    anthropic: "src/adapters/anthropic/index.ts",
    audit: "src/audit/index.ts",
    cerbos: "src/pdp/index.ts",
    fetch: "src/adapters/fetch/index.ts",
    mcp: "src/adapters/mcp/index.ts",
    openai: "src/adapters/openai/index.ts",
    pdp: "src/pdp/launcher/index.ts",
    tools: "src/adapters/tools/index.ts",
  },
  format: "esm",
  target: "node20",
  platform: "neutral",
  dts: true,
  clean: true,
  splitting: true,
  sourcemap: true,
  treeshake: true,
});
