import { connect, type Socket } from "node:net";

/** What came back over a socket. */
export interface RawResponse {
  readonly status: number;
  readonly head: string;
  readonly body: string;
}

/** Sends a request as it is written, which no client library mends, and reads until the other end closes. */
export async function sendRaw(
  url: string,
  { method = "POST", headers = {}, body = "" }: RawRequest,
): Promise<RawResponse> {
  const { hostname, port, pathname } = new URL(url);
  const socket = connect(Number(port), hostname);
  const bytes = typeof body === "string" ? Buffer.from(body) : body;
  const lines = [
    `${method} ${pathname} HTTP/1.1`,
    `Host: ${hostname}:${port}`,
    "Connection: close",
    ...Object.entries({ "Content-Length": String(bytes.length), ...headers }).map(
      ([name, value]) => `${name}: ${value}`,
    ),
  ];
  socket.write(`${lines.join("\r\n")}\r\n\r\n`);
  socket.write(bytes);
  const [head = "", ...rest] = (await received(socket)).split("\r\n\r\n");
  return {
    status: Number(/^HTTP\/1\.1 (\d+)/.exec(head)?.[1]),
    head,
    body: unchunked(rest.join("\r\n\r\n")),
  };
}

/** What has come before the other end closed, also where it did so while there was still something to send. */
function received(socket: Socket): Promise<string> {
  return new Promise((resolve) => {
    let text = "";
    socket.setEncoding("utf8").on("data", (part: string) => (text += part));
    socket.on("error", () => undefined).on("close", () => resolve(text));
  });
}

export interface RawRequest {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
}

/** Enough of it for an answer of one line of JSON. */
function unchunked(body: string): string {
  return body.includes("{") ? body.slice(body.indexOf("{"), body.lastIndexOf("}") + 1) : "";
}
