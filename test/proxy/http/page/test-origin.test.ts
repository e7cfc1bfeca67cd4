import { expect } from 'chai';
import { createTestOrigin } from '../../../../proxy/http/page/test-origin.ts';

describe('the origin of the test downloads', () => {
  it('has them and nothing else', async () => {
    const origin = createTestOrigin();
    const ask = async (path: string): Promise<string> => {
      const socket = await origin.dial();
      socket.end(`GET ${path} HTTP/1.1\r\nHost: weir\r\nConnection: close\r\n\r\n`);
      return (await socket.setEncoding('latin1').toArray()).join('');
    };
    try {
      const answer = await ask('/test/a-1');
      expect(answer).to.match(/^HTTP\/1\.1 200 OK\r\n/);
      expect(answer).to.include('Cache-Control: max-age=0, s-maxage=60\r\n');
      expect(answer).to.match(/\r\n\r\nWeir test download a-1\n$/);
      expect(await ask('/')).to.match(/^HTTP\/1\.1 404 /);
    } finally {
      await origin.close();
    }
  });

  it('is closed although it was never asked, and cuts who is connected when it was', async () => {
    await createTestOrigin().close();
    const origin = createTestOrigin();
    const socket = await origin.dial();
    const closed = new Promise((resolve) => socket.once('close', resolve));
    await origin.close();
    await closed;
  });
});
