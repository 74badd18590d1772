import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { createGuard, type AuditRecord, type Hop } from "hopguard";
import { jsonLine, jsonLinesFile } from "hopguard/audit";
import { recordingAudit } from "hopguard/testing";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { z } from "zod";
import { digestJson } from "../../src/core/digest";
import type { JsonObject } from "../../src/core/json";
import { denied, scriptedPdp } from "../support/scripted-pdp";

/** Every write to it fails for want of space; only Linux has one. */
const FULL = "/dev/full";
const AUDIT = new URL("../../src/audit/index.ts", import.meta.url).href;

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "hopguard-audit-"));
  path = join(folder, "audit.jsonl");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const hop: Hop = { kind: "document", id: "1", action: "read" };
const record = (reason: string): AuditRecord =>
  ({ time: "2026-01-01T00:00:00.000Z", decision_id: "d-1", effect: "deny", reason }) as AuditRecord;
const lines = (file = path): string[] => readFileSync(file, "utf8").split("\n");

const sessionWith = async (
  audit: Parameters<typeof createGuard>[0]["audit"] & object,
  options: object = {},
) =>
  createGuard({ pdp: scriptedPdp(), audit, ...options }).session({
    principal: { id: "u-1", roles: ["reader"] },
    agent: { id: "bot" },
  });

describe("a line of the audit", () => {
  const hostile = 'a\r\nb\u0085c\u2028d\u2029e\u001b[31mf\u009b31mg\u007fh\u202ei\u2066"}\n{"effect":"allow"';

  it("is one line, whatever the text", () => {
    const line = jsonLine(record(hostile));
    expect(line).not.toMatch(/[\p{Cc}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069]/u);
    expect(JSON.parse(line)).toEqual(record(hostile));
  });
});

