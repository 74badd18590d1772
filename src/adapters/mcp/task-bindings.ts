import { isJsonObject, type JsonObject } from "../../core/json";
import { paramsOf, type Call } from "./json-rpc";
import { malformed, unsupported, type Question } from "./question";

/** The oldest are forgotten first, and can then no longer be named. */
const MAX_TASKS = 10_000;

/**
 * Which tool's call each task of a session came from. A task's id is all that a server asks for, so that an id that was guessed or
 * overheard would fetch another user's result: only the tasks of the session's own calls can be named, on whichever connection.
 */
export class TaskBindings {
  readonly #tools = new Map<string, string>();

  /** Remembers the task that a call was answered with, if it was. */
  bind(call: Call, result: JsonObject): void {
    const { name } = paramsOf(call);
    const { taskId } = isJsonObject(result.task) ? result.task : result;
    if (call.method === "tools/call" && typeof name === "string" && typeof taskId === "string") {
      this.#tools.set(taskId, name);
      const [oldest] = this.#tools.keys();
      if (this.#tools.size > MAX_TASKS && oldest !== undefined) this.#tools.delete(oldest);
    }
  }

  isBound(taskId: unknown): boolean {
    return typeof taskId === "string" && this.#tools.has(taskId);
  }

  ask(call: Call): Question {
    const { taskId } = paramsOf(call);
    const action = call.method;
    if (typeof taskId !== "string") return malformed(action, "params.taskId");
    const tool = this.#tools.get(taskId);
    if (tool === undefined) return unsupported(action, "No call of this session has started this task.");
    return { action, attr: { tool, task_id: taskId } };
  }
}
