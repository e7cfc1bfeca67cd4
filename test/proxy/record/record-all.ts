import type { RecordingSettings } from '../../../proxy/record/policy.ts';

/** Settings under which nothing is left out. */
export const RECORD_ALL: RecordingSettings = {
  enabled: true,
  minBodyBytes: 0,
  maxBodyBytes: 2 ** 40,
  hosts: { include: [], exclude: [] },
  mediaTypes: { include: [], exclude: [] },
};
