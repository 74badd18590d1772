import { StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import type { Message, Wrap } from "./relay";

/** One request of revision 2026-07-28, which stands for itself. Its answer is JSON, or events if something comes before it. */
export async function exchange(request: Request, upstream: URL, wrap: Wrap): Promise<Response> {
  const message = (await request.json()) as Message;
  const { id } = message;
  let status = 200;

  const send: typeof fetch = async (input, init) => {
    const headers = new Headers(init?.headers);
    const isCallers = (JSON.parse(init?.body as string) as Message).id === id;
    // What a guard asks on its own account has headers of its own; the caller's may be wrong, and the upstream is to see that.
    if (isCallers) replaceMcpHeaders(headers, request.headers);
    const response = await fetch(input, { ...init, headers });
    if (isCallers) status = response.status;
    const isMessage = response.headers.get("content-type")?.startsWith("application/json");
    // The transport hands on no message that came with an error's status.
    return isMessage ? new Response(response.body, { headers: response.headers }) : response;
  };

  const transport = wrap(new StreamableHTTPClientTransport(upstream, { fetch: send }));
  const messages = new TransformStream<Message, Message>(undefined, { highWaterMark: Infinity });
  const writer = messages.writable.getWriter();
  transport.onmessage = (answer) => {
    void writer.write(answer);
    if (answer.method === undefined && answer.id === id) void writer.close();
  };
  request.signal.addEventListener("abort", () => void transport.close());
  try {
    await transport.start();
    await transport.send(message, { requestSignal: request.signal });
  } catch (error) {
    const refused = { code: -32603, message: (error as Error).message };
    return Response.json(
      { jsonrpc: "2.0", id: id ?? null, error: refused },
      { status: Math.max(status, 400) },
    );
  }
  if (id === undefined) return new Response(null, { status });

  const reader = messages.readable.getReader();
  const { value: first } = await reader.read();
  if (first?.method === undefined) return Response.json(first, { status });
  return new Response(events(first, reader), { headers: { "content-type": "text/event-stream" } });
}

function replaceMcpHeaders(headers: Headers, callers: Headers): void {
  const isMcp = ([name]: readonly [string, string]) => name.startsWith("mcp-");
  for (const [name] of [...headers].filter(isMcp)) headers.delete(name);
  for (const [name, value] of [...callers].filter(isMcp)) headers.set(name, value);
}

function events(first: Message, rest: ReadableStreamDefaultReader<Message>): ReadableStream<Uint8Array> {
  const encode = (message: Message) => new TextEncoder().encode(`data: ${JSON.stringify(message)}\n\n`);
  return new ReadableStream({
    start: (controller) => controller.enqueue(encode(first)),
    async pull(controller) {
      const { value, done } = await rest.read();
      if (done) controller.close();
      else controller.enqueue(encode(value));
    },
  });
}
