/* SPDX-License-Identifier: Apache-2.0 */
/* Plans: order, versions, the bootstrap account, instance ids, credentials, variables, formats. */
#include "findings_util.h"

#include "usher/codec.h"
#include "usher/corelink.h"
#include "usher/plan.h"

#include <stdio.h>
#include <string.h>

#define SERVER(id, more)                                                                           \
    "{ id: " #id ", uri: \"coaps://h" #id "\", security: { mode: psk, credential: generate }" more \
    " }"
#define ONE_SERVER "class: a\nservers: [" SERVER(101, "") "]\n"
#define TWO_SERVERS                                                                                \
    "class: a\nservers: [" SERVER(101, "") ", " SERVER(102, "") "]\naccess-control: []\n"

enum { NOW_S = 1767225600 };

/* One device, one profile, and the plan of both. */
struct fixture {
    struct profile_set *set;
    struct enrollment enrollment;
    struct tag tags[4];
    struct capability capability;
    struct plan *plan;
    struct err err;
    struct buf text;
};

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    strcpy(fixture->enrollment.endpoint, "lamp7");
    identity_set(&fixture->enrollment.identity, bytes_of_text("id-lamp7"));
    fixture->enrollment.tags = fixture->tags;
    capability_init(&fixture->capability);
    buf_init(&fixture->text, 1 << 20);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    plan_free(fixture->plan);
    profile_set_unref(fixture->set);
    buf_clear(&fixture->text);
    free(fixture);
    return 0;
}

static void use_profile(struct fixture *fixture, const char *text)
{
    struct findings findings;
    findings_init(&findings);
    profile_set_unref(fixture->set);
    fixture->set = profile_set_load_text("p.yaml", bytes_of_text(text), &findings);
    if (!fixture->set)
        fail_msg("%s", findings_text(&findings));
    findings_clear(&findings);
}

static void use_discover(struct fixture *fixture, const char *links)
{
    struct err err;
    capability_init(&fixture->capability);
    if (corelink_read(bytes_of_text(links), &fixture->capability, &err) != ERR_OK)
        fail_msg("%s", err.text);
}

static void add_tag(struct fixture *fixture, const char *name, const char *value)
{
    struct tag *tag = &fixture->tags[fixture->enrollment.tag_count++];
    snprintf(tag->name, sizeof(tag->name), "%s", name);
    snprintf(tag->value, sizeof(tag->value), "%s", value);
}

static void add_credential(struct fixture *fixture, uint16_t ssid, enum credential_status status,
                           uint64_t generation, const char *identity, uint16_t key_len)
{
    struct enrollment *enrollment = &fixture->enrollment;
    struct enrolled_credential *credential =
        &enrollment->credentials[enrollment->credential_count++];
    *credential = (struct enrolled_credential){
        .ssid = ssid, .status = status, .generation = generation, .key_len = key_len};
    identity_set(&credential->identity, bytes_of_text(identity));
}

static enum err_code try_plan(struct fixture *fixture)
{
    struct plan_context context = {.now_wall_ms = NOW_S * 1000LL};
    plan_free(fixture->plan);
    fixture->plan = NULL;
    return plan_build(profile_set_at(fixture->set, 0), &fixture->enrollment, &fixture->capability,
                      &context, &fixture->plan, &fixture->err);
}

static void make_plan(struct fixture *fixture)
{
    if (try_plan(fixture) != ERR_OK)
        fail_msg("%s", fixture->err.text);
}

static void assert_no_plan(struct fixture *fixture, enum err_code code, const char *text)
{
    assert_int_equal(try_plan(fixture), code);
    assert_null(fixture->plan);
    assert_string_equal(fixture->err.text, text);
}

/* "delete /0/1, write /0/1, .., finish" */
static void assert_operations(struct fixture *fixture, const char *expected)
{
    make_plan(fixture);
    buf_reset(&fixture->text);
    for (size_t i = 0; i < plan_count(fixture->plan); i++) {
        const struct operation *operation = plan_operation(fixture->plan, i);
        char path[PATH_TEXT_SIZE];
        path_text(&operation->path, path);
        buf_printf(&fixture->text, "%s%s %s%s", i > 0 ? ", " : "",
                   operation_kind_name(operation->kind),
                   operation->kind == OPERATION_FINISH ? "" : path, operation->optional ? "?" : "");
    }
    assert_string_equal(buf_text(&fixture->text), expected);
    assert_null(plan_operation(fixture->plan, plan_count(fixture->plan)));
}

static void assert_deletes(struct fixture *fixture, const char *expected)
{
    make_plan(fixture);
    buf_reset(&fixture->text);
    for (size_t i = 0; i < plan_count(fixture->plan); i++) {
        const struct operation *operation = plan_operation(fixture->plan, i);
        char path[PATH_TEXT_SIZE];
        path_text(&operation->path, path);
        if (operation->kind == OPERATION_DELETE)
            buf_printf(&fixture->text, "%s ", path);
    }
    assert_string_equal(buf_text(&fixture->text), expected);
}

static void assert_warnings(struct fixture *fixture, const char *expected)
{
    buf_reset(&fixture->text);
    for (size_t i = 0; i < plan_warning_count(fixture->plan); i++)
        buf_printf(&fixture->text, "%s\n", plan_warning(fixture->plan, i));
    assert_string_equal(buf_text(&fixture->text), expected);
    assert_null(plan_warning(fixture->plan, plan_warning_count(fixture->plan)));
}

static const struct value *find_value(const struct fixture *fixture, const char *text)
{
    struct path path;
    assert_true(path_parse(text, strlen(text), &path));
    for (size_t i = 0; i < plan_count(fixture->plan); i++) {
        const struct operation *operation = plan_operation(fixture->plan, i);
        for (size_t j = 0; j < operation->record_count; j++)
            if (path_equal(&operation->records[j].path, &path))
                return &operation->records[j].value;
    }
    return NULL;
}

static const struct value *get_value(const struct fixture *fixture, const char *path)
{
    const struct value *value = find_value(fixture, path);
    if (!value)
        fail_msg("%s is not written", path);
    return value;
}

static void assert_integer(const struct fixture *fixture, const char *path, int64_t expected)
{
    const struct value *value = get_value(fixture, path);
    assert_true(value->type == VALUE_INTEGER || value->type == VALUE_TIME);
    assert_int_equal(value->integer, expected);
}

static void assert_text(const struct fixture *fixture, const char *path, enum value_type type,
                        const char *expected)
{
    const struct value *value = get_value(fixture, path);
    assert_int_equal(value->type, type);
    if (!bytes_equal(value->bytes, bytes_of_text(expected)))
        fail_msg("%s is %.*s", path, (int)value->bytes.len, (const char *)value->bytes.data);
}

/* --- order and content --- */

static void test_order(void **state)
{
    struct fixture *fixture = *state;
    use_profile(fixture, "class: a\n"
                         "write: { /33000/0/1: { type: integer, value: 1 }, /3/0/13: 5 }\n"
                         "access-control: [{ object: /3/0, owner: 101 }, { object: /4, grant: { "
                         "102: [create] } }]\n"
                         "servers: [" SERVER(101, "") ", " SERVER(102, "") "]\n");
    assert_operations(fixture, "delete /0, delete /1, delete /2, write /0/1, write /0/2, write "
                               "/1/0, write /1/1, write /2/0, write /2/1, write /3/0/13, write "
                               "/33000/0, finish ");
    assert_warnings(fixture, "");
    assert_integer(fixture, "/2/0/3", 101);
    assert_integer(fixture, "/2/1/0", 4);
    assert_integer(fixture, "/2/1/1", 65535);
    assert_integer(fixture, "/2/1/2/102", 16);
    assert_integer(fixture, "/2/1/3", 65535);
}

static void test_rights_are_summed(void **state)
{
    struct fixture *fixture = *state;
    use_profile(
        fixture,
        "class: a\nservers: [" SERVER(101, "") ", " SERVER(
            102, "") "]\n"
                     "access-control: [{ object: /33/5, owner: none, grant: { default: [read], "
                     "102: [read, write, execute, delete], 101: [] } }]\n");
    make_plan(fixture);
    assert_integer(fixture, "/2/0/0", 33);
    assert_integer(fixture, "/2/0/1", 5);
    assert_integer(fixture, "/2/0/2/0", 1);
    assert_integer(fixture, "/2/0/2/101", 0);
    assert_integer(fixture, "/2/0/2/102", 15);
    assert_integer(fixture, "/2/0/3", 65535);
}

static void test_what_every_account_holds(void **state)
{
    struct fixture *fixture = *state;
    use_profile(fixture, ONE_SERVER);
    make_plan(fixture);
    buf_reset(&fixture->text);
    plan_print_text(fixture->plan, &fixture->text);
    assert_string_equal(buf_text(&fixture->text),
                        "class a, LwM2M 1.0, formats tlv, senml-cbor, senml-json, oma-json\n"
                        "delete /0\n"
                        "delete /1\n"
                        "write /0/1\n"
                        "    /0/1/0         string   \"coaps://h101\"  # Server URI\n"
                        "    /0/1/1         boolean  false  # Bootstrap-Server\n"
                        "    /0/1/2         integer  0  # Security Mode\n"
                        "    /0/1/3         opaque   \"lamp7\"  # Public Key or Identity\n"
                        "    /0/1/5         secret   <psk-key of server 101>  # Secret Key\n"
                        "    /0/1/10        integer  101  # Short Server ID\n"
                        "write /1/0\n"
                        "    /1/0/0         integer  101  # Short Server ID\n"
                        "    /1/0/1         integer  86400  # Lifetime\n"
                        "    /1/0/6         boolean  true  # Notification Storing\n"
                        "    /1/0/7         string   \"U\"  # Binding\n"
                        "finish\n");
}

