import type { Session } from "../../index";
import { Resumptions } from "./resumptions";
import { TaskBindings } from "./task-bindings";
import type { Pins } from "./tool-catalogue";

/** What a session knows of a server, over all its connections: opening it again makes no first impression anew. */
export interface ServerMemory {
  readonly pins: Pins;
  readonly tasks: TaskBindings;
  readonly clientTasks: TaskBindings;
  readonly resumptions: Resumptions;
}

/** Kept beside the session, and gone with it. */
const memories = new WeakMap<Session, Map<string, ServerMemory>>();

export function memoryOf(session: Session, server: string): ServerMemory {
  const servers = memories.get(session) ?? new Map<string, ServerMemory>();
  memories.set(session, servers);
  const memory = servers.get(server) ?? {
    pins: new Map(),
    tasks: new TaskBindings(),
    clientTasks: new TaskBindings(),
    resumptions: new Resumptions(),
  };
  servers.set(server, memory);
  return memory;
}
