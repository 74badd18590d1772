import { AuthorizationDeniedError } from "../../core/errors";
import { isJsonObject, type JsonObject, type JsonValue } from "../../core/json";
import { isToolName } from "../../core/names";
import type { Denial } from "../../index";
import { refusing } from "../shared/argument-schemas";
import { askWithInnerCalls, type ToolCall, type ToolQuestion } from "../shared/meta-tools";
import { paramsOf, senderMeta, type Call } from "./json-rpc";
import type { Settings } from "./options";
import { malformed, type Question } from "./question";
import type { Catalogue, ListedTool } from "./tool-catalogue";

/** More pages than this are a server that does not come to an end. */
const MAX_PAGES = 100;
/** Nor does one whose tools are others after each of so many lists. */
const MAX_LISTS = 3;

/** Makes the question about a tool call. The server's tools are listed first if the tool has not been seen. */
export class ToolCalls {
  #listing: Promise<void> | undefined;
  readonly #kind: string;

  constructor(
    private readonly settings: Settings,
    private readonly catalogue: Catalogue,
    /** Asks the server for a page of its list. Rejects with the denial if the policy does not allow it. */
    private readonly listPage: (params: JsonObject) => Promise<JsonObject>,
  ) {
    this.#kind = `mcp_${settings.server}`;
  }

  /** Answers at once for a tool that is known, so that calls made together are checked together. */
  ask(call: Call): readonly Question[] | Promise<readonly Question[]> {
    const { name, arguments: given } = paramsOf(call);
    if (typeof name !== "string") return [malformed(call.method, "params.name")];
    const { metaTools } = this.settings;
    const toolCall = {
      kind: this.#kind,
      tool: name,
      ...(given !== undefined && { arguments: given }),
      isInner: false,
    };
    if (metaTools.has(name)) {
      return askWithInnerCalls(toolCall, metaTools, (inner) => this.#ask(inner, call));
    }
    const question = this.#ask(toolCall, call);
    return question instanceof Promise ? question.then((late) => [late]) : [question];
  }

  /** `call` is the message that the client sends: the guard's own list goes out in its name. */
  #ask(toolCall: ToolCall, call: Call): ToolQuestion | Promise<ToolQuestion> {
    const { kind, tool } = toolCall;
    const isKnown =
      kind !== this.#kind ||
      this.settings.schemas.has(tool) ||
      this.catalogue.find(tool) !== undefined ||
      this.catalogue.complete;
    if (isKnown || !isToolName(tool)) return this.#question(toolCall);
    return this.#list(call).then(
      () => this.#question(toolCall),
      (error: unknown) => ({
        ...this.#question(toolCall),
        refuse: AuthorizationDeniedError.isInstance(error) ? refusalOf(error.denial) : UNREADABLE,
      }),
    );
  }

  #question({ kind, tool, arguments: given, isInner }: ToolCall): ToolQuestion {
    const isOwn = kind === this.#kind;
    const listed = isOwn ? this.catalogue.find(tool) : undefined;
    const effect = isOwn ? this.settings.effects.get(tool) : undefined;
    const question = {
      kind,
      action: `tools/call/${tool}`,
      attr: {
        ...(given !== undefined && { arguments: given }),
        ...(effect !== undefined && { effect }),
        ...(listed?.annotations && { annotations: listed.annotations }),
      },
    };
    if (listed?.changed) return { ...question, refuse: { code: "definition_changed" } };
    const schema = isOwn ? this.settings.schemas.get(tool) : undefined;
    if (schema) return { ...question, schema };
    if (!isToolName(tool)) return question; // The core refuses the action.
    // What a meta tool calls need not be on the list; without a schema it is untyped.
    if (!listed && !isInner) return { ...question, refuse: UNLISTED };
    return { ...question, ...this.#typing(listed, given) };
  }

  /** Types before policy: what the server's own definition says of the arguments. */
  #typing(tool: ListedTool | undefined, given: unknown): Pick<ToolQuestion, "schema"> {
    const hasNoArguments = given === undefined || (isJsonObject(given) && Object.keys(given).length === 0);
    const isTyped = tool?.typing === "typed" || (tool?.typing === "any" && hasNoArguments);
    if (!tool || !isTyped) return this.settings.allowUntyped ? {} : { schema: UNTYPED };
    const { schema } = tool;
    return { schema: schema instanceof Error ? refusing(`${schema.message}${OF_YOUR_OWN}`) : schema };
  }

  /** Calls that wait for the same list share it. */
  #list(call: Call): Promise<void> {
    return (this.#listing ??= this.#listAll(call).finally(() => (this.#listing = undefined)));
  }

  /** A change that is heard of while pages come may be on none of them: they are asked for again. */
  async #listAll(call: Call): Promise<void> {
    for (let list = 0; list < MAX_LISTS && !this.catalogue.complete; list++) {
      const { changes } = this.catalogue;
      await this.#listPages(call);
      this.catalogue.complete = this.catalogue.changes === changes;
    }
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
  }
}

const UNTYPED = refusing(
  "have no types from the server; the options `schemas` (types of your own) and `untyped` of the guard admit them",
);

const OF_YOUR_OWN = "; the option `schemas` of the guard takes types of your own in its place";

const UNLISTED = { code: "unsupported_hop", reason: "The server has no tool of this name." } as const;

const UNREADABLE = {
  code: "enrichment_failed",
  reason: "The server's definition of this tool could not be read.",
} as const;

function refusalOf({ code, reason }: Denial): Required<ToolQuestion>["refuse"] {
  return { code, reason };
}
