/* SPDX-License-Identifier: MIT */
/* The mock API: shapes, quirks, determinism, paging, filters, faults. */
#include "format/json.h"
#include "http_client.h"
#include "serve/mock_api.h"

/* The library has a type of the name of one of our errors. */
#define ERR_STATE OPENSSL_ERR_STATE
#include <openssl/evp.h>
#undef ERR_STATE

static struct str at(struct str json, const char *path)
{
    char copy[128];
    snprintf(copy, sizeof copy, "%s", path);
    for (char *name = strtok(copy, "."); name; name = strtok(NULL, "."))
        json = json_member(json, name);
    return json;
}

static void assert_text(struct str user, const char *path)
{
    if (json_kind(at(user, path)) != JSON_KIND_STRING)
        fail_msg("%s is no string in %.*s", path, STR_ARG(user));
}
static void assert_number(struct str user, const char *path)
{
    if (json_kind(at(user, path)) != JSON_KIND_NUMBER)
        fail_msg("%s is no number in %.*s", path, STR_ARG(user));
}

static void digest(const EVP_MD *md, struct str text, struct buf *out)
{
    uint8_t bytes[64];
    unsigned count = 0;
    EVP_Digest(text.ptr, text.bytes, bytes, &count, md, NULL);
    buf_reset(out);
    buf_char(out, '"');
    for (unsigned i = 0; i < count; i++)
        buf_printf(out, "%02x", bytes[i]);
    buf_char(out, '"');
}

