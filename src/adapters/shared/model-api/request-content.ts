import { textIn } from "../../../core/classification";
import type { JsonValue } from "../../../core/json";
import type { CheckedBody } from "./request-body";

/** What a request says, for classifiers: read when the first of them asks, and once for all hops of the request. */
export function contentOf(body: CheckedBody): () => Promise<string | undefined> {
  let content: Promise<string | undefined> | undefined;
  return () => (content ??= read(body));
}

async function read(body: CheckedBody): Promise<string | undefined> {
  if (body.kind === "none") return undefined;
  if (body.kind === "json") return textIn(body.value);
  const fields = [...body.form.values()].map(async (value) =>
    typeof value === "string" ? value : textInLines(await value.text()),
  );
  return (await Promise.all(fields)).join("\n");
}

/** Of a file: a batch's has JSON in each line. */
function textInLines(text: string): string {
  return text
    .split("\n")
    .map((line) => {
      try {
        return textIn(JSON.parse(line) as JsonValue);
      } catch {
        return line;
      }
    })
    .join("\n");
}
