import type * as agents from "@openai/agents";
import type * as adapter from "hopguard/openai-agents";
import * as openai from "openai";
import { vi } from "vitest";
import { fixture } from "./fixtures";

/** A version of the SDK, with the adapter that guards it. All are typed by the newest. */
export interface AgentsLine {
  readonly line: string;
  readonly sdk: typeof agents;
  readonly OpenAI: typeof openai.OpenAI;
  readonly adapter: typeof adapter;
}

const oldest = fixture("openai-agents");

/** The adapter takes the SDK that is installed beside it: for another, it is loaded anew. */
async function adapterBeside(sdk: unknown): Promise<typeof adapter> {
  vi.resetModules();
  vi.doMock("@openai/agents", () => sdk as Record<string, unknown>);
  try {
    return await import("hopguard/openai-agents");
  } finally {
    vi.doUnmock("@openai/agents");
  }
}

/** The oldest and the newest version that the adapter is tested with. */
export async function agentsLines(): Promise<readonly AgentsLine[]> {
  const old = oldest("@openai/agents") as typeof agents;
  const { OpenAI } = oldest("openai") as typeof openai;
  const sdk = await vi.importActual<typeof agents>("@openai/agents");
  return [
    { line: "@openai/agents 0.5", sdk: old, OpenAI, adapter: await adapterBeside(old) },
    { line: "@openai/agents 0.20", sdk, OpenAI: openai.OpenAI, adapter: await adapterBeside(sdk) },
  ];
}

/** The adapter as it would be beside a version that lacks some of the SDK's exports. */
export async function adapterWithout(...names: readonly string[]): Promise<typeof adapter> {
  const sdk = await vi.importActual<typeof agents>("@openai/agents");
  return adapterBeside(Object.fromEntries(Object.entries(sdk).filter(([name]) => !names.includes(name))));
}
