import { describe, expect, it } from "vitest";
import { CreatedResources } from "../../src/adapters/shared/model-api/created-resources";
import type { ModelCall } from "../../src/adapters/shared/model-api/model-call";

const callOf = (hops: number): ModelCall => ({
  model: "m",
  action: "batch",
  hops: Array.from({ length: hops }, () => ({ kind: "llm_model", id: "m", action: "batch" })),
  declared: undefined,
});
const here = "https://one.example/v1";

describe("what a client has created", () => {
  it("is found under its kind, its provider and its id, and nowhere else", () => {
    const created = new CreatedResources();
    const call = callOf(1);
    created.remember("batch_file", here, "file-1", call);
    expect(created.find(["batch", "batch_file"], here, "file-1")).toBe(call);
    expect(created.find(["batch", "batch_output"], here, "file-1")).toBeUndefined();
    expect(created.find(["batch_file"], "https://two.example/v1", "file-1")).toBeUndefined();
    expect(created.find(["batch_file"], here, "constructor")).toBeUndefined();
    expect(created.find(["batch_file"], `${here}"`, 'file-1"')).toBeUndefined();
  });

  it("is forgotten, the oldest first, when there is more than a thousand of a kind", () => {
    const created = new CreatedResources();
    created.remember("batch", here, "batch-1", callOf(1));
    for (let index = 0; index <= 1000; index++)
      created.remember("batch_file", here, `file-${index}`, callOf(1));
    expect(created.find(["batch_file"], here, "file-0")).toBeUndefined();
    expect(created.find(["batch_file"], here, "file-1")).toBeDefined();
    expect(created.find(["batch_file"], here, "file-1000")).toBeDefined();
    expect(created.find(["batch"], here, "batch-1")).toBeDefined();
  });

  it("is forgotten when few of them hold too many hops, and counted anew when one is remembered again", () => {
    const created = new CreatedResources();
    for (let round = 0; round < 10; round++) created.remember("batch_file", here, "a", callOf(40_000));
    created.remember("batch_file", here, "b", callOf(40_000));
    expect(created.find(["batch_file"], here, "a")).toBeDefined();
    created.remember("batch_file", here, "c", callOf(40_000));
    expect(created.find(["batch_file"], here, "a")).toBeUndefined();
    expect(created.find(["batch_file"], here, "b")).toBeDefined();
  });
});
