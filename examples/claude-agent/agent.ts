import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Denial, Session } from "hopguard";
import { guardQueryOptions } from "hopguard/claude-agent";
import type { RefundScene } from "../support-desk/refund-scene";
import { loadSdk } from "./sdk";

/** What has become of a task. */
export interface Work {
  /** The agent's last word. */
  readonly result: string;
  /** Servers that were left out, and calls of tools that were denied. */
  readonly denials: readonly Denial[];
  /** What the agent has left in its folder. */
  readonly files: readonly string[];
}

/** A person's answer to the question whether a call may be made. */
type CanUseTool = (name: string, input: object, options: object) => Promise<object>;

/**
 * Has a Claude agent work on a task, on behalf of the session. It has every tool that Claude Code brings along, and the desk's servers; and all of
 * Claude's own permissions are given.
 */
export async function work(
  { servers, provider }: RefundScene,
  session: Session,
  prompt: string,
  canUseTool?: CanUseTool,
): Promise<Work> {
  const { query } = await loadSdk();
  const home = await mkdtemp(join(tmpdir(), "hopguard-claude-home-"));
  const cwd = await mkdtemp(join(tmpdir(), "hopguard-claude-"));
  const http = (url: string) => ({ type: "http", url });
  const denials: Denial[] = [];
  const guarded = await guardQueryOptions(
    {
      cwd,
      model: "claude-sonnet-5-5",
      maxTurns: 8,
      allowedTools: ["Bash", "mcp__tickets", "mcp__payments", "mcp__payroll"],
      mcpServers: {
        tickets: http(servers.tickets.url),
        payments: http(servers.payments.url),
        payroll: http(servers.payroll.url),
      },
      ...(canUseTool && { canUseTool }),
      // Of whoever runs the example nothing is read: no settings, no login.
      env: {
        ...{ PATH: process.env.PATH, HOME: home, CLAUDE_CONFIG_DIR: join(home, ".claude") },
        ...{ ANTHROPIC_BASE_URL: provider.anthropicBaseURL, ANTHROPIC_API_KEY: "none" },
        CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: "1",
      },
    },
    session,
    {
      tools: { mcp__payments__refund_issue: { server: "payments", effect: "destructive" } },
      onDenial: (denial) => denials.push(denial),
    },
  );
  try {
    let result = "";
    try {
      for await (const message of query({ prompt, options: guarded.options }))
        result = message.result ?? result;
    } catch (error) {
      // What Claude says of an error of the model it also throws.
      result ||= String(error);
    }
    return { result, denials: [...guarded.denials, ...denials], files: await readdir(cwd) };
  } finally {
    await guarded.close();
    await Promise.all(
      [home, cwd].map((folder) =>
        rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 }),
      ),
    );
  }
}
