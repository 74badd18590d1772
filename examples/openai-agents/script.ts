import type { Turn, TurnRequest } from "../shared/local-provider";
import { call, denialIn, playScripts } from "../shared/play-scripts";
import { refund, REFUND_SCRIPTS } from "../support-desk/refund-scripts";
import { TASKS as DESK_TASKS } from "../support-desk/tasks";

/** What the agents are told. A real model reads the same words as the scripted one. */
export const TASKS = {
  ...DESK_TASKS,
  beyondGrant: "Refund 48 dollars (4800 cents) of payment P-9001 for ticket T-1001, because a leg was bent.",
} as const;

const playTask = playScripts({
  ...REFUND_SCRIPTS,
  [TASKS.beyondGrant]: [
    () => ({ toolCalls: [refund(4800)] }),
    ([result = ""]) => ({ text: `Not done: ${denialIn(result)?.reason ?? "it was done."}` }),
  ],
});

/** What the SDK calls a handoff, before the name of the agent that it leads to. */
const HANDOFF = "transfer_to_";

/** Plays the models for the local provider. Whoever has nothing but a handoff for it hands the task over. */
export function scriptedModel(request: TurnRequest): Turn {
  const handoff = request.tools.find((name) => name.startsWith(HANDOFF));
  if (handoff !== undefined) return { toolCalls: [call(handoff, {})] };
  // The turn in which it was handed over was another agent's.
  const messages = request.body.messages as readonly unknown[];
  const own = messages.filter((message) => !JSON.stringify(message).includes(HANDOFF));
  return playTask({ ...request, body: { ...request.body, messages: own } });
}
