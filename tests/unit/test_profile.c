/* SPDX-License-Identifier: Apache-2.0 */
/* Sets of profiles: loading, inheritance, choice of the class, credentials, hashes, hostile text.
 * What each mistake is told as stands in tests/golden/findings.txt. */
#include "findings_util.h"

#include "usher/profile_rules.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SERVER(id)                                                                                 \
    "{ id: " #id ", uri: \"coaps://h\", security: { mode: psk, credential: generate } }"
#define CLASS(name) "- class: " name "\n  servers: [" SERVER(1) "]\n"

static struct profile_set *load(const char *text)
{
    struct findings findings;
    findings_init(&findings);
    struct profile_set *set = profile_set_load_text("t.yaml", bytes_of_text(text), &findings);
    if (!set)
        fail_msg("%s", findings_text(&findings));
    findings_clear(&findings);
    return set;
}

static void assert_refused(const char *text, const char *expected)
{
    struct findings findings;
    findings_init(&findings);
    assert_null(profile_set_load_text("t.yaml", bytes_of_text(text), &findings));
    assert_string_equal(findings_text(&findings), expected);
    findings_clear(&findings);
}

/* --- sets --- */

static void test_set_is_sorted_by_class(void **state)
{
    struct profile_set *set = load(CLASS("zebra") CLASS("ant") "- class: p\n  abstract: true\n");
    assert_int_equal(profile_set_count(set), 2);
    assert_string_equal(profile_class(profile_set_at(set, 0)), "ant");
    assert_string_equal(profile_class(profile_set_at(set, 1)), "zebra");
    assert_null(profile_set_at(set, 2));
    assert_ptr_equal(profile_set_find(set, "zebra"), profile_set_at(set, 1));
    assert_null(profile_set_find(set, "p"));
    assert_null(profile_set_find(set, ""));
    assert_string_equal(profile_file(profile_set_at(set, 0)), "t.yaml");
    assert_int_equal(profile_line(profile_set_at(set, 0)), 3);
    assert_ptr_equal(profile_owner(profile_set_at(set, 0)), set);
    profile_set_unref(set);
    profile_set_unref(NULL);
}

static void test_references_keep_a_set(void **state)
{
    struct profile_set *set = load(CLASS("a"));
    assert_ptr_equal(profile_set_ref(set), set);
    profile_set_unref(set);
    assert_string_equal(profile_class(profile_set_at(set, 0)), "a");
    profile_set_unref(set);
}

static void write_file(const char *directory, const char *name, const char *text)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/%s", directory, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void remove_file(const char *directory, const char *name)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/%s", directory, name);
    unlink(path);
}

static void test_a_directory_loads_as_a_whole_or_not_at_all(void **state)
{
    char directory[] = "/tmp/usher-profile-XXXXXX", expected[512];
    const char *paths[] = {directory};
    struct findings findings;
    assert_non_null(mkdtemp(directory));

    findings_init(&findings);
    assert_null(profile_set_load(paths, 1, &findings));
    snprintf(expected, sizeof(expected),
             "%s: error: no profile here: a profile is a file whose name ends with .yaml\n",
             directory);
    assert_string_equal(findings_text(&findings), expected);
    findings_clear(&findings);

    write_file(directory, "child.yaml", "class: child\nextends: parent\n");
    write_file(directory, "parent.yaml",
               "class: parent\nabstract: true\nservers: [" SERVER(1) "]\n");
    write_file(directory, ".hidden.yaml", "nonsense");
    findings_init(&findings);
    struct profile_set *set = profile_set_load(paths, 1, &findings);
    assert_non_null(set);
    assert_int_equal(findings.errors + findings.warnings, 0);
    assert_int_equal(profile_rules(profile_set_find(set, "child"))->server_count, 1);
    profile_set_unref(set);

    /* A parent that cannot be read is told once, not again for each child. */
    write_file(directory, "parent.yaml", "class: [\n");
    assert_null(profile_set_load(paths, 1, &findings));
    assert_int_equal(findings.errors, 1);
    findings_clear(&findings);
    remove_file(directory, "child.yaml");
    remove_file(directory, "parent.yaml");
    remove_file(directory, ".hidden.yaml");
    rmdir(directory);
}

/* --- choice of the class --- */

static void assert_selected(const struct profile_set *set, const char *endpoint,
                            const char *class_name, const char *expected)
{
    struct enrollment enrollment = {0};
    struct err err;
    snprintf(enrollment.endpoint, sizeof(enrollment.endpoint), "%s", endpoint);
    snprintf(enrollment.class_name, sizeof(enrollment.class_name), "%s", class_name);
    const struct profile *profile = profile_set_select(set, &enrollment, &err);
    assert_non_null(profile);
    assert_string_equal(profile_class(profile), expected);
}

