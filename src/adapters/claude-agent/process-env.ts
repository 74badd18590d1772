import { ConfigurationError } from "../../core/errors";

/** How the provider is reached, as Claude Code's environment says it. */
export interface Upstream {
  readonly baseURL: URL;
  /** What proves who pays, and what a gateway wants besides. */
  readonly headers: readonly (readonly [name: string, value: string])[];
}

/** Variables of a process. */
export type ProcessEnv = Record<string, string | undefined>;

/** Switches to a provider whose calls go elsewhere, each with a format and signatures of its own. */
const ELSEWHERE = "CLAUDE_CODE_USE_";
/** What could take a model call, or the right to make one, past the door. */
const WITHHELD = [
  "ANTHROPIC_API_KEY",
  "ANTHROPIC_AUTH_TOKEN",
  "CLAUDE_CODE_OAUTH_TOKEN",
  "ANTHROPIC_UNIX_SOCKET",
  // A gateway's key, often: the door says them in the process's place.
  "ANTHROPIC_CUSTOM_HEADERS",
];

/**
 * Where the model calls of a process with this environment would go.
 *
 * @throws {ConfigurationError} for a provider that the guard cannot stand before, or without a credential.
 */
export function upstreamOf(env: Readonly<ProcessEnv>): Upstream {
  const elsewhere = Object.keys(env).find((name) => name.startsWith(ELSEWHERE) && isOn(env[name]));
  if (elsewhere !== undefined) {
    throw new ConfigurationError(
      `guardQueryOptions: options.env.${elsewhere}: model calls of this provider cannot be guarded; \`models: "unguarded"\` leaves them out`,
    );
  }
  const { ANTHROPIC_BASE_URL: url, ANTHROPIC_API_KEY: key, ANTHROPIC_AUTH_TOKEN: token } = env;
  if (!key && !token) {
    throw new ConfigurationError(
      "guardQueryOptions: options.env: ANTHROPIC_API_KEY or ANTHROPIC_AUTH_TOKEN is needed, because a login that Claude keeps itself cannot be " +
        'used by the guard; `models: "unguarded"` leaves model calls out',
    );
  }
  // Claude takes an empty one for none.
  const baseURL = url === undefined || url === "" ? "https://api.anthropic.com" : url;
  if (!URL.canParse(baseURL) || !/^https?:$/.test(new URL(baseURL).protocol)) {
    throw new ConfigurationError("guardQueryOptions: options.env.ANTHROPIC_BASE_URL: expected a URL");
  }
  return {
    baseURL: new URL(baseURL),
    // By name, so that a header of the operator's own goes before the credential.
    headers: [
      ...new Map([
        key ? ["x-api-key", key] : ["authorization", `Bearer ${String(token)}`],
        ...customHeaders(env.ANTHROPIC_CUSTOM_HEADERS ?? ""),
      ]),
    ],
  };
}

/** As Claude reads them: one a line. */
function customHeaders(lines: string): [name: string, value: string][] {
  return lines.split(/\r?\n/).flatMap((line) => {
    const [, name = "", value = ""] = /^\s*([\w-]+)\s*:\s*(.*?)\s*$/.exec(line) ?? [];
    return name === "" ? [] : [[name.toLowerCase(), value]];
  });
}

/**
 * The same, with nothing that would take the server from the names of MCP tools, by which they are decided, or that would bring plugins, unless those are
 * admitted.
 */
export function withoutDetours(
  env: Readonly<ProcessEnv>,
  { plugins }: { readonly plugins: boolean },
): ProcessEnv {
  const removed = ["CLAUDE_AGENT_SDK_MCP_NO_PREFIX", ...(plugins ? [] : ["CLAUDE_CODE_PLUGIN_DIRS"])];
  return Object.fromEntries(Object.entries(env).filter(([name]) => !removed.includes(name)));
}

/**
 * The environment of a process that knows of no provider but the door. The key is good there only, and Claude keeps it from
 * the commands that the model runs.
 */
export function throughDoor(
  env: Readonly<ProcessEnv>,
  door: { readonly url: string; readonly key: string },
): ProcessEnv {
  const kept = Object.entries(env).filter(([name]) => !WITHHELD.includes(name));
  const direct = [env.NO_PROXY ?? env.no_proxy, "127.0.0.1"].filter(Boolean).join(",");
  return {
    ...Object.fromEntries(kept),
    ANTHROPIC_BASE_URL: door.url,
    ANTHROPIC_API_KEY: door.key,
    // Else the `env` of Claude's own global file, which is read whatever `settingSources` says, sends model calls elsewhere; and that of settings.
    CLAUDE_CODE_PROVIDER_MANAGED_BY_HOST: "1",
    // Else tools of MCP servers are announced by name in a message, the hidden ones too, and their schemas come later or never.
    ENABLE_TOOL_SEARCH: "false",
    NO_PROXY: direct,
    no_proxy: direct,
  };
}

function isOn(value: string | undefined): boolean {
  return value !== undefined && !["", "0", "false", "no", "off"].includes(value.toLowerCase());
}
