import type { ExchangeOptions } from "./backend";

export interface ExchangeAnswer {
  readonly status: number;
  readonly contentType: string;
  readonly text: string;
}

/** What a question and its answer travel by. */
export interface Exchange {
  post(path: string, body: string, options: ExchangeOptions): Promise<ExchangeAnswer>;
  close(): void;
}

/** @param base ends with a slash. */
export type CreateExchange = (
  base: URL,
  headers: Readonly<Record<string, string>>,
  maxAnswerBytes: number,
) => Exchange;
