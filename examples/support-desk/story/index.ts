import { budget } from "./budget";
import type { Chapter } from "./chapter";
import { killSwitch } from "./kill-switch";
import { outage } from "./outage";
import { approved, confused, largeRefund, smallRefund } from "./refunds";
import { triage } from "./triage";

export type { Chapter } from "./chapter";

export const STORY: readonly Chapter[] = [
  triage,
  smallRefund,
  largeRefund,
  confused,
  approved,
  budget,
  outage,
  killSwitch,
];
