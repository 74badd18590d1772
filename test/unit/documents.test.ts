import { existsSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";

/** What a document links to, inside of this repository. */
function linked(document: string): string[] {
  const links = readFileSync(document, "utf8").matchAll(/\]\(([^)#\s]+)[^)]*\)/g);
  return [...links].map(([, target = ""]) => target).filter((target) => !/^[a-z]+:/.test(target));
}

describe.each(["README.md", "CONTRIBUTING.md", "SECURITY.md"])("%s", (document) => {
  it("links only to files that are there", () => {
    const missing = linked(document).filter((target) => !existsSync(target));
    expect(missing).toEqual([]);
  });
});
