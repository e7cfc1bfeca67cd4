import type { HeldBody } from '../../src/catalog/responses.ts';
import type { PortionList } from '../../src/content/portion-list.ts';
import type { KeptOfUrl } from './keeper.ts';

/**
 * What the proxy and the taps hand to the recorder. Nothing here throws or waits: recording runs
 * beside the traffic and may be refused or given up at any time, without the traffic noticing.
 */
export interface Recorder {
  /** Starts recording a body, or declines (not wanted, nobody's, held already, over budget). */
  begin(passing: Passing): Recording | undefined;
}

/** What is known when a body starts to pass. */
export interface Passing {
  /** The address of the subscriber's end of the connection, as net.Socket.remoteAddress gives it. */
  readonly clientAddress: string;
  /** Absolute URL without fragment and credentials. */
  readonly url: string;
  /** Announced length of the body in bytes, when there is one. */
  readonly sizeBytes: number | undefined;
  readonly etag: string | undefined;
  readonly lastModified: string | undefined;
  /** Content-Type as sent. */
  readonly mediaType: string | undefined;
  /** Whether a shared cache may keep the answer and the request carried no credentials. */
  readonly isSharedCacheable: boolean;
  /** Where the cache has the body, or is about to, and what it is if that is known. */
  readonly held?: { readonly scope: number; readonly contentId?: Uint8Array };
  /**
   * Given by a cache that keeps the answer: the body is then recorded although it passes to no
   * subscriber, and what this gives is kept from the same moment on.
   */
  readonly keep?: (body: HeldBody) => KeptOfUrl | undefined;
  /** Called each time `Recording.durable` has changed. */
  readonly onProgress?: () => void;
}

export interface Recording {
  /** The next bytes of the body, in order. Does not keep `chunk` after it returns. */
  write(chunk: Uint8Array): void;
  /**
   * The body is complete: all bytes announced were written. Nothing may follow. Resolves when it is
   * durable, with where; with undefined when it was given up.
   */
  finish(): Promise<HeldBody | undefined>;
  /** The body will not be completed. Nothing may follow. */
  abandon(): void;
  /** What can be read back of the body so far. */
  readonly durable: DurablePart;
}

/** The beginning of a body that is durable while the rest still arrives. */
export interface DurablePart {
  readonly scope: number;
  readonly sizeBytes: number;
  /** Recording was given up: there will be no more, and what there is may go. */
  readonly isLost: boolean;
  /** At least the portions of the durable bytes. */
  portions(): PortionList;
}