static void assert_not_selected(const struct profile_set *set, const char *endpoint,
                                const char *class_name, enum err_code code, const char *text)
{
    struct enrollment enrollment = {0};
    struct err err = {0};
    snprintf(enrollment.endpoint, sizeof(enrollment.endpoint), "%s", endpoint);
    snprintf(enrollment.class_name, sizeof(enrollment.class_name), "%s", class_name);
    assert_null(profile_set_select(set, &enrollment, &err));
    assert_int_equal(err.code, code);
    assert_string_equal(err.text, text);
}

static void test_selection(void **state)
{
    struct profile_set *set = load(CLASS("lamp") "  match: { endpoint: \"lamp-*\" }\n" CLASS(
        "lamp-north") "  match: { endpoint: [\"lamp-north-*\", \"*-pole\"] }\n" CLASS("meter")
                                       CLASS("tie") "  match: { endpoint: \"*-7\" }\n" CLASS(
                                           "tie2") "  match: { endpoint: \"7-*\" }\n");
    assert_selected(set, "lamp-1", "", "lamp");
    assert_selected(set, "lamp-north-1", "", "lamp-north");
    assert_selected(set, "lamp-1", "meter", "meter");
    assert_selected(set, "x-pole", "", "lamp-north");
    /* Both match; "*-pole" and "lamp-*" have five literal characters each. */
    assert_not_selected(set, "lamp-pole", "", ERR_CONFLICT,
                        "device 'lamp-pole' fits the classes 'lamp' and 'lamp-north' equally well; "
                        "enrol it with --class");
    assert_not_selected(set, "7-7", "", ERR_CONFLICT,
                        "device '7-7' fits the classes 'tie' and 'tie2' equally well; enrol it "
                        "with --class");
    assert_not_selected(set, "bin", "", ERR_NOT_FOUND,
                        "device 'bin' has no class, and no profile's 'match' takes its name; enrol "
                        "it with --class");
    assert_not_selected(set, "lamp-1", "lmap", ERR_NOT_FOUND,
                        "device 'lamp-1' is of class 'lmap', which no profile describes");
    profile_set_unref(set);
}

static void assert_glob(const char *glob, const char *endpoint, bool expected)
{
    char text[2000];
    struct enrollment enrollment = {0};
    struct err err;
    snprintf(text, sizeof(text), CLASS("a") "  match: { endpoint: \"%s\" }\n", glob);
    struct profile_set *set = load(text);
    snprintf(enrollment.endpoint, sizeof(enrollment.endpoint), "%s", endpoint);
    if ((profile_set_select(set, &enrollment, &err) != NULL) != expected)
        fail_msg("glob %s, endpoint %s", glob, endpoint);
    profile_set_unref(set);
}

static void test_globs(void **state)
{
    assert_glob("lamp", "lamp", true);
    assert_glob("lamp", "lamp1", false);
    assert_glob("lamp1", "lamp", false);
    assert_glob("*", "anything", true);
    assert_glob("lamp*", "lamp", true);
    assert_glob("*lamp", "a lamp", true);
    assert_glob("a*b*c", "a-bb-b-c", true);
    assert_glob("a*b*c", "a-bb-b-cd", false);
    assert_glob("**a**", "bab", true);
    assert_glob("lamp-?", "lamp-1", true);
    assert_glob("lamp-?", "lamp-", false);
    assert_glob("lamp-?", "lamp-12", false);
    assert_glob("stra?e",
                "stra\xc3\x9f"
                "e",
                true);
    assert_glob("*?e",
                "\xc3\x9f"
                "e",
                true);
    assert_glob("[a]", "a", false);
    assert_glob("Lamp", "lamp", false);
}

/* Quadratic at worst: the last star alone is tried again. */
static void test_a_glob_cannot_be_made_slow(void **state)
{
    char glob[400] = "", endpoint[256];
    for (int i = 0; i < 120; i++)
        strcat(glob, "a*");
    strcat(glob, "b");
    memset(endpoint, 'a', 255);
    endpoint[255] = '\0';
    assert_glob(glob, endpoint, false);
}

/* --- inheritance --- */

static const struct rule_record *find_record(const struct rule_write *write, uint16_t resource)
{
    for (size_t i = 0; i < write->count; i++)
        if (write->records[i].path.ids[2] == resource)
            return &write->records[i];
    return NULL;
}

static int64_t lifetime_of(const struct rule_server *server)
{
    return find_record(&server->server, 1)->value.fixed.integer;
}

