import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { Session } from "hopguard";
import { guardQueryOptions, type GuardedQuery, type GuardQueryOptions } from "hopguard/claude-agent";
import type { LocalProvider } from "../../examples/shared/local-provider";
import { fixture } from "./fixtures";

/** A message of a run, as far as tests look at it. */
export interface ClaudeMessage {
  readonly type: string;
  readonly subtype?: string;
  readonly result?: string;
  readonly is_error?: boolean;
}

/** What somebody says: all of it, or one message after the other. */
type Prompt = string | AsyncIterable<object>;
type Query = (run: { readonly prompt: Prompt; readonly options: object }) => AsyncIterable<ClaudeMessage>;

/** An SDK of a version, with the `claude` that it brings. */
export interface ClaudeLine {
  readonly line: string;
  readonly query: Query;
}

const sdks = fixture("claude-agent");

async function load(line: string): Promise<ClaudeLine> {
  const url = pathToFileURL(sdks.resolve(`claude-agent-${line}`)).href;
  const { query } = (await import(/* @vite-ignore */ url)) as { readonly query: Query };
  return { line, query };
}

/** Oldest first. */
export const claudeLines: readonly ClaudeLine[] = await Promise.all([load("oldest"), load("newest")]);

/** What a run needs beside the guard. */
export interface ClaudeRun {
  readonly line: ClaudeLine;
  readonly session: Session;
  readonly provider: LocalProvider;
  /** Options of the SDK's `query`. */
  readonly options?: Readonly<Record<string, unknown>>;
  readonly guard?: GuardQueryOptions;
  readonly prompt?: Prompt;
}

/** A folder for one run to work in, with Claude's own files beside it. */
export interface Workplace extends AsyncDisposable {
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** Nothing of whoever runs the tests gets into the process: no settings, no login, no variables. */
export async function openWorkplace(provider: LocalProvider): Promise<Workplace> {
  const home = await mkdtemp(join(tmpdir(), "hopguard-claude-"));
  const cwd = await mkdtemp(join(tmpdir(), "hopguard-claude-cwd-"));
  const remove = (folder: string) =>
    rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  return {
    cwd,
    env: {
      PATH: process.env.PATH,
      HOME: home,
      CLAUDE_CONFIG_DIR: join(home, ".claude"),
      CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: "1",
      ANTHROPIC_API_KEY: "the-provider-key",
      ANTHROPIC_BASE_URL: provider.anthropicBaseURL,
    },
    [Symbol.asyncDispose]: async () => {
      await Promise.all([remove(home), remove(cwd)]);
    },
  };
}

/** What has become of a run. */
export interface ClaudeOutcome {
  readonly messages: readonly ClaudeMessage[];
  /** The last message's result. */
  readonly result: string;
  /** What `query` has thrown. */
  readonly error: unknown;
  readonly guarded: GuardedQuery;
}

/** Runs the real `claude` to its end, guarded, in a folder of its own unless `options` name one. */
export async function runClaude({
  line,
  session,
  provider,
  options,
  guard,
  prompt = "Do your work.",
}: ClaudeRun): Promise<ClaudeOutcome> {
  const place = await openWorkplace(provider);
  const { cwd, env } = place;
  const guarded = await guardQueryOptions(
    { cwd, env, model: "claude-haiku-5-5", maxTurns: 6, permissionMode: "default", ...options },
    session,
    guard,
  );
  const messages: ClaudeMessage[] = [];
  let error: unknown;
  try {
    for await (const message of line.query({ prompt, options: guarded.options })) messages.push(message);
  } catch (thrown) {
    error = thrown;
  } finally {
    await guarded.close();
    await place[Symbol.asyncDispose]();
  }
  return {
    messages,
    result: messages.findLast(({ type }) => type === "result")?.result ?? "",
    error,
    guarded,
  };
}
