import { setTimeout as delay } from "node:timers/promises";
import type { Client } from "@modelcontextprotocol/sdk/client/index.js";
import type { RequestHandlerExtra } from "@modelcontextprotocol/sdk/shared/protocol.js";
import {
  CallToolResultSchema,
  CreateTaskResultSchema,
  type ClientNotification,
  type ClientRequest,
  type Result,
} from "@modelcontextprotocol/sdk/types.js";

/** Shorter than a server's first look at the task, so that it looks once. */
const WORK_MS = 50;

/** Answers what the server asks at once, or as a task if the server wants one. */
export async function answerAsked(
  answer: Result,
  { taskStore, taskRequestedTtl }: RequestHandlerExtra<ClientRequest, ClientNotification>,
): Promise<Result> {
  if (!taskStore || taskRequestedTtl === undefined) return answer;
  const task = await taskStore.createTask({ ttl: taskRequestedTtl, pollInterval: 100 });
  void delay(WORK_MS).then(() => taskStore.storeTaskResult(task.taskId, "completed", answer));
  return { task };
}

/** Tasks in both directions: those of the server's tools, and those that a server makes of what it asks of the client. */
export async function tourTasks(client: Client): Promise<void> {
  const { tasks } = client.experimental;
  const start = async (topic: string) => {
    const call = {
      name: "simulate-research-query",
      arguments: { topic, ambiguous: true },
      task: { ttl: 60_000 },
    };
    const { task } = await client.request({ method: "tools/call", params: call }, CreateTaskResultSchema);
    return task.taskId;
  };

  const finished = await start("python");
  await tasks.getTaskResult(finished, CallToolResultSchema);
  await tasks.getTask(finished);
  await tasks.cancelTask(await start("ruby"));
  await tasks.listTasks();

  for (const name of ["trigger-sampling-request-async", "trigger-elicitation-request-async"]) {
    await client.callTool({ name, arguments: name.includes("sampling") ? { prompt: "Say hello" } : {} });
  }
}
