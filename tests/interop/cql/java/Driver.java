// SPDX-License-Identifier: MIT
// The Java driver: java Driver.java HOST PORT. Prints TAP.
import com.datastax.oss.driver.api.core.CqlSession;
import com.datastax.oss.driver.api.core.config.DefaultDriverOption;
import com.datastax.oss.driver.api.core.config.DriverConfigLoader;
import com.datastax.oss.driver.api.core.cql.*;
import com.datastax.oss.driver.api.core.servererrors.InvalidQueryException;
import com.datastax.oss.driver.api.core.servererrors.SyntaxError;
import java.net.InetSocketAddress;
import java.time.Duration;
import java.time.Instant;
import java.util.*;
import java.util.stream.*;

public class Driver {
    interface Test {
        void run() throws Exception;
    }

    static int count, failed;
    static CqlSession session;

    static void ok(boolean good, String name, Object detail) {
        count++;
        if (!good) failed++;
        System.out.println((good ? "ok " : "not ok ") + count + " - " + name);
        if (!good) System.out.println("#   " + String.valueOf(detail).replace("\n", "\n#   "));
    }

    static void equal(Object got, Object want, String name) {
        ok(Objects.equals(got, want), name, "got  " + got + "\nwant " + want);
    }

    static void attempt(String name, Test test) {
        try {
            test.run();
        } catch (Exception e) {
            ok(false, name + " runs to its end", e);
        }
    }

    static void values() {
        session.execute("CREATE TABLE v (k uuid PRIMARY KEY, a int, b bigint, c text, d double, e timestamp, f list<int>, g map<text, text>, h set<int>)");
        UUID id = UUID.randomUUID();
        Instant when = Instant.ofEpochMilli(1700000000123L);
        PreparedStatement insert = session.prepare("INSERT INTO v (k, a, b, c, d, e, f, g, h) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)");
        session.execute(insert.bind(id, 1, 1L << 60, "x", 1.5, when, List.of(1, 2), Map.of("a", "b"), Set.of(3)));
        Row row = session.execute(SimpleStatement.newInstance("SELECT * FROM v WHERE k = ?", id)).one();
        equal(List.of(row.getInt("a"), row.getLong("b"), row.getString("c"), row.getDouble("d"), row.getInstant("e"),
                row.getList("f", Integer.class), row.getMap("g", String.class, String.class), row.getSet("h", Integer.class)),
            List.of(1, 1L << 60, "x", 1.5, when, List.of(1, 2), Map.of("a", "b"), Set.of(3)), "values of nine types");
    }

    static void paging() throws Exception {
        session.execute("CREATE TABLE p (k int, c int, PRIMARY KEY (k, c))");
        PreparedStatement insert = session.prepare("INSERT INTO p (k, c) VALUES (?, ?)");
        var sent = IntStream.range(0, 500).mapToObj(i -> session.executeAsync(insert.bind(i % 3, i)).toCompletableFuture()).toList();
        for (var one : sent) one.get();
        List<Integer> got = new ArrayList<>();
        session.execute(SimpleStatement.newInstance("SELECT c FROM p").setPageSize(37)).forEach(row -> got.add(row.getInt(0)));
        Collections.sort(got);
        equal(got, IntStream.range(0, 500).boxed().toList(), "pages: each row once");
    }

    static void batches() {
        session.execute("CREATE TABLE b (k int PRIMARY KEY, v int)");
        PreparedStatement insert = session.prepare("INSERT INTO b (k, v) VALUES (?, ?)");
        BatchStatementBuilder batch = BatchStatement.builder(BatchType.LOGGED);
        for (int i = 0; i < 20; i++) batch.addStatement(insert.bind(i, i * 10));
        session.execute(batch.build());
        equal(session.execute("SELECT count(*) FROM b").one().getLong(0), 20L, "a batch");
        ResultSet result = session.execute("INSERT INTO b (k, v) VALUES (1, 99) IF NOT EXISTS");
        equal(List.of(result.wasApplied(), result.one().getInt("v")), List.of(false, 10), "IF NOT EXISTS tells what is there");
        ok(session.execute("UPDATE b SET v = 11 WHERE k = 1 IF v = 10").wasApplied(), "a condition that holds", "");
    }

    static void metadata(String keyspace) {
        var table = session.refreshSchema().getKeyspace(keyspace).get().getTable("p").get();
        equal(table.getPartitionKey().get(0).getName() + " " + table.getClusteringColumns().keySet().iterator().next().getName(), "k c",
            "metadata of a table");
    }

    static void refusals() {
        try {
            session.execute("SELECT * FROM nothing");
            ok(false, "a missing table is refused", "");
        } catch (InvalidQueryException e) {
            equal(e.getMessage(), "table nothing does not exist", "a missing table is refused");
        }
        try {
            session.execute("SELEC");
            ok(false, "a mistake is refused", "");
        } catch (SyntaxError e) {
            ok(e.getMessage().startsWith("line 1:0 no viable alternative at input 'SELEC'"), "a mistake is refused", e);
        }
    }

    public static void main(String[] words) {
        String keyspace = "java_" + UUID.randomUUID().toString().substring(0, 8);
        var config = DriverConfigLoader.programmaticBuilder().withDuration(DefaultDriverOption.REQUEST_TIMEOUT, Duration.ofSeconds(30))
            .withDuration(DefaultDriverOption.CONNECTION_INIT_QUERY_TIMEOUT, Duration.ofSeconds(30)).build();
        session = CqlSession.builder().addContactPoint(new InetSocketAddress(words[0], Integer.parseInt(words[1])))
            .withLocalDatacenter("datacenter1").withConfigLoader(config).build();
        session.execute("CREATE KEYSPACE " + keyspace + " WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}");
        session.execute("USE " + keyspace);
        ok(true, "connects and makes a keyspace", "");
        attempt("values", Driver::values);
        attempt("paging", Driver::paging);
        attempt("batches", Driver::batches);
        attempt("metadata", () -> metadata(keyspace));
        attempt("refusals", Driver::refusals);
        session.execute("DROP KEYSPACE " + keyspace);
        session.close();
        System.out.println("1.." + count);
        System.exit(failed > 0 ? 1 : 0);
    }
}
