/** What an error means to a program: exit code of the command, status of an HTTP answer. */
interface Meaning {
  readonly exit: number;
  readonly http: number;
  readonly remedy: string;
}

/**
 * Every error a person or a program can meet, with what to do about it. A code is permanent: it
 * may be retired, never reused. Exit codes are listed in the README.
 */
export const ERRORS = {
  WEIR_INTERNAL: meaning(1, 500, 'This is a defect in Weir. Please report it with the log around this time.'),
  WEIR_USAGE: meaning(2, 400, 'See `weir help`.'),
  WEIR_CONFIG_INVALID: meaning(2, 400, 'Correct the key named above, in the configuration file or in the environment. docs/weir.yaml shows them all.'),
  WEIR_NOT_ENROLLED: meaning(10, 401, 'Ask your provider for an invitation, then run `weir setup --invite …`.'),
  WEIR_ALREADY_ENROLLED: meaning(2, 409, 'This device is enrolled already. Pass --again to enrol it anew.'),
  WEIR_INVITATION_INVALID: meaning(12, 403, 'Invitations work once and end. Ask your provider for a new one.'),
  WEIR_TOKEN_REFUSED: meaning(12, 403, 'The provider no longer knows this device. Ask for a new invitation and run `weir setup` again.'),
  WEIR_SUBSCRIBER_SUSPENDED: meaning(12, 403, 'The provider has suspended this subscriber. Ask the provider.'),
  WEIR_SERVER_KEY_MISMATCH: meaning(12, 403, 'The server is not the one this device enrolled with, and nothing was sent. If the provider changed its key, ask for a new invitation.'),
  WEIR_TOO_MANY_ATTEMPTS: meaning(12, 429, 'Too many refused attempts from this address. Wait a minute and try again.'),
  WEIR_LOCKED: meaning(11, 409, 'Another weir is at work on this. Wait for it, or end the process named above.'),
  WEIR_UNREACHABLE: meaning(20, 503, 'Check the line to the provider and run the command again; what was acknowledged stays.'),
  WEIR_DISCONNECTED: meaning(20, 503, 'The provider went away in mid-session. Run the command again: it resumes.'),
  WEIR_SERVER_BUSY: meaning(20, 503, 'The provider has no free session. Run the command again in a while.'),
  WEIR_WIRE_MALFORMED: meaning(1, 400, 'The other side sent something this version does not understand. Update both sides to the same version.'),
  WEIR_WIRE_TOO_LARGE: meaning(1, 413, 'The other side sent more than the protocol allows. Update both sides to the same version.'),
  WEIR_WIRE_VERSION: meaning(1, 400, 'The two sides speak different versions. Update the older one.'),
  WEIR_WIRE_ORDER: meaning(1, 400, 'The other side sent a message that does not belong here. Update both sides to the same version.'),
  WEIR_PROOF_REFUSED: meaning(1, 403, 'The proof of possession was wrong. Run the command again; the files will be uploaded.'),
  WEIR_TREE_MISMATCH: meaning(1, 409, 'The two sides built different trees, so nothing was recorded. Run the command again.'),
  WEIR_MANIFEST_FALSE: meaning(1, 400, 'What was sent does not have the sizes it was announced with. Run the command again.'),
  WEIR_TREE_INVALID: meaning(1, 400, 'A directory listing breaks the rules of docs/format.md and was refused.'),
  WEIR_TREE_TOO_DEEP: meaning(3, 400, 'Directories deeper than 256 levels are left out. Back up the inner folder by its own path.'),
  WEIR_FILE_UNREADABLE: meaning(3, 403, 'Give the user that runs weir the right to read it, or exclude it.'),
  WEIR_FILE_CHANGED: meaning(3, 409, 'The file kept changing while it was read. Run the command again when it is at rest.'),
  WEIR_FILE_VANISHED: meaning(3, 404, 'The file went away during the backup. Nothing to do if that was meant.'),
  WEIR_FILE_KIND: meaning(3, 400, 'Sockets, pipes and devices hold no content and are left out. Exclude the path to silence this.'),
  WEIR_FILE_TOO_LARGE: meaning(3, 413, 'Files above 256 GiB are left out. Split the file, or exclude it to silence this.'),
  WEIR_DIRECTORY_TOO_LARGE: meaning(3, 413, 'Directories that take more than 44 MiB to list are left out. Spread the files over several, or exclude it.'),
  WEIR_NAME_TOO_LONG: meaning(3, 400, 'Names above 255 bytes are left out. Rename the file.'),
  WEIR_SNAPSHOT_UNKNOWN: meaning(1, 404, 'Run `weir snapshots` to see which exist.'),
  WEIR_PATH_UNKNOWN: meaning(1, 404, 'Run `weir ls SNAPSHOT` to see what the snapshot holds.'),
  WEIR_RESTORE_TARGET: meaning(1, 409, 'Choose another target with -t, or --overwrite.'),
  WEIR_RESTORE_MISMATCH: meaning(1, 500, 'The bytes received are not those that were backed up. Run the restore again; if it persists tell the provider.'),
  WEIR_STATE_UNREADABLE: meaning(1, 500, 'The local state is damaged; it is only a cache. Delete the file named above.'),
  WEIR_CONTENT_MISSING: meaning(1, 410, 'The provider no longer holds this content. Run `weir backup --full` on a device that still has it: it finds and sends what was lost.'),
  WEIR_STORE_CORRUPT: meaning(1, 500, 'A stored record does not match its checksum and was not served. Restore from it as far as it goes, and run `weir backup --full` on the devices.'),
  WEIR_STORE_FULL: meaning(1, 507, 'The provider has no room left. Free space on the data directory or add a disk; what was acknowledged stays.'),
  WEIR_STORE_FAILED: meaning(1, 503, 'A write to the store failed, so it takes no more until it is restarted. Check the disk and the log.'),
  WEIR_STORE_CLOSED: meaning(1, 503, 'The store is shutting down. Try again when it is back.'),
  WEIR_STORE_FORMAT: meaning(1, 500, 'The data directory was written by another version of Weir. Use that version.'),
  WEIR_RECORD_CONFLICT: meaning(1, 409, 'Somebody changed this at the same time. Try again.'),
  WEIR_NAME_TAKEN: meaning(2, 409, 'Choose another name.'),
  WEIR_SUBSCRIBER_UNKNOWN: meaning(1, 404, 'Run `weir subscriber list` to see who is there.'),
  WEIR_ADDRESS_TAKEN: meaning(2, 409, 'An address belongs to one subscriber. Give this one another address.'),
  WEIR_PORT_UNAVAILABLE: meaning(1, 503, 'Another program has the port, or it needs rights. Choose another in the configuration.'),
  WEIR_DIAL_REFUSED: meaning(1, 403, 'The address is not one the provider connects to. Allow its range under `dial.allow` if it should.'),
  WEIR_DIAL_FAILED: meaning(1, 502, 'The origin cannot be reached. Check the name and try again.'),
  WEIR_PROXY_CLIENT_REFUSED: meaning(1, 403, 'This address may not use the proxy. Add its range under `proxy.clients`.'),
  WEIR_PROXY_REQUEST_REFUSED: meaning(1, 400, 'The request is ambiguous or malformed and was not passed on.'),
  WEIR_PROXY_NOT_CACHED: meaning(1, 504, 'The client asked for a cached answer only. Ask without `only-if-cached`.'),
  WEIR_PROXY_UPSTREAM: meaning(1, 502, 'The origin failed in mid-answer. Try again.'),
  WEIR_REDIRECT_UNAVAILABLE: meaning(1, 503, 'Run `npm install koffi` where Weir is installed, or intercept with TPROXY, which needs no package: see docs/interception.md.'),
  WEIR_NFT_MISSING: meaning(1, 503, 'Install the packages nftables and iproute2.'),
  WEIR_NFT_DENIED: meaning(1, 403, 'Run the command as root (or with CAP_NET_ADMIN).'),
  WEIR_NFT_FAILED: meaning(1, 500, 'Nothing was changed that was in force before. The kernel may lack nf_tables or TPROXY: try --via redirect, or see docs/interception.md.'),
  WEIR_NFT_UNCONFIRMED: meaning(1, 409, 'Apply again and confirm in time, with Enter or `weir nft confirm` from another shell; --seconds gives you longer.'),
  WEIR_WORKER_LOST: meaning(1, 503, 'A process of the proxy ended; another takes its place. If that goes on, the log says why they end.'),
  WEIR_OPERATOR_REFUSED: meaning(12, 401, 'The operator token is in `operator-token` in the data directory, readable by its owner.'),
  WEIR_INTERRUPTED: meaning(130, 499, 'Run the command again: it resumes.'),
} as const satisfies Record<`WEIR_${string}`, Meaning>;

