// SPDX-License-Identifier: MIT
package main

import (
	"context"
	"sort"
	"strconv"
	"sync"
	"time"

	"github.com/IBM/sarama"
)

func saramaConfig() *sarama.Config {
	config := sarama.NewConfig()
	config.Version = sarama.V3_6_0_0
	config.Producer.Return.Successes = true
	config.Producer.RequiredAcks = sarama.WaitForAll
	config.Consumer.Offsets.Initial = sarama.OffsetOldest
	return config
}

func shopify(bootstrap string) {
	brokers := []string{bootstrap}
	attempt("codecs", func() { saramaCodecs(brokers) })
	attempt("group", func() { saramaGroup(brokers) })
	attempt("transactions", func() { saramaTransactions(brokers) })
	attempt("administration", func() { saramaAdministration(brokers) })
}

func saramaMade(brokers []string, topic string, partitions int32) sarama.ClusterAdmin {
	admin, err := sarama.NewClusterAdmin(brokers, saramaConfig())
	must(err, "admin")
	must(admin.CreateTopic(topic, &sarama.TopicDetail{NumPartitions: partitions, ReplicationFactor: 1}, false), "create "+topic)
	return admin
}

// saramaRead reads partition 0 from its start.
func saramaRead(brokers []string, topic string, wanted int, config *sarama.Config) []int {
	consumer, err := sarama.NewConsumer(brokers, config)
	must(err, "consumer")
	defer consumer.Close()
	part, err := consumer.ConsumePartition(topic, 0, sarama.OffsetOldest)
	must(err, "partition")
	defer part.Close()
	got := []int{}
	end := time.After(30 * time.Second)
	for len(got) < wanted {
		select {
		case message := <-part.Messages():
			n, _ := strconv.Atoi(string(message.Value))
			got = append(got, n)
		case <-end:
			return got
		}
	}
	return got
}

func saramaCodecs(brokers []string) {
	for _, codec := range []sarama.CompressionCodec{sarama.CompressionNone, sarama.CompressionGZIP, sarama.CompressionSnappy,
		sarama.CompressionLZ4, sarama.CompressionZSTD} {
		topic := named(codec.String())
		saramaMade(brokers, topic, 1).Close()
		config := saramaConfig()
		config.Producer.Compression = codec
		config.Producer.Idempotent = true
		config.Net.MaxOpenRequests = 1
		producer, err := sarama.NewSyncProducer(brokers, config)
		must(err, "producer")
		var messages []*sarama.ProducerMessage
		for i := range 300 {
			messages = append(messages, &sarama.ProducerMessage{Topic: topic, Value: sarama.StringEncoder(strconv.Itoa(i))})
		}
		must(producer.SendMessages(messages), "send")
		must(producer.Close(), "close")
		equal(saramaRead(brokers, topic, 300, saramaConfig()), numbers(300), "idempotent producer, "+codec.String())
	}
}

type saramaMember struct {
	lock sync.Mutex
	seen []int
}

func (m *saramaMember) Setup(sarama.ConsumerGroupSession) error   { return nil }
func (m *saramaMember) Cleanup(sarama.ConsumerGroupSession) error { return nil }
func (m *saramaMember) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for message := range claim.Messages() {
		n, _ := strconv.Atoi(string(message.Value))
		m.lock.Lock()
		m.seen = append(m.seen, n)
		m.lock.Unlock()
		session.MarkMessage(message, "")
	}
	return nil
}

