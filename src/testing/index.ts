/**
 * For the tests of applications and of adapters that others write: a PDP to script, an audit sink that keeps its records, a clock that
 * stands still, and the promises that every adapter must keep.
 *
 * @module hopguard/testing
 */
export { stubPdp, type StubPdp, type StubPdpOptions, type StubRule } from "./stub-pdp";
export { recordingAudit, type RecordingAudit } from "./recording-audit";
export { fakeClock, type FakeClock } from "./fake-clock";
export {
  adapterConformance,
  type AdapterUnderTest,
  type ConformanceCase,
  type ConformanceTarget,
} from "./adapter-conformance";
