// SPDX-License-Identifier: MIT
package main

import (
	"context"
	"fmt"
	"sort"
	"strconv"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

func franzClient(bootstrap string, options ...kgo.Opt) *kgo.Client {
	client, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(bootstrap)}, options...)...)
	must(err, "a client")
	return client
}

func franzMade(ctx context.Context, bootstrap, topic string, partitions int32) *kadm.Client {
	admin := kadm.NewClient(franzClient(bootstrap))
	_, err := admin.CreateTopic(ctx, partitions, 1, nil, topic)
	must(err, "create "+topic)
	return admin
}

func franzRead(ctx context.Context, client *kgo.Client, wanted int) []*kgo.Record {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	var got []*kgo.Record
	for len(got) < wanted && ctx.Err() == nil {
		client.PollFetches(ctx).EachRecord(func(r *kgo.Record) { got = append(got, r) })
	}
	return got
}

func values(records []*kgo.Record) []int {
	all := []int{}
	for _, r := range records {
		n, _ := strconv.Atoi(string(r.Value))
		all = append(all, n)
	}
	sort.Ints(all)
	return all
}

func franz(bootstrap string) {
	ctx := context.Background()
	attempt("codecs", func() { franzCodecs(ctx, bootstrap) })
	attempt("group", func() { franzGroup(ctx, bootstrap) })
	attempt("transactions", func() { franzTransactions(ctx, bootstrap) })
	attempt("administration", func() { franzAdministration(ctx, bootstrap) })
}

func franzCodecs(ctx context.Context, bootstrap string) {
	for name, codec := range map[string]kgo.CompressionCodec{"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(),
		"snappy": kgo.SnappyCompression(), "lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression()} {
		topic := named(name)
		franzMade(ctx, bootstrap, topic, 3).Close()
		producer := franzClient(bootstrap, kgo.ProducerBatchCompression(codec), kgo.DefaultProduceTopic(topic))
		for i := range 500 {
			producer.Produce(ctx, &kgo.Record{Key: []byte{byte(i)}, Value: []byte(strconv.Itoa(i)),
				Headers: []kgo.RecordHeader{{Key: "h", Value: []byte("x")}}}, nil)
		}
		must(producer.Flush(ctx), "flush")
		producer.Close()
		consumer := franzClient(bootstrap, kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
		equal(values(franzRead(ctx, consumer, 500)), numbers(500), "idempotent producer, "+name)
		consumer.Close()
	}
}

func franzGroup(ctx context.Context, bootstrap string) {
	topic, group := named("group"), named("g")
	admin := franzMade(ctx, bootstrap, topic, 6)
	defer admin.Close()
	var lock sync.Mutex
	var seen []*kgo.Record
	members := make([]*kgo.Client, 3)
	running, stop := context.WithCancel(ctx)
	var wait sync.WaitGroup
	for i := range members {
		members[i] = franzClient(bootstrap, kgo.ConsumeTopics(topic), kgo.ConsumerGroup(group),
			kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.HeartbeatInterval(300*time.Millisecond),
			kgo.SessionTimeout(10*time.Second))
		wait.Add(1)
		go func(client *kgo.Client) {
			defer wait.Done()
			for running.Err() == nil {
				fetches := client.PollFetches(running)
				lock.Lock()
				fetches.EachRecord(func(r *kgo.Record) { seen = append(seen, r) })
				lock.Unlock()
			}
		}(members[i])
	}
	var described kadm.DescribedGroup
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		groups, err := admin.DescribeGroups(ctx, group)
		must(err, "describe")
		described = groups[group]
		if described.State == "Stable" && len(described.Members) == 3 {
			break
		}
	}
	equal([]any{described.State, len(described.Members)}, []any{"Stable", 3}, "three members (cooperative)")
	producer := franzClient(bootstrap, kgo.DefaultProduceTopic(topic))
	for i := range 300 {
		producer.Produce(ctx, &kgo.Record{Key: []byte{byte(i)}, Value: []byte(strconv.Itoa(i))}, nil)
	}
	must(producer.Flush(ctx), "flush")
	producer.Close()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		lock.Lock()
		enough := len(seen) >= 300
		lock.Unlock()
		if enough {
			break
		}
	}
	equal(values(seen), numbers(300), "each record to one member")
	for _, member := range members {
		must(member.CommitUncommittedOffsets(ctx), "commit")
	}
	stop()
	wait.Wait()
	for _, member := range members {
		member.Close()
	}
	lag, err := admin.Lag(ctx, group)
	must(err, "lag")
	equal(lag[group].Lag.Total(), int64(0), "no lag is left")
}