static void test_nosec_and_empty_resources(void **state)
{
    struct fixture *fixture = *state;
    const char *server = "servers: [{ id: 1, uri: \"coap+tcp://h\", security: { mode: nosec } }]\n";
    char text[400];
    snprintf(text, sizeof(text), "class: a\n%s", server);
    use_profile(fixture, text);
    fixture->capability.version = LWM2M_1_1;
    make_plan(fixture);
    assert_integer(fixture, "/0/1/2", 3);
    assert_null(find_value(fixture, "/0/1/3"));
    assert_null(find_value(fixture, "/0/1/4"));
    assert_null(find_value(fixture, "/0/1/5"));
    assert_text(fixture, "/1/0/7", VALUE_STRING, "T");

    snprintf(text, sizeof(text), "class: a\n%sclient: { empty-resources: true }\n", server);
    use_profile(fixture, text);
    make_plan(fixture);
    assert_text(fixture, "/0/1/3", VALUE_OPAQUE, "");
    assert_text(fixture, "/0/1/4", VALUE_OPAQUE, "");
    assert_text(fixture, "/0/1/5", VALUE_OPAQUE, "");
}

static void test_every_server_key_is_written(void **state)
{
    struct fixture *fixture = *state;
    use_profile(
        fixture,
        "class: a\n"
        "servers:\n"
        "  - id: 7\n"
        "    uri: coaps://${tags.site}.example\n"
        "    security: { mode: psk, credential: generate, sni: \"${tags.site}\", "
        "ciphersuites: [TLS_PSK_WITH_AES_128_CCM_8, 0xC0AE] }\n"
        "    lifetime: 2h\n"
        "    binding: UT\n"
        "    min-period: 5s\n"
        "    max-period: 1min\n"
        "    disable-timeout: 1h\n"
        "    store-notifications: false\n"
        "    hold-off: 30s\n"
        "    trigger: true\n"
        "    preferred-transport: T\n"
        "    mute-send: true\n"
        "    registration: { priority: 1, delay: 9s, block-on-failure: true, "
        "bootstrap-on-failure: false, retries: 2, retry-delay: 3s, sequence-delay: 4min, "
        "sequences: 5 }\n"
        "    extra:\n"
        "      security: { 12: 60, 25: [\"coaps://b\"], 300: { type: float, value: 0.5 } }\n"
        "      server: { 10: \"11:0\", 24: [\"11:1\", none], 26: 1 }\n");
    add_tag(fixture, "site", "north");
    fixture->capability.version = LWM2M_1_2;
    make_plan(fixture);
    assert_text(fixture, "/0/1/0", VALUE_STRING, "coaps://north.example");
    assert_integer(fixture, "/0/1/11", 30);
    assert_integer(fixture, "/0/1/12", 60);
    assert_text(fixture, "/0/1/14", VALUE_STRING, "north");
    assert_int_equal(get_value(fixture, "/0/1/16/0")->natural, 0xc0a8);
    assert_int_equal(get_value(fixture, "/0/1/16/1")->natural, 0xc0ae);
    assert_text(fixture, "/0/1/25/0", VALUE_STRING, "coaps://b");
    assert_true(get_value(fixture, "/0/1/300")->real == 0.5);
    assert_integer(fixture, "/1/0/1", 7200);
    assert_integer(fixture, "/1/0/2", 5);
    assert_integer(fixture, "/1/0/3", 60);
    assert_integer(fixture, "/1/0/5", 3600);
    assert_false(get_value(fixture, "/1/0/6")->boolean);
    assert_text(fixture, "/1/0/7", VALUE_STRING, "UT");
    assert_int_equal(get_value(fixture, "/1/0/10")->link.object, 11);
    static const uint64_t numbers[] = {1, 9, 0, 0, 2, 3, 240, 5};
    for (uint16_t i = 13; i <= 20; i++) {
        char path[20];
        snprintf(path, sizeof(path), "/1/0/%u", i);
        if (i != 15 && i != 16)
            assert_int_equal(get_value(fixture, path)->natural, numbers[i - 13]);
    }
    assert_true(get_value(fixture, "/1/0/15")->boolean);
    assert_false(get_value(fixture, "/1/0/16")->boolean);
    assert_true(get_value(fixture, "/1/0/21")->boolean);
    assert_text(fixture, "/1/0/22", VALUE_STRING, "T");
    assert_true(get_value(fixture, "/1/0/23")->boolean);
    assert_int_equal(get_value(fixture, "/1/0/24/0")->link.instance, 1);
    assert_int_equal(get_value(fixture, "/1/0/24/1")->link.object, 65535);
    assert_integer(fixture, "/1/0/26", 1);
    assert_warnings(fixture, "");

    fixture->capability.version = LWM2M_1_1;
    make_plan(fixture);
    assert_warnings(fixture, "/0/1: resource 25 left out, LwM2M 1.1 does not have it\n"
                             "/1/0: resources 24, 26 left out, LwM2M 1.1 does not have them\n");
    fixture->capability.version = LWM2M_1_0;
    make_plan(fixture);
    assert_null(find_value(fixture, "/1/0/13"));
    assert_warnings(fixture,
                    "/0/1: resources 14, 16, 25 left out, LwM2M 1.0 does not have them\n"
                    "server 7: binding U; the other letters do not exist in LwM2M 1.0\n"
                    "/1/0: resources 10, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 26 left "
                    "out, LwM2M 1.0 does not have them\n");
}

/* --- version --- */

static void test_version(void **state)
{
    static const struct {
        const char *client;
        const char *discover;
        enum lwm2m_version hint, expected;
    } cases[] = {
        {"auto", NULL, LWM2M_VERSION_UNKNOWN, LWM2M_1_0},
        {"auto", NULL, LWM2M_1_1, LWM2M_1_1},
        {"1.2", NULL, LWM2M_VERSION_UNKNOWN, LWM2M_1_2},
        {"1.2", NULL, LWM2M_1_1, LWM2M_1_2},
        {"1.0", NULL, LWM2M_1_1, LWM2M_1_0},
        {"1.2", "</>;lwm2m=1.1,</0/0>", LWM2M_VERSION_UNKNOWN, LWM2M_1_1},
        {"auto", "</>;lwm2m=1.2,</0/0>", LWM2M_1_1, LWM2M_1_2},
    };
    struct fixture *fixture = *state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[300];
        snprintf(text, sizeof(text), ONE_SERVER "client: { version: %s }\n", cases[i].client);
        use_profile(fixture, text);
        if (cases[i].discover)
            use_discover(fixture, cases[i].discover);
        else
            capability_init(&fixture->capability);
        if (!cases[i].discover)
            fixture->capability.version = cases[i].hint;
        make_plan(fixture);
        assert_int_equal(plan_version(fixture->plan), cases[i].expected);
    }
}

static void test_young_objects_are_left_out(void **state)
{
    struct fixture *fixture = *state;
    use_profile(fixture,
                ONE_SERVER "write: { /24/0/6: client, /33000/0/1: { type: integer, value: 1 } }\n");
    assert_operations(fixture,
                      "delete /0, delete /1, write /0/1, write /1/0, write /33000/0, finish ");
    assert_warnings(fixture, "/24/0: resource 6 left out, LwM2M 1.0 does not have it\n");
    fixture->capability.version = LWM2M_1_2;
    assert_operations(fixture, "delete /0, delete /1, write /0/1, write /1/0, write /24/0, write "
                               "/33000/0, finish ");
}

static void test_binding_by_version(void **state)
{
    static const struct {
        const char *binding;
        const char *texts[3]; /* 1.0 1.1 1.2; NULL = cannot be */
    } cases[] = {
        {"U", {"U", "U", "U"}},       {"UQ", {"UQ", "U", "U"}}, {"QU", {"UQ", "U", "U"}},
        {"QSU", {"UQS", "SU", "SU"}}, {"SQ", {"SQ", "S", "S"}}, {"T", {NULL, "T", "T"}},
        {"UT", {"U", "UT", "UT"}},    {"M", {NULL, NULL, "M"}}, {"HUM", {"U", "U", "HUM"}},
        {"TQ", {NULL, "T", "T"}},     {"N", {NULL, "N", "N"}},
    };
    struct fixture *fixture = *state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[300];
        snprintf(text, sizeof(text),
                 "class: a\nservers: [{ id: 1, uri: \"coaps://h\", security: { mode: psk, "
                 "credential: generate }, binding: %s }]\n",
                 cases[i].binding);
        use_profile(fixture, text);
        for (int version = 0; version < 3; version++) {
            fixture->capability.version = (enum lwm2m_version)(LWM2M_1_0 + version);
            enum err_code code = try_plan(fixture);
            assert_int_equal(code, cases[i].texts[version] ? ERR_OK : ERR_INVALID);
            if (code == ERR_OK)
                assert_text(fixture, "/1/0/7", VALUE_STRING, cases[i].texts[version]);
        }
    }
    use_profile(fixture, "class: a\nservers: [" SERVER(5, ", binding: M") "]\n");
    fixture->capability.version = LWM2M_1_1;
    assert_no_plan(fixture, ERR_INVALID,
                   "p.yaml:2: the binding of server 5 does not exist in LwM2M 1.1, which device "
                   "'lamp7' speaks");
}

/* --- the bootstrap account, deletes, ids --- */

static void test_discover_names_the_bootstrap_account(void **state)
{
    struct fixture *fixture = *state;
    use_profile(fixture, TWO_SERVERS);
    use_discover(fixture, "</>;lwm2m=1.1,</0/0>,</0/1>;ssid=5,</0/2>;ssid=6,</1/0>;ssid=5,</3/0>");
    assert_operations(fixture, "delete /0/1, delete /0/2, delete /1, write /0/1, write /0/2, "
                               "write /1/0, write /1/1, finish ");
    use_discover(fixture, "</>;lwm2m=1.1,</0/0>;ssid=5,</0/1>,</3/0>");
    assert_operations(fixture, "delete /0/0, write /0/0, write /0/2, write /1/0, write /1/1, "
                               "finish ");
    /* A fresh device: nothing to delete. */
    use_discover(fixture, "</>;lwm2m=1.1,</0/0>,</1>,</3/0>");
    assert_operations(fixture, "write /0/1, write /0/2, write /1/0, write /1/1, finish ");
    assert_warnings(fixture, "");
}

static void test_bootstrap_account_that_cannot_be_told(void **state)
{
    struct fixture *fixture = *state;
    use_profile(fixture, TWO_SERVERS);
    use_discover(fixture, "</>;lwm2m=1.1,</0/1>,</0/2>,</0/3>;ssid=101,</1/0>;ssid=101");
    /* Both could be it: they stay, their ids are not used; the account of 101 is overwritten. */
    assert_operations(fixture, "delete /1, write /0/3, write /0/4, write /1/0, write /1/1, "
                               "finish ");
    assert_warnings(fixture, "Discover does not tell which instance of /0 is the bootstrap "
                             "account: the old accounts stay; client.bootstrap-instance can name "
                             "it\n");
    /* The class knows it. */
    use_profile(fixture, TWO_SERVERS "client: { bootstrap-instance: 2 }\n");
    assert_operations(fixture, "delete /0/1, delete /0/3, delete /1, write /0/0, write /0/1, "
                               "write /1/0, write /1/1, finish ");
    assert_warnings(fixture, "");
}

