import type { Denial } from "../../core/denial";
import type { Session } from "../../core/session";

/** The servers that may be opened, and why the others may not. Claude opens them itself, all at once, when it starts. */
export async function openServers<T>(
  session: Session,
  servers: Readonly<Record<string, T>>,
  signal: AbortSignal,
): Promise<{ readonly opened: Readonly<Record<string, T>>; readonly denials: readonly Denial[] }> {
  const opened: [string, T][] = [];
  const denials: Denial[] = [];
  const decided = Object.entries(servers).map(async ([name, server]) => {
    const decision = await session.check(
      {
        kind: `mcp_${name}`,
        action: "initialize",
        attr: { transport: transportOf(server) },
      },
      { signal },
    );
    if (decision.effect === "deny") return denials.push(decision.denial);
    decision.settle("done");
    return opened.push([name, server]);
  });
  await Promise.all(decided);
  return { opened: Object.fromEntries(opened), denials };
}

/** The names by which the transports of other clients go, too. */
function transportOf(server: unknown): string {
  const { type = "stdio" } = { ...(server as object) } as { readonly type?: unknown };
  if (type === "stdio" || type === "sse") return type;
  return type === "http" ? "streamable-http" : "other";
}
