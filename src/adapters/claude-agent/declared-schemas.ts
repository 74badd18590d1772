import type { JsonObject } from "../../core/json";

/**
 * The schemas of the tools of MCP servers, as the agent declares them to its model. A hook is not told them. The first counts: one that a server
 * changes later does not widen what it takes.
 */
export class DeclaredSchemas {
  readonly #schemas = new Map<string, JsonObject>();

  of(name: string): JsonObject | undefined {
    return this.#schemas.get(name);
  }

  /** Reads the body of a model call. One that is no JSON is the guard's to refuse. */
  read(body: string): void {
    let tools: unknown;
    try {
      ({ tools } = JSON.parse(body) as { readonly tools?: unknown });
    } catch {
      return;
    }
    if (!Array.isArray(tools)) return;
    for (const tool of tools as readonly Readonly<Record<string, unknown>>[]) {
      const { name, input_schema: schema } = { ...tool };
      if (typeof name !== "string" || !name.startsWith("mcp__") || this.#schemas.has(name)) continue;
      if (typeof schema === "object" && schema !== null) this.#schemas.set(name, schema as JsonObject);
    }
  }
}
