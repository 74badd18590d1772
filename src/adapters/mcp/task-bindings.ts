import type { SettledOutcome } from "../../core/decision";
import { isJsonObject, type JsonObject, type JsonValue } from "../../core/json";
import { remember } from "../../core/remember";
import type { JointAllow } from "../shared/joint-decision";
import { paramsOf, type Call } from "./json-rpc";
import { malformed, unsupported, type Question } from "./question";

/** The oldest are forgotten first, and can then no longer be named. */
const MAX_TASKS = 10_000;

export const NO_TASK = "No call of this session has started this task.";

/** What a task was begun by: the call of a tool, or what a server asked of its client. */
type Origin = { readonly tool: string } | { readonly request: string };

/**
 * What each task of a session was begun by. A task's id is all that is asked for, so that an id that was guessed or overheard would fetch
 * another's result: only the tasks that the session's own requests have begun can be named, on whichever connection. The tasks that run at
 * the server and those that run at the client are kept apart.
 */
export class TaskBindings {
  readonly #origins = new Map<string, Origin>();
  /** The calls of tools whose tasks have not come to anything yet. */
  readonly #underWay = new Map<string, Pick<JointAllow, "settle">>();

  /** Remembers the task that a request was answered with, if it was. */
  bind(call: Call, result: JsonObject): void {
    const { taskId } = isJsonObject(result.task) ? result.task : result;
    const origin = originOf(call);
    if (origin === undefined || typeof taskId !== "string") return;
    remember(this.#origins, taskId, origin, MAX_TASKS);
  }

  /** Whether the call of a tool was answered with a task. If so, it is settled with what comes of that: what was only begun is not done. */
  settleLater(call: Call, result: JsonObject, allowed: Pick<JointAllow, "settle">): boolean {
    const isTask = isJsonObject(result.task) || result.content === undefined;
    const { taskId } = isJsonObject(result.task) ? result.task : result;
    if (call.method !== "tools/call" || !isTask || typeof taskId !== "string") return false;
    remember(this.#underWay, taskId, allowed, MAX_TASKS);
    return true;
  }

  /** Hears what a server answers about a task. */
  hear(call: Call, result: JsonObject): void {
    const { taskId } = paramsOf(call);
    const outcome = outcomeOf(call.method, result);
    if (typeof taskId !== "string" || outcome === undefined) return;
    this.#underWay.get(taskId)?.settle(outcome);
    this.#underWay.delete(taskId);
  }

  /** The answer to `tasks/list`, with the tasks that may be named. */
  ownOf(result: JsonObject): JsonObject {
    const { tasks } = result;
    if (!Array.isArray(tasks)) throw new Error("This is no list of tasks.");
    const own = (tasks as readonly JsonValue[]).filter((task) => isJsonObject(task) && this.has(task.taskId));
    return { ...result, tasks: own };
  }

  /** Whether a request of this session has begun the task. */
  has(taskId: JsonValue | undefined): boolean {
    return typeof taskId === "string" && this.#origins.has(taskId);
  }

  ask(call: Call): Question {
    const { taskId } = paramsOf(call);
    const action = call.method;
    if (typeof taskId !== "string") return malformed(action, "params.taskId");
    const origin = this.#origins.get(taskId);
    if (origin === undefined) return unsupported(action, NO_TASK);
    return { action, attr: { ...origin, task_id: taskId } };
  }
}

/** `undefined`: the task goes on, or has ended without saying how. Revision 2026-07-28 tells the result with the status. */
function outcomeOf(method: string, answer: JsonObject): SettledOutcome | undefined {
  const ofTool = (result: JsonObject): SettledOutcome => (result.isError === true ? "failed" : "done");
  if (method === "tasks/result") return ofTool(answer);
  if (method !== "tasks/get" && method !== "tasks/cancel") return undefined;
  const { status, result } = answer;
  if (status === "failed") return "failed";
  if (status === "cancelled") return "unknown";
  return status === "completed" && isJsonObject(result) ? ofTool(result) : undefined;
}

function originOf(call: Call): Origin | undefined {
  if (call.method !== "tools/call") return { request: call.method };
  const { name } = paramsOf(call);
  return typeof name === "string" ? { tool: name } : undefined;
}