static void test_discover_without_security_is_no_answer(void **state)
{
    struct fixture *fixture = *state;
    use_profile(fixture, ONE_SERVER);
    use_discover(fixture, "</>;lwm2m=1.1,</3/0>,</5>");
    assert_operations(fixture, "delete /0, delete /1, write /0/1, write /1/0, finish ");
}

static void test_without_discover_the_class_names_the_account(void **state)
{
    struct fixture *fixture = *state;
    use_profile(fixture, TWO_SERVERS "client: { bootstrap-instance: 1 }\n");
    assert_operations(fixture, "delete /0, delete /1, write /0/0, write /0/2, write /1/0, write "
                               "/1/1, finish ");
    use_profile(fixture, TWO_SERVERS "client: { first-security-instance: 5, "
                                     "first-server-instance: 9 }\n");
    assert_operations(fixture, "delete /0, delete /1, write /0/5, write /0/6, write /1/9, write "
                               "/1/10, finish ");
    use_profile(fixture,
                TWO_SERVERS "client: { bootstrap-instance: 6, first-security-instance: 5 }\n");
    assert_operations(fixture, "delete /0, delete /1, write /0/5, write /0/7, write /1/0, write "
                               "/1/1, finish ");
}

static const char full_device[] =
    "</>;lwm2m=1.1,</0/0>,</0/1>;ssid=102,</0/2>;ssid=9,</1/0>;ssid=9,"
    "</1/3>;ssid=102,</2/0>,</3/0>,</33000/0>,</33000/4>";

static void test_delete_styles(void **state)
{
    struct fixture *fixture = *state;
    const char *profile = "class: a\nservers: [" SERVER(101, "") ", " SERVER(
        102, "") "]\n"
                 "access-control: [{ object: /3/0, owner: 101 }]\n"
                 "delete: [/33000]\n";
    char text[600];
    use_profile(fixture, profile);
    use_discover(fixture, full_device);
    assert_deletes(fixture, "/0/1 /0/2 /1 /2 /33000 ");
    snprintf(text, sizeof(text), "%sclient: { delete: object }\n", profile);
    use_profile(fixture, text);
    assert_deletes(fixture, "/0 /1 /2 /33000 ");
    snprintf(text, sizeof(text), "%sclient: { delete: listed }\n", profile);
    use_profile(fixture, text);
    assert_deletes(fixture, "/0/1 /0/2 /1/0 /1/3 /2/0 /33000/0 /33000/4 ");
    capability_init(&fixture->capability);
    assert_deletes(fixture, "");
}

static void test_what_stays_is_not_overwritten(void **state)
{
    struct fixture *fixture = *state;
    use_profile(fixture, "class: a\nservers: [" SERVER(101, "") ", " SERVER(
                             102, "") "]\n"
                                      "access-control: [{ object: /3/0, owner: 101 }]\n"
                                      "client: { delete: none }\n");
    use_discover(fixture, full_device);
    /* 102 has accounts already: two of them would fail the Finish, so its own are written anew. */
    assert_operations(fixture, "write /0/3, write /0/1, write /1/1, write /1/3, write /2/1, "
                               "finish ");
}

static void test_list_of_deletes(void **state)
{
    struct fixture *fixture = *state;
    use_profile(fixture, ONE_SERVER "delete: [/2, /33000/4, /33000/9, /1]\n");
    assert_deletes(fixture, "/0 /1 /2 /33000/4 /33000/9 ");
    use_discover(fixture, full_device);
    assert_deletes(fixture, "/0/1 /0/2 /1 /2 /33000/4 ");
    use_profile(fixture, ONE_SERVER "delete: { only: [/1] }\n");
    assert_deletes(fixture, "/1 ");
    use_profile(fixture, ONE_SERVER "delete: { only: [] }\n");
    assert_deletes(fixture, "");
    use_profile(fixture, ONE_SERVER "delete: [/33000, /33000/0, /]\n");
    assert_deletes(fixture, "/ ");
    assert_integer(fixture, "/0/1/10", 101);
}

static void test_the_bootstrap_account_is_never_named(void **state)
{
    struct fixture *fixture = *state;
    use_profile(fixture, ONE_SERVER "delete: { only: [/0/0, /0/1, /0/2] }\n");
    use_discover(fixture, "</>;lwm2m=1.1,</0/0>;ssid=3,</0/1>,</0/2>;ssid=4");
    assert_deletes(fixture, "/0/0 /0/2 ");
    assert_warnings(fixture, "p.yaml:3: /0/1 is not deleted: it is, or could be, the bootstrap "
                             "account\n");
    capability_init(&fixture->capability);
    assert_deletes(fixture, "");
    assert_int_equal(plan_warning_count(fixture->plan), 3);
    use_profile(fixture, ONE_SERVER "delete: { only: [/0/0, /0/1] }\n"
                                    "client: { bootstrap-instance: 0 }\n");
    assert_deletes(fixture, "/0/1 ");
}

static void test_truncated_discover(void **state)
{
    struct fixture *fixture = *state;
    use_profile(fixture, ONE_SERVER "delete: [/2, /4/0]\n");
    use_discover(fixture, "</>;lwm2m=1.1,</0/0>,</0/1>;ssid=3");
    fixture->capability.truncated = true;
    assert_deletes(fixture, "/0/1 /1 /2 /4/0 ");
}

/* Every set of listed accounts, for every style: the account is neither named nor written. */
static void test_no_account_of_the_bootstrap_is_ever_touched(void **state)
{
    static const char *const styles[] = {"auto", "object", "listed", "none"};
    struct fixture *fixture = *state;
    for (size_t style = 0; style < 4; style++) {
        char text[400];
        snprintf(text, sizeof(text), TWO_SERVERS "client: { delete: %s }\n", styles[style]);
        use_profile(fixture, text);
        for (unsigned bits = 0; bits < 3 * 81; bits++) {
            unsigned bootstrap = bits % 3, rest = bits / 3;
            char links[300] = "</>;lwm2m=1.1";
            for (unsigned i = 0; i < 4; i++, rest /= 3) {
                char link[40] = "";
                if (i == bootstrap)
                    snprintf(link, sizeof(link), ",</0/%u>", i);
                else if (rest % 3 > 0)
                    snprintf(link, sizeof(link), ",</0/%u>;ssid=%u", i, 100 + rest % 3 * i);
                strcat(links, link);
            }
            use_discover(fixture, links);
            make_plan(fixture);
            struct path account = path_instance(0, (uint16_t)bootstrap);
            for (size_t i = 0; i < plan_count(fixture->plan); i++)
                assert_false(path_equal(&plan_operation(fixture->plan, i)->path, &account));
        }
    }
}

/* --- credentials --- */

static void test_generated_credentials(void **state)
{
    struct fixture *fixture = *state;
    use_profile(fixture, ONE_SERVER);
    add_credential(fixture, 101, CREDENTIAL_ACTIVE, 3, "old", 16);
    make_plan(fixture);
    const struct value *key = get_value(fixture, "/0/1/5");
    assert_int_equal(key->type, VALUE_SECRET);
    assert_int_equal(key->secret.kind, SECRET_PSK_KEY);
    assert_int_equal(key->secret.ssid, 101);
    assert_int_equal(key->secret.generation, 0);
    assert_false(key->secret.as_text);
    assert_text(fixture, "/0/1/3", VALUE_OPAQUE, "lamp7");

    add_credential(fixture, 101, CREDENTIAL_PENDING, 4, "made-before", 16);
    make_plan(fixture);
    assert_int_equal(get_value(fixture, "/0/1/5")->secret.generation, 4);
    assert_text(fixture, "/0/1/3", VALUE_OPAQUE, "made-before");
}

static void test_enrolled_credentials(void **state)
{
    struct fixture *fixture = *state;
    use_profile(fixture, "class: a\nservers:\n  - { id: 301, uri: \"coaps://h\", security: { mode: "
                         "psk, credential: enrolled } }\n");
    assert_no_plan(fixture, ERR_INVALID,
                   "p.yaml:3: device 'lamp7' has no enrolled key for server "
                   "301; give it one: usher enroll 'lamp7' --server-key, or let the profile say "
                   "credential: generate");
    add_credential(fixture, 301, CREDENTIAL_PENDING, 2, "new", 32);
    make_plan(fixture);
    assert_int_equal(get_value(fixture, "/0/1/5")->secret.generation, 2);
    add_credential(fixture, 301, CREDENTIAL_ACTIVE, 1, "meter-1", 16);
    make_plan(fixture);
    assert_int_equal(get_value(fixture, "/0/1/5")->secret.generation, 1);
    assert_text(fixture, "/0/1/3", VALUE_OPAQUE, "meter-1");
}

/* --- OSCORE --- */

#define OSCORE_SERVER(id, more)                                                                    \
    "{ id: " #id ", uri: \"coap://h" #id "\", security: { mode: oscore" more " } }"

