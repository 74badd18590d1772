import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ANSWER_KINDS, answerPlan } from "./answer-plans";
import { ANTHROPIC, anthropic } from "./anthropic-requests";
import { BATCH_KINDS, batchPlan } from "./batch-plans";
import { CHECK_KINDS, checkPlan } from "./check-plans";
import { CIRCUMSTANCE_KINDS } from "./circumstance-kinds";
import { Coverage } from "./coverage";
import { MCP_KINDS, mcpPlan, playMcp } from "./mcp-traffic";
import { playAnswers } from "./model-answers";
import { playBatches } from "./model-batches";
import { modelKinds, modelPlan, playModels } from "./model-calls";
import { playChecks } from "./open-checks";
import { OPENAI, openai } from "./openai-requests";
import { startPdpServer, type PdpServer } from "./pdp-endpoints";
import { configureRuns, ENOUGH_RUNS, REPRODUCE, runsOf, TOTAL_RUNS, type Subject } from "./runs";
import { playTools } from "./tool-calls";
import { TOOL_KINDS, toolPlan } from "./tool-plans";

const TIMEOUT_MS = 600_000;
const coverage = new Coverage();
let server: PdpServer;

beforeAll(async () => {
  configureRuns();
  server = await startPdpServer();
});
afterAll(async () => {
  await server.stop();
  console.log(`\n${coverage.toString()}\n\n${runs} runs of ${TOTAL_RUNS}; again: ${REPRODUCE}`);
});

let runs = 0;

describe("upstream is reached only if the PDP said EFFECT_ALLOW for exactly this snapshot", () => {
  const holds = <T>(
    subject: Subject,
    plans: fc.Arbitrary<T>,
    play: (plan: T, server: PdpServer, coverage: Coverage) => Promise<void>,
  ) =>
    it(`holds: ${subject}`, { timeout: TIMEOUT_MS, retry: 0 }, async () => {
      const property = fc.asyncProperty(plans, async (plan) => {
        runs++;
        await play(plan, server, coverage);
      });
      await fc.assert(property, { numRuns: runsOf(subject) }).catch((error: unknown) => {
        throw new Error(`${(error as Error).message}\nAgain: ${REPRODUCE}`, { cause: error });
      });
    });

  coverage.expect({
    ...modelKinds(OPENAI, openai.kinds),
    ...modelKinds(ANTHROPIC, anthropic.kinds),
    ...ANSWER_KINDS,
    ...BATCH_KINDS,
    ...MCP_KINDS,
    ...TOOL_KINDS,
    ...CHECK_KINDS,
    ...CIRCUMSTANCE_KINDS,
  });
  holds("openai", modelPlan(openai.requests), playModels(OPENAI));
  holds("anthropic", modelPlan(anthropic.requests), playModels(ANTHROPIC));
  holds("answers", answerPlan, playAnswers);
  holds("batches", batchPlan, playBatches);
  holds("mcp", mcpPlan, playMcp);
  holds("tools", toolPlan, playTools);
  holds("check", checkPlan, playChecks);

  it.skipIf(TOTAL_RUNS < ENOUGH_RUNS)("was tried: every kind of request came through, and was denied", () => {
    expect(runs).toBeGreaterThanOrEqual(ENOUGH_RUNS);
    expect(coverage.missing()).toEqual([]);
  });
});