static void test_children_change_what_they_name(void **state)
{
    struct profile_set *set =
        load("- class: top\n"
             "  abstract: true\n"
             "  description: not passed on\n"
             "  rebootstrap: once\n"
             "  servers:\n"
             "    - { id: 1, uri: \"coaps://one\", security: { mode: psk, credential: generate, "
             "key-length: 32 }, lifetime: 1h }\n"
             "    - { id: 2, uri: \"coaps://two\", security: { mode: psk, credential: generate }, "
             "lifetime: 2h }\n"
             "  access-control: [{ object: /3/0, owner: 1 }, { object: /4/0, owner: 2 }]\n"
             "  write: { /33000/0/1: { type: integer, value: 1 }, /3/0/14: \"+01:00\", /3/0/15: "
             "Europe/Vienna }\n"
             "  client: { discover: never, key-max: 32 }\n"
             "- class: middle\n"
             "  extends: top\n"
             "  match: { endpoint: m-* }\n"
             "  servers:\n"
             "    - { id: 3, uri: \"coaps://three\", security: { mode: psk, credential: enrolled } "
             "}\n"
             "    - { id: 2, lifetime: 3h, security: { credential: enrolled } }\n"
             "- class: bottom\n"
             "  extends: middle\n"
             "  rebootstrap: allow\n"
             "  access-control: [{ object: /5/0, owner: 3 }]\n"
             "  write: { /33000/0/1: { value: 7 }, /3/0/14: ~, /3/0/13: 5 }\n"
             "  client: { key-max: 64 }\n");
    assert_int_equal(profile_set_count(set), 2);
    const struct profile *bottom = profile_set_find(set, "bottom");
    const struct profile_rules *rules = profile_rules(bottom);
    assert_int_equal(profile_rebootstrap(bottom), REBOOTSTRAP_ALLOW);
    assert_int_equal(profile_rebootstrap(profile_set_find(set, "middle")), REBOOTSTRAP_ONCE);

    /* Servers by id: the parent's order, new ones behind, other keys kept. */
    assert_int_equal(rules->server_count, 3);
    assert_int_equal(rules->servers[0].ssid, 1);
    assert_int_equal(rules->servers[0].key_len, 32);
    assert_int_equal(lifetime_of(&rules->servers[0]), 3600);
    assert_int_equal(rules->servers[1].ssid, 2);
    assert_int_equal(rules->servers[1].credential, CREDENTIAL_ENROLLED);
    assert_int_equal(lifetime_of(&rules->servers[1]), 3 * 3600);
    assert_int_equal(rules->servers[2].ssid, 3);
    assert_int_equal(lifetime_of(&rules->servers[2]), 86400);

    /* Mappings key by key, other lists as a whole. */
    assert_int_equal(rules->access_count, 1);
    assert_int_equal(profile_client(bottom)->discover, DISCOVER_NEVER);
    assert_int_equal(profile_client(bottom)->key_max, 64);
    assert_int_equal(rules->write_count, 2);
    assert_int_equal(rules->writes[0].path.ids[0], 3);
    assert_null(find_record(&rules->writes[0], 14));
    assert_non_null(find_record(&rules->writes[0], 15));
    assert_int_equal(find_record(&rules->writes[0], 13)->value.fixed.integer, 5);
    assert_int_equal(rules->writes[1].records[0].value.fixed.integer, 7);

    /* What chooses a class is its own. */
    assert_selected(set, "m-1", "", "middle");
    profile_set_unref(set);
}

static void test_values_know_the_file_they_come_from(void **state)
{
    char directory[] = "/tmp/usher-profile-XXXXXX", parent[128];
    const char *paths[] = {directory};
    struct findings findings;
    assert_non_null(mkdtemp(directory));
    write_file(directory, "child.yaml",
               "class: child\nextends: parent\nservers: [" SERVER(1) "]\n");
    write_file(directory, "parent.yaml",
               "class: parent\nabstract: true\nwrite:\n  /3/0/14: \"${tags.zone}\"\n");
    findings_init(&findings);
    struct profile_set *set = profile_set_load(paths, 1, &findings);
    assert_non_null(set);
    snprintf(parent, sizeof(parent), "%s/parent.yaml", directory);
    const struct rule_value *value =
        &profile_rules(profile_set_at(set, 0))->writes[0].records[0].value;
    assert_string_equal(value->file, parent);
    assert_int_equal(value->line, 4);
    profile_set_unref(set);
    findings_clear(&findings);
    remove_file(directory, "child.yaml");
    remove_file(directory, "parent.yaml");
    rmdir(directory);
}

/* --- client --- */