static void test_oscore_account(void **state)
{
    struct fixture *fixture = *state;
    use_profile(fixture, "class: a\naccess-control: []\nservers: [" SERVER(
                             101, "") ", " OSCORE_SERVER(102, ", credential: generate") "]\n");
    use_discover(fixture, "</>;lwm2m=1.2,</0/0>,</0/1>;ssid=102,</1/0>;ssid=102,</21/0>,"
                          "</21/1>;ssid=102,</3/0>");
    assert_operations(fixture, "delete /0/1, delete /1, delete /21/1, write /21/1, write /0/1, "
                               "write /0/2, write /1/0, write /1/1, finish ");
    assert_int_equal(get_value(fixture, "/0/2/2")->integer, 3);
    assert_null(find_value(fixture, "/0/2/3"));
    assert_null(find_value(fixture, "/0/1/17"));
    assert_int_equal(get_value(fixture, "/0/2/17")->link.object, 21);
    assert_int_equal(get_value(fixture, "/0/2/17")->link.instance, 1);
    assert_int_equal(get_value(fixture, "/21/1/0")->secret.kind, SECRET_OSCORE_MASTER);
    assert_false(get_value(fixture, "/21/1/0")->secret.as_text);
    assert_int_equal(get_value(fixture, "/21/1/1")->type, VALUE_OPAQUE);
    assert_int_equal(get_value(fixture, "/21/1/1")->bytes.len, 7);
    assert_text(fixture, "/21/1/2", VALUE_OPAQUE, "102");
    assert_null(find_value(fixture, "/21/1/3"));
    assert_null(find_value(fixture, "/21/1/4"));
    struct credential_need needs[ACCOUNTS_MAX];
    size_t count = 0;
    assert_int_equal(profile_credentials(profile_set_at(fixture->set, 0), &fixture->enrollment,
                                         needs, &count, &fixture->err),
                     ERR_OK);
    assert_int_equal(count, 2);
    assert_int_equal(needs[1].kind, CREDENTIAL_KIND_OSCORE);
    assert_int_equal(needs[1].key_len, 16);
    assert_true(
        bytes_equal(identity_bytes(&needs[1].identity), get_value(fixture, "/21/1/1")->bytes));
}

/* Types by what Discover says of the object, else by the version. */
static void test_oscore_types(void **state)
{
    static const struct {
        const char *links;
        bool text;
    } cases[] = {
        {"</>;lwm2m=1.1,</0/0>,</21>", true},  {"</>;lwm2m=1.1,</0/0>,</21>;ver=2.0", false},
        {"</>;lwm2m=1.2,</0/0>,</21>", false}, {"</>;lwm2m=1.2,</0/0>,</21>;ver=1.1", true},
        {"</>;lwm2m=1.0,</0/0>,</21>", true}, /* Leshan says 1.0 and has the object */
    };
    struct fixture *fixture = *state;
    use_profile(fixture,
                "class: a\nservers: [" OSCORE_SERVER(
                    101, ", credential: generate, sender-id: \"${endpoint}\", recipient-id: "
                         "bs, aead: aes-ccm-16-64-256, hmac: -11, salt: \"text:salt\", "
                         "id-context: \"${tags.net}\"") "]\n");
    add_tag(fixture, "net", "net-7");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        enum value_type type = cases[i].text ? VALUE_STRING : VALUE_OPAQUE;
        use_discover(fixture, cases[i].links);
        make_plan(fixture);
        assert_int_equal(get_value(fixture, "/21/0/0")->secret.as_text, cases[i].text);
        assert_text(fixture, "/21/0/1", type, "lamp7");
        assert_text(fixture, "/21/0/2", type, "bs");
        assert_integer(fixture, "/21/0/3", 11);
        assert_integer(fixture, "/21/0/4", -11);
        assert_text(fixture, "/21/0/5", type, "salt");
        assert_text(fixture, "/21/0/6", type, "net-7");
    }
}

static void test_oscore_that_cannot_be(void **state)
{
    struct fixture *fixture = *state;
    use_profile(fixture, "class: a\nservers: [" OSCORE_SERVER(
                             101, ", credential: generate, sender-id: \"${tags.id}\", "
                                  "salt: \"hex:ff00\"") "]\n");
    add_tag(fixture, "id", "101");
    use_discover(fixture, "</>;lwm2m=1.2,</0/0>");
    assert_no_plan(fixture, ERR_INVALID,
                   "p.yaml:2: sender-id and recipient-id of server 101 are the same for device "
                   "'lamp7'; they must differ");
    strcpy(fixture->tags[0].value, "12345678");
    assert_no_plan(fixture, ERR_RANGE,
                   "p.yaml:2: the sender-id of server 101 has 8 bytes for device 'lamp7'; 1 to 7 "
                   "are allowed");
    strcpy(fixture->tags[0].value, "1234567");
    make_plan(fixture);
    use_discover(fixture, "</>;lwm2m=1.1,</0/0>");
    assert_no_plan(fixture, ERR_INVALID,
                   "p.yaml:2: /21/x/5 of server 101 has bytes that are no text, and device 'lamp7' "
                   "has version 1 of object 21, which takes text");
    capability_init(&fixture->capability);
    assert_no_plan(fixture, ERR_INVALID,
                   "p.yaml:2: server 101 is protected by OSCORE, which LwM2M 1.0 does not have and "
                   "device 'lamp7' speaks; if it knows better, say client: { version: \"1.1\" }");
}

static void test_oscore_of_the_store(void **state)
{
    struct fixture *fixture = *state;
    use_profile(fixture, "class: a\nservers: [" OSCORE_SERVER(101, ", credential: enrolled") "]\n");
    use_discover(fixture, "</>;lwm2m=1.2,</0/0>");
    add_credential(fixture, 101, CREDENTIAL_ACTIVE, 4, "a psk", 16);
    assert_no_plan(fixture, ERR_INVALID,
                   "p.yaml:2: device 'lamp7' has no enrolled OSCORE context for server "
                   "101; give it one: usher enroll 'lamp7' --server-oscore, or let the profile say "
                   "credential: generate");
    fixture->enrollment.credentials[0].kind = CREDENTIAL_KIND_OSCORE;
    make_plan(fixture);
    assert_text(fixture, "/21/0/1", VALUE_OPAQUE, "a psk");
    assert_int_equal(get_value(fixture, "/21/0/0")->secret.generation, 4);
}

/* What is left of OSCORE goes with the accounts, also when none comes; the bootstrap account's own
 * context, which names no server, stays. */
static void test_old_contexts_go(void **state)
{
    struct fixture *fixture = *state;
    use_profile(fixture, ONE_SERVER);
    use_discover(fixture, "</>;lwm2m=1.1,</0/0>,</0/1>;ssid=7,</1/0>;ssid=7,</21/0>,"
                          "</21/3>;ssid=7");
    assert_deletes(fixture, "/0/1 /1 /21/3 ");
    use_profile(fixture, ONE_SERVER "delete: { only: [/1] }\n");
    assert_deletes(fixture, "/1 ");
}

/* --- the bootstrap account --- */

static void test_bootstrap_account_is_written_where_the_profile_says_so(void **state)
{
    struct fixture *fixture = *state;
    use_profile(fixture, ONE_SERVER "bootstrap-account: { uri: \"coaps://new-bs\", hold-off: 30s, "
                                    "account-timeout: 1h }\n");
    use_discover(fixture, "</>;lwm2m=1.1,</0/0>;ssid=7,</0/3>,</1/0>;ssid=7");
    assert_operations(fixture, "delete /0/0, delete /1, write /0/0, write /0/3, write /1/0, "
                               "finish ");
    assert_true(get_value(fixture, "/0/3/1")->boolean);
    assert_text(fixture, "/0/3/0", VALUE_STRING, "coaps://new-bs");
    assert_text(fixture, "/0/3/3", VALUE_OPAQUE, "id-lamp7");
    assert_int_equal(get_value(fixture, "/0/3/5")->secret.kind, SECRET_BOOTSTRAP_KEY);
    assert_int_equal(get_value(fixture, "/0/3/5")->secret.ssid, 0);
    assert_integer(fixture, "/0/3/11", 30);
    assert_integer(fixture, "/0/3/12", 3600);
    assert_null(find_value(fixture, "/0/3/10"));
    fixture->enrollment.identity.len = 0;
    assert_no_plan(fixture, ERR_INVALID,
                   "p.yaml:3: device 'lamp7' has no identity and key for its bootstrap account");
}

static void test_bootstrap_account_with_a_fresh_key(void **state)
{
    struct fixture *fixture = *state;
    use_profile(fixture,
                ONE_SERVER "bootstrap-account: { uri: \"coaps://new-bs\", credential: generate }\n"
                           "client: { bootstrap-instance: 2 }\n");
    add_credential(fixture, 0, CREDENTIAL_ACTIVE, 4, "id-lamp7", 16);
    add_credential(fixture, 0, CREDENTIAL_PENDING, 5, "id-lamp7", 16);
    make_plan(fixture);
    assert_int_equal(get_value(fixture, "/0/2/5")->secret.kind, SECRET_BOOTSTRAP_KEY);
    assert_int_equal(get_value(fixture, "/0/2/5")->secret.generation, 5);
    assert_text(fixture, "/0/2/3", VALUE_OPAQUE, "id-lamp7");
    use_profile(fixture, ONE_SERVER "bootstrap-account: { uri: \"coaps://new-bs\" }\n"
                                    "client: { bootstrap-instance: 2 }\n");
    make_plan(fixture);
    assert_int_equal(get_value(fixture, "/0/2/5")->secret.generation, 0);
}

static void test_bootstrap_account_in_an_unknown_place(void **state)
{
    struct fixture *fixture = *state;
    use_profile(fixture, ONE_SERVER "bootstrap-account: { uri: \"coaps://new-bs\" }\n");
    assert_operations(fixture, "delete /0, delete /1, write /0/1, write /1/0, finish ");
    assert_warnings(fixture,
                    "the bootstrap account stays as it is: Discover does not tell where it "
                    "is; client.bootstrap-instance can name it\n");
    use_profile(fixture, ONE_SERVER "bootstrap-account: { uri: \"coaps://new-bs\" }\nclient: { "
                                    "bootstrap-instance: 2 }\n");
    assert_operations(fixture, "delete /0, delete /1, write /0/0, write /0/2, write /1/0, finish ");
}

static void test_limits_of_the_class(void **state)
{
    struct fixture *fixture = *state;
    use_profile(fixture,
                "class: a\nservers: [{ id: 301, uri: \"coaps://h\", security: { mode: psk, "
                "credential: enrolled } }]\nclient: { identity-max: 4, key-max: 16 }\n");
    add_credential(fixture, 301, CREDENTIAL_ACTIVE, 1, "five5", 17);
    make_plan(fixture);
    assert_warnings(fixture, "the identity for server 301 has 5 bytes; devices of this class take "
                             "4 (client.identity-max)\n"
                             "the key for server 301 has 17 bytes; devices of this class take 16 "
                             "(client.key-max)\n");
}

