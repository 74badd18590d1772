import { McpServer } from "@modelcontextprotocol/server";
import { z } from "zod";
import { find, type Desk } from "./desk-data";
import { jsonText } from "./tool-result";

const employee_id = z.string().describe("Such as E-1");

/** What the company pays its people, on SDK 2. */
export function createPayrollServer({ salaries }: Desk): McpServer {
  const server = new McpServer({ name: "payroll", version: "2.0.0" });

  server.registerTool(
    "salary_get",
    {
      description: "Reads an employee's monthly salary.",
      inputSchema: z.strictObject({ employee_id }),
      annotations: { readOnlyHint: true, openWorldHint: false },
    },
    (args) => jsonText(find(salaries, args.employee_id)),
  );

  server.registerTool(
    "salary_set",
    {
      description: "Changes an employee's monthly salary.",
      inputSchema: z.strictObject({ employee_id, amount_cents: z.int().positive().describe("In cents") }),
      annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: true, openWorldHint: false },
    },
    (args) => {
      const salary = find(salaries, args.employee_id);
      salary.amount_cents = args.amount_cents;
      return jsonText(salary);
    },
  );

  return server;
}
