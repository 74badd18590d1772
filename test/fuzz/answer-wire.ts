import {
  block,
  chatCall,
  item,
  typeOf,
  type Answer,
  type Calls,
  type Format,
  type Json,
} from "./answer-calls";
import { streamed } from "./answer-streams";

/** What a provider sends. */
export function written(answer: Answer): { readonly type: string; readonly text: string } {
  const { format, isStreamed, twist } = answer;
  const plain = twist === "another content type" ? "text/plain" : undefined;
  // Misplaced calls are told beside what belongs there.
  const misplaced = twist === "a call in an unknown place" ? { toolCalls: answer.calls.map(chatCall) } : {};
  const calls = twist === "a call in an unknown place" ? [] : answer.calls;
  if (!isStreamed) {
    const body = { ...WHOLE[format](calls, typeOf(answer)), ...misplaced };
    return { type: plain ?? "application/json", text: toText(body, answer) };
  }
  const events = streamed({ ...answer, calls }).map(({ data }, index, { length }) => {
    const { type: name = "" } = data as { readonly type?: string };
    const called = twist === "events by another name" ? "ping" : name;
    const line = toText(index === length - 1 ? { ...data, ...misplaced } : data, answer);
    return `${name === "" ? "" : `event: ${called}\n`}data: ${line}\n\n`;
  });
  return { type: plain ?? "text/event-stream", text: events.join("") };
}

/** Arguments that a format holds as JSON go in as they were written. */
function toText(value: Json, { calls, twist }: Answer): string {
  const text = calls.reduce(
    (text, call) => text.replace(JSON.stringify(RAW + call.id), () => call.text || "{}"),
    JSON.stringify(value),
  );
  return twist === "members that stand there twice" ? text.replace("{", '{"x":1,"x":2,') : text;
}

const RAW = "raw: ";

const WHOLE: Readonly<Record<Format, (calls: Calls, type: string | undefined) => Json>> = {
  chat: (calls, type) => ({
    id: "c",
    choices: [
      {
        index: 0,
        message: {
          role: "assistant",
          content: "Well.",
          tool_calls: calls.map((call) => chatCall(call, type)),
        },
        finish_reason: "tool_calls",
      },
    ],
  }),
  responses: (calls, type) => ({ id: "r", output: calls.map((call) => item(call, type)) }),
  messages: (calls, type) => ({
    id: "m",
    content: [{ type: "text", text: "Well." }, ...calls.map((call) => block(call, RAW + call.id, type))],
    stop_reason: "tool_use",
  }),
};
