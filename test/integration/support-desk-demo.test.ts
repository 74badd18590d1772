import { execFile } from "node:child_process";
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { memoryState } from "hopguard";
import { afterEach, describe, expect, it } from "vitest";
import { openSupportDesk, type SupportDesk, type SupportDeskOptions } from "../../examples/support-desk/desk";
import { STORY, type Chapter } from "../../examples/support-desk/story";

const folders: string[] = [];
const desks: SupportDesk[] = [];

afterEach(async () => {
  await Promise.all(desks.splice(0).map((desk) => desk.stop()));
  await Promise.all(folders.splice(0).map((folder) => rm(folder, { recursive: true })));
});

async function open(options: SupportDeskOptions): Promise<SupportDesk> {
  const desk = await openSupportDesk(options);
  desks.push(desk);
  return desk;
}

/** The desk with one of its policies edited. */
async function deskWith(
  edit: (policy: string) => string,
  policy = "mcp_payments.yaml",
): Promise<SupportDesk> {
  const policies = await mkdtemp(join(tmpdir(), "hopguard-policies-"));
  folders.push(policies);
  await cp("policies", policies, { recursive: true });
  const file = join(policies, policy);
  const before = await readFile(file, "utf8");
  const after = edit(before);
  expect(after).not.toBe(before);
  await writeFile(file, after);
  return open({ policies });
}

const chapter = (words: string): Chapter => {
  const found = STORY.find(({ title }) => title.includes(words));
  if (!found) throw new Error(`there is no chapter with "${words}"`);
  return found;
};

describe("the support desk's story", () => {
  it("ends as told, with a line a decision and the table at its end", async () => {
    const { stdout } = await promisify(execFile)("npm", ["run", "--silent", "demo"], {
      env: { ...process.env, NO_COLOR: "1" },
    });
    expect(stdout).toContain("The story ended as told.");
    expect(stdout).toMatch(
      /✘ deny +refund-bot for u-1042 +payments {2}tools\/call\/refund_issue .*tier-1-support refund cap exceeded/,
    );
    expect(stdout).toMatch(/payroll +\d+ +0 +\d+ +0\n/);
  }, 180_000);

  it("writes into the ticket what the denial says, and not what the script knows", async () => {
    const desk = await deskWith((policy) =>
      policy.replace("approvers_role: tier-2-lead", "approvers_role: finance-controller"),
    );
    await chapter("9,000 dollars").play(desk, () => undefined);
    expect(desk.servers.desk.tickets.get("T-1001")?.comments.at(-1)).toContain(
      "A finance-controller must approve it.",
    );
  });

  it("fails when a chapter ends otherwise than told", async () => {
    const desk = await deskWith((policy) => policy.replace("tier_1: 5000", "tier_1: 5000000"));
    await expect(chapter("9,000 dollars").play(desk, () => undefined)).rejects.toThrow(
      "no money was to move",
    );
  });

  it("ends the stream of a revoked task at the provider, and tells the security team by name", async () => {
    const desk = await open({ policies: "policies" });
    const told: string[] = [];
    await chapter("security team").play(desk, (line) => told.push(line));
    expect(told).toContain('$ npx hopguard revoke --task T-1001 --reason "odd refunds" --author ada');
    expect(told).toContain("revoked task T-1001");
    expect(desk.provider.abortedRequests).toBe(1);
    expect(await desk.guard.revocations()).toEqual([]);
    const ended = desk.records.filter(({ flags }) => flags.includes("recheck"));
    expect(ended.map(({ code, agent, task }) => [code, agent.id, task])).toContainEqual([
      "revoked",
      "refund-bot",
      "T-1001",
    ]);
    const bystander = desk.records.filter(({ agent }) => agent.id === "triage-bot");
    expect(bystander.map(({ effect }) => effect)).not.toContain("deny");
  });

  it("fails when a revocation is kept, and nobody looks at it", async () => {
    const { revocations } = memoryState();
    const state = { ...memoryState(), revocations: { ...revocations, find: () => undefined } };
    const desk = await open({ policies: "policies", state });
    const playing = chapter("security team").play(desk, () => undefined);
    await expect(playing).rejects.toThrow("a second later it was still being written");
    expect(await desk.guard.revocations()).toMatchObject([{ target: { task: "T-1001" }, author: "ada" }]);
  });

  it("fails when the stream ends, and the next call passes", async () => {
    const store = memoryState();
    const { revocations } = memoryState();
    let looks = 0;
    // Found by whoever watches over the two streams, and never again.
    const find: typeof revocations.find = (authority) => {
      const found = revocations.find(authority);
      return found && looks++ < 2 ? found : undefined;
    };
    const desk = await open({
      policies: "policies",
      state: { ...store, revocations: { ...revocations, find } },
    });
    const playing = chapter("security team").play(desk, () => undefined);
    await expect(playing).rejects.toThrow(/revoked/);
    expect(desk.records.some(({ flags }) => flags.includes("recheck"))).toBe(true);
  });

  it("sends no more calls at once than the budget holds, and fails where it holds them all", async () => {
    const desk = await open({ policies: "policies" });
    await chapter("budget").play(desk, () => undefined);
    expect(desk.provider.requests).toHaveLength(4 + 1);

    const rich = await deskWith(
      (policy) => policy.replace("task_tokens: 200000", "task_tokens: 2000000"),
      "packs/budgets.yaml",
    );
    await expect(chapter("budget").play(rich, () => undefined)).rejects.toThrow(/deep-equal/);
    expect(rich.provider.requests).toHaveLength(6);
  });
});
