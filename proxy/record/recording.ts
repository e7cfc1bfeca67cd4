/**
 * What the proxy and the taps hand to the recorder. Everything here is synchronous and never
 * throws: recording runs beside the traffic and may be refused or given up at any time, without
 * the traffic noticing.
 */
export interface Recorder {
  /** Starts recording a body, or declines (not wanted, no subscriber at this address, over budget). */
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
  /** Whether a shared cache may keep the answer and the request carried no credentials. */
  readonly isSharedCacheable: boolean;
}

export interface Recording {
  /** The next bytes of the body, in order. Does not keep `chunk` after it returns. */
  write(chunk: Uint8Array): void;
  /** The body is complete: all bytes announced were written. Nothing may follow. */
  finish(): void;
  /** The body will not be completed. Nothing may follow. */
  abandon(): void;
}