func saramaGroup(brokers []string) {
	topic, group := named("group"), named("g")
	admin := saramaMade(brokers, topic, 4)
	defer admin.Close()
	member := &saramaMember{}
	ctx, stop := context.WithCancel(context.Background())
	var wait sync.WaitGroup
	var groups []sarama.ConsumerGroup
	for range 2 {
		config := saramaConfig()
		config.Consumer.Group.Heartbeat.Interval = 300 * time.Millisecond
		consumer, err := sarama.NewConsumerGroup(brokers, group, config)
		must(err, "group")
		groups = append(groups, consumer)
		wait.Add(1)
		go func() {
			defer wait.Done()
			for ctx.Err() == nil {
				consumer.Consume(ctx, []string{topic}, member)
			}
		}()
	}
	producer, err := sarama.NewSyncProducer(brokers, saramaConfig())
	must(err, "producer")
	for i := range 100 {
		_, _, err = producer.SendMessage(&sarama.ProducerMessage{Topic: topic, Key: sarama.StringEncoder(strconv.Itoa(i)),
			Value: sarama.StringEncoder(strconv.Itoa(i))})
		must(err, "send")
	}
	must(producer.Close(), "close")
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		member.lock.Lock()
		enough := len(member.seen) >= 100
		member.lock.Unlock()
		if enough {
			break
		}
	}
	stop()
	for _, consumer := range groups {
		must(consumer.Close(), "close")
	}
	wait.Wait()
	unique := map[int]bool{}
	for _, n := range member.seen {
		unique[n] = true
	}
	all := []int{}
	for n := range unique {
		all = append(all, n)
	}
	sort.Ints(all)
	equal(all, numbers(100), "two members read all")
	offsets, err := admin.ListConsumerGroupOffsets(group, map[string][]int32{topic: {0, 1, 2, 3}})
	must(err, "offsets")
	var sum int64
	for _, block := range offsets.Blocks[topic] {
		if block.Offset > 0 {
			sum += block.Offset
		}
	}
	equal(sum, int64(100), "commits add up")
}

func saramaTransactions(brokers []string) {
	topic := named("txn")
	saramaMade(brokers, topic, 1).Close()
	config := saramaConfig()
	config.Producer.Idempotent = true
	config.Net.MaxOpenRequests = 1
	config.Producer.Transaction.ID = named("t")
	producer, err := sarama.NewAsyncProducer(brokers, config)
	must(err, "producer")
	for turn := range 3 {
		must(producer.BeginTxn(), "begin")
		for i := range 10 {
			producer.Input() <- &sarama.ProducerMessage{Topic: topic, Value: sarama.StringEncoder(strconv.Itoa(turn*10 + i))}
		}
		for range 10 {
			<-producer.Successes()
		}
		if turn == 1 {
			must(producer.AbortTxn(), "abort")
		} else {
			must(producer.CommitTxn(), "commit")
		}
	}
	must(producer.Close(), "close")
	reading := saramaConfig()
	reading.Consumer.IsolationLevel = sarama.ReadCommitted
	equal(saramaRead(brokers, topic, 20, reading), append(numbers(10), numbers(30)[20:]...), "read_committed")
}

func saramaAdministration(brokers []string) {
	topic := named("adm")
	admin := saramaMade(brokers, topic, 1)
	defer admin.Close()
	value := "654321"
	must(admin.IncrementalAlterConfig(sarama.TopicResource, topic, map[string]sarama.IncrementalAlterConfigsEntry{
		"retention.ms": {Operation: sarama.IncrementalAlterConfigsOperationSet, Value: &value}}, false), "alter")
	entries, err := admin.DescribeConfig(sarama.ConfigResource{Type: sarama.TopicResource, Name: topic, ConfigNames: []string{"retention.ms"}})
	must(err, "describe")
	equal([]any{len(entries), entries[0].Value}, []any{1, value}, "a config is read back")
	must(admin.CreatePartitions(topic, 3, nil, false), "partitions")
	described, err := admin.DescribeTopics([]string{topic})
	must(err, "describe")
	equal(len(described[0].Partitions), 3, "partitions are added")
	nodes, controller, err := admin.DescribeCluster()
	must(err, "cluster")
	equal([]any{len(nodes), nodes[0].ID()}, []any{1, controller}, "one node, the controller")
	must(admin.DeleteTopic(topic), "delete")
	topics, err := admin.ListTopics()
	must(err, "list")
	_, there := topics[topic]
	ok(!there, "a deleted topic is gone")
}
