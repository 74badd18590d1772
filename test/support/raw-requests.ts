import { connect, type Socket } from "node:net";

/** A response as it came over the wire. */
export interface RawAnswer {
  readonly status: number;
  readonly head: string;
  readonly body: string;
}

/** What no client library would send: the bytes as they are. Resolves with every response once the server has closed, or fallen silent. */
export async function sendBytes(
  port: number,
  parts: readonly (string | Uint8Array)[],
  { hangUp = false, silenceMs = 3_000 } = {},
): Promise<readonly RawAnswer[]> {
  const socket = connect(port, "127.0.0.1");
  socket.setTimeout(silenceMs, () => {
    socket.destroy();
  });
  const received = collect(socket);
  for (const part of parts) socket.write(part);
  if (hangUp) socket.end();
  return answersIn(await received);
}

async function collect(socket: Socket): Promise<string> {
  const chunks: Uint8Array[] = [];
  await new Promise<void>((resolve) => {
    socket
      .on("data", (chunk: Uint8Array) => chunks.push(chunk))
      .on("error", () => undefined)
      .on("close", () => {
        resolve();
      });
  });
  return Buffer.concat(chunks).toString("latin1");
}

/** By their content lengths, or else up to the next one. */
function answersIn(text: string): RawAnswer[] {
  const answers: RawAnswer[] = [];
  for (let rest = text; rest.startsWith("HTTP/1.1 ");) {
    const end = rest.indexOf("\r\n\r\n");
    const head = rest.slice(0, end);
    rest = rest.slice(end + 4);
    const length = /^content-length: *(\d+)/im.exec(head)?.[1];
    const next = length === undefined ? rest.search(/HTTP\/1\.1 \d{3} /) : Number(length);
    const body = next < 0 ? rest : rest.slice(0, next);
    rest = next < 0 ? "" : rest.slice(next);
    answers.push({ status: Number(head.slice(9, 12)), head, body });
  }
  return answers;
}

/** A request with a body and its length, in these two parts. The connection ends with it. */
export function post(
  path: string,
  headers: readonly string[],
  body: string | Uint8Array,
): readonly (string | Uint8Array)[] {
  const bytes = typeof body === "string" ? Buffer.from(body) : body;
  const head = [`POST ${path} HTTP/1.1`, "Host: gateway.example", "Connection: close", ...headers];
  return [`${head.join("\r\n")}\r\nContent-Length: ${bytes.byteLength}\r\n\r\n`, bytes];
}
