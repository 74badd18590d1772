import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";

/** What a document links to, inside of this repository. */
function linked(document: string): string[] {
  const links = readFileSync(document, "utf8").matchAll(/\]\(([^)#\s]+)[^)]*\)/g);
  const targets = [...links].map(([, target = ""]) => target).filter((target) => !/^[a-z]+:/.test(target));
  return targets.map((target) => join(dirname(document), target));
}

const guides = readdirSync("docs").filter((file) => file.endsWith(".md"));

describe.each([
  "README.md",
  "CONTRIBUTING.md",
  "SECURITY.md",
  "policies/README.md",
  "policies/packs/README.md",
  ...guides.map((file) => `docs/${file}`),
])("%s", (document) => {
  it("links only to files that are there", () => {
    const missing = linked(document).filter((target) => !existsSync(target));
    expect(missing).toEqual([]);
  });
});
