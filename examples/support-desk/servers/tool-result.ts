/** A tool's answer as JSON text, which clients of either SDK line read. */
export function jsonText(value: unknown) {
  return { content: [{ type: "text" as const, text: JSON.stringify(value) }] };
}
