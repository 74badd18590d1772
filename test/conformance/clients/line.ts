import type { Session } from "hopguard";
import { guardTransport, type AnyClientTransport, type GuardTransportOptions } from "hopguard/mcp";
import type { SelfConsentingUser } from "./oauth";

/** What the scenarios do with a client, in the words that both lines of the SDK share. */
export interface ConformanceClient {
  close(): Promise<void>;
  listTools(): Promise<{
    readonly tools: readonly { readonly name: string; readonly inputSchema: unknown }[];
  }>;
  callTool(call: { readonly name: string; readonly arguments: Record<string, unknown> }): Promise<unknown>;
  listResources(): Promise<{ readonly resources: readonly { readonly uri: string }[] }>;
  readResource(resource: { readonly uri: string }): Promise<unknown>;
  listPrompts(): Promise<{ readonly prompts: readonly { readonly name: string }[] }>;
  getPrompt(prompt: { readonly name: string; readonly arguments: Record<string, string> }): Promise<unknown>;
}

/** What a scenario wants of a client before it connects. */
export interface ClientWishes {
  readonly capabilities?: Readonly<Record<string, object>>;
  /** What the user answers who is asked something. */
  readonly elicited?: Readonly<Record<string, string | number | boolean | string[]>>;
  /** Makes the provider that gets tokens without a user. */
  readonly machine?: (context: Context) => unknown;
  readonly user?: SelfConsentingUser;
}

/** What the suite tells a client of a scenario: addresses, credentials, calls to make. */
export type Context = Readonly<Record<string, string | undefined>>;

/** A line of the SDK. */
export interface Line {
  /** Makes a client, with its transports. */
  create(
    url: URL,
    wishes: ClientWishes,
    context: Context,
  ): {
    readonly client: ConformanceClient & { connect(transport: never): Promise<void> };
    readonly transport: () => Authorizable;
  };
  /** Providers of tokens for clients that have no user. */
  readonly machines: Readonly<Record<string, (context: Context) => unknown>>;
}

interface Authorizable extends AnyClientTransport {
  finishAuth(code: string, iss?: string): Promise<void>;
}

/** The suite counts how often a client asks for the same authorization: more than three times is too often. */
const AUTHORIZATIONS = 3;

/** What an operator has to say so that the suite's oddest tools can be called. */
const ADMITTING: GuardTransportOptions = {
  server: "conformance",
  // One tool takes any object at all.
  untyped: "allow",
  // And one is called with a null where its own schema has a boolean.
  schemas: {
    test_custom_headers_null: {
      type: "object",
      properties: { verbose: { type: ["boolean", "null"] } },
    },
  },
};

/** A connected client, and how to do something with it that may need the user's consent first. */
export interface Connected {
  readonly client: ConformanceClient;
  readonly consented: <T>(work: () => Promise<T>) => Promise<T>;
}

/** Connects a client: bare, or with a guarded transport if there is a session. */
export async function connect(
  line: Line,
  url: URL,
  {
    session,
    context,
    ...wishes
  }: ClientWishes & { readonly session: Session | undefined; readonly context: Context },
): Promise<Connected> {
  const { client, transport: createTransport } = line.create(url, wishes, context);
  let transport: Pick<Authorizable, "finishAuth">;

  const consented = async <T>(work: () => Promise<T>): Promise<T> => {
    for (let attempt = 1; ; attempt++) {
      try {
        return await work();
      } catch (error) {
        const response = wishes.user?.takeResponse();
        if (response === undefined || attempt === AUTHORIZATIONS) throw error;
        await transport.finishAuth(response.code, response.iss);
      }
    }
  };

  await consented(() => {
    const bare = createTransport();
    const used = session ? guardTransport(bare, session, ADMITTING) : bare;
    transport = used;
    return client.connect(used as never);
  });
  return { client, consented };
}
