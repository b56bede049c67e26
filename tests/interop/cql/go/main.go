// SPDX-License-Identifier: MIT
// gocql: interop HOST:PORT PROTOCOL. Prints TAP.
package main

import (
	"errors"
	"fmt"
	"math/rand"
	"os"
	"reflect"
	"sort"
	"strconv"
	"strings"
	"time"

	gocql "github.com/apache/cassandra-gocql-driver/v2"
)

var count, failed int
var session *gocql.Session
var keyspace = fmt.Sprintf("go_%08x", rand.Uint32())

func ok(good bool, name string, detail ...any) {
	count++
	word := "ok"
	if !good {
		failed++
		word = "not ok"
	}
	fmt.Printf("%s %d - %s\n", word, count, name)
	if !good && len(detail) > 0 {
		fmt.Println("#   " + strings.ReplaceAll(fmt.Sprint(detail...), "\n", "\n#   "))
	}
}

func equal(got, want any, name string) {
	ok(reflect.DeepEqual(got, want), name, fmt.Sprintf("got  %v\nwant %v", got, want))
}

func must(err error, what string) {
	if err != nil {
		panic(fmt.Sprintf("%s: %v", what, err))
	}
}

func exec(query string, values ...any) {
	must(session.Query(query, values...).Exec(), query)
}

func attempt(name string, test func()) {
	defer func() {
		if problem := recover(); problem != nil {
			ok(false, name+" runs to its end", problem)
		}
	}()
	test()
}

func values() {
	exec("CREATE TABLE v (k uuid PRIMARY KEY, a int, b bigint, c text, d double, e timestamp, f list<int>, g map<text, text>, h set<int>, i inet)")
	id, when := gocql.UUID(gocql.TimeUUID()), time.UnixMilli(1700000000123).UTC()
	exec("INSERT INTO v (k, a, b, c, d, e, f, g, h, i) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", id, 1, int64(1)<<60, "x", 1.5, when,
		[]int{1, 2}, map[string]string{"a": "b"}, []int{3}, "127.0.0.1")
	row := map[string]any{}
	must(session.Query("SELECT * FROM v WHERE k = ?", id).MapScan(row), "select")
	equal([]any{row["k"], row["a"], row["b"], row["c"], row["d"], row["e"].(time.Time).UTC(), row["f"], row["g"], row["h"]},
		[]any{id, 1, int64(1) << 60, "x", 1.5, when, []int{1, 2}, map[string]string{"a": "b"}, []int{3}}, "values of ten types")
}

func paging() {
	exec("CREATE TABLE p (k int, c int, PRIMARY KEY (k, c))")
	for i := range 300 {
		exec("INSERT INTO p (k, c) VALUES (?, ?)", i%3, i)
	}
	got := []int{}
	iterator := session.Query("SELECT c FROM p").PageSize(17).Iter()
	for c := 0; iterator.Scan(&c); {
		got = append(got, c)
	}
	must(iterator.Close(), "select")
	sort.Ints(got)
	want := []int{}
	for i := range 300 {
		want = append(want, i)
	}
	equal(got, want, "pages: each row once")
}

func batches() {
	exec("CREATE TABLE b (k int PRIMARY KEY, v int)")
	batch := session.Batch(gocql.UnloggedBatch)
	for i := range 20 {
		batch.Query("INSERT INTO b (k, v) VALUES (?, ?)", i, i*10)
	}
	must(batch.Exec(), "batch")
	var n int
	must(session.Query("SELECT count(*) FROM b").Scan(&n), "count")
	equal(n, 20, "a batch")
	var k, v int
	applied, err := session.Query("INSERT INTO b (k, v) VALUES (1, 99) IF NOT EXISTS").ScanCAS(&k, &v)
	must(err, "cas")
	equal([]any{applied, k, v}, []any{false, 1, 10}, "IF NOT EXISTS tells what is there")
	applied, err = session.Query("UPDATE b SET v = 11 WHERE k = 1 IF v = 10").ScanCAS(&v)
	must(err, "cas")
	ok(applied, "a condition that holds")
}

func metadata() {
	var table *gocql.TableMetadata
	for end := time.Now().Add(20 * time.Second); table == nil && time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		described, err := session.KeyspaceMetadata(keyspace)
		must(err, "metadata")
		table = described.Tables["p"] // known once the event of its making has come
	}
	equal([]string{table.PartitionKey[0].Name, table.ClusteringColumns[0].Name}, []string{"k", "c"}, "metadata of a table")
}

func refusals() {
	var request gocql.RequestError
	err := session.Query("SELECT * FROM nothing").Exec()
	ok(errors.As(err, &request) && request.Code() == 0x2200, "a missing table is refused", err)
	err = session.Query("SELEC").Exec()
	ok(errors.As(err, &request) && request.Code() == 0x2000, "a mistake is refused", err)
}

func main() {
	cluster := gocql.NewCluster(os.Args[1])
	cluster.ProtoVersion, _ = strconv.Atoi(os.Args[2])
	cluster.Timeout, cluster.ConnectTimeout = 30*time.Second, 30*time.Second
	cluster.Consistency = gocql.One
	first, err := cluster.CreateSession()
	must(err, "connect")
	must(first.Query("CREATE KEYSPACE "+keyspace+" WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}").Exec(), "keyspace")
	first.Close()
	cluster.Keyspace = keyspace
	session, err = cluster.CreateSession()
	must(err, "connect")
	ok(true, "connects and makes a keyspace")
	attempt("values", values)
	attempt("paging", paging)
	attempt("batches", batches)
	attempt("metadata", metadata)
	attempt("refusals", refusals)
	exec("DROP KEYSPACE " + keyspace)
	session.Close()
	fmt.Printf("1..%d\n", count)
	if failed > 0 {
		os.Exit(1)
	}
}
