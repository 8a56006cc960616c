// What a JavaScript program does with the server, through an unmodified ioredis: node ioredis.mjs PORT.
//
// Every answer is checked. The same script passes against redis-server, which is how its own expectations were checked.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import Redis from 'ioredis';

const port = Number(process.argv[2]);
const keyCount = 2000;

async function strings(client) {
  assert.equal(await client.ping(), 'PONG');
  assert.equal(await client.set('k', 'v'), 'OK');
  assert.equal(await client.get('k'), 'v');
  assert.equal(await client.get('absent'), null);
  const bytes = Buffer.from(Array.from({ length: 256 }, (_, index) => index));
  assert.equal(await client.set('bytes', bytes), 'OK');
  assert.deepEqual(await client.getBuffer('bytes'), bytes);
  assert.equal(await client.mset({ a: '1', b: '2' }), 'OK');
  assert.deepEqual(await client.mget('a', 'absent', 'b'), ['1', null, '2']);
  assert.equal(await client.del('a', 'b', 'absent'), 2);
  assert.equal(await client.append('grown', 'abcd'), 4);
  assert.equal(await client.getrange('grown', 1, 2), 'bc');
  assert.equal(await client.setrange('grown', 1, 'XX'), 4);
  assert.equal(await client.get('grown'), 'aXXd');
  assert.equal(await client.getset('grown', 'new'), 'aXXd');
  assert.equal(await client.getdel('grown'), 'new');
  assert.equal(await client.incrby('n', 41), 41);
  assert.equal(await client.incrbyfloat('float', '0.1'), '0.1');
  assert.equal(await client.incrbyfloat('float', '0.2'), '0.3');
}

async function bits(client) {
  assert.equal(await client.setbit('bits', 7, 1), 0);
  assert.equal(await client.setbit('bits', 100, 1), 0);
  assert.equal(await client.getbit('bits', 7), 1);
  assert.equal(await client.bitcount('bits'), 2);
  assert.equal(await client.bitpos('bits', 1, 1), 100);
  assert.equal(await client.bitop('NOT', 'inverse', 'bits'), 13);
  assert.equal(await client.bitcount('inverse'), 13 * 8 - 2);
}

async function conditionsAndExpiry(client) {
  assert.equal(await client.set('lock', 'me', 'NX'), 'OK');
  assert.equal(await client.set('lock', 'you', 'NX'), null);
  assert.equal(await client.set('brief', 'x', 'PX', 60), 'OK');
  assert.equal(await client.expire('lock', 100), 1);
  assert.equal(await client.expire('lock', 50, 'GT'), 0);
  assert.ok((await client.ttl('lock')) > 90);
  assert.equal(await client.persist('lock'), 1);
  await sleep(150);
  assert.equal(await client.get('brief'), null);
}

async function scanning(client) {
  await client.flushdb();
  // Commands of one tick go out together.
  const names = Array.from({ length: keyCount }, (_, index) => `item:${index}`);
  await Promise.all(names.map((name) => client.set(name, name)));
  assert.equal(await client.dbsize(), keyCount);
  const seen = new Set();
  for await (const page of client.scanStream({ match: 'item:*', count: 100 })) {
    for (const name of page) seen.add(name);
  }
  assert.deepEqual([...seen].sort(), names.sort());
  const pipeline = client.pipeline();
  for (const name of names) pipeline.get(name);
  assert.deepEqual(await pipeline.exec(), names.map((name) => [null, name]));
}

async function transactions(client) {
  const answers = await client.multi().set('t', '1').incr('t').get('t').exec();
  assert.deepEqual(answers, [[null, 'OK'], [null, 2], [null, '2']]);
  const mixed = await client.multi().set('word', 'abc').incr('word').get('word').exec();
  assert.match(String(mixed[1][0]), /not an integer/);
  assert.equal(mixed[2][1], 'abc');
  const other = client.duplicate();
  await client.watch('word');
  await other.set('word', 'changed');
  assert.equal(await client.multi().set('word', 'mine').exec(), null);
  assert.equal(await client.get('word'), 'changed');
  await other.quit();
}

async function errors(client) {
  await assert.rejects(client.call('NOSUCH', 'x'), /unknown command/);
  await assert.rejects(client.call('GET'), /wrong number of arguments/);
  assert.equal(await client.ping(), 'PONG');
}

for (const protocol of [2, 3]) {
  const client = new Redis({ host: '127.0.0.1', port, protocol, connectionName: 'tester' });
  client.on('error', (error) => { throw error; });
  await client.flushdb();
  for (const part of [strings, bits, conditionsAndExpiry, scanning, transactions, errors]) {
    await part(client);
  }
  assert.equal(await client.client('GETNAME'), 'tester');
  await client.flushdb();
  await client.quit();
  const version = JSON.parse(readFileSync(new URL('./node_modules/ioredis/package.json', import.meta.url))).version;
  console.log(`ioredis ${version}, RESP${protocol}: all answers right`);
}
