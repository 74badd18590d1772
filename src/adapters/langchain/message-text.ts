/** What messages, or prompts, say, as text, for classifiers and for the estimate of what it uses. */
export function textOf(messages: readonly unknown[]): string {
  return messages.flatMap(said).join("\n");
}

function said(message: unknown): readonly string[] {
  if (typeof message === "string") return [message];
  if (typeof message !== "object" || message === null) return [];
  const { content, text, tool_calls: calls } = message as Readonly<Record<string, unknown>>;
  const parts = Array.isArray(content) ? content : [content ?? text];
  return [
    ...parts.flatMap(said),
    ...(Array.isArray(calls) && calls.length > 0 ? [JSON.stringify(calls)] : []),
  ];
}
