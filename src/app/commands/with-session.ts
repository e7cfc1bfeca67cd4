import { type AgentSession, openSession } from '../../../backup/agent/session.ts';
import { openDevice, stateDirectory } from '../device.ts';

/** What every command of the subscriber's side takes. */
export interface DeviceFlags {
  readonly state?: string;
  readonly json?: boolean;
  readonly quiet?: boolean;
}

export async function withSession<T>(
  flags: DeviceFlags,
  action: (session: AgentSession) => Promise<T>,
): Promise<T> {
  const device = await openDevice(stateDirectory(flags.state));
  const session = await openSession(await device.enrolment());
  try {
    return await action(session);
  } finally {
    session.close();
  }
}
