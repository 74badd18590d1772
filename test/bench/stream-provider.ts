import { startLocalProvider } from "../../examples/shared/local-provider";

/** A provider in a process of its own, so that its work is not measured with the client's. Prints its base URL. */
const provider = await startLocalProvider({
  turn: ({ model, tools }) => ({
    text: "word ".repeat(2000),
    deltas: 2000,
    deltaDelayMs: model === "paced" ? 1 : 0,
    toolCalls: tools.map((name) => ({ name, arguments: { amount_cents: 4000 } })),
  }),
});
process.send?.(provider.openaiBaseURL);
process.on("disconnect", () => process.exit());