static void test_client_defaults(void **state)
{
    struct profile_set *set = load(CLASS("a"));
    const struct client_behaviour *client = profile_client(profile_set_at(set, 0));
    assert_int_equal(client->discover, DISCOVER_AUTO);
    assert_int_equal(client->delete_style, DELETE_AUTO);
    assert_int_equal(client->format, -1);
    assert_int_equal(client->version, LWM2M_VERSION_UNKNOWN);
    assert_int_equal(client->bootstrap_instance, -1);
    assert_int_equal(client->first_security_instance, -1);
    assert_int_equal(client->first_server_instance, -1);
    assert_false(client->empty_resources);
    assert_int_equal(client->ack_timeout_ms, 0);
    assert_int_equal(client->deadline_ms, 180000);
    assert_int_equal(client->request_timeout_ms, 93000);
    assert_int_equal(client->identity_max + client->key_max + client->message_max, 0);
    profile_set_unref(set);
}

static void test_client_keys(void **state)
{
    struct profile_set *set = load(CLASS("a") "  client:\n"
                                              "    discover: never\n"
                                              "    delete: object\n"
                                              "    format: senml-cbor\n"
                                              "    version: 1.2\n"
                                              "    bootstrap-instance: 1\n"
                                              "    first-security-instance: 4\n"
                                              "    first-server-instance: 2\n"
                                              "    empty-resources: true\n"
                                              "    ack-timeout: 9s\n"
                                              "    deadline: 5min\n"
                                              "    request-timeout: 2min\n"
                                              "    identity-max: 16\n"
                                              "    key-max: 16\n"
                                              "    message-max: 512\n");
    const struct client_behaviour *client = profile_client(profile_set_at(set, 0));
    assert_int_equal(client->discover, DISCOVER_NEVER);
    assert_int_equal(client->delete_style, DELETE_OBJECT);
    assert_int_equal(client->format, 112);
    assert_int_equal(client->version, LWM2M_1_2);
    assert_int_equal(client->bootstrap_instance, 1);
    assert_int_equal(client->first_security_instance, 4);
    assert_int_equal(client->first_server_instance, 2);
    assert_true(client->empty_resources);
    assert_int_equal(client->ack_timeout_ms, 9000);
    assert_int_equal(client->deadline_ms, 300000);
    assert_int_equal(client->request_timeout_ms, 120000);
    assert_int_equal(client->identity_max, 16);
    assert_int_equal(client->key_max, 16);
    assert_int_equal(client->message_max, 512);
    profile_set_unref(set);
}

/* --- hash --- */

static uint64_t hash_of(const char *text)
{
    struct profile_set *set = load(text);
    uint64_t hash = profile_hash(profile_set_at(set, 0));
    profile_set_unref(set);
    return hash;
}

static void test_hash_follows_what_is_said(void **state)
{
    uint64_t hash =
        hash_of("class: a\nservers: [" SERVER(1) "]\nwrite: { /3/0/14: x, /3/0/15: y }\n");
    /* The order of keys, comments, quotes, a description and a match say nothing. */
    assert_true(hash ==
                hash_of("# comment\nwrite: { /3/0/15: y, /3/0/14: \"x\" }\nclass: a\n"
                        "description: d\nmatch: { endpoint: x }\nservers: [" SERVER(1) "]\n"));
    assert_true(hash !=
                hash_of("class: b\nservers: [" SERVER(1) "]\nwrite: { /3/0/14: x, /3/0/15: y }\n"));
    assert_true(hash !=
                hash_of("class: a\nservers: [" SERVER(2) "]\nwrite: { /3/0/14: x, /3/0/15: y }\n"));
    assert_true(hash !=
                hash_of("class: a\nservers: [" SERVER(1) "]\nwrite: { /3/0/14: y, /3/0/15: x }\n"));
    assert_true(hash != hash_of("class: a\nservers: [" SERVER(1) "]\nwrite: { /3/0/14: xy }\n"));
    assert_true(hash !=
                hash_of("class: a\nservers: [" SERVER(1) "]\nwrite: { /3/0/14: x, /3/0/15: y }\n"
                                                         "rebootstrap: once\n"));
    /* It does not matter which class says a thing, parent or child. */
    assert_true(hash ==
                hash_of("- class: a\n  extends: p\n  servers: [" SERVER(
                    1) "]\n- class: p\n  abstract: true\n  write: { /3/0/14: x, /3/0/15: y }\n"));
}

/* --- credentials --- */

