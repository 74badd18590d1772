import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished } from "vitest";

/** A copy of the policies for this test, in which the refunds' say something else. Resolves to its folder. */
export async function editedPolicies(text: string, other: string): Promise<string> {
  const policies = await mkdtemp(join(tmpdir(), "hopguard-policies-"));
  onTestFinished(() => rm(policies, { recursive: true }));
  await cp("policies", policies, { recursive: true });
  const file = join(policies, "mcp_payments.yaml");
  const before = await readFile(file, "utf8");
  expect(before).toContain(text);
  await writeFile(file, before.replace(text, other));
  return policies;
}
