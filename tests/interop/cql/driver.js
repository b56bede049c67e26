// SPDX-License-Identifier: MIT
// cassandra-driver for Node: node driver.js HOST:PORT, with NODE_PATH where the package is.
const cassandra = require('cassandra-driver')

const [host, port] = process.argv[2].split(':')
const keyspace = 'js_' + Math.random().toString(16).slice(2, 10)
const { types } = cassandra
let count = 0
let failed = 0

function ok(good, name, detail) {
  count++
  if (!good) failed++
  console.log(`${good ? 'ok' : 'not ok'} ${count} - ${name}`)
  if (!good && detail !== undefined) console.log(`#   ${String(detail).slice(0, 500).replace(/\n/g, '\n#   ')}`)
}

function equal(got, want, name) {
  ok(JSON.stringify(got) === JSON.stringify(want), name, `got  ${JSON.stringify(got)}\nwant ${JSON.stringify(want)}`)
}

const client = new cassandra.Client({ contactPoints: [`${host}:${port}`], localDataCenter: 'datacenter1' })
const prepare = { prepare: true }

async function setup() {
  await client.connect()
  await client.execute(`CREATE KEYSPACE ${keyspace} WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}`)
  await client.execute(`USE ${keyspace}`)
  ok(true, 'connects and makes a keyspace')
}

async function values() {
  await client.execute('CREATE TABLE v (k uuid PRIMARY KEY, a int, b bigint, c text, d double, e timestamp, f list<int>, g map<text, text>, h set<int>, i boolean, j decimal, l blob)')
  const id = types.Uuid.random()
  const when = new Date(1700000000123)
  await client.execute('INSERT INTO v (k, a, b, c, d, e, f, g, h, i, j, l) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
    [id, 1, types.Long.fromString('9007199254740993'), 'x', 1.5, when, [1, 2], { a: 'b' }, [3], true, types.BigDecimal.fromString('1.23'), Buffer.from([1, 2])], prepare)
  const row = (await client.execute('SELECT * FROM v WHERE k = ?', [id], prepare)).first()
  equal([row.k.toString(), row.a, row.b.toString(), row.c, row.d, row.e.getTime(), row.f, row.g, row.h, row.i, row.j.toString(), [...row.l]],
    [id.toString(), 1, '9007199254740993', 'x', 1.5, when.getTime(), [1, 2], { a: 'b' }, [3], true, '1.23', [1, 2]], 'values of twelve types')
}

async function paging() {
  await client.execute('CREATE TABLE p (k int, c int, PRIMARY KEY (k, c))')
  const inserts = []
  for (let i = 0; i < 500; i++) inserts.push(client.execute('INSERT INTO p (k, c) VALUES (?, ?)', [i % 3, i], prepare))
  await Promise.all(inserts)
  const got = await new Promise((resolve, reject) => {
    const all = []
    client.eachRow('SELECT * FROM p', [], { prepare: true, autoPage: true, fetchSize: 37 }, (n, row) => all.push(row.c),
      (error) => error ? reject(error) : resolve(all))
  })
  equal(got.sort((a, b) => a - b), Array.from({ length: 500 }, (_, i) => i), 'pages: each row once')
}

async function batchAndLwt() {
  await client.execute('CREATE TABLE b (k int PRIMARY KEY, v int)')
  await client.batch([1, 2, 3].map(k => ({ query: 'INSERT INTO b (k, v) VALUES (?, ?)', params: [k, k * 10] })), prepare)
  const rows = (await client.execute('SELECT k, v FROM b')).rows.map(r => [r.k, r.v]).sort()
  equal(rows, [[1, 10], [2, 20], [3, 30]], 'a batch')
  const first = (await client.execute('INSERT INTO b (k, v) VALUES (1, 5) IF NOT EXISTS')).first()
  equal([first['[applied]'], first.v], [false, 10], 'IF NOT EXISTS tells what is there')
  ok((await client.execute('UPDATE b SET v = 11 WHERE k = 1 IF v = 10')).wasApplied(), 'a condition that holds')
}

async function metadata() {
  await client.metadata.refreshKeyspaces()
  const table = await client.metadata.getTable(keyspace, 'p')
  equal([table.partitionKeys.map(c => c.name), table.clusteringKeys.map(c => c.name)], [['k'], ['c']], 'metadata of a table')
}

async function errors() {
  for (const [query, code] of [['SELEC', 0x2000], ['SELECT * FROM nothing', 0x2200], ['CREATE TABLE p (k int PRIMARY KEY)', 0x2400]]) {
    try {
      await client.execute(query)
      ok(false, `${query} is refused`)
    } catch (error) {
      equal(error.code, code, `${query} is refused`)
    }
  }
}

async function finish() {
  await client.execute(`DROP KEYSPACE ${keyspace}`)
  await client.shutdown()
  ok(true, 'drops it again')
}

async function main() {
  for (const test of [setup, values, paging, batchAndLwt, metadata, errors, finish]) {
    try {
      await test()
    } catch (error) {
      ok(false, `${test.name} runs to its end`, error.stack)
    }
  }
  console.log(`1..${count}`)
  process.exit(failed ? 1 : 0)
}
main()
