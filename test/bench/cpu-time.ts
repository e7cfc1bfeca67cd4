/** User and system time of this process so far, in ms: all threads, the garbage collector's too. */
export function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** The CPU time of some work, in ms. Steadier than the wall clock on a machine with others on it. */
export async function cpuMsOf(work: () => Promise<void> | void): Promise<number> {
  const before = cpuMs();
  await work();
  return cpuMs() - before;
}
