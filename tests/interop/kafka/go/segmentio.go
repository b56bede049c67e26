// SPDX-License-Identifier: MIT
package main

import (
	"context"
	"sort"
	"strconv"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/compress"
)

func segmentio(bootstrap string) {
	ctx, cancel := context.WithTimeout(context.Background(), 120*time.Second)
	defer cancel()
	client := &kafka.Client{Addr: kafka.TCP(bootstrap)}
	attempt("codecs", func() { segmentioCodecs(ctx, client, bootstrap) })
	attempt("group", func() { segmentioGroup(ctx, client, bootstrap) })
	attempt("offsets", func() { segmentioOffsets(ctx, client, bootstrap) })
}

func segmentioMade(ctx context.Context, client *kafka.Client, topic string, partitions int) {
	answer, err := client.CreateTopics(ctx, &kafka.CreateTopicsRequest{
		Topics: []kafka.TopicConfig{{Topic: topic, NumPartitions: partitions, ReplicationFactor: 1}}})
	must(err, "create")
	must(answer.Errors[topic], "create "+topic)
	// Brokers of a cluster hear of a topic one after the other.
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		metadata, err := client.Metadata(ctx, &kafka.MetadataRequest{Topics: []string{topic}})
		if err == nil && metadata.Topics[0].Error == nil && len(metadata.Topics[0].Partitions) == partitions {
			time.Sleep(200 * time.Millisecond)
			return
		}
	}
}

func segmentioCodecs(ctx context.Context, client *kafka.Client, bootstrap string) {
	for name, codec := range map[string]compress.Compression{"none": compress.None, "gzip": compress.Gzip,
		"snappy": compress.Snappy, "lz4": compress.Lz4, "zstd": compress.Zstd} {
		topic := named(name)
		segmentioMade(ctx, client, topic, 1)
		writer := &kafka.Writer{Addr: kafka.TCP(bootstrap), Topic: topic, Compression: codec, BatchTimeout: 10 * time.Millisecond,
			RequiredAcks: kafka.RequireAll}
		var messages []kafka.Message
		for i := range 300 {
			messages = append(messages, kafka.Message{Value: []byte(strconv.Itoa(i)), Headers: []kafka.Header{{Key: "a", Value: []byte("b")}}})
		}
		must(writer.WriteMessages(ctx, messages...), "write")
		must(writer.Close(), "close")
		reader := kafka.NewReader(kafka.ReaderConfig{Brokers: []string{bootstrap}, Topic: topic, MaxWait: 200 * time.Millisecond})
		equal(segmentioRead(ctx, reader, 300), numbers(300), "a writer and a reader, "+name)
		must(reader.Close(), "close")
	}
}

func segmentioRead(ctx context.Context, reader *kafka.Reader, wanted int) []int {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	got := []int{}
	for len(got) < wanted {
		message, err := reader.ReadMessage(ctx)
		if err != nil {
			break
		}
		n, _ := strconv.Atoi(string(message.Value))
		got = append(got, n)
	}
	sort.Ints(got)
	return got
}

func segmentioGroup(ctx context.Context, client *kafka.Client, bootstrap string) {
	topic, group := named("group"), named("g")
	segmentioMade(ctx, client, topic, 4)
	writer := &kafka.Writer{Addr: kafka.TCP(bootstrap), Topic: topic, Balancer: &kafka.RoundRobin{}, BatchTimeout: 10 * time.Millisecond}
	for half := range 2 {
		var messages []kafka.Message
		for i := range 100 {
			messages = append(messages, kafka.Message{Value: []byte(strconv.Itoa(half*100 + i))})
		}
		must(writer.WriteMessages(ctx, messages...), "write")
		reader := kafka.NewReader(kafka.ReaderConfig{Brokers: []string{bootstrap}, GroupID: group, Topic: topic,
			StartOffset: kafka.FirstOffset, MaxWait: 200 * time.Millisecond})
		want := numbers(200)[half*100 : half*100+100]
		equal(segmentioRead(ctx, reader, 100), want, "a group goes on where it stopped, "+strconv.Itoa(half))
		must(reader.Close(), "close")
	}
	must(writer.Close(), "close")
	offsets, err := client.OffsetFetch(ctx, &kafka.OffsetFetchRequest{GroupID: group, Topics: map[string][]int{topic: {0, 1, 2, 3}}})
	must(err, "offsets")
	var sum int64
	for _, partition := range offsets.Topics[topic] {
		sum += partition.CommittedOffset
	}
	equal(sum, int64(200), "commits add up")
}

func segmentioOffsets(ctx context.Context, client *kafka.Client, bootstrap string) {
	topic := named("offsets")
	segmentioMade(ctx, client, topic, 1)
	conn, err := kafka.DialLeader(ctx, "tcp", bootstrap, topic, 0)
	must(err, "dial")
	for i := range 5 {
		_, err = conn.WriteMessages(kafka.Message{Value: []byte("x"), Time: time.UnixMilli(int64(1000 * (i + 1)))})
		must(err, "write")
	}
	first, last, err := conn.ReadOffsets()
	must(err, "offsets")
	equal([]int64{first, last}, []int64{0, 5}, "both ends")
	at, err := conn.ReadOffset(time.UnixMilli(2500))
	must(err, "by time")
	equal(at, int64(2), "an offset by time")
	_, err = conn.Seek(3, kafka.SeekAbsolute)
	must(err, "seek")
	message, err := conn.ReadMessage(1 << 20)
	must(err, "read")
	equal(message.Offset, int64(3), "seek and read on")
	must(conn.Close(), "close")
}