static void check_user(struct str user)
{
    static const char *const texts[] = {"gender",
                                        "name.title",
                                        "name.first",
                                        "name.last",
                                        "location.street.name",
                                        "location.city",
                                        "location.state",
                                        "location.country",
                                        "location.coordinates.latitude",
                                        "location.coordinates.longitude",
                                        "location.timezone.offset",
                                        "location.timezone.description",
                                        "email",
                                        "login.uuid",
                                        "login.username",
                                        "login.password",
                                        "login.salt",
                                        "login.md5",
                                        "login.sha1",
                                        "login.sha256",
                                        "dob.date",
                                        "registered.date",
                                        "phone",
                                        "cell",
                                        "id.name",
                                        "picture.large",
                                        "picture.medium",
                                        "picture.thumbnail",
                                        "nat"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        assert_text(user, texts[i]);
    assert_number(user, "location.street.number");
    assert_number(user, "dob.age");
    assert_number(user, "registered.age");
    struct str nat = at(user, "nat");
    bool text_code = str_find(STR("\"NO\" \"GB\" \"CA\" \"NL\""), nat, 0) != SIZE_MAX;
    assert_int_equal(text_code ? JSON_KIND_STRING : JSON_KIND_NUMBER,
                     json_kind(at(user, "location.postcode")));
    bool no_id = str_find(STR("\"IR\" \"NZ\" \"TR\" \"UA\""), nat, 0) != SIZE_MAX;
    assert_int_equal(no_id ? JSON_KIND_NULL : JSON_KIND_STRING, json_kind(at(user, "id.value")));
    assert_int_equal(no_id ? 2 : 1, no_id ? at(user, "id.name").bytes : 1);
    assert_int_equal(38, at(user, "login.uuid").bytes);
    struct str email = at(user, "email");
    for (size_t i = 0; i < email.bytes; i++)
        assert_in_range((uint8_t)email.ptr[i], '!', '~');
}

static void test_users(void **state)
{
    struct buf out = {0};
    size_t total = 0, persian = 0;
    for (uint64_t i = 0; i < 3000; i++) {
        buf_reset(&out);
        mock_api_user(7, i, &out);
        assert_ok(json_validate(buf_str(&out), 0, NULL));
        assert_true(str_is_utf8(buf_str(&out)));
        check_user(buf_str(&out));
        total += out.bytes;
        persian += str_equal(at(buf_str(&out), "nat"), STR("\"IR\""));
    }
    assert_in_range(total / 3000, 1000, 1250);
    assert_in_range(persian, 80, 220);
    buf_deinit(&out);
}

static void test_hashes_are_real(void **state)
{
    struct buf out = {0}, salted = {0}, hex = {0};
    for (uint64_t i = 0; i < 50; i++) {
        buf_reset(&out);
        buf_reset(&salted);
        mock_api_user(1, i, &out);
        json_text(at(buf_str(&out), "login.password"), &salted);
        json_text(at(buf_str(&out), "login.salt"), &salted);
        digest(EVP_md5(), buf_str(&salted), &hex);
        assert_true(str_equal(buf_str(&hex), at(buf_str(&out), "login.md5")));
        digest(EVP_sha1(), buf_str(&salted), &hex);
        assert_true(str_equal(buf_str(&hex), at(buf_str(&out), "login.sha1")));
        digest(EVP_sha256(), buf_str(&salted), &hex);
        assert_true(str_equal(buf_str(&hex), at(buf_str(&out), "login.sha256")));
    }
    buf_deinit(&out);
    buf_deinit(&salted);
    buf_deinit(&hex);
}

static void test_users_repeat_and_differ(void **state)
{
    struct buf a = {0}, b = {0}, c = {0};
    mock_api_user(1, 5, &a);
    mock_api_user(1, 5, &b);
    mock_api_user(1, 6, &c);
    assert_true(str_equal(buf_str(&a), buf_str(&b)));
    assert_false(str_equal(at(buf_str(&a), "login.uuid"), at(buf_str(&c), "login.uuid")));
    buf_reset(&c);
    mock_api_user(2, 5, &c);
    assert_false(str_equal(at(buf_str(&a), "login.uuid"), at(buf_str(&c), "login.uuid")));
    buf_deinit(&a);
    buf_deinit(&b);
    buf_deinit(&c);
}

struct world {
    struct io *io;
    struct io_loop *loop;
    struct mock_api *api;
    struct buf answer;
};

static void world_open(struct world *w, struct mock_api_options options)
{
    memset(w, 0, sizeof *w);
    w->io = io_kernel_new();
    assert_ok(io_loop_new(w->io, &w->loop));
    options.address = "127.0.0.1:0";
    assert_ok(mock_api_new(w->loop, &options, NULL, &w->api));
}
static void world_close(struct world *w)
{
    mock_api_free(w->api);
    turn_for(w->loop, 5);
    io_loop_free(w->loop);
    io_free(w->io);
    buf_deinit(&w->answer);
}
/* The whole answer; the body is what follows the head. */
static struct str get(struct world *w, const char *target)
{
    struct client c;
    char request[512];
    client_connect(&c, w->loop, mock_api_port(w->api));
    snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
             target);
    client_send(&c, request);
    client_expect_closed(&c);
    buf_reset(&w->answer);
    buf_str_append(&w->answer, buf_str(&c.in));
    client_end(&c);
    struct str all = buf_str(&w->answer);
    size_t head = all.bytes ? str_find(all, STR("\r\n\r\n"), 0) : SIZE_MAX;
    return head == SIZE_MAX ? STR("") : str_slice(all, head + 4, all.bytes);
}
static size_t results_of(struct str body)
{
    size_t state = 0, count = 0;
    struct str value;
    while (json_next(json_member(body, "results"), &state, NULL, &value))
        count++;
    return count;
}

static void test_pages(void **state)
{
    struct world w;
    world_open(&w, (struct mock_api_options){.seed = 3});
    struct str body = get(&w, "/api/?results=10&seed=abc&page=2");
    assert_ok(json_validate(body, 0, NULL));
    assert_int_equal(10, results_of(body));
    assert_str("{\"seed\":\"abc\",\"results\":10,\"page\":2,\"version\":\"1.4\"}",
               json_member(body, "info"));
    char *second = str_dup(json_member(body, "results"));
    body = get(&w, "/api/1.4/?results=20&seed=abc");
    /* The second ten of the first twenty. */
    struct str twenty = json_member(body, "results");
    assert_true(str_ends(twenty, str_from(second + 1, strlen(second) - 1)));
    mem_free(second);
    assert_int_equal(1, results_of(get(&w, "/api/?results=5001")));
    assert_int_equal(5000, results_of(get(&w, "/api/?results=5000&inc=nat&noinfo")));
    body = get(&w, "/api/?inc=gender,nat&nat=fi&gender=female&noinfo&results=2");
    assert_str("{\"results\":[{\"gender\":\"female\",\"nat\":\"FI\"},"
               "{\"gender\":\"female\",\"nat\":\"FI\"}]}",
               body);
    body = get(&w, "/api/?exc=login,location,picture&results=1");
    assert_null(at(json_member(body, "results"), "login").ptr);
    get(&w, "/api/?format=csv");
    assert_true(str_starts(buf_str(&w.answer), STR("HTTP/1.1 400 ")));
    get(&w, "/api/1.3/");
    assert_true(str_starts(buf_str(&w.answer), STR("HTTP/1.1 400 ")));
    world_close(&w);
}

