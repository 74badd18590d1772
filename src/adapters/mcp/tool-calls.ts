import { AuthorizationDeniedError } from "../../core/errors";
import { isJsonObject, type JsonObject, type JsonValue } from "../../core/json";
import { isToolName } from "../../core/names";
import { paramsOf, senderMeta, type Call } from "./json-rpc";
import type { Settings } from "./options";
import { deniedWith, malformed, unsupported, type Question } from "./question";
import type { ListedTool, ToolCatalogue } from "./tool-catalogue";

/** More pages than this are a server that does not come to an end. */
const MAX_PAGES = 100;

/** Makes the question about a tool call. The server's tools are listed first if the tool has not been seen. */
export class ToolCalls {
  #listing: Promise<void> | undefined;

  constructor(
    private readonly settings: Settings,
    private readonly catalogue: ToolCatalogue,
    /** Asks the server for a page of its list. Rejects with the denial if the policy does not allow it. */
    private readonly listPage: (params: JsonObject) => Promise<JsonObject>,
  ) {}

  /** Answers at once for a tool that is known, so that calls made together are checked together. */
  ask(call: Call): readonly Question[] | Promise<readonly Question[]> {
    const { name, arguments: given } = paramsOf(call);
    if (typeof name !== "string") return [malformed(call.method, "params.name")];
    const action = `tools/call/${name}`;
    const isKnown =
      this.settings.schemas.has(name) || this.catalogue.find(name) !== undefined || this.catalogue.complete;
    if (isKnown || !isToolName(name)) return [this.#question(action, name, given)];
    return this.#list(call).then(
      () => [this.#question(action, name, given)],
      (error: unknown) => [
        AuthorizationDeniedError.isInstance(error) ? deniedWith(action, error.denial) : unreadable(action),
      ],
    );
  }

  #question(action: string, name: string, given: JsonValue | undefined): Question {
    const listed = this.catalogue.find(name);
    const effect = this.settings.effects.get(name);
    const question = {
      action,
      attr: {
        ...(given !== undefined && { arguments: given }),
        ...(effect !== undefined && { effect }),
        ...(listed?.annotations && { annotations: listed.annotations }),
      },
    };
    if (listed?.changed) return { ...question, refuse: { code: "definition_changed" } };
    const schema = this.settings.schemas.get(name);
    if (schema) return { ...question, schema };
    if (!isToolName(name)) return question; // The core refuses the action.
    if (!listed) return unsupported(action, "The server has no tool of this name.");
    return { ...question, ...this.#typing(listed, given) };
  }

  /** Types before policy: what the server's own definition says of the arguments. */
  #typing(tool: ListedTool, given: JsonValue | undefined): Pick<Question, "schema" | "refuse"> {
    const hasNoArguments = given === undefined || (isJsonObject(given) && Object.keys(given).length === 0);
    const isTyped = tool.typing === "typed" || (tool.typing === "any" && hasNoArguments);
    if (!isTyped) return this.settings.allowUntyped ? {} : { refuse: untyped };
    const { schema } = tool;
    if (!(schema instanceof Error)) return { schema };
    return { refuse: { code: "arguments_invalid", reason: `${schema.message}.` } };
  }

  /** Calls that wait for the same list share it. */
  #list(call: Call): Promise<void> {
    return (this.#listing ??= this.#listPages(call).finally(() => (this.#listing = undefined)));
  }

  async #listPages(call: Call): Promise<void> {
    const meta = senderMeta(call);
    let cursor: JsonValue | undefined;
    for (let page = 0; page < MAX_PAGES; page++) {
      const { tools, nextCursor } = await this.listPage({
        ...(cursor !== undefined && { cursor }),
        ...(meta && { _meta: meta }),
      });
      if (!Array.isArray(tools)) throw new Error("The server's answer is no list of tools.");
      this.catalogue.learn(tools);
      if (typeof nextCursor !== "string") break;
      cursor = nextCursor;
    }
    this.catalogue.complete = true;
  }
}

const untyped = {
  code: "arguments_invalid",
  reason:
    "The server gives these arguments no types. The guard's options `schemas` (types of your own) and `untyped` admit them.",
} as const;

function unreadable(action: string): Question {
  const reason = "The server's definition of this tool could not be read.";
  return { action, refuse: { code: "enrichment_failed", reason } };
}
