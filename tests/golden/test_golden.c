/* SPDX-License-Identifier: Apache-2.0 */
/* Golden files: the plan of every sample profile for three kinds of device, and the findings of
 * profiles with mistakes. `test_golden --update` writes what it finds instead of comparing; it
 * wants USHER_TEST_SOURCE to name the top of the source tree. */
#include "usher/corelink.h"
#include "usher/plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

enum { FILE_MAX = 1 << 20, PLANS_LEAST = 9, CASES_LEAST = 40 };

static bool update;

static const char *source_path(const char *name, char out[static 512])
{
    const char *top = getenv("USHER_TEST_SOURCE");
    snprintf(out, 512, "%s/%s", top ? top : ".", name);
    return out;
}

/* NULL when there is no such file. */
static char *read_file(const char *name)
{
    char path[512];
    FILE *file = fopen(source_path(name, path), "r");
    if (!file)
        return NULL;
    char *text = calloc(1, FILE_MAX + 1);
    assert_non_null(text);
    size_t len = fread(text, 1, FILE_MAX, file);
    assert_true(len < FILE_MAX);
    fclose(file);
    return text;
}

static void write_file(const char *name, const char *text)
{
    char path[512];
    FILE *file = fopen(source_path(name, path), "w");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

static void compare(const char *name, const char *text)
{
    if (update) {
        write_file(name, text);
        return;
    }
    char *expected = read_file(name);
    if (!expected)
        fail_msg("%s is missing; make it with test_golden --update", name);
    if (strcmp(expected, text) != 0)
        fail_msg("%s differs; got:\n%s", name, text);
    free(expected);
}

/* --- plans --- */

static const struct situation {
    const char *name;
    const char *discover; /* NULL = no answer */
    enum lwm2m_version hint;
    int preferred_format;
} situations[] = {
    {"1.0-no-discover", NULL, LWM2M_VERSION_UNKNOWN, -1},
    {"1.1-discover-bs0",
     "</>;lwm2m=1.1,</0/0>;uri=\"coaps://bs.example\",</0/1>;ssid=7;uri=\"coaps://old.example\","
     "</0/2>;ssid=8,</1/0>;ssid=7,</1/1>;ssid=8,</2/0>,</2/1>,</3/0>,</5>,</33755/0>",
     LWM2M_1_1, 112},
    {"1.2-discover-bs1",
     "</>;lwm2m=1.2,</0/0>;ssid=7;uri=\"coaps://old.example\",</0/1>;uri=\"coaps://bs.example\","
     "</1/0>;ssid=7,</2>,</3/0>,</11/0>,</3416/0>",
     LWM2M_1_2, 11544},
};

/* One device for all classes: with the tags and the key that any of them wants. */
static void describe_device(struct enrollment *enrollment, struct tag tags[2])
{
    *enrollment =
        (struct enrollment){.endpoint = "urn:dev:os:0042-lamp7", .tags = tags, .tag_count = 2};
    tags[0] = (struct tag){"district", "north"};
    tags[1] = (struct tag){"bay", "B12"};
    identity_set(&enrollment->identity, bytes_of_text("lamp7"));
    enrollment->credentials[0] = (struct enrolled_credential){
        .ssid = 301, .status = CREDENTIAL_ACTIVE, .generation = 2, .key_len = 16};
    identity_set(&enrollment->credentials[0].identity, bytes_of_text("meter-00D2A1-77"));
    enrollment->credentials[1] = (struct enrolled_credential){
        .ssid = 101, .status = CREDENTIAL_PENDING, .generation = 5, .key_len = 16};
    identity_set(&enrollment->credentials[1].identity, bytes_of_text("urn:dev:os:0042-lamp7"));
    enrollment->credential_count = 2;
}

static void check_plan(const struct profile *profile, const struct situation *situation)
{
    struct enrollment enrollment;
    struct tag tags[2];
    struct capability capability;
    struct plan_context context = {.now_wall_ms = 1767225600000};
    struct plan *plan = NULL;
    struct err err;
    describe_device(&enrollment, tags);
    capability_init(&capability);
    capability.version = situation->hint;
    capability.preferred_format = situation->preferred_format;
    if (situation->discover)
        assert_int_equal(corelink_read(bytes_of_text(situation->discover), &capability, &err),
                         ERR_OK);
    if (plan_build(profile, &enrollment, &capability, &context, &plan, &err) != ERR_OK)
        fail_msg("%s, %s: %s", profile_class(profile), situation->name, err.text);
    struct buf text;
    char name[200];
    buf_init(&text, FILE_MAX);
    plan_print_text(plan, &text);
    snprintf(name, sizeof(name), "tests/golden/%s.%s.txt", profile_class(profile), situation->name);
    assert_non_null(buf_text(&text));
    compare(name, buf_text(&text));
    buf_clear(&text);
    plan_free(plan);
}

static void test_plans(void **state)
{
    char path[512];
    const char *paths[] = {source_path("profiles", path)};
    struct findings findings;
    findings_init(&findings);
    struct profile_set *set = profile_set_load(paths, 1, &findings);
    if (!set)
        findings_print(&findings, STDOUT_FILENO);
    assert_non_null(set);
    assert_int_equal(findings.warnings, 0);
    size_t count = 0;
    for (size_t i = 0; i < profile_set_count(set); i++)
        for (size_t j = 0; j < sizeof(situations) / sizeof(situations[0]); j++, count++)
            check_plan(profile_set_at(set, i), &situations[j]);
    assert_true(count >= PLANS_LEAST);
    profile_set_unref(set);
    findings_clear(&findings);
}

/* --- findings --- */

/* The findings of one profile, appended to `out`. */
static void put_findings(const char *text, size_t len, struct buf *out)
{
    struct findings findings;
    findings_init(&findings);
    struct profile_set *set = profile_set_load_text("t.yaml", bytes_of(text, len), &findings);
    assert_true((set == NULL) == (findings.errors > 0));
    int fd = memfd_create("findings", 0);
    findings_print(&findings, fd);
    uint8_t *room = buf_claim(out, (size_t)lseek(fd, 0, SEEK_END));
    assert_non_null(room);
    assert_true(pread(fd, room, FILE_MAX, 0) >= 0);
    close(fd);
    profile_set_unref(set);
    findings_clear(&findings);
}

/* Copies the file, with the findings of each case made anew. */
static size_t remake(const char *text, struct buf *out)
{
    size_t count = 0;
    const char *first = strstr(text, "\n=== ");
    assert_non_null(first);
    buf_put(out, text, (size_t)(first + 1 - text));
    for (const char *at = first + 1; *at != '\0'; count++) {
        const char *profile = strchr(at, '\n') + 1, *end = strstr(profile, "\n---\n");
        assert_non_null(end);
        buf_put(out, at, (size_t)(end + 5 - at));
        put_findings(profile, (size_t)(end + 1 - profile), out);
        const char *next = strstr(end, "\n=== ");
        at = next ? next + 1 : at + strlen(at);
    }
    return count;
}

static void test_findings(void **state)
{
    char *text = read_file("tests/golden/findings.txt");
    assert_non_null(text);
    struct buf remade;
    buf_init(&remade, FILE_MAX);
    size_t count = remake(text, &remade);
    assert_true(count >= CASES_LEAST);
    assert_non_null(buf_text(&remade));
    compare("tests/golden/findings.txt", buf_text(&remade));
    buf_clear(&remade);
    free(text);
}

/* --- the manual --- */

/* Every profile shown in docs/profiles.md can be used as it stands. */
static void test_examples_of_the_manual(void **state)
{
    char *text = read_file("docs/profiles.md");
    assert_non_null(text);
    size_t count = 0;
    for (char *at = text; (at = strstr(at, "```yaml\n")); count++) {
        at += strlen("```yaml\n");
        char *end = strstr(at, "\n```");
        assert_non_null(end);
        struct buf told;
        buf_init(&told, FILE_MAX);
        put_findings(at, (size_t)(end + 1 - at), &told);
        assert_string_equal(buf_text(&told), "");
        buf_clear(&told);
        at = end + strlen("\n```");
    }
    assert_true(count >= 4);
    free(text);
}

int main(int argc, char **argv)
{
    update = argc > 1 && strcmp(argv[1], "--update") == 0;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plans),
        cmocka_unit_test(test_findings),
        cmocka_unit_test(test_examples_of_the_manual),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
