import { expect } from 'chai';
import {
  createRecentBodies,
  MAX_RECENT_BODIES,
  type WitnessedBody,
} from '../../../proxy/record/recent-bodies.ts';
import type { Passing } from '../../../proxy/record/recording.ts';

const scope = 1;
const other = 2;
const contentId = Buffer.alloc(32, 7);
const body: WitnessedBody = {
  level: 'file',
  contentId,
  identifier: 1,
  sizeBytes: 5,
  nonce: Buffer.alloc(12),
  witness: Buffer.alloc(16),
};

function passing(url: string | number, etag = '"1"'): Passing {
  return {
    clientAddress: '10.0.0.1',
    url: `http://origin.test/${url}`,
    sizeBytes: 5,
    etag,
    lastModified: undefined,
    mediaType: undefined,
    isSharedCacheable: true,
  };
}

describe('recent bodies', () => {
  it('are known by subscriber, URL, length and validator together', () => {
    const recent = createRecentBodies();
    recent.remember(scope, passing('a'), body);
    expect(recent.findByValidator(scope, passing('a'))).to.equal(body);
    expect(recent.findByValidator(other, passing('a'))).to.equal(undefined);
    expect(recent.findByValidator(scope, passing('b'))).to.equal(undefined);
    expect(recent.findByValidator(scope, passing('a', '"2"'))).to.equal(undefined);
    expect(recent.findByValidator(scope, { ...passing('a'), sizeBytes: 6 })).to.equal(undefined);
    recent.forget(scope, passing('a'));
    expect(recent.findByValidator(scope, passing('a'))).to.equal(undefined);
  });

  it('are known by what they are as well', () => {
    const recent = createRecentBodies();
    recent.remember(scope, { ...passing('a'), etag: undefined }, body);
    expect(recent.find(scope, passing('a', '"2"'), contentId)).to.equal(body);
    expect(recent.find(scope, passing('a'), Buffer.alloc(32))).to.equal(undefined);
    expect(recent.find(other, passing('a'), contentId)).to.equal(undefined);
    expect(recent.findByValidator(scope, { ...passing('a'), etag: undefined })).to.equal(undefined);
  });

  it('do not take a time that looks like a tag for one', () => {
    const recent = createRecentBodies();
    recent.remember(scope, passing('a', 'x'), body);
    expect(recent.findByValidator(scope, { ...passing('a'), etag: undefined, lastModified: 'x' })).to.equal(
      undefined,
    );
  });

  it('are bounded: the one longest unseen goes first', () => {
    const recent = createRecentBodies();
    for (let index = 0; index < MAX_RECENT_BODIES; index++) recent.remember(scope, passing(index), body);
    expect(recent.findByValidator(scope, passing(0)), 'seen').to.equal(body);
    recent.remember(scope, passing(5, '"2"'), body);
    recent.remember(scope, passing('new'), body);
    expect(recent.findByValidator(scope, passing(1)), 'the oldest makes room').to.equal(undefined);
    expect(recent.findByValidator(scope, passing(2)), 'and no other').to.equal(body);
    expect(recent.findByValidator(scope, passing(0)), 'seen again').to.equal(body);
    for (let index = 0; index < MAX_RECENT_BODIES - 4; index++)
      recent.remember(scope, passing(`n${index}`), body);
    expect(recent.findByValidator(scope, passing(5, '"2"')), 'recorded again').to.equal(body);
    expect(recent.findByValidator(scope, passing('new'))).to.equal(body);
  });
});
