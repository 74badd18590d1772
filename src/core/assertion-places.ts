/** The header that carries an assertion over HTTP. */
export const ASSERTION_HEADER = "hopguard-assertion";

/** The member of `_meta` that carries an assertion to an MCP server. */
export const ASSERTION_META_KEY = "dev.hopguard/assertion";