static void test_long_identities_are_refused(void **state)
{
    struct fixture *fixture = *state;
    use_profile(fixture, ONE_SERVER);
    memset(fixture->enrollment.endpoint, 'x', 129);
    assert_int_equal(try_plan(fixture), ERR_RANGE);
    fixture->enrollment.endpoint[128] = '\0';
    make_plan(fixture);
}

/* --- variables --- */

static void test_variables(void **state)
{
    struct fixture *fixture = *state;
    use_profile(fixture, ONE_SERVER
                "write:\n"
                "  /3/0/13: \"${now}\"\n"
                "  /3/0/14: \"at ${now}, $${x} $ {y} ${tags.a}${tags.b}!\"\n"
                "  /33000/0/1: { type: integer, value: \"${tags.n}\" }\n"
                "  /33000/0/2: { type: unsigned, value: \"1${tags.n}\" }\n"
                "  /33000/0/3: { type: opaque, value: \"text:${identity}\" }\n"
                "  /33000/0/4: { type: opaque, value: \"hex:${tags.n}${tags.n}\" }\n"
                "  /33000/0/5: { type: boolean, value: \"${tags.yes}\" }\n"
                "  /33000/0/6: { type: float, value: \"-${tags.n}.5\" }\n"
                "  /33000/0/7: { type: objlink, value: \"3:${tags.n}\" }\n"
                "  /33000/0/8: { type: string, value: [\"${endpoint}\", \"${identity}\"] }\n"
                "  /33000/0/9: { type: integer, value: \"${now}\" }\n");
    add_tag(fixture, "a", "A");
    add_tag(fixture, "b", "");
    add_tag(fixture, "n", "17");
    add_tag(fixture, "yes", "true");
    make_plan(fixture);
    assert_integer(fixture, "/3/0/13", NOW_S);
    assert_text(fixture, "/3/0/14", VALUE_STRING, "at 2026-01-01T00:00:00Z, ${x} $ {y} A!");
    assert_integer(fixture, "/33000/0/1", 17);
    assert_int_equal(get_value(fixture, "/33000/0/2")->natural, 117);
    assert_text(fixture, "/33000/0/3", VALUE_OPAQUE, "id-lamp7");
    assert_text(fixture, "/33000/0/4", VALUE_OPAQUE, "\x17\x17");
    assert_true(get_value(fixture, "/33000/0/5")->boolean);
    assert_true(get_value(fixture, "/33000/0/6")->real == -17.5);
    assert_int_equal(get_value(fixture, "/33000/0/7")->link.instance, 17);
    assert_text(fixture, "/33000/0/8/0", VALUE_STRING, "lamp7");
    assert_text(fixture, "/33000/0/8/1", VALUE_STRING, "id-lamp7");
    assert_integer(fixture, "/33000/0/9", NOW_S);
}

static void test_variables_that_give_no_value(void **state)
{
    struct fixture *fixture = *state;
    use_profile(fixture, ONE_SERVER "write:\n"
                                    "  /33000/0/1:\n"
                                    "    { type: integer, value: \"${tags.pole}\" }\n");
    assert_no_plan(fixture, ERR_INVALID,
                   "p.yaml:5: ${tags.pole} has no value: device 'lamp7' has no tag 'pole'; give it "
                   "one: usher enroll 'lamp7' --tag pole=VALUE");
    add_tag(fixture, "pole", "17b");
    assert_no_plan(fixture, ERR_INVALID,
                   "p.yaml:5: expected a whole number, found '17b' for device 'lamp7'");

    use_profile(fixture, ONE_SERVER "write: { /3/0/9: \"${tags.pole}\" }\n");
    strcpy(fixture->tags[0].value, "101");
    assert_no_plan(fixture, ERR_RANGE,
                   "p.yaml:3: for device 'lamp7': Battery Level must be 0 to 100 (percent)");
    strcpy(fixture->tags[0].value, "100");
    make_plan(fixture);

    use_profile(fixture, ONE_SERVER "write: { /3/0/14: \"${identity}\" }\n");
    identity_set(&fixture->enrollment.identity, bytes_of("\xff\x00", 2));
    assert_no_plan(fixture, ERR_INVALID,
                   "p.yaml:3: expected text in UTF-8, found 'other bytes' for device 'lamp7'");
}

static void test_a_uri_too_long_for_one_device(void **state)
{
    struct fixture *fixture = *state;
    char text[400];
    snprintf(text, sizeof(text),
             "class: a\nservers: [{ id: 1, uri: \"coaps://${tags.h}\", security: { mode: psk, "
             "credential: generate } }]\n");
    use_profile(fixture, text);
    add_tag(fixture, "h", "");
    memset(fixture->tags[0].value, 'h', 248);
    assert_int_equal(try_plan(fixture), ERR_RANGE);
    fixture->tags[0].value[247] = '\0';
    make_plan(fixture);
    assert_int_equal(get_value(fixture, "/0/1/0")->bytes.len, 255);
}

static void test_values_of_every_type(void **state)
{
    struct fixture *fixture = *state;
    use_profile(fixture,
                ONE_SERVER "write:\n"
                           "  /33000/0/1: { type: integer, value: -9223372036854775808 }\n"
                           "  /33000/0/2: { type: unsigned, value: 18446744073709551615 }\n"
                           "  /33000/0/3: { type: integer, value: 0x1F }\n"
                           "  /33000/0/4: { type: opaque, value: \"base64:AAEC\" }\n"
                           "  /33000/0/5: { type: opaque, value: \"text:a\" }\n"
                           "  /33000/0/6: { type: float, value: 1e-3 }\n"
                           "  /33000/0/7: { type: objlink, value: /3/0 }\n"
                           "  /33000/0/8: { type: time, value: 2024-02-29T23:59:59Z }\n"
                           "  /33000/0/9: { type: time, value: 1969-12-31T23:59:59Z }\n"
                           "  /33000/0/10: { type: string, value: \"\" }\n"
                           "  /33000/0/11: { type: integer, value: { 7: 1, 3: 2 } }\n"
                           "  /33000/0/12/5: { type: integer, value: 9 }\n");
    make_plan(fixture);
    assert_true(get_value(fixture, "/33000/0/1")->integer == INT64_MIN);
    assert_true(get_value(fixture, "/33000/0/2")->natural == UINT64_MAX);
    assert_integer(fixture, "/33000/0/3", 31);
    assert_true(bytes_equal(get_value(fixture, "/33000/0/4")->bytes, bytes_of("\0\1\2", 3)));
    assert_text(fixture, "/33000/0/5", VALUE_OPAQUE, "a");
    assert_true(get_value(fixture, "/33000/0/6")->real == 0.001);
    assert_int_equal(get_value(fixture, "/33000/0/7")->link.object, 3);
    assert_integer(fixture, "/33000/0/8", 1709251199);
    assert_integer(fixture, "/33000/0/9", -1);
    assert_text(fixture, "/33000/0/10", VALUE_STRING, "");
    assert_integer(fixture, "/33000/0/11/3", 2);
    assert_integer(fixture, "/33000/0/11/7", 1);
    assert_integer(fixture, "/33000/0/12/5", 9);
}

/* --- instances that the device has by itself --- */

static void test_a_part_of_an_instance_that_exists_goes_by_resource(void **state)
{
    struct fixture *fixture = *state;
    use_profile(fixture, ONE_SERVER "write:\n"
                                    "  /3/0/15: Europe/Vienna\n"
                                    "  /3/0/13: 5\n"
                                    "  /3/0/7: [3300, 5000]\n"
                                    "  /3/0/14: { value: \"+01:00\", optional: true }\n"
                                    "  /5/0/13: 60\n"
                                    "  /6/0/2: { value: 171, optional: true }\n"
                                    "  /6/0/3: { value: 5, optional: true }\n");
    assert_operations(fixture, "delete /0, delete /1, write /0/1, write /1/0, write /3/0/7, write "
                               "/3/0/13, write /3/0/15, write /3/0/14?, write /6/0/2?, write "
                               "/6/0/3?, finish ");
    assert_warnings(fixture, "/5/0: resource 13 left out, LwM2M 1.0 does not have it\n");
    assert_integer(fixture, "/3/0/7/0", 3300);
    assert_integer(fixture, "/3/0/7/1", 5000);
    assert_integer(fixture, "/3/0/13", 5);
    assert_int_equal(plan_operation(fixture->plan, 4)->record_count, 2);
    assert_int_equal(plan_operation(fixture->plan, 5)->record_count, 1);
}

/* One message where it is enough: all that is mandatory is there, or nothing is. */
static void test_a_whole_instance_goes_at_once(void **state)
{
    struct fixture *fixture = *state;
    use_profile(fixture, ONE_SERVER "write:\n"
                                    "  /3/0/11: [0]\n"
                                    "  /3/0/16: U\n"
                                    "  /3/0/13: 5\n"
                                    "  /6/0/0: 48.2\n"
                                    "  /6/0/1: 16.4\n"
                                    "  /6/0/5: 5\n"
                                    "  /6/0/2: 171\n"
                                    "  /7/0/8: 3600\n"
                                    "  /13/0/0: [5, 6]\n"
                                    "  /13/0/7: true\n"
                                    "  /11/0/1: iot.example\n"
                                    "  /11/0/3: true\n");
    assert_operations(fixture, "delete /0, delete /1, write /0/1, write /1/0, write /3/0, write "
                               "/6/0, write /7/0, write /11/0, write /13/0, finish ");
}

/* --- optional writes --- */

static void test_optional_writes(void **state)
{
    struct fixture *fixture = *state;
    use_profile(fixture,
                ONE_SERVER "write:\n"
                           "  /33000/0/2: { type: integer, value: [5, 6], optional: true }\n"
                           "  /33000/0/1: { type: integer, value: 1 }\n"
                           "  /33000/0/3: { type: integer, value: 3, optional: true }\n"
                           "  /33000/1/1: { type: integer, value: 1, optional: true }\n"
                           "  /33000/1/2: { type: integer, value: 1, optional: true }\n"
                           "  /33000/2/1: { type: integer, value: 1, optional: false }\n");
    /* Beside a needed resource each goes alone; without one the instance goes in one write. */
    assert_operations(fixture, "delete /0, delete /1, write /0/1, write /1/0, write /33000/0, "
                               "write /33000/0/2?, write /33000/0/3?, write /33000/1?, write "
                               "/33000/2, finish ");
    assert_int_equal(plan_operation(fixture->plan, 5)->record_count, 2);
    assert_int_equal(plan_operation(fixture->plan, 7)->record_count, 2);
}

