import { ConfigurationError } from "../../../../core/errors";
import { isJsonObject, type JsonValue } from "../../../../core/json";
import type { StandardSchema } from "../../../../core/standard-schema";
import { refusing } from "../../argument-schemas";
import { jsonSchema } from "../../json-schema";
import { sameUrl, type ModelGuard, type ToolOrigin } from "../options";
import type { DeclaredTool, RequestScan } from "../request-scan";
import type { AnsweredCall } from "./answered-call";

export type DeclaredTools = Pick<RequestScan, "tools" | "hosted">;

/** What a request says of its tools' arguments. Compiled when the first call needs it: most answers are text. */
export class DeclaredTypes {
  readonly #schemas = new Map<string, StandardSchema | undefined>();

  constructor(
    private readonly declared: DeclaredTools = { tools: [], hosted: [] },
    private readonly guard: ModelGuard,
  ) {}

  /** Types before policy: what the arguments must look like, or a schema that no arguments meet. `undefined`: they need none. */
  of(call: AnsweredCall, origin: ToolOrigin): StandardSchema | undefined {
    const isText = "plainText" in call.given;
    const key = JSON.stringify([call.name, isText, origin.server, origin.toolset]);
    if (!this.#schemas.has(key)) this.#schemas.set(key, this.#find(call.name, isText, origin));
    return this.#schemas.get(key);
  }

  /** The server behind a label of `tools: [{ type: "mcp" }]`, if the option `hostedServers` knows it. */
  hostedServer(label: string): ToolOrigin | undefined {
    const labelled = this.declared.hosted.filter(({ declaration }) => declaration.server_label === label);
    const { server_url: url, connector_id: connector } = labelled[0]?.declaration ?? {};
    const address = url ?? connector;
    if (labelled.length !== 1 || typeof address !== "string") return undefined;
    const server = this.guard.hostedServers.get(sameUrl(address));
    // The provider holds the arguments against the server's own definition, which is not to be seen here.
    return server === undefined ? undefined : { server, untyped: "allow" };
  }

  #find(name: string, isText: boolean, { schema, untyped }: ToolOrigin): StandardSchema | undefined {
    if (schema !== undefined) return compiled(schema);
    const [tool, ...others] = this.declared.tools.filter((tool) => tool.name === name);
    const declared = tool?.entry;
    // A conversation that the provider keeps may be told again of a tool that it has; in one request, they may belong to two namespaces.
    const isSame = (other: DeclaredTool): boolean =>
      other.list === undefined && JSON.stringify(other.entry) === JSON.stringify(declared);
    if (!others.every(isSame))
      return refusing("have more than one type: the request declares the tool twice");
    // The format itself types the input of a tool that takes plain text.
    if (isText && isJsonObject(declared) && declared.type === "custom") return undefined;
    const parameters = isText ? undefined : parametersOf(declared);
    if (parameters !== undefined) return compiled(parameters);
    return untyped === "allow" ? undefined : UNTYPED;
  }
}

const UNTYPED = refusing(
  'have no types in the request; a `schema` for the tool in the option `tools`, or `untyped: "allow"`, admits them',
);

function parametersOf(entry: JsonValue | undefined): JsonValue | undefined {
  if (!isJsonObject(entry)) return undefined;
  const inner = isJsonObject(entry.function) ? entry.function : {};
  return inner.parameters ?? entry.parameters ?? entry.input_schema ?? undefined;
}

function compiled(schema: object | JsonValue): StandardSchema {
  try {
    // As a JSON Schema, a Standard Schema would accept everything.
    if (typeof schema === "object" && schema !== null && "~standard" in schema)
      return refusing("cannot be checked: expected a JSON Schema in the option `tools`");
    return jsonSchema(schema, "their schema");
  } catch (error) {
    if (error instanceof ConfigurationError) return refusing(`cannot be checked (${error.message})`);
    throw error;
  }
}
