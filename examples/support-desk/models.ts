import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";
import type { SupportDesk } from "./desk";

const { OPENAI_API_KEY, ANTHROPIC_API_KEY } = process.env;

/** With a real model nobody knows which calls it makes; what reached the servers must hold all the same. */
export const isScripted = !OPENAI_API_KEY && !ANTHROPIC_API_KEY;

/** Of the real API with `OPENAI_API_KEY` set, otherwise of the desk's own provider. */
export const openaiClient = ({ provider }: SupportDesk): OpenAI =>
  new OpenAI(
    OPENAI_API_KEY ? { apiKey: OPENAI_API_KEY } : { apiKey: "none", baseURL: provider.openaiBaseURL },
  );

/** The same with `ANTHROPIC_API_KEY`. */
export const anthropicClient = ({ provider }: SupportDesk): Anthropic =>
  new Anthropic(
    ANTHROPIC_API_KEY
      ? { apiKey: ANTHROPIC_API_KEY }
      : { apiKey: "none", baseURL: provider.anthropicBaseURL },
  );
