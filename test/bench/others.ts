import { cerbos, type CerbosClient } from "hopguard/cerbos";
import { createGuard } from "hopguard";
import { fixture } from "../support/fixtures";
import { interleaved, median, round } from "./measure";
import { AGENT, ARGUMENTS, BARE_CHECK, HOP, PRINCIPAL, SCHEMA, type Workload } from "./workload";

interface GrpcClient extends CerbosClient {
  checkResource(request: typeof BARE_CHECK): Promise<unknown>;
  close(): void;
}

/** The same decision over gRPC, bare and with the guard on top of the same client. */
export async function grpc(workload: Workload) {
  const { GRPC } = fixture("bench")("@cerbos/grpc") as {
    GRPC: new (address: string, options: { tls: boolean }) => GrpcClient;
  };
  const client = new GRPC(workload.grpcAddress, { tls: false });
  const guard = createGuard({ pdp: cerbos(client), audit: () => undefined });
  const session = await guard.session({ principal: PRINCIPAL, agent: AGENT });
  const { bare, guarded } = await interleaved(1000, {
    bare: () => client.checkResource(BARE_CHECK),
    guarded: () => session.check(HOP, { schema: SCHEMA }),
  });
  client.close();
  return {
    bare_ms: round(median(bare)),
    guarded_ms: round(median(guarded)),
    ratio: round(median(guarded) / median(bare), 2),
  };
}

interface Cedar {
  readonly isAuthorized: (call: unknown) => {
    readonly type: string;
    readonly response?: { readonly decision: string };
  };
}

/** How fast a decision could be without leaving the process: Cedar in WebAssembly, on the same rule and arguments. */
export async function floor(workload: Workload) {
  const { isAuthorized } = fixture("bench")("@cedar-policy/cedar-wasm/nodejs") as Cedar;
  const call = {
    principal: { type: "User", id: PRINCIPAL.id },
    action: { type: "Action", id: HOP.action },
    resource: { type: "Server", id: "lab" },
    context: { arguments: ARGUMENTS },
    policies: {
      staticPolicies: "permit(principal, action, resource) when { context.arguments.amount_cents <= 5000 };",
    },
    entities: [],
  };
  const answer = isAuthorized(call);
  if (answer.response?.decision !== "allow")
    throw new Error(`Cedar did not allow: ${JSON.stringify(answer)}`);
  const session = await workload.session();
  const { cedar, guarded } = await interleaved(1000, {
    cedar: () => Promise.resolve(isAuthorized(call)),
    guarded: () => session.check(HOP, { schema: SCHEMA }),
  });
  return {
    cedar_ms: round(median(cedar)),
    guarded_ms: round(median(guarded)),
    ratio: round(median(guarded) / median(cedar), 2),
  };
}
