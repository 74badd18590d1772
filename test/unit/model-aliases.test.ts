import { createGuard } from "hopguard";
import { stubPdp } from "hopguard/testing";
import { describe, expect, it } from "vitest";
import { ModelAliases } from "../../src/core/model-aliases";

const aliases = new ModelAliases({
  "team-fast": "gpt-4o-mini",
  "openai/*": "*",
  "azure/eu/*": "openai/*",
  "gpt-4o-{date}": "gpt-4o",
  "claude-sonnet-5-5-{date}": "claude-sonnet-5-5",
  "a+b": "plus",
});

describe("a model's name stands for", () => {
  it.each([
    ["itself, when it is not listed", "gpt-4o", ["gpt-4o"]],
    ["its target", "team-fast", ["team-fast", "gpt-4o-mini"]],
    ["the target's target", "openai/team-fast", ["openai/team-fast", "team-fast", "gpt-4o-mini"]],
    ["what a * takes over", "openai/gpt-4o-mini", ["openai/gpt-4o-mini", "gpt-4o-mini"]],
    ["a dated version's model", "gpt-4o-2024-08-06", ["gpt-4o-2024-08-06", "gpt-4o"]],
    [
      "a dated version's model, whatever the date's form",
      "claude-sonnet-5-5-20260929",
      ["claude-sonnet-5-5-20260929", "claude-sonnet-5-5"],
    ],
    [
      "all of it together",
      "azure/eu/gpt-4o-2024-08-06",
      ["azure/eu/gpt-4o-2024-08-06", "openai/gpt-4o-2024-08-06", "gpt-4o-2024-08-06", "gpt-4o"],
    ],
    ["itself in another case", "Team-Fast", ["Team-Fast"]],
    ["itself, where a * would stand for nothing", "openai/", ["openai/"]],
    ["itself, where no date follows", "gpt-4o-mini", ["gpt-4o-mini"]],
    ["itself, where more than a date follows", "gpt-4o-2024-08-06-x", ["gpt-4o-2024-08-06-x"]],
    ["itself, where a character of the alias would be one of a pattern's", "aab", ["aab"]],
    ["itself, when it is a name that every object has", "constructor", ["constructor"]],
  ])("%s: %s", (_case, name, names) => {
    expect(aliases.namesOf(name)).toEqual(names);
  });

  it("nothing, when it leads round in a circle or to what is no model's id", () => {
    const wrong = new ModelAliases({
      a: "b",
      b: "a",
      "long-*": "x".repeat(200) + "*",
      "wide-*": "wide-*-*".slice(0, 6),
    });
    expect(wrong.namesOf("a")).toBeUndefined();
    expect(wrong.namesOf(`long-${"y".repeat(100)}`)).toBeUndefined();
    expect(wrong.namesOf("wide-1")).toEqual(["wide-1"]);
  });
});

describe("an alias is refused where it is given", () => {
  it.each([
    ["two stars", { "a*b*": "c" }, /models\.a\*b\*/],
    ["a star for nothing", { a: "b*" }, /models\.a: .*stands for nothing/],
    ["two stars in the target", { "a*": "**" }, /models\.a\*: .*once/],
    ["a space", { "team fast": "gpt-4o" }, /models\.team fast: expected model ids/],
    ["an empty target", { a: "" }, /models\.a: expected model ids/],
    ["no string", { a: 1 as never }, /models\.a/],
  ])("%s", (_case, models, message) => {
    expect(() => createGuard({ pdp: stubPdp(), models })).toThrow(message);
  });
});