/* --- hold-off --- */

static uint32_t share(struct fixture *fixture, const char *endpoint)
{
    snprintf(fixture->enrollment.endpoint, sizeof(fixture->enrollment.endpoint), "%s", endpoint);
    make_plan(fixture);
    uint32_t hold_off = (uint32_t)get_value(fixture, "/0/1/11")->integer;
    assert_int_equal(get_value(fixture, "/1/0/14")->natural, hold_off - 10);
    return hold_off;
}

static void test_spread_is_stable_and_even(void **state)
{
    struct fixture *fixture = *state;
    use_profile(fixture, "class: a\nservers: [" SERVER(
                             101, ", hold-off: { spread: 99s, after: 10s }, "
                                  "registration: { delay: { spread: 99s } }") "]\n");
    fixture->capability.version = LWM2M_1_1;
    unsigned quarters[4] = {0};
    for (int i = 0; i < 1000; i++) {
        char endpoint[20];
        snprintf(endpoint, sizeof(endpoint), "lamp-%d", i);
        uint32_t seconds = share(fixture, endpoint);
        assert_true(seconds >= 10 && seconds <= 109);
        assert_int_equal(share(fixture, endpoint), seconds);
        quarters[(seconds - 10) / 25]++;
    }
    for (int i = 0; i < 4; i++)
        assert_true(quarters[i] > 180 && quarters[i] < 320);
    /* The same on every machine and in every release: lamps must not move when the server does. */
    assert_int_equal(share(fixture, "lamp-0"), 90);
}

/* --- formats --- */

static void assert_formats(struct fixture *fixture, int preferred, int a, int b, int c, int d)
{
    int expected[] = {a, b, c, d}, formats[PROFILE_FORMATS_MAX] = {-1, -1, -1, -1};
    fixture->capability.preferred_format = preferred;
    make_plan(fixture);
    size_t count = plan_formats(fixture->plan, formats);
    for (size_t i = 0; i < PROFILE_FORMATS_MAX; i++)
        assert_int_equal(formats[i], expected[i]);
    assert_int_equal(count, d == -1 ? 3 : 4);
}

static void test_formats(void **state)
{
    struct fixture *fixture = *state;
    use_profile(fixture, ONE_SERVER);
    assert_formats(fixture, -1, 11542, 112, 110, 11543); /* 1.0 has no other JSON */
    assert_formats(fixture, 112, 112, 11542, 110, -1);
    assert_formats(fixture, 11544, 11544, 112, 11542, 110);
    assert_formats(fixture, 1542, 1542, 112, 11542, 110);
    /* What cannot hold an instance is no format to try. */
    assert_formats(fixture, 60, 11542, 112, 110, -1);
    assert_formats(fixture, 40, 11542, 112, 110, -1);
    assert_formats(fixture, 99999, 11542, 112, 110, -1);
    use_profile(fixture, ONE_SERVER "client: { format: lwm2m-cbor }\n");
    assert_formats(fixture, -1, 11544, 11542, 112, 110); /* 1.0 has TLV */
    assert_formats(fixture, 110, 110, 11544, 112, 11542);
}

/* profile may not use codec, so it knows the numbers by itself. */
static void test_profiles_and_codec_agree_on_formats(void **state)
{
    static const char *const names[] = {"tlv",      "senml-json", "senml-cbor", "lwm2m-cbor",
                                        "oma-json", "tlv-1542",   "json-1543"};
    struct fixture *fixture = *state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char text[300];
        snprintf(text, sizeof(text), ONE_SERVER "client: { format: %s }\n", names[i]);
        use_profile(fixture, text);
        int format = profile_client(profile_set_at(fixture->set, 0))->format;
        assert_int_equal(format, codec_from_name(names[i]));
        assert_true(codec_can_encode(format));
    }
}

/* --- hash --- */

static uint64_t hash_now(struct fixture *fixture)
{
    make_plan(fixture);
    return plan_hash(fixture->plan);
}

/* --- one place of several --- */

static const char *picked(struct fixture *fixture, const char *endpoint)
{
    static char uri[64];
    snprintf(fixture->enrollment.endpoint, sizeof(fixture->enrollment.endpoint), "%s", endpoint);
    make_plan(fixture);
    const struct value *value = get_value(fixture, "/0/1/0");
    snprintf(uri, sizeof(uri), "%.*s", (int)value->bytes.len, (const char *)value->bytes.data);
    return uri;
}

#define PICK(by, from)                                                                             \
    "class: a\nservers: [{ id: 101, pick: { by: " by ", from: [" from                              \
    "] }, security: { mode: psk, credential: generate } }]\n"
#define PLACE(name, more) "{ name: " name ", uri: \"coaps://" name "\"" more " }"

static void test_pick_by_hash_is_even_and_stable(void **state)
{
    enum { DEVICES = 2000 };
    struct fixture *fixture = *state;
    static char before[DEVICES][16];
    int counts[3] = {0}, moved = 0;
    use_profile(fixture, PICK("endpoint-hash", PLACE("dm1", "") ", " PLACE("dm2", "")));
    for (int i = 0; i < DEVICES; i++) {
        char name[32];
        snprintf(name, sizeof(name), "lamp-%d", i);
        snprintf(before[i], sizeof(before[i]), "%.15s", picked(fixture, name));
        counts[before[i][10] - '1']++;
    }
    assert_true(counts[0] > 900 && counts[1] > 900);
    /* The same on every machine and in every release. */
    assert_string_equal(picked(fixture, "lamp-0"), before[0]);
    /* A third takes its third, and from both; nobody moves between the other two. */
    use_profile(fixture, PICK("endpoint-hash",
                              PLACE("dm3", "") ", " PLACE("dm1", "") ", " PLACE("dm2", "")));
    for (int i = 0; i < DEVICES; i++) {
        char name[32];
        snprintf(name, sizeof(name), "lamp-%d", i);
        const char *now = picked(fixture, name);
        counts[2] += now[10] == '3';
        moved += strcmp(now, before[i]) != 0;
    }
    assert_int_equal(moved, counts[2]);
    assert_true(moved > 560 && moved < 780);
}

static void test_pick_by_weight(void **state)
{
    struct fixture *fixture = *state;
    int counts[2] = {0};
    use_profile(fixture,
                PICK("weight", PLACE("dm1", ", weight: 3") ", " PLACE("dm2", ", capacity: 1")));
    for (int i = 0; i < 2000; i++) {
        char name[32];
        snprintf(name, sizeof(name), "lamp-%d", i);
        counts[picked(fixture, name)[10] - '1']++;
    }
    assert_true(counts[0] > 1400 && counts[0] < 1600);
    buf_reset(&fixture->text);
    plan_print_text(fixture->plan, &fixture->text);
    assert_non_null(strstr(buf_text(&fixture->text), "note: server 101 is at dm"));
    buf_reset(&fixture->text);
    assert_int_equal(plan_print_json(fixture->plan, FORMAT_NONE, &fixture->text, &fixture->err),
                     ERR_OK);
    assert_non_null(strstr(buf_text(&fixture->text), "\"notes\":[\"server 101 is at dm"));
}

/* A device stays where its credential was made for, whatever the hash says, while that place is
 * there and meant for it. */
static void test_pick_is_kept(void **state)
{
    struct fixture *fixture = *state;
    struct credential_need needs[ACCOUNTS_MAX];
    size_t count = 0;
    use_profile(fixture, PICK("endpoint-hash", PLACE("dm1", "") ", " PLACE("dm2", "")));
    const char *hashed = strdup(picked(fixture, "lamp7"));
    const char *other = strcmp(hashed, "coaps://dm1") == 0 ? "dm2" : "dm1";
    assert_int_equal(profile_credentials(profile_set_at(fixture->set, 0), &fixture->enrollment,
                                         needs, &count, &fixture->err),
                     ERR_OK);
    assert_string_equal(needs[0].place, hashed + strlen("coaps://"));
    add_credential(fixture, 101, CREDENTIAL_ACTIVE, 1, "lamp7", 16);
    strcpy(fixture->enrollment.credentials[0].place, other);
    assert_string_equal(picked(fixture, "lamp7") + strlen("coaps://"), other);
    assert_int_equal(profile_credentials(profile_set_at(fixture->set, 0), &fixture->enrollment,
                                         needs, &count, &fixture->err),
                     ERR_OK);
    assert_string_equal(needs[0].place, other);
    /* One that is pending may be in the device already. */
    add_credential(fixture, 101, CREDENTIAL_PENDING, 2, "lamp7", 16);
    strcpy(fixture->enrollment.credentials[1].place, hashed + strlen("coaps://"));
    assert_string_equal(picked(fixture, "lamp7"), hashed);
    fixture->enrollment.credential_count = 1;
    /* The place is gone, or the class says so: by hash again. */
    use_profile(fixture, "class: a\nservers: [{ id: 101, pick: { by: endpoint-hash, keep: false, "
                         "from: [" PLACE("dm1", "") ", " PLACE(
                             "dm2", "") "] }, security: { mode: "
                                        "psk, credential: generate } }]\n");
    assert_string_equal(picked(fixture, "lamp7"), hashed);
    use_profile(fixture, PICK("endpoint-hash", PLACE("dm3", "")));
    assert_string_equal(picked(fixture, "lamp7"), "coaps://dm3");
    /* Another region is another place. */
    add_tag(fixture, "district", "north");
    use_profile(fixture, PICK("tag.district", PLACE("dm1", ", region: north") ", " PLACE(
                                                  "dm2", ", region: south")));
    assert_string_equal(picked(fixture, "lamp7"), "coaps://dm1");
    strcpy(fixture->tags[0].value, "south");
    assert_string_equal(picked(fixture, "lamp7"), "coaps://dm2");
    free((void *)(uintptr_t)hashed);
}

