import { vi } from "vitest";

// The same tests, with the exchange that runtimes without `node:http` get.
vi.mock("../../src/pdp/node-exchange", async () => {
  const { fetchExchange } = await import("../../src/pdp/fetch-exchange");
  return { nodeExchange: fetchExchange };
});
await import("./pdp-channel.test");
