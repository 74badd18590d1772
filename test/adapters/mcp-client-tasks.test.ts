import { InMemoryTransport } from "@modelcontextprotocol/sdk/inMemory.js";
import type { Session } from "hopguard";
import { guardTransport } from "hopguard/mcp";
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished, vi } from "vitest";
import { openDesk, type Desk } from "../support/desk";
import { LAB_POLICY } from "../support/mcp-policy";

/*
 * In revision 2025-11-25 a client may answer what a server asks of it with a task, whose result the server fetches later: the same methods as
 * for the server's tasks, in the other direction.
 */

interface Message {
  readonly id?: string | number;
  readonly method?: string;
  readonly result?: unknown;
  readonly error?: { readonly code: number };
}

let desk: Desk;
let user: Session;

beforeAll(async () => {
  desk = await openDesk({ policies: [LAB_POLICY] });
});
afterAll(() => desk.close());
beforeEach(async () => {
  desk.reset();
  user = await desk.session("user");
});

/** A client that answers what it is asked with whatever the test gives it, and the server's end of its connection. */
async function connected(answer: (message: Message) => object) {
  const [near, server] = InMemoryTransport.createLinkedPair();
  const client = guardTransport(near, user, { server: "lab" });
  const asked: Message[] = [];
  const answers = new Map<Message["id"], Message>();
  client.onmessage = (given) => {
    const message = given as Message;
    asked.push(message);
    void client.send({ jsonrpc: "2.0", id: message.id, result: answer(message) } as never);
  };
  server.onmessage = (message) => void answers.set((message as Message).id, message as Message);
  await client.start();
  onTestFinished(() => client.close());
  /** The server asks, and has its answer. */
  const ask = async (id: number, method: string, params: object = {}): Promise<Message | undefined> => {
    await server.send({ jsonrpc: "2.0", id, method, params } as never);
    return vi.waitUntil(() => answers.get(id), { timeout: 10_000 });
  };
  return { ask, asked };
}

const form = { mode: "form", message: "Who?", requestedSchema: { type: "object", properties: {} }, task: {} };

describe("a task that a client makes of what its server asks", () => {
  const client = () =>
    connected(({ method }) => {
      if (method === "elicitation/create") return { task: { taskId: "mine", status: "working" } };
      if (method === "tasks/list") return { tasks: [{ taskId: "theirs" }, { taskId: "mine" }] };
      return { taskId: "mine", status: "completed" };
    });

  it("is the server's to ask for", async () => {
    const { ask, asked } = await client();
    await ask(1, "elicitation/create", form);
    expect(await ask(2, "tasks/get", { taskId: "mine" })).toMatchObject({ result: { status: "completed" } });
    expect(await ask(3, "tasks/result", { taskId: "mine" })).toHaveProperty("result");
    expect(asked.map(({ method }) => method)).toEqual(["elicitation/create", "tasks/get", "tasks/result"]);
    expect(desk.records.at(-1)).toMatchObject({ effect: "allow", hop: { action: "tasks/result" } });
  });

  it.each(["tasks/get", "tasks/result", "tasks/cancel"])(
    "cannot be named by %s unless this server's request has begun it",
    async (method) => {
      const { ask, asked } = await client();
      expect(await ask(1, method, { taskId: "mine" })).toHaveProperty("error");
      await ask(2, "elicitation/create", form);
      expect(await ask(3, method, { taskId: "theirs" })).toHaveProperty("error");
      expect(await ask(4, method)).toHaveProperty("error");
      expect(asked.map(({ method }) => method)).toEqual(["elicitation/create"]);
    },
  );

  it("is not cancelled where the policy does not allow it", async () => {
    const { ask, asked } = await client();
    await ask(1, "elicitation/create", form);
    expect(await ask(2, "tasks/cancel", { taskId: "mine" })).toHaveProperty("error");
    expect(asked).toHaveLength(1);
    expect(desk.records.at(-1)).toMatchObject({ effect: "deny", code: "policy_denied" });
  });

  it("is listed without the tasks of others", async () => {
    const { ask } = await client();
    await ask(1, "elicitation/create", form);
    expect(await ask(2, "tasks/list")).toMatchObject({ result: { tasks: [{ taskId: "mine" }] } });
  });
});