static void test_pick_by_tag(void **state)
{
    struct fixture *fixture = *state;
    use_profile(fixture, PICK("tag.district",
                              PLACE("n1", ", region: north") ", " PLACE("s1", ", region: south")));
    assert_no_plan(fixture, ERR_INVALID,
                   "p.yaml:2: no place to pick for server 101: device 'lamp7' has no tag "
                   "'district', and no region is called so; add a place without a region for all "
                   "others");
    add_tag(fixture, "district", "south");
    assert_string_equal(picked(fixture, "lamp7"), "coaps://s1");
    strcpy(fixture->tags[0].value, "north");
    assert_string_equal(picked(fixture, "lamp7"), "coaps://n1");
    strcpy(fixture->tags[0].value, "west");
    assert_no_plan(fixture, ERR_INVALID,
                   "p.yaml:2: no place to pick for server 101: device 'lamp7' has the tag value "
                   "'west', and no region is called so; add a place without a region for all "
                   "others");
    use_profile(fixture, PICK("tag.district", PLACE("n1", ", region: north") ", " PLACE("x1", "")));
    assert_string_equal(picked(fixture, "lamp7"), "coaps://x1");
}

/* --- in pieces --- */

static void assert_pieces(const struct operation *write, size_t most, const char *expected)
{
    struct plan_pieces pieces;
    struct buf text;
    buf_init(&text, 4096);
    assert_true(plan_split(write, FORMAT_TLV, most, &pieces));
    size_t records = 0;
    for (size_t i = 0; i < pieces.count; i++) {
        char path[PATH_TEXT_SIZE];
        size_t size = 0;
        struct err err;
        path_text(&pieces.items[i].path, path);
        assert_int_equal(plan_payload_size(&pieces.items[i], FORMAT_TLV, &size, &err), ERR_OK);
        buf_printf(&text, "%s%s:%zu", i > 0 ? " " : "", path, size);
        assert_int_equal(pieces.items[i].kind, OPERATION_WRITE);
        records += pieces.items[i].record_count;
    }
    assert_int_equal(records, write->record_count);
    assert_string_equal(buf_text(&text), expected);
    plan_pieces_clear(&pieces);
    buf_clear(&text);
}

static void test_pieces(void **state)
{
    struct fixture *fixture = *state;
    use_profile(fixture, "class: a\nservers: [{ id: 101, uri: \"coaps://a-name-of-40-bytes-in-all-"
                         "and-no-more.de\", security: { mode: psk, credential: generate, "
                         "key-length: 32, ciphersuites: [0xC0A8, 0x00AE] } }]\n");
    use_discover(fixture, "</>;lwm2m=1.1,</0/0>,</1>");
    make_plan(fixture);
    const struct operation *write = plan_operation(fixture->plan, 0);
    assert_int_equal(write->path.ids[0], OBJECT_SECURITY);
    assert_pieces(write, 1024, "/0/1:115");
    assert_pieces(write, 114, "/0/1:64 /0/1/0:51");
    assert_pieces(write, 63, "/0/1:29 /0/1/0:51 /0/1/5:35");
    /* Values of one resource stay together, and there is no less than one. */
    assert_pieces(write, 1, "/0/1:3 /0/1/0:51 /0/1/1:3 /0/1/2:3 /0/1/3:7 /0/1/5:35 /0/1/16:13");
    assert_pieces(write, 0, "/0/1/0:51 /0/1/1:3 /0/1/2:3 /0/1/3:7 /0/1/5:35 /0/1/10:3 /0/1/16:13");
}

static void test_hash(void **state)
{
    struct fixture *fixture = *state;
    use_profile(fixture, ONE_SERVER "write: { /3/0/13: \"${now}\", /3/0/14: \"${tags.zone}\" }\n");
    add_tag(fixture, "zone", "north");
    uint64_t hash = hash_now(fixture);
    assert_true(hash == hash_now(fixture));

    struct plan_context later = {.now_wall_ms = (NOW_S + 3600) * 1000LL};
    struct plan *plan = NULL;
    assert_int_equal(plan_build(profile_set_at(fixture->set, 0), &fixture->enrollment,
                                &fixture->capability, &later, &plan, &fixture->err),
                     ERR_OK);
    assert_true(hash == plan_hash(plan));
    plan_free(plan);
    add_credential(fixture, 101, CREDENTIAL_PENDING, 4, "lamp7", 16);
    assert_true(hash == hash_now(fixture));

    strcpy(fixture->tags[0].value, "south");
    assert_true(hash != hash_now(fixture));
    strcpy(fixture->tags[0].value, "north");
    strcpy(fixture->enrollment.endpoint, "lamp8");
    strcpy((char *)fixture->enrollment.credentials[0].identity.data, "lamp8");
    assert_true(hash != hash_now(fixture));
    strcpy((char *)fixture->enrollment.credentials[0].identity.data, "lamp7");
    strcpy(fixture->enrollment.endpoint, "lamp7");
    /* What the device says of itself does not count: the same is meant for it. */
    use_discover(fixture, "</>;lwm2m=1.2,</0/0>;ssid=9,</0/1>,</1/4>;ssid=9");
    assert_true(hash == hash_now(fixture));
    uint64_t intent = 0;
    assert_int_equal(
        plan_intent(profile_set_at(fixture->set, 0), &fixture->enrollment, &intent, &fixture->err),
        ERR_OK);
    assert_true(hash == intent);
    fixture->enrollment.tag_count = 0;
    assert_int_equal(
        plan_intent(profile_set_at(fixture->set, 0), &fixture->enrollment, &intent, &fixture->err),
        ERR_INVALID);
}

/* Each change of the profile that a device could notice makes another hash. */
static void test_hash_tells_changes_of_the_profile(void **state)
{
    static const char *const profiles[] = {
        ONE_SERVER,
        "class: a\nservers: [" SERVER(102, "") "]\n",
        "class: a\nservers: [" SERVER(101, ", lifetime: 1h") "]\n",
        "class: a\nservers: [" SERVER(101, ", hold-off: { spread: 5min }") "]\n",
        "class: a\nservers: [" SERVER(101, ", binding: UT") "]\n",
        "class: a\nservers: [" SERVER(101, ", extra: { server: { 26: 1 } }") "]\n",
        "class: a\nservers: [{ id: 101, uri: \"coaps://h101\", security: { mode: psk, credential: "
        "generate, key-length: 32 } }]\n",
        "class: a\nservers: [{ id: 101, uri: \"coaps://h101\", security: { mode: psk, credential: "
        "enrolled } }]\n",
        "class: a\nservers: [{ id: 101, uri: \"coap://h101\", security: { mode: oscore, "
        "credential: "
        "generate } }]\n",
        ONE_SERVER "write: { /3/0/15: Europe/Vienna }\n",
        ONE_SERVER "write: { /3/0/15: Europe/Berlin }\n",
        ONE_SERVER "delete: [/33755]\n",
        ONE_SERVER "bootstrap-account: { uri: \"coaps://b\" }\n",
        TWO_SERVERS,
    };
    enum { COUNT = sizeof(profiles) / sizeof(profiles[0]) };
    struct fixture *fixture = *state;
    uint64_t hashes[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        use_profile(fixture, profiles[i]);
        assert_int_equal(plan_intent(profile_set_at(fixture->set, 0), &fixture->enrollment,
                                     &hashes[i], &fixture->err),
                         ERR_OK);
        for (size_t j = 0; j < i; j++)
            assert_true(hashes[i] != hashes[j]);
    }
    /* How it is brought there does not count. */
    uint64_t hash = 0;
    use_profile(fixture, ONE_SERVER "client: { discover: never, format: senml-json }\n");
    assert_int_equal(
        plan_intent(profile_set_at(fixture->set, 0), &fixture->enrollment, &hash, &fixture->err),
        ERR_OK);
    assert_true(hash == hashes[0]);
}

/* --- life and print --- */

static void test_a_plan_outlives_the_set(void **state)
{
    struct fixture *fixture = *state;
    use_profile(fixture, ONE_SERVER "write: { /3/0/15: Europe/Vienna }\n");
    make_plan(fixture);
    profile_set_unref(fixture->set);
    fixture->set = NULL;
    memset(&fixture->enrollment, 0, sizeof(fixture->enrollment));
    assert_text(fixture, "/0/1/0", VALUE_STRING, "coaps://h101");
    assert_text(fixture, "/0/1/3", VALUE_OPAQUE, "lamp7");
    assert_text(fixture, "/3/0/15", VALUE_STRING, "Europe/Vienna");
    plan_free(NULL);
}

static void test_json(void **state)
{
    struct fixture *fixture = *state;
    use_profile(fixture, ONE_SERVER "delete: { only: [/1] }\n"
                                    "client: { first-security-instance: 7 }\n"
                                    "write:\n"
                                    "  /3/0/14: \"\\\"q\\\\ \\t\"\n"
                                    "  /33000/0/1: { type: opaque, value: \"hex:00ff\" }\n"
                                    "  /33000/0/2: { type: objlink, value: none, optional: true }\n"
                                    "  /33000/0/3: { type: float, value: 0.5 }\n"
                                    "  /24/0/6: x\n");
    add_credential(fixture, 101, CREDENTIAL_PENDING, 4, "lamp7", 16);
    make_plan(fixture);
    buf_reset(&fixture->text);
    struct err err = {0};
    assert_int_equal(plan_print_json(fixture->plan, FORMAT_NONE, &fixture->text, &err), ERR_OK);
    char expected[3000];
    snprintf(
        expected, sizeof(expected),
        "{\"class\":\"a\",\"version\":\"1.0\",\"hash\":\"%016llx\",\"formats\":[\"tlv\","
        "\"senml-cbor\",\"senml-json\",\"oma-json\"],\"operations\":["
        "{\"operation\":\"delete\",\"path\":\"/1\"},"
        "{\"operation\":\"write\",\"path\":\"/0/7\",\"optional\":false,\"values\":["
        "{\"path\":\"/0/7/0\",\"name\":\"Server URI\",\"type\":\"string\",\"value\":\"coaps://"
        "h101\"},"
        "{\"path\":\"/0/7/1\",\"name\":\"Bootstrap-Server\",\"type\":\"boolean\",\"value\":false},"
        "{\"path\":\"/0/7/2\",\"name\":\"Security Mode\",\"type\":\"integer\",\"value\":0},"
        "{\"path\":\"/0/7/3\",\"name\":\"Public Key or Identity\",\"type\":\"opaque\",\"hex\":"
        "\"6c616d7037\",\"text\":\"lamp7\"},"
        "{\"path\":\"/0/7/5\",\"name\":\"Secret Key\",\"type\":\"secret\",\"secret\":\"psk-key\","
        "\"server\":101,\"generation\":4},"
        "{\"path\":\"/0/7/10\",\"name\":\"Short Server ID\",\"type\":\"integer\",\"value\":101}]},"
        "{\"operation\":\"write\",\"path\":\"/1/0\",\"optional\":false,\"values\":["
        "{\"path\":\"/1/0/0\",\"name\":\"Short Server ID\",\"type\":\"integer\",\"value\":101},"
        "{\"path\":\"/1/0/1\",\"name\":\"Lifetime\",\"type\":\"integer\",\"value\":86400},"
        "{\"path\":\"/1/0/6\",\"name\":\"Notification Storing\",\"type\":\"boolean\",\"value\":"
        "true},"
        "{\"path\":\"/1/0/7\",\"name\":\"Binding\",\"type\":\"string\",\"value\":\"U\"}]},"
        "{\"operation\":\"write\",\"path\":\"/3/0/14\",\"optional\":false,\"values\":["
        "{\"path\":\"/3/0/14\",\"name\":\"UTC Offset\",\"type\":\"string\",\"value\":\"\\\"q\\\\ "
        "\\u0009\"}]},"
        "{\"operation\":\"write\",\"path\":\"/33000/0\",\"optional\":false,\"values\":["
        "{\"path\":\"/33000/0/1\",\"type\":\"opaque\",\"hex\":\"00ff\"},"
        "{\"path\":\"/33000/0/3\",\"type\":\"float\",\"value\":0.5}]},"
        "{\"operation\":\"write\",\"path\":\"/33000/0/2\",\"optional\":true,\"values\":["
        "{\"path\":\"/33000/0/2\",\"type\":\"objlink\",\"value\":\"65535:65535\"}]},"
        "{\"operation\":\"finish\"}],\"notes\":[],\"warnings\":[\"/24/0: resource 6 left out, "
        "LwM2M 1.0 does "
        "not have it\"]}",
        (unsigned long long)plan_hash(fixture->plan));
    assert_string_equal(buf_text(&fixture->text), expected);
}

