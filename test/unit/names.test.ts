import { ConfigurationError } from "hopguard";
import { describe, expect, it } from "vitest";
import {
  assertKindPart,
  isAction,
  isFactName,
  isKind,
  isKindPart,
  isModelId,
  isToolName,
} from "../../src/core/names";

const accepted = (is: (name: unknown) => boolean, names: readonly unknown[]): unknown[] => names.filter(is);

const NEVER = [
  "",
  " ",
  "a b",
  "a\n",
  "\na",
  "a\u0000",
  "a\u001b[31m",
  "аdmin",
  "a*",
  "*",
  "a?",
  "[a]",
  "{a}",
  7,
  null,
  undefined,
  ["a"],
  { a: 1 },
];

describe("the name of a server, toolset or agent", () => {
  it("is of a-z, 0-9 and _, because the PDP folds other characters to _", () => {
    expect(accepted(isKindPart, ["payments", "pay_roll", "s3", "_", "a".repeat(64)])).toHaveLength(5);
    expect(
      accepted(isKindPart, [
        ...NEVER,
        "pay-roll",
        "pay.roll",
        "pay/roll",
        "pay:roll",
        "pay@roll",
        "Pay",
        "a".repeat(65),
      ]),
    ).toEqual([]);
  });

  it("is refused where the operator gives it, with the option's name", () => {
    expect(() => assertKindPart("pay-roll", "guardTransport.server")).toThrow(ConfigurationError);
    expect(() => assertKindPart("pay-roll", "guardTransport.server")).toThrow(
      /guardTransport\.server: "pay-roll"/,
    );
    expect(() => assertKindPart(undefined, "guardTransport.server")).toThrow(ConfigurationError);
  });
});

describe("a kind", () => {
  it("is of letters, digits and _", () => {
    expect(accepted(isKind, ["llm_model", "mcp_payments", "Document", "a1"])).toHaveLength(4);
    expect(
      accepted(isKind, [...NEVER, "a-b", "a:b", "a/b", "a.b", "1a", "_a", "__proto__", "a".repeat(129)]),
    ).toEqual([]);
  });
});

describe("an action", () => {
  it("is of segments with slashes between them", () => {
    const names = [
      "completion",
      "initialize",
      "tools/list",
      "hosted_tools/web_search",
      "$/cancel",
      "message/send",
      "a:b",
    ];
    expect(accepted(isAction, names)).toEqual(names);
  });

  it("is never a glob, nor has empty segments", () => {
    expect(
      accepted(isAction, [
        ...NEVER,
        "tools/call/*",
        "tools/*",
        "/a",
        "a/",
        "a//b",
        "tools/call/",
        "a".repeat(257),
      ]),
    ).toEqual([]);
  });

  it("may hold a tool or a prompt of MCP's grammar, which has slashes anywhere", () => {
    const names = ["tools/call/a/b", "tools/call//", "tools/call/constructor", "prompts/get/a.b-c"];
    expect(accepted(isAction, names)).toEqual(names);
    expect(
      accepted(isAction, ["tools/call/a:b", "tools/call/a b", "prompts/get/é", "tools/call/a\nb"]),
    ).toEqual([]);
  });
});

describe("a tool", () => {
  it("is of MCP's grammar, and told from another by its case", () => {
    expect(
      accepted(isToolName, ["refund_issue", "Refund", "a/b.c-d", "__proto__", "a".repeat(128)]),
    ).toHaveLength(5);
    expect(accepted(isToolName, [...NEVER, "a:b", "a@b", "a".repeat(129)])).toEqual([]);
  });
});

describe("a model", () => {
  it("is of printable ASCII without spaces", () => {
    const ids = [
      "gpt-4o",
      "llama3:8b",
      "arn:aws:bedrock:eu-central-1::foundation-model/anthropic.claude",
      "openai/gpt-4o",
      "*",
    ];
    expect(accepted(isModelId, ids)).toEqual(ids);
    expect(
      accepted(isModelId, [
        "",
        "gpt-4o ",
        " gpt-4o",
        "gpt 4o",
        "gpt-4о",
        "gpt-4o\n",
        "gpt\u200b-4o",
        "a".repeat(257),
        4,
      ]),
    ).toEqual([]);
  });
});

describe("a fact", () => {
  it("is a name that a policy can write after a dot", () => {
    expect(accepted(isFactName, ["project", "riskScore", "a_1"])).toHaveLength(3);
    expect(accepted(isFactName, [...NEVER, "a-b", "a.b", "1a", "__proto__", "a".repeat(65)])).toEqual([]);
  });
});
