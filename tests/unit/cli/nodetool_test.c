/* SPDX-License-Identifier: MIT */
/* What nodetool clientstats prints: the layout of Cassandra 5.0.9's own. */
#include "cli/nodetool.h"
#include "test.h"

static const char *const rows = "[[\"127.0.0.1\",\"36835\",\"localhost\",\"False\",null,null,\"5\","
                                "\"anonymous\",null,\"1\",null,null],"
                                "[\"127.0.0.2\",\"53917\",\"127.0.0.2\",\"False\",null,null,\"4\","
                                "\"anonymous\",null,\"1\",\"drv\",\"9\"],"
                                "[\"127.0.0.1\",\"33075\",\"localhost\",\"False\",null,null,\"4\","
                                "\"anonymous\",null,\"1\",\"\",null],"
                                "[\"127.0.0.1\",\"57649\",\"localhost\",\"False\",null,null,\"4\","
                                "\"anonymous\",\"system\",\"16\",null,null]]";

static void test_all(void **state)
{
    struct buf out = {0};
    nodetool_clients(str_of(rows), true, &out);
    assert_str("Address          SSL   Cipher    Protocol  Version User      Keyspace Requests "
               "Driver-Name Driver-Version\n"
               "/127.0.0.1:36835 false undefined undefined 5       anonymous          1        "
               "undefined   undefined     \n"
               "/127.0.0.2:53917 false undefined undefined 4       anonymous          1        "
               "drv         9             \n"
               "/127.0.0.1:33075 false undefined undefined 4       anonymous          1        "
               "            undefined     \n"
               "/127.0.0.1:57649 false undefined undefined 4       anonymous system   16       "
               "undefined   undefined     \n"
               "\nTotal connected clients: 4\n\nUser      Connections\nanonymous 4          \n",
               buf_str(&out));
    buf_deinit(&out);
}

static void test_users(void **state)
{
    struct buf out = {0};
    nodetool_clients(
        STR("[[\"::1\",\"5\",\"localhost\",\"False\",null,null,\"5\",\"bob\",null,\"1\",null,null],"
            "[\"::1\",\"6\",\"localhost\",\"False\",null,null,\"5\",null,null,\"1\",null,null],"
            "[\"::1\",\"7\",\"localhost\",\"False\",null,null,\"5\",\"ann\",null,\"1\",null,null],"
            "[\"::1\",\"8\",\"localhost\",\"False\",null,null,\"5\",\"bob\",null,\"1\",null,null]"
            "]"),
        false, &out);
    assert_str("Total connected clients: 4\n\nUser      Connections\nann       1          \n"
               "bob       2          \nundefined 1          \n",
               buf_str(&out));
    buf_reset(&out);
    nodetool_clients(STR("[]"), true, &out);
    assert_str("Total connected clients: 0\n\nUser Connections\n", buf_str(&out));
    buf_deinit(&out);
}

static void test_by_protocol(void **state)
{
    struct buf out = {0};
    nodetool_clients_by_protocol(str_of(rows), 1795318169LL * 1000000, &out);
    assert_str("Clients by protocol version\n\n"
               "Protocol-Version IP-Address          Last-Seen            \n"
               "4/v4             127.0.0.2/127.0.0.2 Nov 22, 2026 03:29:29\n"
               "4/v4             localhost/127.0.0.1 Nov 22, 2026 03:29:29\n"
               "5/v5             localhost/127.0.0.1 Nov 22, 2026 03:29:29\n\n",
               buf_str(&out));
    buf_reset(&out);
    nodetool_clients_by_protocol(STR("[]"), 0, &out);
    assert_str("Clients by protocol version\n\n", buf_str(&out));
    buf_deinit(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all),
        cmocka_unit_test(test_users),
        cmocka_unit_test(test_by_protocol),
    };
    return RUN_TESTS(tests);
}
