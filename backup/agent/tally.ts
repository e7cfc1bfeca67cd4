/** What a backup has done so far, for the live line and the last one. */
export interface Tally {
  scannedFiles: number;
  scannedBytes: number;
  readBytes: number;
  /** Matched with what the provider holds: protected without upload. */
  matchedBytes: number;
  uploadedBytes: number;
  phase: 'scan' | 'identify' | 'upload' | 'commit';
}

export function newTally(): Tally {
  return { scannedFiles: 0, scannedBytes: 0, readBytes: 0, matchedBytes: 0, uploadedBytes: 0, phase: 'scan' };
}
