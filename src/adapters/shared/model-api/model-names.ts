/**
 * Providers and gateways take a model, or a substitute that they may spend on instead, under many names: `models`, `fallbacks`, `model_id`,
 * `modelName`, `engine`, `deployment_id`, Azure's `x-ms-oai-image-generation-deployment`.
 */
const MODEL_NAME = /model|^engine$|deployment|fallback/i;

/** Whether a member, a form's field, a header or a query parameter of this name may choose the model. A false find can only deny. */
export function namesModel(name: string): boolean {
  return MODEL_NAME.test(name);
}