static const char servers_of_each_kind[] =
    "class: a\n"
    "access-control: []\n"
    "servers:\n"
    "  - { id: 1, uri: \"coap://one\", security: { mode: nosec } }\n"
    "  - { id: 2, uri: \"coaps://two\", security: { mode: psk, credential: enrolled } }\n"
    "  - { id: 3, uri: \"coaps://three\", security: { mode: psk, credential: generate, key-length: "
    "32, identity: \"${tags.site}/${endpoint}\" } }\n"
    "  - { id: 4, uri: \"coaps://four\", security: { mode: psk, credential: generate } }\n";

static void test_credentials_needed(void **state)
{
    struct profile_set *set = load(servers_of_each_kind);
    struct tag tag = {"site", "north"};
    struct enrollment enrollment = {.endpoint = "lamp7", .tags = &tag, .tag_count = 1};
    struct credential_need needs[ACCOUNTS_MAX];
    size_t count = 0;
    struct err err;
    assert_int_equal(profile_credentials(profile_set_at(set, 0), &enrollment, needs, &count, &err),
                     ERR_OK);
    assert_int_equal(count, 3);
    assert_int_equal(needs[0].ssid, 2);
    assert_int_equal(needs[0].source, CREDENTIAL_ENROLLED);
    assert_int_equal(needs[0].identity.len, 0);
    assert_int_equal(needs[1].ssid, 3);
    assert_int_equal(needs[1].source, CREDENTIAL_GENERATE);
    assert_int_equal(needs[1].key_len, 32);
    assert_true(bytes_equal(identity_bytes(&needs[1].identity), bytes_of_text("north/lamp7")));
    assert_int_equal(needs[2].key_len, 16);
    assert_true(bytes_equal(identity_bytes(&needs[2].identity), bytes_of_text("lamp7")));
    profile_set_unref(set);
}

static void test_credential_of_the_bootstrap_account(void **state)
{
    struct profile_set *set =
        load("class: a\nservers: [{ id: 1, uri: \"coap://h\", security: { mode: nosec } }]\n"
             "bootstrap-account: { uri: \"coaps://b\", credential: generate, key-length: 32 }\n");
    struct enrollment enrollment = {.endpoint = "lamp7"};
    struct credential_need needs[ACCOUNTS_MAX];
    size_t count = 77;
    struct err err;
    /* A device with a certificate has no such key. */
    assert_int_equal(profile_credentials(profile_set_at(set, 0), &enrollment, needs, &count, &err),
                     ERR_OK);
    assert_int_equal(count, 0);
    assert_true(identity_set(&enrollment.identity, bytes_of_text("id-lamp7")));
    assert_int_equal(profile_credentials(profile_set_at(set, 0), &enrollment, needs, &count, &err),
                     ERR_OK);
    assert_int_equal(count, 1);
    assert_int_equal(needs[0].ssid, 0);
    assert_int_equal(needs[0].source, CREDENTIAL_GENERATE);
    assert_int_equal(needs[0].key_len, 32);
    assert_true(bytes_equal(identity_bytes(&needs[0].identity), bytes_of_text("id-lamp7")));
    profile_set_unref(set);
    set = load("class: a\nservers: [{ id: 1, uri: \"coap://h\", security: { mode: nosec } }]\n"
               "bootstrap-account: { uri: \"coaps://b\", credential: keep }\n");
    assert_int_equal(profile_credentials(profile_set_at(set, 0), &enrollment, needs, &count, &err),
                     ERR_OK);
    assert_int_equal(count, 0);
    profile_set_unref(set);
}

static void test_credentials_that_cannot_be(void **state)
{
    struct profile_set *set = load(servers_of_each_kind);
    struct enrollment enrollment = {.endpoint = "lamp7"};
    struct credential_need needs[ACCOUNTS_MAX];
    size_t count = 77;
    struct err err;
    memset(needs, 0x55, sizeof(needs));
    assert_int_equal(profile_credentials(profile_set_at(set, 0), &enrollment, needs, &count, &err),
                     ERR_INVALID);
    assert_string_equal(err.text,
                        "t.yaml:6: ${tags.site} has no value: device 'lamp7' has no tag 'site'; "
                        "give it one: usher enroll 'lamp7' --tag site=VALUE");
    struct tag tag = {"site", ""};
    memset(tag.value, 'x', 123);
    enrollment.tags = &tag;
    enrollment.tag_count = 1;
    assert_int_equal(profile_credentials(profile_set_at(set, 0), &enrollment, needs, &count, &err),
                     ERR_RANGE);
    assert_string_equal(err.text, "t.yaml:6: the identity of server 3 has 129 bytes for device "
                                  "'lamp7'; 1 to 128 are allowed");
    assert_int_equal(count, 77);
    assert_int_equal(needs[0].ssid, 0x5555);
    tag.value[122] = '\0';
    assert_int_equal(profile_credentials(profile_set_at(set, 0), &enrollment, needs, &count, &err),
                     ERR_OK);
    assert_int_equal(needs[1].identity.len, 128);
    profile_set_unref(set);
}

