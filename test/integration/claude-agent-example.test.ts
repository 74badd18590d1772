import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { afterEach, describe, expect, it } from "vitest";
import { scriptedModel } from "../../examples/claude-agent/script";
import { STORY } from "../../examples/claude-agent/story";
import { openRefundScene, type RefundScene } from "../../examples/support-desk/refund-scene";
import { editedPolicies } from "../support/edited-policies";

const scenes: RefundScene[] = [];
afterEach(async () => {
  await Promise.all(scenes.splice(0).map((scene) => scene.stop()));
});

/** The scene with the refunds' policy edited. */
async function sceneWith(text: string, other: string): Promise<RefundScene> {
  const scene = await openRefundScene({ turn: scriptedModel, policies: await editedPolicies(text, other) });
  scenes.push(scene);
  return scene;
}

const chapter = (words: string) => STORY.find(({ title }) => title.includes(words)) ?? expect.fail(words);

describe("the story of Claude's agent", () => {
  it("ends as told, with a line a decision", async () => {
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ["--import", "tsx", "examples/claude-agent/main.ts"],
      { env: { ...process.env, NO_COLOR: "1" } },
    );
    expect(stdout).toContain("The story ended as told.");
    expect(stdout).toMatch(
      /✘ deny +refund-bot for u-1042 +payments {2}tools\/call\/refund_issue .*cap exceeded/,
    );
  }, 180_000);

  it("writes into the ticket what the denial says, and not what the script knows", async () => {
    const scene = await sceneWith("approvers_role: tier-2-lead", "approvers_role: finance-controller");
    await expect(chapter("9,000 dollars: denied").play(scene, () => undefined)).rejects.toThrow(
      "A finance-controller must approve it.",
    );
  }, 180_000);

  it("fails when money moves that was to stay", async () => {
    const scene = await sceneWith("tier_1: 5000", "tier_1: 5000000");
    await expect(chapter("9,000 dollars: denied").play(scene, () => undefined)).rejects.toThrow(
      "no money was to move",
    );
  }, 180_000);
});
