import { setTimeout as sleep } from "node:timers/promises";
import { findDenial, type Session } from "hopguard";
import { cerbos } from "hopguard/cerbos";
import type { ToolMap } from "hopguard/fetch";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import {
  answered,
  byteFormats,
  chat,
  chatChunk,
  chunked,
  dataOf,
  event,
  messages,
  numbered,
  responseItems,
  responseObject,
  responses,
  type ByteFormat,
} from "../support/answer-bytes";
import { openDesk, type Desk } from "../support/desk";
import { labPolicies } from "../support/lab-policies";
import { brokenPdp } from "../support/other-pdps";

const tools = {
  customer_get: { server: "crm" },
  credit: { server: "crm" },
  note: { toolset: "desk" },
} as const satisfies ToolMap;

const small = { name: "credit", json: '{"amount_cents":100}' };
const large = { name: "credit", json: '{"amount_cents":900000}' };
const note = { name: "note", json: '{"text":"Héllo 你好 🎉"}' };
const allAllowed = { text: 'Grüße – 你好 🎉, and a "quote".\n', calls: [small, note] };
const mixed = { text: "Grüße – 你好 🎉.", calls: [small, large, note] };

const CHUNK_SIZES = [1, 2, 3, 7, 64, 1000, Infinity];

let desk: Desk;
let analyst: Session;

beforeAll(async () => {
  desk = await openDesk({ policies: labPolicies });
  analyst = await desk.session("analyst");
});
afterAll(() => desk.close());
beforeEach(() => desk.reset());

/** What the agent sees of a stream. */
async function seen(format: ByteFormat, stream: string, size?: number): Promise<string> {
  const response = await answered(format, analyst, chunked(stream, size), { tools });
  expect(response.status).toBe(200);
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(await response.arrayBuffer());
}

/** Answers alike for every run of the same stream. */
const withoutIds = (stream: string): string => stream.replaceAll(/msg_[0-9a-f]{32}/g, "msg");

