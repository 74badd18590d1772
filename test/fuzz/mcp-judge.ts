import type { Connection } from "./mcp-connection";
import { hopsToClient, hopsToServer, onServer, SERVER, type ServerSetup } from "./mcp-oracle";
import type { Message } from "./mcp-server";
import { demandShown } from "./demand-shown";
import { demand, type Arrival } from "./oracle";
import { Violation } from "./violation";
import type { World } from "./world";

/** Holds everything that came to the server, and everything that the client saw, against what the PDP said. */
export function judgeConnection(setup: ServerSetup, world: World, connection: Connection): void {
  const { actor, server, delivered, began, openingBegan } = connection;
  if (server.startedAt !== undefined) {
    const opening = { actor, began: openingBegan, at: server.startedAt };
    demand(world, opening, onServer("initialize", { transport: "other" }));
  }
  const isAskedBefore = (at: number) => (id: unknown) =>
    delivered.some(
      ({ message, at: then }) => message.id === id && typeof message.method === "string" && then < at,
    );
  for (const sent of server.sent) {
    const { id } = JSON.parse(sent.text) as Message;
    // The guard's own listing is for whichever call came first.
    const arrival = { actor, began: began.get(id) ?? openingBegan, at: sent.at };
    const needs = hopsToServer(setup, server, sent, arrival.began, isAskedBefore(sent.at));
    for (const need of needs) demand(world, arrival, need);
  }
  for (const { message, at } of delivered) {
    const arrival = { actor, began: began.get(message.id) ?? openingBegan, at };
    if (typeof message.method === "string") judgeCall(world, arrival, message);
    else judgeAnswer(world, arrival, connection, message);
  }
}

/** What the server asks or tells the client by itself. */
function judgeCall(world: World, arrival: Arrival, message: Message): void {
  if ("id" in message) {
    for (const need of hopsToClient(message)) demand(world, arrival, need);
    return;
  }
  const known = ["notifications/message", "notifications/tools/list_changed"];
  if (!known.includes(String(message.method)))
    throw new Violation("The client heard what nobody knows:", message);
}

interface Listing {
  readonly tools?: readonly Message[];
  readonly prompts?: readonly Message[];
  readonly tasks?: readonly Message[];
  readonly inputRequests?: Readonly<Record<string, Message>>;
}

function judgeAnswer(world: World, arrival: Arrival, { began, server }: Connection, message: Message): void {
  if (!began.has(message.id)) throw new Violation("The client was answered what it did not ask:", message);
  const { tools = [], prompts = [], tasks = [], inputRequests = {} } = (message.result ?? {}) as Listing;
  const shown = (prefix: string, { name }: Message): void => {
    demandShown(world, arrival, { kind: `mcp_${SERVER}`, action: `${prefix}/${String(name)}` });
  };
  for (const tool of tools) shown("tools/call", tool);
  for (const prompt of prompts) shown("prompts/get", prompt);
  for (const { taskId } of tasks)
    if (!server.tasks.has(String(taskId))) throw new Violation("Another's task was shown:", taskId);
  for (const input of Object.values(inputRequests))
    for (const need of hopsToClient(input)) demand(world, arrival, need);
}