func franzTransactions(ctx context.Context, bootstrap string) {
	topic := named("txn")
	franzMade(ctx, bootstrap, topic, 2).Close()
	producer := franzClient(bootstrap, kgo.TransactionalID(named("t")), kgo.DefaultProduceTopic(topic))
	for turn := range 6 {
		must(producer.BeginTransaction(), "begin")
		for i := range 10 {
			producer.Produce(ctx, &kgo.Record{Value: []byte(strconv.Itoa(turn*10 + i))}, nil)
		}
		must(producer.Flush(ctx), "flush")
		must(producer.EndTransaction(ctx, kgo.TransactionEndTry(turn%2 == 0)), "end")
	}
	producer.Close()
	consumer := franzClient(bootstrap, kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	var want []int
	for turn := 0; turn < 6; turn += 2 {
		for i := range 10 {
			want = append(want, turn*10+i)
		}
	}
	equal(values(franzRead(ctx, consumer, 30)), want, "read_committed")
	consumer.Close()
}

func franzAdministration(ctx context.Context, bootstrap string) {
	topic := named("adm")
	admin := franzMade(ctx, bootstrap, topic, 2)
	defer admin.Close()
	set, value := "retention.ms", "123456"
	altered, err := admin.AlterTopicConfigs(ctx, []kadm.AlterConfig{{Op: kadm.SetConfig, Name: set, Value: &value}}, topic)
	must(err, "alter")
	must(altered[0].Err, "alter")
	got := ""
	for end := time.Now().Add(10 * time.Second); got != value && time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		configs, err := admin.DescribeTopicConfigs(ctx, topic)
		must(err, "describe")
		for _, config := range configs[0].Configs {
			if config.Key == set {
				got = config.MaybeValue()
			}
		}
	}
	equal(got, value, "a config is read back")
	added, err := admin.CreatePartitions(ctx, 2, topic)
	must(err, "partitions")
	must(added[topic].Err, "partitions")
	producer := franzClient(bootstrap, kgo.DefaultProduceTopic(topic), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	for i := range 10 {
		must(producer.ProduceSync(ctx, &kgo.Record{Value: []byte("x"), Timestamp: time.UnixMilli(int64(1000 * (i + 1)))}).FirstErr(), "produce")
	}
	producer.Close()
	ends, err := admin.ListEndOffsets(ctx, topic)
	must(err, "ends")
	var sum int64
	ends.Each(func(o kadm.ListedOffset) { sum += o.Offset })
	equal([]any{len(ends[topic]), sum}, []any{4, int64(10)}, "four partitions with ten records")
	after, err := admin.ListOffsetsAfterMilli(ctx, 4500, topic)
	must(err, "by time")
	equal(fmt.Sprint(after[topic][0].Offset, after[topic][0].Timestamp), "4 5000", "an offset by time")
	dirs, err := admin.DescribeAllLogDirs(ctx, nil)
	must(err, "log dirs")
	var bytes int64
	dirs.Each(func(d kadm.DescribedLogDir) { bytes += d.Size() })
	ok(bytes > 0, "log directories have sizes")
	transactions, err := admin.ListTransactions(ctx, nil, nil)
	must(err, "transactions")
	ok(transactions != nil, "transactions are listed")
	deleted, err := admin.DeleteTopics(ctx, topic)
	must(err, "delete")
	must(deleted[topic].Err, "delete")
	topics, err := admin.ListTopics(ctx)
	must(err, "list")
	ok(!topics.Has(topic), "a deleted topic is gone")
}