/* --- caps and hostile text --- */

static char *repeat(const char *head, const char *format, int from, int count)
{
    size_t size = strlen(head) + (size_t)count * (strlen(format) + 48) + 1, used;
    char *text = malloc(size);
    assert_non_null(text);
    used = (size_t)snprintf(text, size, "%s", head);
    for (int i = 0; i < count; i++)
        used += (size_t)snprintf(text + used, size - used, "%s%d%s", format, from + i,
                                 strchr(format, '/') ? ": { type: integer, value: 1 }\n" : "\n");
    return text;
}

static void test_counts_are_bounded(void **state)
{
    char *text = repeat("", "- abstract: true\n  class: c", 10000, 4097);
    assert_refused(text, "t.yaml:8193:3: error: more than 4096 classes\n");
    free(text);

    text = repeat("class: a\nservers: [" SERVER(1) "]\nwrite:\n", "  /33000/0/", 0, 1024);
    profile_set_unref(load(text));
    free(text);
    text = repeat("class: a\nservers: [" SERVER(1) "]\nwrite:\n", "  /33000/0/", 0, 1025);
    assert_refused(text, "t.yaml:1028:3: error: more than 1024 values\n");
    free(text);

    text = repeat("class: a\nservers: [" SERVER(1) "]\nmatch:\n  endpoint:\n", "    - x", 0, 65);
    assert_refused(text, "t.yaml:69:7: error: more than 64 globs\n");
    free(text);

    text = repeat("class: a\nservers: [" SERVER(1) "]\nwrite: { /3/0/14: \"", "${endpoint}", 0, 17);
    strcat(text, "\" }\n");
    assert_refused(text, "t.yaml:3:19: error: more than 16 variables in one value\n");
    free(text);
}

static void test_long_values_are_refused(void **state)
{
    char *text = calloc(1, 70000);
    assert_non_null(text);
    strcpy(text, "class: a\nservers: [" SERVER(1) "]\nwrite: { /3/0/14: ");
    memset(text + strlen(text), 'x', 65536);
    strcat(text, " }\n");
    assert_refused(text, "t.yaml:3:19: error: longer than 65535 bytes\n");
    free(text);
}

/* A chain of big parents must not multiply: trees are merged one class at a time. */
static void test_many_children_of_a_large_parent(void **state)
{
    char *parent = repeat("- class: p\n  abstract: true\n  servers: [" SERVER(1) "]\n  write:\n",
                          "    /33000/0/", 0, 1000);
    size_t size = strlen(parent) + 300 * 40;
    char *text = malloc(size);
    assert_non_null(text);
    size_t used = (size_t)snprintf(text, size, "%s", parent);
    for (int i = 0; i < 300; i++)
        used += (size_t)snprintf(text + used, size - used, "- class: c%d\n  extends: p\n", i);
    struct profile_set *set = load(text);
    assert_int_equal(profile_set_count(set), 300);
    assert_int_equal(profile_rules(profile_set_at(set, 299))->record_count, 1000 + 6 + 4);
    profile_set_unref(set);
    free(text);
    free(parent);
}

static char *read_sample(const char *name)
{
    char path[512];
    const char *top = getenv("USHER_TEST_SOURCE");
    snprintf(path, sizeof(path), "%s/profiles/%s", top ? top : ".", name);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    char *text = calloc(1, 16384);
    assert_non_null(text);
    assert_true(fread(text, 1, 16383, file) > 100);
    fclose(file);
    return text;
}

/* Any text gives a set or an error, never both, never neither. */
static void load_anything(const char *text, size_t len)
{
    struct findings findings;
    findings_init(&findings);
    struct profile_set *set = profile_set_load_text("t.yaml", bytes_of(text, len), &findings);
    assert_true((set == NULL) == (findings.errors > 0));
    profile_set_unref(set);
    findings_clear(&findings);
}

static void test_cut_and_bent_samples(void **state)
{
    static const char *const samples[] = {"street-light.yaml", "parking-sensor.yaml",
                                          "water-meter.yaml", "mains-powered.yaml"};
    static const char bends[] = "\0\xff{}[]:-~\"'\n &*!|>#9";
    for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
        char *text = read_sample(samples[i]);
        size_t len = strlen(text);
        for (size_t cut = 0; cut < len; cut += 3)
            load_anything(text, cut);
        for (size_t at = 0; at < len; at += 5) {
            char kept = text[at];
            text[at] = bends[at % (sizeof(bends) - 1)];
            load_anything(text, len);
            text[at] = kept;
        }
        free(text);
    }
}

