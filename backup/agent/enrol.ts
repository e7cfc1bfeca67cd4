import type { Invitation } from '../../src/wire/invitation.ts';
import { WIRE_VERSION } from '../../src/wire/limits.ts';
import { enrol, enrolled } from '../../src/wire/messages.ts';
import { openChannel } from './channel.ts';
import type { Enrolment } from './session.ts';

/** Turns an invitation into this device's enrolment. WEIR_INVITATION_INVALID when it was used or is over. */
export async function enrolDevice(
  invitation: Invitation,
  deviceName: string,
): Promise<{ enrolment: Enrolment; subscriberName: string }> {
  const { host, port, pin } = invitation;
  const channel = await openChannel(invitation);
  try {
    const request = { version: WIRE_VERSION, invitation: invitation.token, deviceName };
    const { token, subscriberName } = await channel.call(enrol, request, enrolled);
    return { enrolment: { host, port, pin, token }, subscriberName };
  } finally {
    channel.close();
  }
}
