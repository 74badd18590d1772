import * as z from "zod";
import { grantSchema } from "../core/grant";
import type { JsonValue } from "../index";
import type { AuthorizationDetails } from "../core/grant";

const listed = z.array(z.looseObject({ type: z.string() }));
/** Kinds of hops. An entry of one of these is meant for us. */
const OURS = /^(?:llm_model|mcp_\w+|tool_\w+|a2a_\w+)$/;

/**
 * What a token is limited to. Entries about other things, such as bank transfers, count for nothing here; one about hops that cannot be read
 * refuses the token, because what limits it is unknown.
 *
 * @see RFC 9396, OAuth 2.0 Rich Authorization Requests, section 2
 */
export function readAuthorizationDetails(claim: JsonValue): readonly AuthorizationDetails[] {
  return listed.parse(claim).flatMap((entry) => {
    const details = grantSchema.safeParse([entry]);
    if (details.success) return details.data;
    if (OURS.test(entry.type))
      throw new Error(`authorization_details cannot be read: ${details.error.message}`);
    return [];
  });
}
