import { PGlite } from "@electric-sql/pglite";
import { ConfigurationError, createGuard, type Hop } from "hopguard";
import { cerbos } from "hopguard/cerbos";
import { argumentsOf, sqlQuery, type SqlQueryOptions } from "hopguard/enrichment";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { auditRecorder } from "../support/audit-recorder";
import { enriched } from "../support/enriched";
import { startTestPdp } from "../support/test-pdp";

let db: PGlite;

beforeAll(async () => {
  db = await PGlite.create();
  await db.exec(`
    create table projects (id text primary key, owning_team_id text not null, opened date not null);
    insert into projects values ('web', 'team-7', '2026-01-02'), ('api', 'team-8', '2026-01-03');
  `);
});
afterAll(() => db.close());

const project = (options: Partial<SqlQueryOptions> = {}) =>
  sqlQuery({
    name: "project",
    sql: `select id, owning_team_id as "owningTeamID" from projects where id = $1`,
    params: ({ hop }) => [argumentsOf(hop).project_id],
    query: async (sql, params) => (await db.query(sql, [...params])).rows,
    ...options,
  });

describe("a database", () => {
  it("is asked with the argument that the model wrote, and the row is a fact", async () => {
    expect(await enriched(project(), "web")).toMatchObject({
      code: "allow",
      facts: { project: { id: "web", owningTeamID: "team-7" } },
    });
  });

  it.each([
    "web' or '1'='1",
    "'; drop table projects; --",
    "web'; update projects set owning_team_id = 'team-9'; --",
    "$1",
    "%",
    "x' union select 'web', 'team-9",
  ])("never takes an argument for SQL: %s", async (id) => {
    expect(await enriched(project(), id)).toMatchObject({
      code: "enrichment_failed",
      detail: expect.stringContaining("found 0") as string,
    });
    const { rows } = await db.query("select id, owning_team_id from projects order by id");
    expect(rows).toEqual([
      { id: "api", owning_team_id: "team-8" },
      { id: "web", owning_team_id: "team-7" },
    ]);
  });

  it.each([[undefined], [{ id: "web" }], [["web", "api"]]])(
    "is not asked for what is missing, or is no plain value: %j",
    async (id) => {
      const asked: string[] = [];
      const query: SqlQueryOptions["query"] = (sql) => {
        asked.push(sql);
        return [];
      };
      const { code, detail } = await enriched(project({ query }), id);
      expect(code).toBe("enrichment_failed");
      expect(detail).toContain("no usable value for parameter 1");
      expect(asked).toEqual([]);
    },
  );

  it("must have one row, unless the operator wants them all", async () => {
    const all = { sql: "select id, opened from projects where id <> $1 order by id" };
    expect(await enriched(project(all), "")).toMatchObject({
      code: "enrichment_failed",
      detail: expect.stringContaining("expected one row, found 2") as string,
    });
    const { facts } = await enriched(project({ ...all, rows: "many" }), "");
    expect(facts).toEqual({
      project: [
        { id: "api", opened: "2026-01-03T00:00:00.000Z" },
        { id: "web", opened: "2026-01-02T00:00:00.000Z" },
      ],
    });
    const none = await enriched(project({ rows: "many" }), "nowhere");
    expect(none.facts).toEqual({ project: [] });
  });

  it.each<[string, Partial<SqlQueryOptions>, RegExp]>([
    ["that refuses the query", { sql: "select secret from nowhere where id = $1" }, /nowhere/],
    [
      "whose whole result is given for its rows",
      { query: (sql, params) => db.query(sql, [...params]) as never },
      /no list of rows/,
    ],
    ["that answers what JSON cannot hold", { query: () => [{ id: 1n }] }, /JSON/],
    ["that is silent", { timeoutMs: 20, query: () => new Promise(() => undefined) }, /longer than 20 ms/],
  ])("denies if it is one %s", async (_case, options, detail) => {
    const result = await enriched(project(options), "web");
    expect(result.code).toBe("enrichment_failed");
    expect(result.detail).toMatch(detail);
  });

  it("hears when its time is up", async () => {
    const heard: boolean[] = [];
    const query: SqlQueryOptions["query"] = (_sql, _params, signal) =>
      new Promise(() => signal.addEventListener("abort", () => heard.push(true)));
    await enriched(project({ timeoutMs: 20, query }), "web");
    expect(heard).toEqual([true]);
  });
});

describe("a project, by the policy of the team that owns it", () => {
  it("is changed by its own team only, whatever the call says", async () => {
    const pdp = await startTestPdp({ policies: "policies" });
    onTestFinished(() => pdp.stop());
    const guard = createGuard({
      pdp: cerbos(pdp.url, { policyVersion: "team_projects", timeoutMs: 10_000 }),
      audit: auditRecorder(),
      enrich: [project({ applies: ({ action }) => action.startsWith("tools/call/project_") })],
      timeoutMs: 5000,
    });
    const session = await guard.session({
      principal: { id: "u-1", roles: ["engineer"], attr: { teams: ["team-7"] } },
      agent: { id: "deploy-bot" },
    });
    const ask = async (tool: string, args: object) => {
      const hop: Hop = { kind: "mcp_projects", action: `tools/call/${tool}`, attr: { arguments: args } };
      const decision = await session.check(hop);
      return decision.effect === "allow" ? "allow" : decision.denial;
    };
    expect(await ask("project_deploy", { project_id: "web" })).toBe("allow");
    expect(await ask("project_deploy", { project_id: "api", owningTeamID: "team-7" })).toMatchObject({
      code: "policy_denied",
      reason: "the project belongs to another team",
      remediation: { type: "ask_owner" },
    });
    expect(await ask("project_update", { project_id: "nowhere" })).toMatchObject({
      code: "enrichment_failed",
    });

    // The team that owns it is asked for on every hop.
    await db.query("update projects set owning_team_id = $1 where id = $2", ["team-8", "web"]);
    onTestFinished(() => void db.query("update projects set owning_team_id = 'team-7' where id = 'web'"));
    expect(await ask("project_deploy", { project_id: "web" })).toMatchObject({ code: "policy_denied" });
  });
});

it.each<[string, object, RegExp]>([
  ["no query", { query: undefined }, /sqlQuery\.query/],
  ["no SQL", { sql: "" }, /sqlQuery\.sql/],
  ["a list for the parameters", { params: ["web"] }, /sqlQuery\.params/],
  ["another number of rows", { rows: "some" }, /sqlQuery\.rows/],
  ["a lasting answer of no time", { cache: { per: "hop", ttlMs: 0 } }, /sqlQuery\.cache\.ttlMs/],
  ["an option that is none", { row: "many" }, /row/],
])("a wrong option of sqlQuery is refused where it is given: %s", (_case, options, message) => {
  expect(() => project(options)).toThrow(ConfigurationError);
  expect(() => project(options)).toThrow(message);
});