export type ErrorCode = keyof typeof ERRORS;

export interface WeirErrorOptions {
  readonly facts?: Record<string, unknown>;
  readonly cause?: unknown;
}

/** An operating error: something a person, a peer or a machine did, with a code and a remedy. */
export class WeirError extends Error {
  override readonly name = 'WeirError';
  readonly code: ErrorCode;
  readonly facts: Record<string, unknown>;

  constructor(code: ErrorCode, message: string, options: WeirErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.facts = options.facts ?? {};
  }

  get remedy(): string {
    return ERRORS[this.code].remedy;
  }

  /** Exit code of a command that ends with this error. */
  get exitCode(): number {
    return ERRORS[this.code].exit;
  }
}

/** The error as a WeirError: itself when it is one, else WEIR_INTERNAL with the cause kept. */
export function asWeirError(error: unknown): WeirError {
  if (error instanceof WeirError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new WeirError('WEIR_INTERNAL', message, { cause: error });
}

/** The `code` of a Node.js system error (`ENOENT`, `ECONNRESET` …), or undefined. */
export function systemCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

export function isErrorCode(text: string): text is ErrorCode {
  return Object.hasOwn(ERRORS, text);
}

function meaning(exit: number, http: number, remedy: string): Meaning {
  return { exit, http, remedy };
}
