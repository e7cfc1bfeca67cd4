import { text } from 'node:stream/consumers';
import { enrolDevice } from '../../../backup/agent/enrol.ts';
import { WeirError } from '../../base/errors.ts';
import { decodeInvitation } from '../../wire/invitation.ts';
import { openDevice, stateDirectory } from '../device.ts';
import { createOutput } from '../output.ts';
import type { DeviceFlags } from './with-session.ts';

export interface SetupFlags extends DeviceFlags {
  readonly invite?: string;
  readonly device: string;
  readonly again?: boolean;
}

export async function setup(flags: SetupFlags): Promise<void> {
  const output = createOutput(flags);
  if (flags.invite === undefined)
    throw new WeirError('WEIR_NOT_ENROLLED', 'setup needs an invitation: --invite');
  const device = await openDevice(stateDirectory(flags.state));
  if ((await device.isEnrolled()) && flags.again !== true) {
    throw new WeirError('WEIR_ALREADY_ENROLLED', 'this device is enrolled');
  }
  const invitation = decodeInvitation(flags.invite === '-' ? await text(process.stdin) : flags.invite);
  const { enrolment, subscriberName } = await enrolDevice(invitation, flags.device);
  await device.enrol(enrolment);
  output.result(`enrolled as ${subscriberName} on ${flags.device} with ${enrolment.host}:${enrolment.port}`);
  output.note('Next: weir backup PATH');
  output.json('enrolled', {
    subscriber: subscriberName,
    device: flags.device,
    host: enrolment.host,
    port: enrolment.port,
  });
}
