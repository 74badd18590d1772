import { isJsonObject, type JsonObject } from "../../core/json";
import { paramsOf, type Call } from "./json-rpc";
import { malformed, unsupported, type Question } from "./question";

/**
 * Which tool's call each task of this transport came from. A task's id is all that a server asks for, so that an id that was guessed or
 * overheard would fetch another user's result: only the tasks of this transport's own calls can be named.
 */
export class TaskBindings {
  readonly #tools = new Map<string, string>();

  /** Remembers the task that a call was answered with, if it was. */
  bind(call: Call, result: JsonObject): void {
    const { name } = paramsOf(call);
    const { taskId } = isJsonObject(result.task) ? result.task : result;
    if (call.method === "tools/call" && typeof name === "string" && typeof taskId === "string") {
      this.#tools.set(taskId, name);
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
    if (tool === undefined) return unsupported(action, "No call of this connection has started this task.");
    return { action, attr: { tool, task_id: taskId } };
  }
}