/* --- presets --- */

static void test_presets(void **state)
{
    struct profile_set *set = load("- class: a\n  servers: [" SERVER(
        1) "]\n  client: { preset: zephyr }\n"
           "- class: b\n  extends: a\n  client: { identity-max: 64, refusals: code }\n"
           "- class: c\n  extends: a\n  client: { preset: wakaama }\n");
    const struct client_behaviour *a = profile_client(profile_set_find(set, "a"));
    const struct client_behaviour *b = profile_client(profile_set_find(set, "b"));
    const struct client_behaviour *c = profile_client(profile_set_find(set, "c"));
    assert_string_equal(a->preset->name, "zephyr");
    assert_int_equal(a->identity_max, 16);
    assert_int_equal(a->deadline_ms, 180000);
    assert_int_equal(a->bootstrap_instance, -1);
    assert_true(a->silent_refusals && a->split);
    assert_int_equal(b->identity_max, 64);
    assert_int_equal(b->key_max, 16);
    assert_true(!b->silent_refusals && b->split);
    assert_int_equal(c->delete_style, DELETE_LISTED);
    assert_int_equal(c->identity_max, 0);
    profile_set_unref(set);
}

/* Each can be used with a plain profile, and their list is in order. */
static void test_every_preset_can_be_used(void **state)
{
    size_t count = 0;
    for (const struct profile_preset *preset; (preset = profile_preset(count)); count++) {
        char text[400];
        snprintf(text, sizeof(text),
                 "class: a\nservers: [{ id: 1, uri: \"coaps://h\", security: { mode: psk, "
                 "credential: generate, identity: \"${short}\" } }]\nclient: { preset: %s }\n",
                 preset->name);
        struct findings findings;
        findings_init(&findings);
        struct profile_set *set = profile_set_load_text("t.yaml", bytes_of_text(text), &findings);
        assert_non_null(set);
        assert_string_equal(findings_text(&findings), "");
        if (count > 0)
            assert_true(strcmp(profile_preset(count - 1)->name, preset->name) < 0);
        findings_clear(&findings);
        profile_set_unref(set);
    }
    assert_int_equal(count, 11);
}

/* --- files that a profile names --- */

static const char *data_path(const char *name, char out[static 600])
{
    const char *top = getenv("USHER_TEST_SOURCE");
    snprintf(out, 600, "%s/tests/data/%s", top ? top : ".", name);
    return out;
}

/* What the profile of one X.509 server is told; "" when all is well. `more`: further keys. */
static void assert_certificate(const char *mode, const char *key, const char *file,
                               const char *more, const char *expected)
{
    char text[1500], path[600], trimmed[2000] = "";
    struct findings findings;
    snprintf(text, sizeof(text),
             "class: a\nservers: [{ id: 1, uri: \"coaps://h\", security: { mode: %s, credential: "
             "enrolled,\n%s: %s%s } }]\n",
             mode, key, file[0] == '/' ? file : data_path(file, path), more);
    findings_init(&findings);
    struct profile_set *set = profile_set_load_text("t.yaml", bytes_of_text(text), &findings);
    const char *found = findings_text(&findings);
    const char *quoted = strstr(found, data_path("", path));
    snprintf(trimmed, sizeof(trimmed), "%.1900s", found);
    if (quoted) /* the folder differs from machine to machine */
        memmove(trimmed + (quoted - found), trimmed + (quoted - found) + strlen(path),
                strlen(trimmed + (quoted - found)) - strlen(path) + 1);
    assert_string_equal(trimmed, expected);
    assert_true((set != NULL) == (findings.errors == 0));
    findings_clear(&findings);
    profile_set_unref(set);
}

static void test_certificates(void **state)
{
    assert_certificate("x509", "server-certificate", "server.pem", "", "");
    assert_certificate("x509", "server-certificate", "ca.pem", ", certificate-usage: trust-anchor",
                       "");
    assert_certificate("x509", "server-certificate", "ca.pem", "",
                       "t.yaml:3:21: warning: this is the certificate of an authority, and "
                       "certificate-usage: domain-issued takes the server's own; did you mean "
                       "certificate-usage: trust-anchor?\n");
    assert_certificate("x509", "server-certificate", "server.pem",
                       ", certificate-usage: ca-constraint",
                       "t.yaml:3:21: warning: certificate-usage: ca-constraint takes the "
                       "certificate of an authority, and this is none (no basicConstraints CA)\n");
    assert_certificate("x509", "server-certificate", "server.pub.pem", "",
                       "t.yaml:3:21: error: 'server.pub.pem' holds no X.509 certificate (PEM or "
                       "DER)\n");
    assert_certificate("x509", "server-certificate", "device.key", "",
                       "t.yaml:3:21: error: 'device.key' holds a private key: name a file with "
                       "the public part alone\n");
    assert_certificate("rpk", "server-key", "server.pub.pem", "", "");
    assert_certificate("rpk", "server-key", "server.pem", "", "");
    assert_certificate("rpk", "server-key", "README", "",
                       "t.yaml:3:13: error: 'README' holds no public key (SubjectPublicKeyInfo or "
                       "a certificate, PEM or DER)\n");
}

