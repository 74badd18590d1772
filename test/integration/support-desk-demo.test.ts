import { execFile } from "node:child_process";
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, describe, expect, it } from "vitest";
import { openSupportDesk, type SupportDesk } from "../../examples/support-desk/desk";
import { STORY, type Chapter } from "../../examples/support-desk/story";

const folders: string[] = [];
const desks: SupportDesk[] = [];

afterEach(async () => {
  await Promise.all(desks.splice(0).map((desk) => desk.stop()));
  await Promise.all(folders.splice(0).map((folder) => rm(folder, { recursive: true })));
});

/** The desk with its refund policy edited. */
async function deskWith(edit: (policy: string) => string): Promise<SupportDesk> {
  const policies = await mkdtemp(join(tmpdir(), "hopguard-policies-"));
  folders.push(policies);
  await cp("policies", policies, { recursive: true });
  const file = join(policies, "mcp_payments.yaml");
  const before = await readFile(file, "utf8");
  const after = edit(before);
  expect(after).not.toBe(before);
  await writeFile(file, after);
  const desk = await openSupportDesk({ policies });
  desks.push(desk);
  return desk;
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
  }, 60_000);

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
});
