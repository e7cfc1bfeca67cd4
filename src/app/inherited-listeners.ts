import { WeirError } from '../base/errors.ts';

const FIRST_DESCRIPTOR = 3;

/**
 * The listening sockets systemd has opened for this process, by their `FileDescriptorName=`
 * (sd_listen_fds(3)). None when the process was started otherwise.
 */
export function inheritedListeners(
  environment: Readonly<Record<string, string | undefined>>,
  pid: number,
): ReadonlyMap<string, number> {
  const { LISTEN_PID: forPid, LISTEN_FDS: count = '', LISTEN_FDNAMES: names = '' } = environment;
  const listeners = new Map<string, number>();
  if (forPid !== String(pid)) return listeners;
  const listed = names.split(':');
  for (let index = 0; index < Number(count); index++) {
    const name = listed[index] ?? '';
    if (name === '' || listeners.has(name)) {
      throw new WeirError(
        'WEIR_CONFIG_INVALID',
        `systemd passed no socket of its own under the name '${name}': see FileDescriptorName= in docs/systemd`,
      );
    }
    listeners.set(name, FIRST_DESCRIPTOR + index);
  }
  return listeners;
}