/* The hash tells of a change of the file as of one of the profile. */
static void test_certificates_count_for_the_hash(void **state)
{
    uint64_t hashes[3];
    const char *const files[] = {"server.pem", "ca.pem", "server.pem"};
    for (size_t i = 0; i < 3; i++) {
        char folder[] = "/tmp/usher-profile-XXXXXX", path[700], from[600], text[2048];
        assert_non_null(mkdtemp(folder));
        FILE *source = fopen(data_path(files[i], from), "r");
        assert_non_null(source);
        size_t len = fread(text, 1, sizeof(text), source);
        fclose(source);
        snprintf(path, sizeof(path), "%s/server.pem", folder);
        FILE *target = fopen(path, "w");
        fwrite(text, 1, len, target);
        fclose(target);
        char profile[700];
        snprintf(profile, sizeof(profile), "%s/a.yaml", folder);
        target = fopen(profile, "w");
        fputs("class: a\nservers: [{ id: 1, uri: \"coaps://h\", security: { mode: est, "
              "server-certificate: server.pem } }]\n",
              target);
        fclose(target);
        struct findings findings;
        const char *paths[] = {profile};
        findings_init(&findings);
        struct profile_set *set = profile_set_load(paths, 1, &findings);
        assert_non_null(set);
        hashes[i] = profile_hash(profile_set_at(set, 0));
        profile_set_unref(set);
        findings_clear(&findings);
        unlink(path);
        unlink(profile);
        rmdir(folder);
    }
    assert_true(hashes[0] != hashes[1]);
    assert_true(hashes[0] == hashes[2]);
}

static void test_match_by_tags(void **state)
{
    struct profile_set *set = load(CLASS("lamp") "  match: { endpoint: \"lamp-*\" }\n" CLASS(
        "north") "  match: { endpoint: \"lamp-*\", tags: { district: north } "
                 "}\n" CLASS("old") "  match: { tags: { district: north, year: "
                                    "1999 } }\n");
    struct tag tags[] = {{"district", "north"}, {"year", "1999"}};
    struct enrollment device = {.endpoint = "lamp-1", .tags = tags};
    struct err err = {0};
    static const char *const expected[] = {"lamp", "north", "old"};
    for (size_t count = 0; count <= 2; count++) {
        device.tag_count = count;
        const struct profile *profile = profile_set_select(set, &device, &err);
        assert_non_null(profile);
        assert_string_equal(profile_class(profile), expected[count]);
    }
    strcpy(device.endpoint, "x");
    device.tag_count = 1;
    assert_null(profile_set_select(set, &device, &err));
    profile_set_unref(set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_match_by_tags),
        cmocka_unit_test(test_set_is_sorted_by_class),
        cmocka_unit_test(test_references_keep_a_set),
        cmocka_unit_test(test_a_directory_loads_as_a_whole_or_not_at_all),
        cmocka_unit_test(test_selection),
        cmocka_unit_test(test_globs),
        cmocka_unit_test(test_a_glob_cannot_be_made_slow),
        cmocka_unit_test(test_children_change_what_they_name),
        cmocka_unit_test(test_values_know_the_file_they_come_from),
        cmocka_unit_test(test_client_defaults),
        cmocka_unit_test(test_client_keys),
        cmocka_unit_test(test_hash_follows_what_is_said),
        cmocka_unit_test(test_credentials_needed),
        cmocka_unit_test(test_credential_of_the_bootstrap_account),
        cmocka_unit_test(test_credentials_that_cannot_be),
        cmocka_unit_test(test_counts_are_bounded),
        cmocka_unit_test(test_long_values_are_refused),
        cmocka_unit_test(test_many_children_of_a_large_parent),
        cmocka_unit_test(test_cut_and_bent_samples),
        cmocka_unit_test(test_presets),
        cmocka_unit_test(test_every_preset_can_be_used),
        cmocka_unit_test(test_certificates),
        cmocka_unit_test(test_certificates_count_for_the_hash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