static void test_text_is_safe_on_a_terminal(void **state)
{
    struct fixture *fixture = *state;
    use_profile(fixture, ONE_SERVER "write: { /3/0/14: \"a\\e[31m\\n\\\"\", /33000/0/1: { type: "
                                    "opaque, value: \"hex:1b5b\" } }\n");
    make_plan(fixture);
    buf_reset(&fixture->text);
    plan_print_text(fixture->plan, &fixture->text);
    assert_non_null(strstr(buf_text(&fixture->text), "\"a\\x1b[31m\\x0a\\\"\"  # UTC Offset\n"));
    assert_non_null(strstr(buf_text(&fixture->text), "opaque   hex:1b5b\n"));
}

static void test_names_of_operations(void **state)
{
    assert_string_equal(operation_kind_name(OPERATION_DISCOVER), "discover");
    assert_string_equal(operation_kind_name(OPERATION_READ), "read");
    assert_string_equal(operation_kind_name(OPERATION_DELETE), "delete");
    assert_string_equal(operation_kind_name(OPERATION_WRITE), "write");
    assert_string_equal(operation_kind_name(OPERATION_FINISH), "finish");
    assert_string_equal(operation_kind_name((enum operation_kind)99), "unknown");
}

/* I3: what makes an account may never be refused in silence. */
static void test_accounts_are_never_optional(void **state)
{
    struct fixture *fixture = *state;
    use_profile(fixture, "class: a\nservers: [" SERVER(101, "") ", " SERVER(
                             102, "") "]\n"
                                      "access-control: [{ object: /3/0, owner: 101 }]\n"
                                      "write: { /3/0/14: { value: x, optional: true } }\n");
    make_plan(fixture);
    size_t optional = 0;
    for (size_t i = 0; i < plan_count(fixture->plan); i++) {
        const struct operation *operation = plan_operation(fixture->plan, i);
        optional += operation->optional;
        assert_true(!operation->optional || operation->path.ids[0] == 3);
    }
    assert_int_equal(optional, 1);
}

/* --- payloads --- */

static const struct operation *find_write(const struct fixture *fixture, const char *path)
{
    char text[PATH_TEXT_SIZE];
    for (size_t i = 0; i < plan_count(fixture->plan); i++) {
        const struct operation *operation = plan_operation(fixture->plan, i);
        path_text(&operation->path, text);
        if (operation->kind == OPERATION_WRITE && strcmp(text, path) == 0)
            return operation;
    }
    fail_msg("no write of %s", path);
    return NULL;
}

/* The span is filler, as long as the secret is in that format; nothing else is taken for one. */
static void test_payloads_hide_secrets_in_every_format(void **state)
{
    static const struct {
        int format;
        size_t len;
    } formats[] = {{FORMAT_TLV, 24},
                   {FORMAT_SENML_CBOR, 24},
                   {FORMAT_LWM2M_CBOR, 24},
                   {FORMAT_SENML_JSON, 32}};
    struct fixture *fixture = *state;
    use_profile(fixture, ONE_SERVER);
    add_credential(fixture, 101, CREDENTIAL_PENDING, 4, "lamp7", 24);
    make_plan(fixture);
    for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
        struct plan_payload payload;
        struct err err;
        assert_int_equal(
            plan_payload(find_write(fixture, "/0/1"), formats[i].format, &payload, &err), ERR_OK);
        assert_int_equal(payload.span_count, 1);
        const struct plan_span *span = &payload.spans[0];
        assert_int_equal(span->len, formats[i].len);
        assert_int_equal(span->secret.ssid, 101);
        assert_int_equal(span->secret.generation, 4);
        assert_true(span->offset + span->len <= payload.bytes.len);
        uint8_t filler = formats[i].format == FORMAT_SENML_JSON ? 'A' : 0;
        for (size_t at = 0; at < span->len; at++)
            assert_int_equal(payload.bytes.data[span->offset + at], filler);
        plan_payload_clear(&payload);
        assert_int_equal(
            plan_payload(find_write(fixture, "/1/0"), formats[i].format, &payload, &err), ERR_OK);
        assert_int_equal(payload.span_count, 0);
        plan_payload_clear(&payload);
    }
}

static void test_payloads_for_people(void **state)
{
    struct fixture *fixture = *state;
    struct err err;
    use_profile(fixture,
                "class: a\nservers: [{ id: 101, uri: \"coaps://h\", security: { mode: psk, "
                "credential: generate, key-length: 16 } }]\n"
                "write: { /33000/0/1: { type: integer, value: 5 } }\n");
    make_plan(fixture);
    buf_reset(&fixture->text);
    assert_int_equal(plan_print_payloads(fixture->plan, FORMAT_TLV, &fixture->text, &err), ERR_OK);
    assert_string_equal(buf_text(&fixture->text),
                        "\npayloads in tlv; references stand in the place of keys\n"
                        "/0/1, 47 bytes\n"
                        "    c800"
                        "09636f6170733a2f2f68c10100c10200c5036c616d7037c80510"
                        "<psk-key of server 101>.........c10a65\n"
                        "/1/0, 15 bytes\n    c10065c40100015180c10601c10755\n"
                        "/33000/0, 3 bytes\n    c10105\n");
}

/* A value that a format cannot carry. */
static void test_payloads_that_cannot_be(void **state)
{
    struct fixture *fixture = *state;
    struct plan_payload payload;
    struct err err;
    use_profile(fixture, ONE_SERVER);
    make_plan(fixture);
    assert_int_not_equal(plan_payload(find_write(fixture, "/0/1"), FORMAT_TEXT, &payload, &err),
                         ERR_OK);
    plan_payload_clear(&payload);
    buf_reset(&fixture->text);
    assert_int_not_equal(plan_print_json(fixture->plan, FORMAT_LINK, &fixture->text, &err), ERR_OK);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_order),
        TEST(test_rights_are_summed),
        TEST(test_payloads_hide_secrets_in_every_format),
        TEST(test_payloads_for_people),
        TEST(test_payloads_that_cannot_be),
        TEST(test_a_part_of_an_instance_that_exists_goes_by_resource),
        TEST(test_a_whole_instance_goes_at_once),
        TEST(test_what_every_account_holds),
        TEST(test_nosec_and_empty_resources),
        TEST(test_every_server_key_is_written),
        TEST(test_version),
        TEST(test_young_objects_are_left_out),
        TEST(test_binding_by_version),
        TEST(test_discover_names_the_bootstrap_account),
        TEST(test_bootstrap_account_that_cannot_be_told),
        TEST(test_discover_without_security_is_no_answer),
        TEST(test_without_discover_the_class_names_the_account),
        TEST(test_delete_styles),
        TEST(test_what_stays_is_not_overwritten),
        TEST(test_list_of_deletes),
        TEST(test_the_bootstrap_account_is_never_named),
        TEST(test_truncated_discover),
        TEST(test_no_account_of_the_bootstrap_is_ever_touched),
        TEST(test_generated_credentials),
        TEST(test_enrolled_credentials),
        TEST(test_oscore_account),
        TEST(test_oscore_types),
        TEST(test_oscore_that_cannot_be),
        TEST(test_oscore_of_the_store),
        TEST(test_old_contexts_go),
        TEST(test_bootstrap_account_is_written_where_the_profile_says_so),
        TEST(test_bootstrap_account_with_a_fresh_key),
        TEST(test_bootstrap_account_in_an_unknown_place),
        TEST(test_limits_of_the_class),
        TEST(test_long_identities_are_refused),
        TEST(test_variables),
        TEST(test_variables_that_give_no_value),
        TEST(test_a_uri_too_long_for_one_device),
        TEST(test_values_of_every_type),
        TEST(test_optional_writes),
        TEST(test_spread_is_stable_and_even),
        TEST(test_formats),
        TEST(test_profiles_and_codec_agree_on_formats),
        TEST(test_pick_by_hash_is_even_and_stable),
        TEST(test_pick_by_weight),
        TEST(test_pick_is_kept),
        TEST(test_pick_by_tag),
        TEST(test_pieces),
        TEST(test_hash),
        TEST(test_hash_tells_changes_of_the_profile),
        TEST(test_a_plan_outlives_the_set),
        TEST(test_json),
        TEST(test_text_is_safe_on_a_terminal),
        TEST(test_names_of_operations),
        TEST(test_accounts_are_never_optional),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
