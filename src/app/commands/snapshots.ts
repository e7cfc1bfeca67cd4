import { type ListedEntry, type Listing, listSnapshot } from '../../../backup/agent/listing.ts';
import { systemClock } from '../../base/clock.ts';
import { listSnapshots, type Snapshot, snapshots } from '../../wire/snapshots.ts';
import { fromByteString, toByteString } from '../byte-strings.ts';
import { createOutput, formatBytes, formatDuration, formatTable, formatTime } from '../output.ts';
import { type DeviceFlags, withSession } from './with-session.ts';

export async function runSnapshots(flags: DeviceFlags): Promise<void> {
  const output = createOutput(flags);
  const all = await withSession(flags, (session) => session.channel.call(listSnapshots, null, snapshots));
  for (const snapshot of all) output.json('snapshot', describe(snapshot));
  const rows = all.map(({ id, timeMs, deviceName, bytes, paths, tags }) => [
    hex(id).slice(0, 8),
    formatTime(timeMs),
    deviceName,
    formatBytes(bytes.totalBytes),
    String(bytes.files),
    tags.join(','),
    paths.map(fromByteString).join(' '),
  ]);
  output.result(
    formatTable([['ID', 'TIME (UTC)', 'DEVICE', 'SIZE', 'FILES', 'TAGS', 'PATHS'], ...rows], [3, 4]),
  );
}

export interface LsFlags extends DeviceFlags {
  readonly long?: boolean;
}

export async function runLs(spec: string, flags: LsFlags): Promise<void> {
  const output = createOutput(flags);
  const { snapshot, path } = parseSpec(spec);
  const listing = await withSession(flags, (session) => listSnapshot(session, snapshot, path));
  for (const { path: where, entry } of eachEntry(listing)) {
    const shown = fromByteString(where);
    output.result(flags.long === true ? longLine(entry, shown) : shown);
    const { kind, mode, mtimeSeconds, uid, gid } = entry;
    const size = entry.kind === 'file' ? { sizeBytes: entry.sizeBytes } : {};
    output.json('entry', { path: shown, kind, mode, mtimeSeconds, uid, gid, ...size });
  }
}

export async function runStatus(flags: DeviceFlags): Promise<void> {
  const output = createOutput(flags);
  const { name, all } = await withSession(flags, async (session) => ({
    name: session.subscriberName,
    all: await session.channel.call(listSnapshots, null, snapshots),
  }));
  const [latest] = all;
  output.json('status', {
    subscriber: name,
    snapshots: all.length,
    ...(latest ? { latest: describe(latest) } : {}),
  });
  if (latest === undefined) {
    output.result(`${name}: nothing is protected yet. Next: weir backup PATH`);
    return;
  }
  const since = formatDuration(systemClock.wallMs() - latest.timeMs);
  output.result(
    `${name}: ${formatBytes(latest.bytes.totalBytes)} in ${latest.bytes.files} files protected · last backup ${since} ago, from ${latest.deviceName}`,
  );
}

function* eachEntry(listing: Listing): Generator<{ path: string; entry: ListedEntry }> {
  for (const { path, entries } of listing.directories) {
    for (const entry of entries) yield { path: path === '' ? entry.name : `${path}/${entry.name}`, entry };
  }
}

function longLine(entry: ListedEntry, path: string): string {
  const type = { file: '-', directory: 'd', symlink: 'l' }[entry.kind];
  const size = entry.kind === 'file' ? entry.sizeBytes : 0;
  const link = entry.kind === 'symlink' ? ` -> ${fromByteString(entry.target)}` : '';
  const mode = entry.mode.toString(8).padStart(4, '0');
  return `${type}${mode} ${entry.uid}:${entry.gid} ${String(size).padStart(12)} ${formatTime(entry.mtimeSeconds * 1000)} ${path}${link}`;
}

export function parseSpec(spec: string): { snapshot: string; path: string } {
  const colon = spec.indexOf(':');
  if (colon < 0) return { snapshot: spec, path: '' };
  return { snapshot: spec.slice(0, colon), path: toByteString(spec.slice(colon + 1)) };
}

export function describe(snapshot: Snapshot): Record<string, unknown> {
  const { id, timeMs, deviceName, paths, tags, bytes } = snapshot;
  return { id: hex(id), timeMs, device: deviceName, paths: paths.map(fromByteString), tags, bytes };
}

export function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
