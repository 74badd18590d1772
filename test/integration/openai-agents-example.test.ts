import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { afterEach, describe, expect, it } from "vitest";
import { openScene } from "../../examples/openai-agents/scene";
import { STORY } from "../../examples/openai-agents/story";
import type { RefundScene } from "../../examples/support-desk/refund-scene";
import { editedPolicies } from "../support/edited-policies";

const scenes: RefundScene[] = [];
afterEach(async () => {
  await Promise.all(scenes.splice(0).map((scene) => scene.stop()));
});

/** The scene with the refunds' policy edited. */
async function sceneWith(text: string, other: string): Promise<RefundScene> {
  const scene = await openScene({ policies: await editedPolicies(text, other) });
  scenes.push(scene);
  return scene;
}

const chapter = (words: string) => STORY.find(({ title }) => title.includes(words)) ?? expect.fail(words);

describe("the story of the OpenAI Agents SDK's agents", () => {
  it("ends as told, with a line a decision", async () => {
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ["--import", "tsx", "examples/openai-agents/main.ts"],
      { env: { ...process.env, NO_COLOR: "1" } },
    );
    expect(stdout).toContain("The story ended as told.");
    expect(stdout).toMatch(/✔ allow +front-desk for u-1042 +refunds {2}delegate/);
    expect(stdout).toMatch(
      /✘ deny +refund-bot for u-1042 +payments {2}tools\/call\/refund_issue .*cap exceeded/,
    );
  }, 180_000);

  it("writes into the ticket what the denial says, and not what the script knows", async () => {
    const scene = await sceneWith("approvers_role: tier-2-lead", "approvers_role: finance-controller");
    await expect(chapter("9,000 dollars: the run").play(scene, () => undefined)).rejects.toThrow(
      /tier-2-lead/,
    );
    expect(scene.servers.desk.tickets.get("T-1001")?.comments.at(-1)).toContain(
      "A finance-controller must approve it.",
    );
  });

  it("fails when a chapter ends otherwise than told", async () => {
    const scene = await sceneWith("tier_1: 5000", "tier_1: 5000000");
    await expect(chapter("9,000 dollars: the run").play(scene, () => undefined)).rejects.toThrow(
      "the run was to be interrupted",
    );
  });
});
