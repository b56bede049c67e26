// SPDX-License-Identifier: MIT
// kafkajs: node kafkajs.js BOOTSTRAP, with NODE_PATH where the package is.
const { Kafka, CompressionTypes, logLevel, AclResourceTypes } = require('kafkajs')

const bootstrap = process.argv[2]
const run = Math.random().toString(16).slice(2, 10)
const kafka = new Kafka({ clientId: 'interop', brokers: [bootstrap], logLevel: logLevel.NOTHING, retry: { retries: 8 } })
const admin = kafka.admin()
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

const name = text => `js-${text}-${run}`
const made = (topic, numPartitions, configEntries = []) =>
  admin.createTopics({ waitForLeaders: true, topics: [{ topic, numPartitions, replicationFactor: 1, configEntries }] })

// Reads count records and gives them with their partitions.
async function read(topic, wanted, options = {}) {
  const consumer = kafka.consumer({ groupId: name('r' + Math.random()), ...options })
  await consumer.connect()
  await consumer.subscribe({ topics: [topic], fromBeginning: true })
  const got = []
  await new Promise((resolve, reject) => {
    const timer = setTimeout(() => resolve(), 30000)
    consumer.run({
      eachMessage: async ({ partition, message }) => {
        got.push({ partition, ...message })
        if (got.length === wanted) {
          clearTimeout(timer)
          resolve()
        }
      },
    }).catch(reject)
  })
  await consumer.disconnect()
  return got
}

async function roundTrip() {
  const topic = name('round')
  await made(topic, 3)
  const producer = kafka.producer({ idempotent: true })
  await producer.connect()
  for (const compression of [CompressionTypes.None, CompressionTypes.GZIP]) {
    await producer.send({
      topic, acks: -1, compression,
      messages: Array.from({ length: 100 }, (_, i) => ({ key: `k${i % 5}`, value: `v${i}`, headers: { h: `${i}` } })),
    })
  }
  await producer.disconnect()
  const got = await read(topic, 200)
  equal(got.length, 200, 'all records of three partitions')
  ok(got.every(m => m.headers.h.toString() === m.value.toString().slice(1)), 'headers as they were')
  const places = new Map()
  got.forEach(m => places.set(m.key.toString(), (places.get(m.key.toString()) || new Set()).add(m.partition)))
  ok([...places.values()].every(p => p.size === 1), 'a key stays in its partition')
}

async function group() {
  const topic = name('group')
  const groupId = name('g')
  await made(topic, 4)
  const seen = []
  const members = []
  for (let i = 0; i < 2; i++) {
    const consumer = kafka.consumer({ groupId, sessionTimeout: 10000, heartbeatInterval: 500 })
    await consumer.connect()
    await consumer.subscribe({ topics: [topic], fromBeginning: true })
    await consumer.run({ eachMessage: async ({ message }) => { seen.push(Number(message.value)) } })
    members.push(consumer)
  }
  const end = Date.now() + 30000
  let described
  do {
    await new Promise(resolve => setTimeout(resolve, 200))
    described = (await admin.describeGroups([groupId])).groups[0]
  } while ((described.state !== 'Stable' || described.members.length !== 2) && Date.now() < end)
  equal([described.state, described.members.length, described.protocol], ['Stable', 2, 'RoundRobinAssigner'], 'two members')
  const producer = kafka.producer()
  await producer.connect()
  await producer.send({ topic, messages: Array.from({ length: 100 }, (_, i) => ({ value: `${i}`, partition: i % 4 })) })
  await producer.disconnect()
  while (seen.length < 100 && Date.now() < end) await new Promise(resolve => setTimeout(resolve, 50))
  equal(seen.sort((a, b) => a - b), Array.from({ length: 100 }, (_, i) => i), 'each record to one member')
  for (const consumer of members) await consumer.disconnect()
  const [{ partitions }] = await admin.fetchOffsets({ groupId, topics: [topic] })
  equal(partitions.reduce((sum, p) => sum + Number(p.offset), 0), 100, 'commits add up')
  await admin.resetOffsets({ groupId, topic, earliest: true })
  const [{ partitions: after }] = await admin.fetchOffsets({ groupId, topics: [topic], resolveOffsets: true })
  equal(after.map(p => p.offset), ['0', '0', '0', '0'], 'offsets are reset')
  await admin.deleteGroups([groupId])
  const { groups } = await admin.listGroups()
  ok(!groups.some(g => g.groupId === groupId), 'a deleted group is gone')
}

async function transaction() {
  const topic = name('txn')
  await made(topic, 1)
  const producer = kafka.producer({ transactionalId: name('t'), maxInFlightRequests: 1, idempotent: true })
  await producer.connect()
  for (const [value, keep] of [['a', true], ['b', false], ['c', true]]) {
    const t = await producer.transaction()
    await t.send({ topic, messages: [{ value }] })
    if (keep) await t.commit()
    else await t.abort()
  }
  await producer.disconnect()
  const got = await read(topic, 2)
  equal(got.map(m => m.value.toString()), ['a', 'c'], 'committed transactions only')
}

async function administration() {
  const topic = name('admin')
  await made(topic, 1, [{ name: 'retention.ms', value: '60000' }])
  const { resources } = await admin.describeConfigs({ includeSynonyms: false, resources: [{ type: 2, name: topic }] })
  const entry = resources[0].configEntries.find(e => e.configName === 'retention.ms')
  equal(entry.configValue, '60000', 'a config is read back')
  await admin.alterConfigs({ validateOnly: false, resources: [{ type: 2, name: topic, configEntries: [{ name: 'retention.ms', value: '70000' }] }] })
  await admin.createPartitions({ topicPartitions: [{ topic, count: 3 }] })
  const { topics } = await admin.fetchTopicMetadata({ topics: [topic] })
  equal(topics[0].partitions.length, 3, 'partitions are added')
  const producer = kafka.producer()
  await producer.connect()
  for (let i = 0; i < 5; i++)
    await producer.send({ topic, messages: [{ value: 'x', partition: 0, timestamp: String(Date.now() + i * 1000) }] })
  await producer.disconnect()
  const offsets = await admin.fetchTopicOffsets(topic)
  equal(offsets.find(p => p.partition === 0), { partition: 0, offset: '5', high: '5', low: '0' }, 'ends of a partition')
  await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '2' }] })
  equal((await admin.fetchTopicOffsets(topic)).find(p => p.partition === 0).low, '2', 'records are deleted')
  const cluster = await admin.describeCluster()
  equal([cluster.brokers.length, cluster.controller, cluster.clusterId.length], [1, cluster.brokers[0].nodeId, 22], 'the cluster')
  await admin.deleteTopics({ topics: [topic] })
  ok(!(await admin.listTopics()).includes(topic), 'a deleted topic is gone')
}

async function main() {
  await admin.connect()
  for (const test of [roundTrip, group, transaction, administration]) {
    try {
      await test()
    } catch (error) {
      ok(false, `${test.name} runs to its end`, error.stack)
    }
  }
  await admin.disconnect()
  console.log(`1..${count}`)
  process.exit(failed ? 1 : 0)
}
main()
