const NODE = /^node:/;
const CERBOS = /^@cerbos\//;
const SDKS = /^(openai|@anthropic-ai\/sdk|@modelcontextprotocol\/.+|cerbos)$/;

const REDIS = /^(redis|@redis\/.+|ioredis)$/;

/** Where there is no Node: edge functions, workers, browsers. The PDP's client is the application's choice, and so is each SDK. */
const ANYWHERE = [NODE, CERBOS, SDKS, REDIS];

/**
 * What each subpath may weigh and load. Sizes are kB (1,000 bytes) of minified ESM after brotli: `own` is our code, `bundled` is what an
 * application ships, with dependencies. `never` names packages that nothing in the import graph may load; `outside` those that are loaded and not
 * weighed, because a framework's own classes are extended.
 *
 * Ceilings stand about a tenth above what was measured: growth beyond that is to be meant, and said here. zod is most of `bundled`,
 * even imported as a namespace; of `{ z }` bundlers keep everything, with the messages in fifty languages, which is 50 kB more.
 */
export const limits = {
  hopguard: {
    own: 21.5,
    bundled: 48,
    never: ANYWHERE,
    because:
      "the pipeline, which everybody loads: enrichment, budgets, aliases, delegation and the watch over calls in flight among it",
  },
  "hopguard/ai-sdk": {
    own: 15.8,
    bundled: 48,
    never: ANYWHERE,
    because: "models, tools and approvals of two specifications; the SDK is described, and not loaded",
  },
  "hopguard/anthropic": {
    own: 25.5,
    bundled: 56,
    never: ANYWHERE,
    because: "hopguard/fetch and the sealed copy of a client",
  },
  "hopguard/audit": {
    own: 1.5,
    bundled: 30,
    never: [CERBOS, SDKS],
    because: "a file needs Node; nothing else does",
  },
  "hopguard/cerbos": {
    own: 6,
    bundled: 37,
    never: [CERBOS, SDKS],
    because: "its own exchange over node:http; a client of @cerbos/core is given, and not loaded",
  },
  "hopguard/claude-agent": {
    own: 31.5,
    bundled: 64,
    never: [CERBOS, SDKS, REDIS],
    because:
      "hopguard/anthropic behind a door on loopback, which needs Node, and the types of built-in tools",
  },
  "hopguard/enrichment": {
    own: 3.2,
    bundled: 28.5,
    never: ANYWHERE,
    because: "whoever asks a database brings its client",
  },
  "hopguard/express": {
    own: 42.5,
    bundled: 72,
    never: [CERBOS, SDKS, REDIS, /^express$/],
    because: "the front doors of http and mcp-server, and what captures a handler's answer",
  },
  "hopguard/fetch": {
    own: 25.5,
    bundled: 56,
    never: ANYWHERE,
    because:
      "both wire formats, with every endpoint that is known; their answers are read too, streams and batches, and tools' schemas held against calls",
  },
  "hopguard/hono": {
    own: 40.5,
    bundled: 71,
    never: [...ANYWHERE, /^(express|hono)$/],
    because: "the front doors of http and mcp-server",
  },
  "hopguard/http": {
    own: 27,
    bundled: 58,
    never: [...ANYWHERE, /^(express|hono)$/],
    because: "hopguard/fetch the other way round",
  },
  "hopguard/identity": {
    own: 12.9,
    bundled: 45,
    never: ANYWHERE,
    because:
      "jose (10 kB) verifies and signs; files are read where there is Node, which is asked for when a path is given",
  },
  "hopguard/langchain": {
    outside: ["langchain", "@langchain/*"],
    own: 14.8,
    bundled: 48,
    never: [CERBOS, SDKS, REDIS],
    because: "LangChain's own classes are made and extended: it is loaded, and not weighed",
  },
  "hopguard/mcp": {
    own: 14.7,
    bundled: 45,
    never: ANYWHERE,
    because:
      "both lines of MCP, and @cfworker/json-schema (6 kB) for the servers' own schemas, because it compiles no code",
  },
  "hopguard/mcp-server": {
    own: 21.5,
    bundled: 51,
    never: [...ANYWHERE, /^(express|hono)$/],
    because: "hopguard/mcp the other way round, sessions and the metadata of a protected resource",
  },
  "hopguard/openai": {
    own: 25.5,
    bundled: 56,
    never: ANYWHERE,
    because: "hopguard/fetch and the sealed copy of a client",
  },
  "hopguard/openai-agents": {
    outside: ["@openai/agents", "openai"],
    own: 33,
    bundled: 65,
    never: [CERBOS, SDKS, REDIS],
    because: "hopguard/openai, and every part of an agent",
  },
  "hopguard/pdp": {
    own: 3.5,
    bundled: 30,
    never: [CERBOS, SDKS],
    because: "for development: it starts a process, and so it needs Node",
  },
  "hopguard/revocations": {
    own: 3.2,
    bundled: 28,
    never: ANYWHERE,
    because: "web-standard: a server of any kind mounts it",
  },
  "hopguard/redis": {
    own: 4.9,
    bundled: 31,
    never: [CERBOS, SDKS],
    because: "the scripts that Redis runs; the package redis is loaded when a URL is given",
  },
  "hopguard/testing": {
    own: 23,
    bundled: 49.5,
    never: ANYWHERE,
    because: "for tests: the core, stubs and the conformance suite, which belongs to no test runner",
  },
  "hopguard/tools": {
    own: 8.8,
    bundled: 39.5,
    never: ANYWHERE,
    because: "@cfworker/json-schema (6 kB), as in hopguard/mcp",
  },
};
