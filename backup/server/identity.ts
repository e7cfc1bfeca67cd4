import { createHash, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { generate } from 'selfsigned';
import { replaceFile } from '../../src/base/durable-write.ts';
import { systemCode } from '../../src/base/errors.ts';
import type { Files } from '../../src/base/files.ts';

/** The server's key pair. Agents pin the key, so the certificate around it is only a carrier. */
export interface ServerIdentity {
  readonly key: string;
  readonly cert: string;
  /** SHA-256 of the public key (SubjectPublicKeyInfo), as invitations carry it (RFC 7469 section 2.4). */
  readonly pin: Buffer;
}

/** A certificate that does not end: the pin decides. RFC 5280 section 4.1.2.5. */
const NOT_AFTER = new Date('9999-12-31T23:59:59Z');

/** Reads `server-identity.pem` from the data directory, or makes it, durably, on the first start. */
export async function openServerIdentity(files: Files, directory: string): Promise<ServerIdentity> {
  const path = join(directory, 'server-identity.pem');
  const pem = await readFile(path, 'utf8').catch((error: unknown) => {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw error;
  });
  if (pem !== undefined) return fromPem(pem);
  const made = await generate([{ name: 'commonName', value: 'weir' }], {
    keyType: 'ec',
    curve: 'P-256',
    algorithm: 'sha256',
    notAfterDate: NOT_AFTER,
  });
  const fresh = `${made.private.trim()}\n${made.cert.trim()}\n`;
  await replaceFile(files, path, Buffer.from(fresh));
  return fromPem(fresh);
}

function fromPem(pem: string): ServerIdentity {
  const start = pem.indexOf('-----BEGIN CERTIFICATE-----');
  const cert = pem.slice(start);
  return { key: pem.slice(0, start), cert, pin: publicKeyPin(new X509Certificate(cert).raw) };
}

/** The pin of a certificate in DER. */
function publicKeyPin(certificate: Uint8Array): Buffer {
  const spki = new X509Certificate(certificate).publicKey.export({ type: 'spki', format: 'der' });
  return createHash('sha256').update(spki).digest();
}
