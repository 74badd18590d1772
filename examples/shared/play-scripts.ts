import type { Denial } from "hopguard";
import type { ToolCall, Turn, TurnRequest } from "./local-provider";

/** What a model does on a task, turn by turn. A turn may read what the tools answered to the one before it. */
export type Script = readonly ((results: readonly string[]) => Turn)[];

export const call = (name: string, args: unknown): ToolCall => ({ name, arguments: args });

/** Plays a model for the local provider: of the script for the task that it was told, the turn that is due. */
export function playScripts(scripts: Readonly<Record<string, Script>>) {
  return ({ body, tools, toolResults }: TurnRequest): Turn => {
    const messages = body.messages as readonly { readonly role: string }[];
    // Frameworks put words of their own beside the task, and before the names of tools.
    const told = JSON.stringify(messages.find(({ role }) => role === "user"));
    const task = Object.keys(scripts).find((words) => told.includes(JSON.stringify(words).slice(1, -1)));
    if (task === undefined) return { text: "I do not know this task." };
    const due = scripts[task]?.[messages.filter(({ role }) => role === "assistant").length];
    if (!due) return { text: "Done." };
    const { toolCalls = [], ...said } = due(toolResults.map(({ text }) => text));
    const declared = (name: string): string => tools.find((tool) => tool.endsWith(`__${name}`)) ?? name;
    return { ...said, toolCalls: toolCalls.map((each) => ({ ...each, name: declared(each.name) })) };
  };
}

/** As much of a denial as models are shown by every framework. */
type ShownDenial = Pick<Denial, "reason" | "remediation">;

/** The denial in what a tool answered, as a model would read it: there may be other words around it. */
export function denialIn(result: string): ShownDenial | undefined {
  const [json] = /\{"decision":"deny".*\}/.exec(result) ?? [];
  return json === undefined ? undefined : (JSON.parse(json) as ShownDenial);
}