describe("a file of JSON lines", () => {
  it("has one line for each decision, in order, readable by its owner alone", async () => {
    const audit = jsonLinesFile(path);
    const session = await sessionWith(audit);
    for (let step = 0; step < 3; step++) expect(await session.check(hop)).toMatchObject({ effect: "allow" });
    await audit.close();
    const records = lines()
      .slice(0, -1)
      .map((line) => JSON.parse(line) as AuditRecord);
    expect(records.map(({ step, effect }) => [step, effect])).toEqual([
      [1, "allow"],
      [2, "allow"],
      [3, "allow"],
    ]);
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  it("keeps each of many records that arrive together, in a few writes", async () => {
    const handle = await open(path, "a");
    const appends = vi.spyOn(Object.getPrototypeOf(handle) as typeof handle, "appendFile");
    await handle.close();
    try {
      const audit = jsonLinesFile(path);
      await Promise.all(Array.from({ length: 500 }, (_, index) => audit.write(record(`reason ${index}`))));
      await audit.close();
      expect(appends.mock.calls.length).toBeLessThanOrEqual(3);
    } finally {
      appends.mockRestore();
    }
    const reasons = lines()
      .slice(0, -1)
      .map((line) => (JSON.parse(line) as AuditRecord).reason);
    expect(reasons).toEqual(Array.from({ length: 500 }, (_, index) => `reason ${index}`));
  });

  it("starts a new line after one that was cut short by a crash or a full disk", async () => {
    writeFileSync(path, '{"decision_id":"d-0","eff');
    const audit = jsonLinesFile(path, { sync: true });
    await audit.write(record("whole"));
    await audit.close();
    expect(lines()).toEqual(['{"decision_id":"d-0","eff', jsonLine(record("whole")), ""]);
  });

  it("is opened again after it was closed", async () => {
    const audit = jsonLinesFile(path);
    await audit.write(record("one"));
    await audit.close();
    await audit.close();
    await audit.write(record("two"));
    await audit.close();
    expect(lines()).toEqual([jsonLine(record("one")), jsonLine(record("two")), ""]);
  });

  it("denies while its folder is missing, and works once it is there", async () => {
    const audit = jsonLinesFile(join(folder, "later", "audit.jsonl"));
    const session = await sessionWith(audit);
    expect(await session.check(hop)).toMatchObject({
      effect: "deny",
      denial: { code: "audit_failed", retryable: true },
    });
    rmSync(folder, { recursive: true });
    mkdirSync(join(folder, "later"), { recursive: true });
    expect(await session.check(hop)).toMatchObject({ effect: "allow" });
    await audit.close();
    expect(lines(join(folder, "later", "audit.jsonl")).filter(Boolean)).toHaveLength(1);
  });

  it("denies once its folder is removed, and makes anew what was removed or rotated away", async () => {
    const audit = jsonLinesFile(path, { sync: true });
    const session = await sessionWith(audit);
    const effectsIn = (file: string): unknown[] =>
      lines(file)
        .filter(Boolean)
        .map((line) => (JSON.parse(line) as AuditRecord).effect);
    expect(await session.check(hop)).toMatchObject({ effect: "allow" });
    renameSync(path, `${path}.1`);
    expect(await session.check(hop)).toMatchObject({ effect: "allow" });
    expect([effectsIn(`${path}.1`), effectsIn(path)]).toEqual([["allow"], ["allow"]]);

    rmSync(folder, { recursive: true });
    expect(await session.check(hop)).toMatchObject({ effect: "deny", denial: { code: "audit_failed" } });
    mkdirSync(folder);
    expect(await session.check(hop)).toMatchObject({ effect: "allow" });
    expect(effectsIn(path)).toEqual(["allow"]);
    await audit.close();
  });

  it.runIf(existsSync(FULL))("denies while the disk is full", async () => {
    const session = await sessionWith(jsonLinesFile(FULL));
    for (let attempt = 0; attempt < 2; attempt++) {
      expect(await session.check(hop)).toMatchObject({ effect: "deny", denial: { code: "audit_failed" } });
    }
  });
});

describe("records", () => {
  const call: Hop = {
    kind: "mcp_payments",
    action: "tools/call/x",
    attr: { arguments: { iban: "DE00", note: "\u2028" } },
  };

  it("hold the digest of the arguments, and the arguments only when asked to", async () => {
    const audit = jsonLinesFile(path);
    await (await sessionWith(audit)).check(call);
    await (await sessionWith(audit, { recordArguments: true })).check(call);
    await audit.close();
    const [redacted, clear] = lines().slice(0, -1);
    expect(redacted).not.toContain("DE00");
    expect(JSON.parse(String(redacted))).toMatchObject({
      arguments_digest: expect.stringMatching(/^sha-256:/) as string,
    });
    expect(JSON.parse(String(clear))).toMatchObject({ arguments: { iban: "DE00", note: "\u2028" } });
  });

  it("hold the digest of arguments that were refused before the PDP was asked", async () => {
    const { records, ...audit } = recordingAudit();
    const session = await sessionWith(audit);
    await session.check(call, { schema: z.object({ iban: z.number() }) });
    await session.end();
    await session.check(call);
    await session.check(call, { lookUp: true });
    const { arguments: args } = call.attr as { arguments: JsonObject };
    const digest = await digestJson(args);
    expect(records.filter(({ effect }) => effect === "deny")).toMatchObject([
      { code: "arguments_invalid", arguments_digest: digest },
      { code: "revoked", arguments_digest: digest },
      { code: "revoked", arguments_digest: digest },
    ]);
    expect(JSON.stringify(records)).not.toContain("DE00");
  });

  it("hold no value of an argument that the PDP's own schemas have refused, but where and why else", async () => {
    const { records, ...audit } = recordingAudit();
    const source = "SOURCE_RESOURCE";
    const validationErrors = [
      { path: "/arguments/amount_cents", message: "must be >= 1 but found -77123", source },
      { path: "/server", message: "expected string, but got null", source },
    ];
    const pdp = scriptedPdp((query) => denied(query, { validationErrors }));
    for (const recordArguments of [false, true]) {
      const session = await sessionWith(audit, { pdp, recordArguments });
      const decision = await session.check(call);
      expect(JSON.stringify(decision)).not.toContain("77123");
    }
    const [redacted, clear] = records;
    expect(redacted?.detail).toContain("/arguments/amount_cents");
    expect(redacted?.detail).toContain("expected string, but got null");
    expect(redacted?.detail).not.toContain("77123");
    expect(clear?.detail).toContain("77123");
  });
});

describe("the default sink", () => {
  /** Writes two records in a process of its own, and says what became of them. */
  const writeTo = async (stderr: "pipe" | number): Promise<{ outcome: string; stderr: string }> => {
    const script = `
      import { stderrLines } from ${JSON.stringify(AUDIT)};
      const write = () => stderrLines().write({ reason: "a\\nb" }).then(() => "written", (error) => error.code);
      console.log([await write(), await write()].join());`;
    const args = ["--import", "tsx", "--input-type=module", "--eval", script];
    const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", stderr] });
    const [outcome, errors] = await Promise.all([
      text(child.stdout as NodeJS.ReadableStream),
      child.stderr ? text(child.stderr) : Promise.resolve(""),
      once(child, "exit"),
    ]);
    return { outcome: outcome.trim(), stderr: errors };
  };

  it("writes one JSON line each to the error stream", async () => {
    expect(await writeTo("pipe")).toEqual({
      outcome: "written,written",
      stderr: '{"reason":"a\\nb"}\n'.repeat(2),
    });
  });

  it.runIf(existsSync(FULL))(
    "rejects when that stream leads to a full disk, and the process lives on",
    async () => {
      const full = openSync(FULL, "w");
      try {
        expect(await writeTo(full)).toEqual({ outcome: "ENOSPC,ENOSPC", stderr: "" });
      } finally {
        closeSync(full);
      }
    },
  );
});
