// What a JavaScript program does with the server, through an unmodified node-redis: node client.mjs PORT.
//
// Every answer is checked. The same script passes against redis-server, which is how its own expectations were checked.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { createClient, RESP_TYPES } from 'redis';

const port = Number(process.argv[2]);
const keyCount = 2000;

async function strings(client) {
  assert.equal(await client.ping(), 'PONG');
  assert.equal(await client.echo('hello'), 'hello');
  assert.equal(await client.set('k', 'v'), 'OK');
  assert.equal(await client.get('k'), 'v');
  assert.equal(await client.get('absent'), null);
  assert.equal(await client.set('unicode', 'naïve ☃ 漢字'), 'OK');
  assert.equal(await client.get('unicode'), 'naïve ☃ 漢字');
  const bytes = Buffer.from(Array.from({ length: 256 }, (_, index) => index));
  assert.equal(await client.set('bytes', bytes), 'OK');
  const buffers = client.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer });
  assert.deepEqual(await buffers.get('bytes'), bytes);
  assert.equal(await client.mSet({ a: '1', b: '2' }), 'OK');
  assert.deepEqual(await client.mGet(['a', 'absent', 'b']), ['1', null, '2']);
  assert.equal(await client.exists(['a', 'b', 'absent']), 2);
  assert.equal(await client.del(['a', 'b', 'absent']), 2);
  assert.equal(await client.append('grown', 'abcd'), 4);
  assert.equal(await client.strLen('grown'), 4);
  assert.equal(await client.type('grown'), 'string');
  assert.equal(await client.incrBy('n', 41), 41);
  assert.equal(await client.incr('n'), 42);
  assert.equal(await client.decr('n'), 41);
}

async function conditionsAndExpiry(client) {
  const nx = { condition: 'NX' };
  assert.equal(await client.set('lock', 'me', nx), 'OK');
  assert.equal(await client.set('lock', 'you', nx), null);
  const brief = { expiration: { type: 'PX', value: 60 } };
  assert.equal(await client.set('brief', 'x', brief), 'OK');
  assert.ok((await client.pTTL('brief')) > 0);
  assert.equal(await client.expire('lock', 100), 1);
  assert.ok((await client.ttl('lock')) > 90);
  assert.equal(await client.persist('lock'), 1);
  assert.equal(await client.ttl('lock'), -1);
  await sleep(150);
  assert.equal(await client.get('brief'), null);
}

async function scanning(client) {
  await client.flushDb();
  // node-redis puts commands of one tick into one write: this is a pipeline.
  const names = Array.from({ length: keyCount }, (_, index) => `item:${index}`);
  await Promise.all(names.map((name) => client.set(name, name)));
  assert.equal(await client.dbSize(), keyCount);
  const seen = new Set();
  for await (const page of client.scanIterator({ MATCH: 'item:*', COUNT: 100 })) {
    for (const name of page) seen.add(name);
  }
  assert.deepEqual([...seen].sort(), names.sort());
  const answers = await Promise.all(names.map((name) => client.get(name)));
  assert.deepEqual(answers, names);
}

async function transactions(client) {
  const answers = await client.multi().set('t', '1').incr('t').get('t').exec();
  assert.deepEqual(answers, ['OK', 2, '2']);
  const mixed = await client.multi().set('word', 'abc').incr('word').get('word').execAsPipeline()
    .then(() => assert.fail('an increment of a word was accepted'), (error) => error);
  assert.match(String(mixed.replies ? mixed.replies[1] : mixed), /not an integer/);
  assert.equal(await client.get('word'), 'abc');
}

async function largeValues(client) {
  const large = 'underpin'.repeat(1 << 20);
  assert.equal(await client.set('large', large), 'OK');
  assert.equal(await client.strLen('large'), large.length);
  assert.equal(await client.get('large'), large);
  assert.equal(await client.del('large'), 1);
}

async function errors(client) {
  await assert.rejects(client.sendCommand(['NOSUCH', 'x']), /unknown command/);
  await assert.rejects(client.sendCommand(['GET']), /wrong number of arguments/);
  assert.equal(await client.ping(), 'PONG');
}

for (const RESP of [2, 3]) {
  const client = createClient({ socket: { host: '127.0.0.1', port }, RESP, name: 'tester' });
  client.on('error', (error) => { throw error; });
  await client.connect();
  await client.flushDb();
  for (const part of [strings, conditionsAndExpiry, scanning, transactions, largeValues, errors]) {
    await part(client);
  }
  await client.flushDb();
  await client.close();
  const version = JSON.parse(readFileSync(new URL('./node_modules/redis/package.json', import.meta.url))).version;
  console.log(`node-redis ${version}, RESP${RESP}: all answers right`);
}
