import { pathToFileURL } from "node:url";
import { fixture } from "../../test/support/fixtures";

/** What of the SDK is needed here. An application writes `import { query } from "@anthropic-ai/claude-agent-sdk"`. */
interface Sdk {
  readonly query: (run: { readonly prompt: string; readonly options: object }) => AsyncIterable<Message>;
}

/** What the agent says. */
export interface Message {
  readonly type: string;
  readonly result?: string;
}

/** The SDK brings a program of 360 MB. So it is installed when it is first needed, and apart. */
export async function loadSdk(): Promise<Sdk> {
  const entry = fixture("claude-agent").resolve("claude-agent-newest");
  return (await import(pathToFileURL(entry).href)) as Sdk;
}