static void test_repeats(void **state)
{
    struct world w;
    world_open(&w, (struct mock_api_options){.seed = 3});
    char *first = str_dup(get(&w, "/api/"));
    assert_str(first, get(&w, "/api/"));
    world_close(&w);
    world_open(&w, (struct mock_api_options){.seed = 3, .never_repeat = true});
    char *other = str_dup(get(&w, "/api/"));
    struct str again = get(&w, "/api/");
    assert_false(str_equal(str_of(other), again));
    world_close(&w);
    mem_free(first);
    mem_free(other);
}

static void test_rate_limit(void **state)
{
    struct world w;
    world_open(&w, (struct mock_api_options){.seed = 3, .rate_per_minute = 3});
    for (int i = 0; i < 3; i++)
        assert_int_equal(1, results_of(get(&w, "/api/")));
    get(&w, "/api/");
    assert_true(str_starts(buf_str(&w.answer), STR("HTTP/1.1 429 ")));
    assert_true(str_find(buf_str(&w.answer), STR("\r\nRetry-After: "), 0) != SIZE_MAX);
    world_close(&w);
}

static void test_faults(void **state)
{
    struct world w;
    world_open(&w, (struct mock_api_options){.faults = "500=1"});
    get(&w, "/api/");
    assert_true(str_starts(buf_str(&w.answer), STR("HTTP/1.1 500 ")));
    world_close(&w);
    world_open(&w, (struct mock_api_options){.faults = "rate-limit=1"});
    get(&w, "/api/");
    assert_true(str_starts(buf_str(&w.answer), STR("HTTP/1.1 429 ")));
    world_close(&w);
    world_open(&w, (struct mock_api_options){.faults = "empty=1"});
    assert_true(str_starts(get(&w, "/api/"), STR("{\"results\":[],\"info\":{")));
    world_close(&w);
    world_open(&w, (struct mock_api_options){.faults = "truncate=1"});
    assert_err(ERR_SYNTAX, json_validate(get(&w, "/api/"), 0, NULL));
    world_close(&w);
    world_open(&w, (struct mock_api_options){.faults = "drop=1"});
    assert_err(ERR_SYNTAX, json_validate(get(&w, "/api/"), 0, NULL));
    world_close(&w);
    world_open(&w, (struct mock_api_options){.faults = "slow=1"});
    assert_int_equal(1, results_of(get(&w, "/api/")));
    world_close(&w);
    struct diag diag = {0};
    struct mock_api *api = NULL;
    struct io *io = io_kernel_new();
    struct io_loop *loop = NULL;
    assert_ok(io_loop_new(io, &loop));
    struct mock_api_options bad = {.address = "127.0.0.1:0", .faults = "slow,nope=1"};
    assert_err(ERR_INVALID, mock_api_new(loop, &bad, &diag, &api));
    assert_true(str_find(str_of(diag.message), STR("'nope'"), 0) != SIZE_MAX);
    turn_for(loop, 2);
    io_loop_free(loop);
    io_free(io);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_users),
        cmocka_unit_test(test_hashes_are_real),
        cmocka_unit_test(test_users_repeat_and_differ),
        cmocka_unit_test(test_pages),
        cmocka_unit_test(test_repeats),
        cmocka_unit_test(test_rate_limit),
        cmocka_unit_test(test_faults),
    };
    return RUN_TESTS(tests);
}