describe.each(byteFormats)("a stream of $name", (format) => {
  const whole = (answer: typeof mixed): string => format.events(answer).join("");

  describe.each([
    ["LF", (stream: string) => stream],
    ["CRLF", (stream: string) => stream.replaceAll("\n", "\r\n")],
    ["CR", (stream: string) => stream.replaceAll("\n", "\r")],
    ["comments and ids", (stream: string) => stream.replaceAll("\n\n", "\nid: 7\nretry: 10\n\n: ping\n\n")],
    ["a byte order mark", (stream: string) => `\uFEFF${stream}`],
    [
      "data of several lines",
      (stream: string) =>
        stream.replaceAll(/^data: (\{.*)$/gm, (_, json: string) =>
          JSON.stringify(JSON.parse(json), undefined, 1).replaceAll(/^/gm, "data: "),
        ),
    ],
    [
      "names in escapes",
      (stream: string) =>
        stream.replaceAll(/^data: .*$/gm, (line) =>
          line.replaceAll('"tool_', '"\\u0074ool_').replaceAll("function_call", "\\u0066unction_call"),
        ),
    ],
  ])("with %s", (_, written) => {
    it("passes byte for byte when every call is allowed, however it is cut", async () => {
      const stream = written(whole(allAllowed));
      // A comment need not wait for the call that it came amid, nor come before it.
      const uncommented = (text: string): string => text.replaceAll(": ping\n\n", "");
      for (const size of CHUNK_SIZES)
        expect(uncommented(await seen(format, stream, size))).toBe(uncommented(stream));
    });

    it("loses a denied call, however it is cut", async () => {
      const stream = written(whole(mixed));
      const outcomes = new Set<string>();
      for (const size of CHUNK_SIZES) outcomes.add(withoutIds(await seen(format, stream, size)));
      expect(outcomes.size).toBe(1);
      const [outcome = ""] = outcomes;
      expect(outcome).not.toContain("900000");
      expect(outcome).not.toContain("4500");
      expect(outcome).toContain('The call of the tool \\"credit\\" was denied');
      expect(JSON.stringify(dataOf(outcome))).toContain("Grüße");
    });
  });

  it("that breaks off releases no call that is not complete, and none that is denied", async () => {
    const stream = whole(mixed);
    for (let end = 0; end < stream.length; end += 41) {
      const outcome = await seen(format, stream.slice(0, end), 50);
      expect(outcome).not.toContain("900000");
      // Each released call is there with all of its arguments.
      const pieces = dataOf(outcome).map((data) => JSON.stringify(data));
      if (pieces.some((piece) => piece.includes('"name":"note"'))) expect(outcome).toMatch(/🎉\\*"\}/);
      if (pieces.some((piece) => piece.includes('"name":"credit"'))) expect(outcome).toContain('nts\\":100}');
    }
  });

  it("that cannot be read ends with an error in which the SDKs find the denial", async () => {
    const [first = "", second = ""] = format.events(mixed);
    for (const broken of [
      'data: {"tool_calls":\n\n',
      'data: [{"tool_calls":[]}]\n\n',
      'data: {"tool_calls":1,"tool_calls":[]}\n\n',
      'data: {"x":{"__proto__":{"tool_calls":[1]}}}\n\n',
      event({ outputs: [{ type: "function_call", name: "credit", arguments: large.json }] }),
      event({ message: { toolCalls: [{ function: { name: "credit", arguments: large.json } }] } }),
    ]) {
      desk.reset();
      const outcome = await seen(format, `${first}${second}${broken}${whole(mixed)}`, 40);
      expect(outcome.startsWith(first + second)).toBe(true);
      const [error = {}] = dataOf(outcome.slice(`${first}${second}`.length));
      expect(findDenial(error)).toMatchObject({
        code: "unsupported_hop",
        reason: expect.stringContaining('`answers: "pass"`') as string,
      });
      expect(outcome).not.toContain("credit");
      expect(desk.records.at(-1)).toMatchObject({ effect: "deny", code: "unsupported_hop" });
    }
  });

  it("that is not UTF-8 ends with the error", async () => {
    const bytes = new Uint8Array([...new TextEncoder().encode(whole(mixed)), 0xff, 0xfe]);
    const response = await answered(format, analyst, bytes, { tools });
    const outcome = await response.text();
    expect(findDenial(dataOf(outcome).at(-1))?.code).toBe("unsupported_hop");
  });

  it("that is longer than the limit ends with the error", async () => {
    const long = { text: "x", calls: [{ name: "note", json: JSON.stringify({ text: "y".repeat(5000) }) }] };
    const response = await answered(format, analyst, chunked(whole(long), 100), {
      tools,
      limits: { maxLength: 3000 },
    });
    const outcome = await response.text();
    expect(findDenial(dataOf(outcome).at(-1))?.reason).toContain("longer than 3000 characters");
    expect(outcome).not.toContain("yyy");
  });

  it("shows its text while a call is still being written", async () => {
    const events = format.events({ ...mixed, calls: [small] });
    const upstream = new TransformStream<Uint8Array, Uint8Array>();
    const writer = upstream.writable.getWriter();
    const response = await answered(format, analyst, upstream.readable, { tools });
    const reader = (response.body ?? expect.fail()).pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    for (const piece of events) {
      const isCall = /tool_|function_call/.test(piece);
      void writer.write(new TextEncoder().encode(piece));
      if (isCall) break;
      text += (await reader.read()).value ?? "";
    }
    expect(JSON.stringify(dataOf(text))).toContain("Grüße");
    // Nothing of the call is there yet.
    const waiting = await Promise.race([reader.read(), sleep(50, "nothing")]);
    expect(waiting).toBe("nothing");
    await writer.abort("over");
  });

  it("ends the provider's stream when the agent ends it", async () => {
    let cancelled: unknown;
    const upstream = new ReadableStream<Uint8Array>({
      pull: (controller) => controller.enqueue(new TextEncoder().encode(format.events(mixed)[0])),
      cancel: (reason) => void (cancelled = reason),
    });
    const response = await answered(format, analyst, upstream, { tools });
    const reader = (response.body ?? expect.fail()).getReader();
    await reader.read();
    await reader.cancel("enough");
    expect(cancelled).toBe("enough");
  });

  it("ends with the caller's abort while a call is being checked", async () => {
    const hanging = await brokenPdp(() => new Promise(() => undefined), 2_000);
    const controller = new AbortController();
    const up = cerbos(desk.pdpUrl);
    const session = await desk.session("analyst", {
      pdp: {
        check: (query, options) =>
          (query.actions.some((action) => action.startsWith("tools/")) ? hanging : up).check(query, options),
        plan: (query, options) => up.plan(query, options),
      },
    });
    const { signal } = controller;
    const tools = { credit: { server: "crm" } } as const;
    const request = { ...format.request, tools: undefined };
    const response = await answered(format, session, chunked(whole(mixed)), { tools, signal, request });
    const read = response.text().catch((error: unknown) => error);
    await sleep(50);
    controller.abort(new Error("enough"));
    expect(await read).toMatchObject({ message: "enough" });
    await hanging.stop();
    up.close();
  });
});

/** Streams that some reader might put together otherwise than the guard does. */
describe("a stream of chat", () => {
  const piece = (index: unknown, call: object): string => chatChunk({ tool_calls: [{ index, ...call }] });
  const named = (id: string | undefined, { name, json }: typeof small, more: object = {}): object => ({
    ...(id !== undefined && { id }),
    type: "function",
    function: { name, arguments: json },
    ...more,
  });
  const end = chatChunk({}, "tool_calls");
  /** The calls by index, put together like some SDKs do: names are appended, too. */
  const calls = (stream: string): unknown => {
    const built: { name?: string; arguments: string }[] = [];
    for (const { choices } of dataOf(stream) as unknown as { choices: { delta: Delta }[] }[])
      for (const { delta } of choices)
        for (const { index, function: called } of delta.tool_calls ?? []) {
          const call = (built[index] ??= { arguments: "" });
          if (called.name !== undefined) call.name = (call.name ?? "") + called.name;
          call.arguments += called.arguments ?? "";
        }
    return built;
  };
  interface Delta {
    tool_calls?: { index: number; function: { name?: string; arguments?: string } }[];
  }
  const smallCall = { name: "credit", arguments: small.json };
  const noteCall = { name: "note", arguments: note.json };

  it.each<[string, string, unknown]>([
    [
      "calls without indexes",
      piece(undefined, named("a", small)) + piece(undefined, named("b", note)),
      [smallCall, noteCall],
    ],
    [
      "two calls of one index",
      piece(0, named("a", small)) + piece(0, named("b", note)),
      [smallCall, noteCall],
    ],
    ["indexes with a gap", piece(3, named("a", small)) + piece(7, named("b", note)), [smallCall, noteCall]],
    [
      "a denied call of the same index",
      piece(0, named("a", small)) + piece(0, named("b", large)),
      [smallCall],
    ],
    [
      "a whole call and the end in one event",
      chatChunk({ tool_calls: [{ index: 0, ...named("a", small) }] }, "tool_calls"),
      [smallCall],
    ],
    [
      "another id in each piece",
      piece(0, { id: "a", function: { name: "credit", arguments: '{"amount_' } }) +
        piece(0, { id: "b", function: { arguments: 'cents":100}' } }),
      [smallCall],
    ],
    [
      "a name in every piece",
      piece(0, { id: "a", function: { name: "credit", arguments: '{"amount_' } }) +
        piece(0, { function: { name: "credit", arguments: 'cents":100}' } }),
      [smallCall],
    ],
    [
      "a call that is begun again after the end",
      piece(0, named("a", small)) + end + piece(0, named("b", note)),
      [smallCall, noteCall],
    ],
    ["two names for one call", piece(0, named("a", small)) + piece(0, { function: { name: "note" } }), []],
    [
      "arguments before the name",
      piece(0, { id: "a", function: { arguments: '{"amount_' } }) +
        piece(0, { function: { name: "credit", arguments: 'cents":100}' } }),
      [smallCall],
    ],
    ["a call that is never named", piece(0, { id: "a", function: { arguments: large.json } }), []],
    [
      "arguments that go on after the end",
      piece(0, named("a", small)) + end + piece(0, { function: { arguments: large.json } }),
      [smallCall],
    ],
    [
      "arguments that are not text",
      piece(0, { id: "a", function: { name: "credit", arguments: { amount_cents: 1 } } }),
      [],
    ],
    [
      "a function and a custom tool in one",
      piece(0, named("a", small, { custom: { name: "note", input: "" } })),
      [],
    ],
    ["a call of an unknown type", piece(0, named("a", small, { type: "computer" })), []],
  ])("with %s leads to the calls that were checked", async (_, stream, expected) => {
    for (const size of CHUNK_SIZES) expect(calls(await seen(chat, stream + end, size))).toEqual(expected);
  });

  it("is not over with a reason of no letters, which some providers write in every event", async () => {
    const events = (reason: string | null) =>
      chat
        .events(allAllowed)
        .map((told) => told.replaceAll('"finish_reason":null', `"finish_reason":${JSON.stringify(reason)}`))
        .join("");
    expect(events("")).not.toBe(events(null));
    expect(await seen(chat, events(""))).toBe(events(""));
  });

  it("keeps the text that comes with a call, and the call of each choice apart", async () => {
    const stream = [
      chatChunk(
        { role: "assistant", content: "One", tool_calls: [{ index: 0, ...named("a", large) }] },
        null,
        0,
      ),
      chatChunk({ tool_calls: [{ index: 0, ...named("b", small) }] }, null, 1),
      chatChunk({ content: "Two" }, null, 1),
      chatChunk({}, "tool_calls", 1),
      chatChunk({}, "tool_calls", 0),
    ].join("");
    const outcome = dataOf(await seen(chat, stream)).flatMap(({ choices }) => choices as Choice[]);
    interface Choice {
      index: number;
      delta: { content?: string; tool_calls?: unknown };
      finish_reason: string | null;
    }
    const of = (index: number): Choice[] => outcome.filter((choice) => choice.index === index);
    expect(
      of(0)
        .map(({ delta }) => delta.content ?? "")
        .join(""),
    ).toMatch(/^One\s+The call of the tool/);
    expect(of(0).map(({ delta }) => delta.tool_calls)).not.toContainEqual(expect.anything());
    expect(of(0).at(-1)?.finish_reason).toBe("stop");
    expect(
      of(1)
        .map(({ delta }) => delta.content ?? "")
        .join(""),
    ).toBe("Two");
    expect(of(1).flatMap(({ delta }) => delta.tool_calls ?? [])).toEqual([
      { index: 0, ...named("b", small) },
    ]);
    expect(of(1).at(-1)?.finish_reason).toBe("tool_calls");
  });

  it("checks functions of the time before tools, and custom tools", async () => {
    const request = {
      ...chat.request,
      tools: [
        { type: "custom", custom: { name: "note" } },
        { type: "function", function: { name: "credit", parameters: { type: "object" } } },
      ],
    };
    const legacy = ({ name, json }: typeof small): string =>
      chatChunk({ function_call: { name, arguments: "" } }) +
      chatChunk({ function_call: { arguments: json } }) +
      chatChunk({}, "function_call");
    const read = async (stream: string): Promise<string> =>
      (await answered(chat, analyst, chunked(stream, 30), { tools, request })).text();
    expect(await read(legacy(small))).toBe(legacy(small));
    expect(dataOf(await read(legacy(large))).at(-1)).toMatchObject({ choices: [{ finish_reason: "stop" }] });
    const custom = (name: string): string =>
      piece(0, { id: "a", type: "custom", custom: { name, input: "Hé" } }) +
      piece(0, { custom: { input: "llo" } }) +
      end;
    expect(await read(custom("note"))).toBe(custom("note"));
    // Declared as a function, it would be run on something else than was checked.
    expect(await read(custom("credit"))).not.toContain("custom");
  });
});

describe("a stream of messages", () => {
  const block = (index: number, { name, json }: typeof small, input: object = {}): readonly object[] => [
    { type: "content_block_start", index, content_block: { type: "tool_use", id: `t${index}`, name, input } },
    { type: "content_block_delta", index, delta: { type: "input_json_delta", partial_json: json } },
    { type: "content_block_stop", index },
  ];
  const read = (events: readonly object[]): Promise<string> =>
    seen(messages, events.map(event).join(""), 100);

  it("takes the input from the start of a block, where it has no deltas", async () => {
    for (const amount_cents of [100, 900_000]) {
      const [start = {}, , stop = {}] = block(0, { ...small, json: "" }, { amount_cents });
      const outcome = await read([start, stop]);
      expect(outcome.includes('"tool_use"')).toBe(amount_cents === 100);
    }
  });

  it("loses a call whose input stands in its start and in deltas", async () => {
    const outcome = await read(block(0, small, { amount_cents: 1 }));
    expect(outcome).not.toContain('"tool_use"');
  });

  it("keeps the order of blocks that are told at the same time", async () => {
    const [first, second] = [block(0, small), block(1, large)];
    const text = [
      { type: "content_block_start", index: 2, content_block: { type: "text", text: "" } },
      { type: "content_block_stop", index: 2 },
    ];
    const woven = [first[0], second[0], text[0], second[1], second[2], first[1], text[1], first[2]];
    const outcome = dataOf(await read(woven as object[]));
    expect(outcome.map(({ index }) => index)).toEqual([0, 0, 0, 1, 1, 1, 2, 2]);
    expect(JSON.stringify(outcome)).not.toContain("900000");
  });

  it.each<[string, readonly object[]]>([
    ["adds to a call after its end", [...block(0, small), block(0, large)[1] ?? {}]],
    ["begins a block twice", [...block(0, small), ...block(0, large)]],
    ["continues what has not begun", [block(0, large)[1] ?? {}]],
    ["ends before its call does", [...block(0, large).slice(0, 2), { type: "message_delta", delta: {} }]],
    [
      "begins with a call",
      [{ type: "message_start", message: { content: [{ type: "tool_use", name: "credit" }] } }],
    ],
  ])("that %s ends with the error", async (_, events) => {
    const outcome = await read(events);
    expect(findDenial(dataOf(outcome).at(-1))?.code).toBe("unsupported_hop");
    expect(outcome).not.toContain("900000");
  });

  it("passes the provider's own error on, which waits for no call that is not complete", async () => {
    const error = { type: "error", error: { type: "overloaded_error", message: "Overloaded" } };
    const [start = {}, delta = {}, stop = {}] = block(0, small);
    const outcome = await read([start, delta, error]);
    expect(dataOf(outcome)).toEqual([error]);
    // Whoever goes on behind it releases nothing.
    expect(await read([start, delta, error, stop])).not.toContain("tool_use");
  });

  it("whose event has another name than type ends with the error", async () => {
    const stream = event(block(0, small)[0] ?? {}).replace("event: content_block_start", "event: ping");
    expect(findDenial(dataOf(await seen(messages, stream)).at(-1))?.code).toBe("unsupported_hop");
  });

  it("passes what runs at the provider, and loses blocks of a type that is not known", async () => {
    const server = [
      {
        type: "content_block_start",
        index: 0,
        content_block: { type: "server_tool_use", name: "web_search", input: {} },
      },
      { type: "content_block_delta", index: 0, delta: { type: "input_json_delta", partial_json: "{}" } },
      { type: "content_block_stop", index: 0 },
      {
        type: "content_block_start",
        index: 1,
        content_block: { type: "web_search_tool_result", content: [] },
      },
      { type: "content_block_stop", index: 1 },
    ];
    const stream = server.map(event).join("");
    expect(await seen(messages, stream)).toBe(stream);
    const unknown = await read([
      { type: "content_block_start", index: 0, content_block: { type: "remote_control", command: "rm" } },
      { type: "content_block_stop", index: 0 },
    ]);
    expect(unknown).not.toContain('"rm"');
    expect(unknown).toContain("a type that the guard does not know");
  });
});

describe("a stream of responses", () => {
  const [, smallItem = {}, largeItem = {}] = responseItems({ text: "", calls: [small, large] });
  const added = (item: object, output_index = 0): object => ({
    type: "response.output_item.added",
    output_index,
    item: { ...item, arguments: "" },
  });
  const delta = (text: string, output_index = 0): object => ({
    type: "response.function_call_arguments.delta",
    output_index,
    delta: text,
  });
  const done = (item: object, output_index = 0): object => ({
    type: "response.output_item.done",
    output_index,
    item,
  });
  const completed = (...output: object[]): object => ({
    type: "response.completed",
    response: responseObject(output),
  });
  const read = (...events: readonly object[]): Promise<string> =>
    seen(responses, numbered(events).join(""), 100);
  /** The output at the end, and what the events in between have told. */
  const told = (stream: string): { output: unknown; done: unknown; numbers: unknown } => {
    const events = dataOf(stream);
    return {
      output: (events.at(-1)?.response as { output?: unknown } | undefined)?.output,
      done: events.filter(({ type }) => type === "response.output_item.done").map(({ item }) => item),
      numbers: events.map(({ sequence_number }) => sequence_number),
    };
  };
  const message = expect.objectContaining({ type: "message", status: "completed" }) as unknown;

  it("repeats at its end the very message that has taken a call's place, and counts its events on", async () => {
    const stream = await read(
      added(largeItem),
      delta(large.json),
      done(largeItem),
      added(smallItem, 1),
      done(smallItem, 1),
      completed(largeItem, smallItem),
    );
    const { output, done: items, numbers } = told(stream);
    expect(output).toEqual([message, smallItem]);
    expect(items).toEqual(output);
    expect(numbers).toEqual(Array.from({ length: 9 }, (_, index) => index));
    expect(desk.records.filter(({ hop }) => hop.action === "tools/call/credit")).toHaveLength(2);
  });

  it("checks calls that stand at its end only", async () => {
    expect(told(await read(completed(smallItem, largeItem))).output).toEqual([smallItem, message]);
    expect(told(await read(added(smallItem), done(smallItem), completed(largeItem))).output).toEqual([
      message,
    ]);
    expect(told(await read(added(largeItem), delta("{"), completed(largeItem))).output).toEqual([message]);
    for (const type of ["response.incomplete", "response.failed", "response.in_progress"]) {
      const stream = await read({ type, response: responseObject([largeItem], "incomplete") });
      expect(told(stream).output).toEqual([message]);
    }
  });

  it("checks a call that is done and was never begun", async () => {
    expect(told(await read(done(smallItem))).done).toEqual([smallItem]);
    expect(told(await read(done(largeItem))).done).toEqual([message]);
  });

  it("keeps the order of items that are told at the same time", async () => {
    const second = { ...largeItem, id: "fc_2" };
    const stream = await read(
      added(smallItem),
      added(second, 1),
      delta(large.json, 1),
      done(second, 1),
      delta(small.json),
      done(smallItem),
      completed(smallItem, second),
    );
    expect(told(stream)).toMatchObject({ done: [smallItem, message], output: [smallItem, message] });
    const { numbers } = told(stream);
    expect(numbers).toEqual((numbers as number[]).toSorted((a, b) => a - b));
  });

  it.each<[string, readonly object[]]>([
    ["other deltas than arguments", [added(smallItem), delta(large.json), done(smallItem)]],
    ["another name than it began with", [added({ ...smallItem, name: "note" }), done(smallItem)]],
    [
      "other arguments at their end",
      [
        added(smallItem),
        { type: "response.function_call_arguments.done", output_index: 0, arguments: large.json },
        done(smallItem),
      ],
    ],
    ["an end that is no call", [added(largeItem), done({ type: "message", content: [] })]],
    ["arguments after its end", [added(smallItem), done(smallItem), delta(large.json)]],
    ["two beginnings", [added(smallItem), added(largeItem)]],
    [
      "an event that nobody knows",
      [
        {
          type: "response.tool.invoked",
          item: { type: "local_shell_call", action: { command: ["900000"] } },
        },
      ],
    ],
  ])("with a call of %s ends with the error", async (_, events) => {
    const stream = await read(...events);
    expect(findDenial(dataOf(stream).at(-1))?.code).toBe("unsupported_hop");
    expect(stream).not.toContain("900000");
  });

  it("tells a built-in call by what was checked alone", async () => {
    const shell = {
      type: "shell_call",
      id: "sh_1",
      call_id: "c",
      environment: null,
      action: { commands: ["ls"] },
    };
    const events = [
      {
        type: "response.output_item.added",
        output_index: 0,
        item: { ...shell, action: { commands: ["rm"] } },
      },
      { type: "response.shell_call_command.delta", output_index: 0, delta: "rm" },
      done(shell),
    ];
    const tools = { shell: { toolset: "desk", tool: "note", untyped: "allow" } } as const;
    const response = await answered(responses, analyst, chunked(numbered(events).join("")), {
      tools,
      request: { model: "gpt-4o-mini", input: "x", stream: true },
    });
    const stream = await response.text();
    expect(stream).toContain('"ls"');
    expect(stream).not.toContain('"rm"');
    expect(await seen(responses, numbered(events).join(""))).not.toContain('"ls"');
  });

  it("passes what runs at the provider", async () => {
    const items = [
      { type: "web_search_call", id: "ws_1", status: "completed" },
      {
        type: "shell_call",
        id: "sh_1",
        environment: { type: "container_reference", container_id: "c" },
        action: {},
      },
      { type: "mcp_call", id: "mcp_1", name: "credit", arguments: large.json, output: "ok" },
      { type: "shell_call_output", id: "so_1" },
      { type: "multi_agent_call", id: "ma_1", action: "spawn_agent", arguments: "{}", call_id: "c" },
      { type: "agent_message", id: "am_1", author: "/root", recipient: "/root/helper", content: [] },
    ];
    const events = numbered([
      ...items.flatMap((item, index) => [
        { type: "response.output_item.added", output_index: index, item },
        done(item, index),
      ]),
      completed(...items),
    ]).join("");
    expect(await seen(responses, events)).toBe(events);
  });
});
