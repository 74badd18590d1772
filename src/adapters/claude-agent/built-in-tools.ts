import type { JsonObject } from "../../core/json";

const text = { type: "string" };
const count = { type: "integer", minimum: 0 };
const flag = { type: "boolean" };
const texts = { type: "array", items: text };
const oneOf = (...values: readonly string[]): JsonObject => ({ type: "string", enum: values });

/** What a tool takes; members whose names end in `?` may be left out, and others than these are refused. */
function takes(members: Readonly<Record<string, JsonObject>>): JsonObject {
  const entries = Object.entries(members);
  return {
    type: "object",
    properties: Object.fromEntries(entries.map(([name, schema]) => [name.replace(/\?$/, ""), schema])),
    required: entries.flatMap(([name]) => (name.endsWith("?") ? [] : [name])),
    additionalProperties: false,
  };
}

const agent = takes({
  description: text,
  prompt: text,
  "subagent_type?": text,
  "model?": text,
  "effort?": text,
  "run_in_background?": flag,
  "name?": text,
  "team_name?": text,
  "mode?": text,
  // Not "remote": what runs in the vendor's cloud passes neither the hook nor the door.
  "isolation?": oneOf("worktree"),
});

/**
 * The arguments of the tools that Claude Code brings along, as `sdk-tools.d.ts` of 0.3.317 to 0.3.330 has them. Those that are not here (schedules,
 * workflows, remote triggers, another shell) are denied until the operator writes a schema for them.
 */
const SCHEMAS: Readonly<Record<string, JsonObject>> = {
  Agent: agent,
  /** The name that it had, and that models still know. */
  Task: agent,
  AskUserQuestion: {
    type: "object",
    properties: { questions: { type: "array", minItems: 1, maxItems: 4, items: { type: "object" } } },
    required: ["questions"],
  },
  Bash: takes({
    command: text,
    "timeout?": { type: "number", minimum: 0 },
    "description?": text,
    "run_in_background?": flag,
    "dangerouslyDisableSandbox?": flag,
  }),
  Edit: takes({ file_path: text, old_string: text, new_string: text, "replace_all?": flag }),
  EnterPlanMode: takes({}),
  ExitPlanMode: { type: "object" },
  Glob: takes({ pattern: text, "path?": text }),
  Grep: takes({
    pattern: text,
    "path?": text,
    "glob?": text,
    "output_mode?": oneOf("content", "files_with_matches", "count"),
    "-B?": count,
    "-A?": count,
    "-C?": count,
    "context?": count,
    "-n?": flag,
    "-i?": flag,
    "-o?": flag,
    "type?": text,
    "head_limit?": count,
    "offset?": count,
    "multiline?": flag,
  }),
  ListMcpResourcesTool: takes({ "server?": text }),
  NotebookEdit: takes({
    notebook_path: text,
    "cell_id?": text,
    new_source: text,
    "cell_type?": oneOf("code", "markdown"),
    "edit_mode?": oneOf("replace", "insert", "delete"),
  }),
  Read: takes({ file_path: text, "offset?": count, "limit?": count, "pages?": text, "allow_large?": flag }),
  ReadMcpResourceTool: takes({ server: text, uri: text }),
  /** The answer where there is an `outputFormat`, which Claude holds it against. */
  StructuredOutput: { type: "object" },
  // Claude reads the files and MCP resources that an `@` in the arguments of a skill names, with no call of a tool that a hook could see. One within a word, as
  // in an address, names none.
  Skill: takes({
    skill: text,
    "args?": { ...text, pattern: "^[^@]*((?<=[A-Za-z0-9])@(?=[A-Za-z0-9])[^@]*)*$" },
  }),
  TaskOutput: takes({ task_id: text, "block?": flag, "timeout?": { type: "number", minimum: 0 } }),
  TaskStop: takes({ "task_id?": text, "shell_id?": text }),
  TodoWrite: takes({
    todos: {
      type: "array",
      items: takes({
        content: text,
        status: oneOf("pending", "in_progress", "completed"),
        activeForm: text,
      }),
    },
  }),
  ToolSearch: takes({ query: text, "max_results?": count }),
  WebFetch: takes({ url: text, prompt: text, "offset?": count }),
  WebSearch: takes({ query: text, "allowed_domains?": texts, "blocked_domains?": texts }),
  Write: takes({ file_path: text, content: text }),
};

/** The schema of a tool that Claude Code brings along; `undefined` for every other name. */
export function builtInSchema(name: string): JsonObject | undefined {
  // Own properties only: a tool named `constructor` is none of them.
  return Object.hasOwn(SCHEMAS, name) ? SCHEMAS[name] : undefined;
}
