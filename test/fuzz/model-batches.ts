import { guardFetch, type Fetch } from "hopguard/fetch";
import { ANTHROPIC } from "./anthropic-requests";
import { kindOf, stepsOf, type BatchPlan, type Step } from "./batch-plans";
import { BatchProvider, type Received } from "./batch-provider";
import { outcomeOf, type Coverage } from "./coverage";
import { CALL_HEADER, receive } from "./model-upstream";
import { OPENAI } from "./openai-requests";
import { demand } from "./oracle";
import type { PdpServer } from "./pdp-endpoints";
import { World } from "./world";

type Answer = Received["answer"];
interface Request extends RequestInit {
  readonly path: string;
  /** What happens right after the call. */
  readonly after?: () => void;
}

/** A batch is every request that it holds, whenever somebody has something to do with it. */
export async function playBatches(plan: BatchPlan, server: PdpServer, coverage: Coverage): Promise<void> {
  const world = await World.open(plan.circumstances, server, coverage);
  const { of, way, later } = plan;
  const provider = way === "inline" ? ANTHROPIC : OPENAI;
  const keeper = new BatchProvider(provider);
  const began: number[] = [];
  const arrived: (Received | Error | undefined)[] = [];

  const guarded = (of: 0 | 1): Fetch => {
    const { session } = world.actor(of);
    const upstream: Fetch = async (input, init) => {
      const seen = await receive(world, world.actor(of), began, input, init);
      const received = await keeper.receive(seen).catch((error: unknown) => error as Error);
      arrived[seen.call] = received;
      return Response.json(received instanceof Error ? {} : received.answer);
    };
    return guardFetch(session, { ...provider, fetch: upstream });
  };
  const fetches = [guarded(0), guarded(1)] as const;

  const attempt = async (of: 0 | 1, kind: string, request: Request): Promise<Answer | undefined> => {
    const { path, headers, after, ...init } = request;
    const call = began.push(world.ledger.moment()) - 1;
    const tagged = { ...(headers as Record<string, string> | undefined), [CALL_HEADER]: String(call) };
    const answer = fetches[of](provider.baseURL + path, { ...init, headers: tagged });
    after?.();
    const told: unknown = await (await answer).json();
    const received = arrived[call];
    if (received instanceof Error) throw received;
    for (const need of received?.needs ?? []) if (received) demand(world, received.seen, need);
    world.count(of, received ? "reached" : outcomeOf(told), kind);
    return received?.answer;
  };

  try {
    let last = await attempt(of, kindOf(plan, "create"), creation(plan));
    for (const step of stepsOf(way)) {
      if (!last) return;
      if (later === "another session")
        await attempt(of === 0 ? 1 : 0, kindOf(plan, step), request(plan, step, last));
      if (later === "another id") await attempt(of, kindOf(plan, step), request(plan, step, misnamed(last)));
      const answer = await attempt(
        of,
        kindOf({ ...plan, later: "the same" }, step),
        request(plan, step, last),
      );
      if (step === "run") last = answer;
    }
  } finally {
    world.close();
  }
}

const misnamed = (answer: Answer): Answer =>
  Object.fromEntries(Object.entries(answer).map(([name, id]) => [name, `${id}x`]));

const asJson = (path: string, body: object): Request => ({
  path,
  method: "POST",
  headers: { "content-type": "application/json" },
  body: JSON.stringify(body),
});

function creation({ way, lines }: BatchPlan): Request {
  if (way === "inline") {
    const requests = lines.map((line) => {
      const { custom_id, body: params } = JSON.parse(line) as Readonly<Record<string, unknown>>;
      return { custom_id, params };
    });
    return asJson("/messages/batches", { requests });
  }
  const form = new FormData();
  form.set("purpose", "batch");
  form.set("file", new File([lines.join("\n")], "batch.jsonl"));
  const after = (): void => {
    form.set("purpose", "evil");
    form.set("file", new File(["evil"], "batch.jsonl"));
  };
  return { path: "/files", method: "POST", body: form, after };
}

function request({ way, runsAt }: BatchPlan, step: Step, { id, output_file_id: output }: Answer): Request {
  const batch = `${way === "inline" ? "/messages/batches" : "/batches"}/${id}`;
  switch (step) {
    case "run":
      return asJson("/batches", { input_file_id: id, endpoint: runsAt, completion_window: "24h" });
    case "status":
      return { path: batch, method: "GET" };
    case "output":
      return { path: way === "inline" ? `${batch}/results` : `/files/${output}/content`, method: "GET" };
    case "cancel":
      return { path: `${batch}/cancel`, method: "POST" };
  }
}
