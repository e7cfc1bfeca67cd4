/** Bounds of the protocol, the same for both sides. docs/limits.md lists them. */
export const WIRE_VERSION = 1;
export const TOKEN_BYTES = 32;
export const MAX_REQUEST_BYTES = 16 * 1024 * 1024;
export const MAX_ANSWER_BYTES = 64 * 1024 * 1024;
export const MAX_TEXT_BYTES = 1024;
export const MAX_PATH_BYTES = 65_536;
export const MAX_BATCH_ENTRIES = 8192;
export const MAX_BATCH_COLUMN_BYTES = 8 * 1024 * 1024;
export const MAX_BATCH_DIRECTORY_ASKS = 65_536;
export const MAX_BATCH_PORTIONS = 16_384;
export const MAX_OFFERED_CANDIDATES = 4;
export const MAX_UPLOAD_BYTES = 8 * 1024 * 1024;
export const MAX_FILE_BYTES = 256 * 1024 * 1024 * 1024;
export const MAX_SNAPSHOT_PATHS = 256;
export const MAX_SNAPSHOT_TAGS = 64;
export const MAX_LISTED_SNAPSHOTS = 2000;
export const MAX_FETCH_FILES = 65_536;
export const MAX_DIRECTORY_OBJECT_BYTES = 44 * 1024 * 1024;
export const MAX_FRAME_CONTENT_BYTES = 1024 * 1024;
export const MAX_FRAME_PIECES = 4096;
export const MAX_FRAME_DIRECTORIES = 1024;
/** A large directory's two objects, or many small ones; unpacked. */
export const MAX_FRAME_DIRECTORY_BYTES = 63 * 1024 * 1024;
/** How often a side that is at work says so, well within the other's patience. */
export const WORKING_INTERVAL_MS = 30_000;
export const MAX_SNAPSHOT_TEXT_BYTES = 16 * 1024;
