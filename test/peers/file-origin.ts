import type { IncomingMessage, ServerResponse } from 'node:http';

/** A file as an origin has it. */
export interface OriginFile {
  readonly bytes: Buffer;
  readonly mediaType?: string;
  /** Without it the file may be kept for an hour. */
  readonly cacheControl?: string;
}

const MODIFIED = 'Mon, 01 Jun 2026 12:00:00 GMT';

/** Answers as a web server does for files: validators, conditions by date, and ranges to the end. */
export function serveFiles(files: (path: string) => OriginFile | undefined) {
  return (req: IncomingMessage, res: ServerResponse): void => {
    const file = files(req.url ?? '');
    if (file === undefined) {
      res.writeHead(404, { 'Content-Length': 0 }).end();
      return;
    }
    const { bytes, mediaType = 'application/octet-stream', cacheControl = 'max-age=3600' } = file;
    res.setHeader('Last-Modified', MODIFIED);
    res.setHeader('Cache-Control', cacheControl);
    res.setHeader('Accept-Ranges', 'bytes');
    if (req.headers['if-modified-since'] === MODIFIED) {
      res.writeHead(304).end();
      return;
    }
    res.setHeader('Content-Type', mediaType);
    const start = Number(/^bytes=(\d+)-$/.exec(req.headers.range ?? '')?.[1] ?? 0);
    const part = bytes.subarray(start);
    res.setHeader('Content-Length', part.length);
    if (start > 0) res.setHeader('Content-Range', `bytes ${start}-${bytes.length - 1}/${bytes.length}`);
    res.writeHead(start > 0 ? 206 : 200).end(part);
  };
}
