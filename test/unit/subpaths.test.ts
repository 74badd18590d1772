import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import manifest from "../../package.json" with { type: "json" };
import tsconfig from "../../tsconfig.json" with { type: "json" };
import tsup from "../../tsup.config";

const quotedInReadme = new Set(readFileSync("README.md", "utf8").split(/["`]/));
const sources = new Map(Object.entries<string[]>(tsconfig.compilerOptions.paths));

/** Of every subpath but `./package.json`: the name that users import. */
const exported = Object.entries(manifest.exports)
  .filter(([, target]) => typeof target === "object")
  .map(([subpath]) => ({ subpath, name: subpath.replace(/^\./, manifest.name) }));

describe.each(exported)("the subpath $subpath", ({ subpath, name }) => {
  const file = subpath === "." ? "index" : subpath.slice("./".length);

  it("is built from the source that tests import by its name", () => {
    const [source] = sources.get(name) ?? [];
    expect(source).toBeDefined();
    expect(`./${(tsup as { entry: Record<string, string> }).entry[file]}`).toBe(source);
  });

  it("finds its types before its code, under the name that it is built by", () => {
    const conditions = Object.entries(manifest.exports[subpath as "."]);
    expect(conditions.at(0)).toEqual(["types", `./dist/${file}.d.ts`]);
    expect(conditions.at(-1)).toEqual(["default", `./dist/${file}.js`]);
    // Runtimes that need a build of their own.
    for (const [, built] of conditions.slice(1, -1)) expect(built).toBe(`./dist/${file}-edge.js`);
  });

  it("is named in the README, and in the docstring that its reference begins with", () => {
    expect(quotedInReadme.has(name)).toBe(true);
    const source = readFileSync(sources.get(name)?.[0] ?? "", "utf8");
    expect(source.slice(0, source.indexOf("*/"))).toContain(`@module ${name}\n`);
  });
});

it("leaves no entry that is built or tested, and cannot be imported", () => {
  const names = exported.map(({ name }) => name).sort();
  expect([...sources.keys()].sort()).toEqual(names);
  const built = Object.keys((tsup as { entry: object }).entry).map((file) => `./dist/${file}.js`);
  const used = new Set([
    ...exported.flatMap(({ subpath }) => Object.values(manifest.exports[subpath as "."]).slice(1)),
    ...Object.values(manifest.bin),
  ]);
  expect(built.sort()).toEqual([...used].sort());
});
