/* SPDX-License-Identifier: Apache-2.0 */
/* YAML trees: places, refusals, typed scalars, hostile input. */
#include "findings_util.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

struct fixture {
    struct arena *arena;
    struct findings findings;
};

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    fixture->arena = arena_new(0);
    findings_init(&fixture->findings);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    findings_clear(&fixture->findings);
    arena_free(fixture->arena);
    free(fixture);
    return 0;
}

static struct yaml_node *load_n(struct fixture *fixture, const char *text, size_t len)
{
    return yaml_load_text(fixture->arena, "t.yaml", bytes_of(text, len), &fixture->findings);
}

static struct yaml_node *load(struct fixture *fixture, const char *text)
{
    return load_n(fixture, text, strlen(text));
}

/* Loads one scalar; flow style keeps the column at 1. */
static struct yaml_node *scalar(struct fixture *fixture, const char *text)
{
    struct yaml_node *node = load(fixture, text);
    assert_non_null(node);
    assert_int_equal(node->kind, YAML_SCALAR);
    return node;
}

static void assert_refused(struct fixture *fixture, const char *text, size_t len,
                           const char *expected)
{
    assert_null(load_n(fixture, text, len));
    assert_string_equal(findings_text(&fixture->findings), expected);
    findings_clear(&fixture->findings);
    findings_init(&fixture->findings);
}

static void refuses(struct fixture *fixture, const char *text, const char *expected)
{
    assert_refused(fixture, text, strlen(text), expected);
}

static void test_tree_knows_its_places(void **state)
{
    struct fixture *fixture = *state;
    struct yaml_node *root = load(fixture, "class: lamp\n"
                                           "servers:\n"
                                           "  - id: 101\n"
                                           "    uri: \"coaps://x\"\n"
                                           "  - {id: 102}\n");
    assert_non_null(root);
    assert_int_equal(fixture->findings.errors, 0);
    assert_int_equal(root->kind, YAML_MAPPING);
    assert_int_equal(root->count, 2);

    struct yaml_node *class = yaml_get(root, "class");
    assert_string_equal(class->text, "lamp");
    assert_string_equal(class->file, "t.yaml");
    assert_int_equal(class->line, 1);
    assert_int_equal(class->column, 8);
    assert_int_equal(class->key->column, 1);
    assert_false(class->quoted);

    struct yaml_node *servers = yaml_get(root, "servers");
    assert_int_equal(servers->kind, YAML_SEQUENCE);
    assert_int_equal(servers->count, 2);
    struct yaml_node *uri = yaml_get(servers->first, "uri");
    assert_true(uri->quoted);
    assert_int_equal(uri->line, 4);
    assert_int_equal(uri->column, 10);
    assert_string_equal(yaml_get(servers->first->next, "id")->text, "102");
    assert_null(yaml_get(root, "nothing"));
    assert_null(yaml_get(class, "class"));
}

static void test_windows_files_are_taken(void **state)
{
    struct fixture *fixture = *state;
    struct yaml_node *root = load(fixture, "\xef\xbb\xbf"
                                           "class: lamp\r\nlist:\r\n  - a\r\n  - b\r\n");
    assert_non_null(root);
    assert_string_equal(yaml_get(root, "class")->text, "lamp");
    assert_int_equal(yaml_get(root, "class")->line, 1);
    assert_int_equal(yaml_get(root, "class")->column, 8);
    assert_string_equal(yaml_get(root, "list")->first->next->text, "b");
    assert_int_equal(yaml_get(root, "list")->first->next->line, 4);
}

static void test_columns_count_characters(void **state)
{
    struct fixture *fixture = *state;
    struct yaml_node *root = load(fixture, "{stra\xc3\x9f"
                                           "e: 1, \xe2\x82\xac: 2, x: 3}");
    assert_non_null(root);
    assert_int_equal(yaml_get(root, "x")->key->column, 19);
}

static void test_refuses_what_is_not_text(void **state)
{
    struct fixture *fixture = *state;
    assert_refused(fixture, "class: a\nx: \0\n", 14,
                   "t.yaml:2:4: error: a NUL byte: this is no text file, or it is UTF-16; save it "
                   "as UTF-8\n");
    refuses(fixture, "class: a\nx: \xc3\x9f\xff\n",
            "t.yaml:2:5: error: not UTF-8; save the file with the encoding UTF-8\n");
    refuses(fixture, "\x80\x80 tail",
            "t.yaml:1:1: error: not UTF-8; save the file with the encoding UTF-8\n");
    refuses(fixture, "cut: \xe2\x82",
            "t.yaml:1:6: error: not UTF-8; save the file with the encoding UTF-8\n");
    assert_refused(fixture,
                   "\xff\xfe"
                   "c\0:\0",
                   6, "t.yaml:1:1: error: not UTF-8; save the file with the encoding UTF-8\n");
    refuses(fixture, "a: \"x\\0y\"\n",
            "t.yaml:1:4: error: text with a NUL character (\\0) in it\n");
    refuses(fixture, "a: \x01\n",
            "t.yaml:1:4: error: not valid YAML: control characters are not allowed\n");
    refuses(fixture, "", "t.yaml: error: the file is empty\n");
    refuses(fixture, "# only a comment\n", "t.yaml: error: the file is empty\n");
}

static void test_refuses_yaml_that_surprises(void **state)
{
    struct fixture *fixture = *state;
    refuses(fixture, "a: &x 1\n",
            "t.yaml:1:4: error: anchors (&name) are not used here; write the value out, or put "
            "what classes share into a parent class\n");
    refuses(fixture, "a: 1\nb: *x\n",
            "t.yaml:2:4: error: aliases (*name) are not used here; write the value out, or put "
            "text that starts with '*' in quotes\n");
    refuses(fixture, "a: !!binary x\n",
            "t.yaml:1:4: error: tags (!name) are not used here; leave it out\n");
    refuses(fixture, "a: !x [1]\n",
            "t.yaml:1:4: error: tags (!name) are not used here; leave it out\n");
    refuses(fixture, "a: {<<: 1}\n",
            "t.yaml:1:5: error: merge keys (<<) are not used here; use 'extends' or write it "
            "out\n");
    refuses(fixture, "a: 1\n---\nb: 2\n",
            "t.yaml:2:1: error: a second document ('---'); one file holds one document\n");
    refuses(fixture, "? [a, b]\n: 1\n",
            "t.yaml:1:3: error: a key must be plain text, not a list or a mapping; put it in "
            "quotes if it is text\n");
    refuses(fixture, "?\n: 1\n", "t.yaml:1:2: error: a key is missing before ':'\n");
}

static void test_reports_every_duplicate_key(void **state)
{
    refuses(*state, "a: 1\nb:\n  c: 1\n  c: 2\n  c: 3\na: 2\n",
            "t.yaml:4:3: error: duplicate key 'c'; first at line 3\n"
            "t.yaml:5:3: error: duplicate key 'c'; first at line 4\n"
            "t.yaml:6:1: error: duplicate key 'a'; first at line 1\n");
}

static void test_explains_mistakes_of_form(void **state)
{
    struct fixture *fixture = *state;
    refuses(fixture, "a:\n\tb: 1\n",
            "t.yaml:2:1: error: a tab stands where YAML wants blanks; indent with spaces\n");
    refuses(fixture, "a: [1, 2\nb: 3\n",
            "t.yaml:2:2: error: not valid YAML: did not find expected ',' or ']' while parsing a "
            "flow sequence that starts at line 1\n");
    refuses(fixture, "w: {/3/0/13: ${now}}\n",
            "t.yaml:1:15: error: not valid YAML: did not find expected ',' or '}' while parsing a "
            "flow mapping that starts at line 1; put text that holds ${...} in quotes\n");
}

static void nested(char *text, size_t depth)
{
    memset(text, '[', depth);
    memset(text + depth, ']', depth);
    text[2 * depth] = '\0';
}

static void test_nesting_is_bounded(void **state)
{
    struct fixture *fixture = *state;
    char text[200];
    nested(text, 32);
    assert_non_null(load(fixture, text));
    nested(text, 33);
    refuses(fixture, text, "t.yaml:1:33: error: nested more than 32 levels deep\n");
}

/* Fills `size` bytes by repeating a piece. */
static char *repeat(const char *piece, size_t size)
{
    char *text = malloc(size + 1);
    size_t len = strlen(piece);
    for (size_t i = 0; i < size; i++)
        text[i] = piece[i % len];
    text[size] = '\0';
    return text;
}

static double seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Nothing a megabyte can say may cost more than a moment, nor pass the caps. */
static void test_hostile_megabytes(void **state)
{
    struct fixture *fixture = *state;
    static const char *const pieces[] = {"[",     "{",     "- ",  "a: ",        "a: b\n", "[a, ",
                                         "? ",    "{a: ",  "'",   "\"\\x00",    "#",      "\n",
                                         "- a\n", "&a ",   "!a ", "a: |\n x\n", "%",      "---\n",
                                         "a,",    "[a]: ", "\t",  "x",          ": ",     "- - ",
                                         "[]\n",  "? a\n", "\r",  " ",          "| ",     "*a "};
    for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
        char *text = repeat(pieces[i], 1 << 20);
        double before = seconds_now();
        load_n(fixture, text, 1 << 20);
        double took = seconds_now() - before;
        if (took > 8)
            fail_msg("'%s' took %.1f s", pieces[i], took);
        free(text);
        tear_down(state);
        set_up(state);
        fixture = *state;
    }
}

static void test_size_and_count_are_bounded(void **state)
{
    struct fixture *fixture = *state;
    char *text = repeat("# comment\n", (1 << 20) + 1);
    refuses(fixture, text, "t.yaml: error: the file is larger than 1 MiB; split it\n");
    free(text);

    text = repeat("- a\n", 4 * 100001);
    refuses(fixture, text,
            "t.yaml:100000:3: error: more than 100000 values in one file; split it\n");
    free(text);
}

static void test_small_arena_is_an_error(void **state)
{
    struct fixture *fixture = *state;
    for (size_t max = 1; max < 2000; max += 7) {
        struct arena *small = arena_new(max);
        struct yaml_node *root = yaml_load_text(
            small, "t.yaml", bytes_of_text("a: [1, 2, {b: c}]\nd: e\n"), &fixture->findings);
        assert_true((root == NULL) == (fixture->findings.errors > 0));
        arena_free(small);
        findings_clear(&fixture->findings);
        findings_init(&fixture->findings);
    }
}

static void test_suggests_what_was_meant(void **state)
{
    static const char *const known[] = {"lifetime", "binding", "id", "uri", NULL};
    assert_string_equal(yaml_suggest("livetime", known), "lifetime");
    assert_string_equal(yaml_suggest("lifetimes", known), "lifetime");
    assert_string_equal(yaml_suggest("bindnig", known), "binding");
    assert_string_equal(yaml_suggest("url", known), "uri");
    assert_null(yaml_suggest("colour", known));
    assert_null(yaml_suggest("", known));
    assert_null(yaml_suggest("xx", known));

    struct fixture *fixture = *state;
    struct yaml_node *root = load(fixture, "id: 1\nlivetime: 2h\ncolour: red\n");
    yaml_check_keys(root, known, &fixture->findings);
    assert_string_equal(
        findings_text(&fixture->findings),
        "t.yaml:2:1: error: unknown key 'livetime'; did you mean 'lifetime'?\n"
        "t.yaml:3:1: error: unknown key 'colour'; known here: lifetime, binding, id, uri\n");
}

static void test_text(void **state)
{
    struct fixture *fixture = *state;
    const char *text = NULL;
    assert_true(yaml_text(scalar(fixture, "hello"), &text, &fixture->findings));
    assert_string_equal(text, "hello");
    assert_true(yaml_text(scalar(fixture, "\"\""), &text, &fixture->findings));
    assert_string_equal(text, "");
    assert_true(yaml_text(scalar(fixture, "'null'"), &text, &fixture->findings));
    assert_false(yaml_text(scalar(fixture, "~"), &text, &fixture->findings));
    assert_false(yaml_text(load(fixture, "\n\n[a]"), &text, &fixture->findings));
    assert_string_equal(text, "null");
    assert_string_equal(findings_text(&fixture->findings),
                        "t.yaml:1:1: error: expected text, found nothing\n"
                        "t.yaml:3:1: error: expected text, found a list\n");
}

static void expect_integer(struct fixture *fixture, const char *text, int64_t expected)
{
    int64_t value = -77;
    assert_true(
        yaml_integer(scalar(fixture, text), INT64_MIN, INT64_MAX, &value, &fixture->findings));
    assert_true(value == expected);
}

static void refuse_integer(struct fixture *fixture, const char *text, const char *found)
{
    int64_t value = -77;
    char expected[160];
    assert_false(yaml_integer(scalar(fixture, text), 1, 65534, &value, &fixture->findings));
    assert_int_equal(value, -77);
    snprintf(expected, sizeof(expected),
             "t.yaml:1:1: error: expected a whole number from 1 to 65534, found %s\n", found);
    assert_string_equal(findings_text(&fixture->findings), expected);
    findings_clear(&fixture->findings);
    findings_init(&fixture->findings);
}

static void test_integers(void **state)
{
    struct fixture *fixture = *state;
    expect_integer(fixture, "0", 0);
    expect_integer(fixture, "-5", -5);
    expect_integer(fixture, "0xC0A8", 49320);
    expect_integer(fixture, "9223372036854775807", INT64_MAX);
    expect_integer(fixture, "-9223372036854775808", INT64_MIN);
    refuse_integer(fixture, "9223372036854775808", "'9223372036854775808'");
    refuse_integer(fixture, "0", "'0'");
    refuse_integer(fixture, "65535", "'65535'");
    refuse_integer(fixture, "010", "'010'");
    refuse_integer(fixture, "1_000", "'1_000'");
    refuse_integer(fixture, "+5", "'+5'");
    refuse_integer(fixture, "5.0", "'5.0'");
    refuse_integer(fixture, "0x", "'0x'");
    refuse_integer(fixture, "'5'", "\"5\"");
    refuse_integer(fixture, "~", "nothing");
    refuse_integer(fixture, "12345678901234567890123456789012345678901234567890",
                   "'1234567890123456789012345678901234567890..'");
}

static void test_booleans(void **state)
{
    struct fixture *fixture = *state;
    bool value = false;
    assert_true(yaml_boolean(scalar(fixture, "true"), &value, &fixture->findings));
    assert_true(value);
    assert_false(yaml_boolean(scalar(fixture, "yes"), &value, &fixture->findings));
    assert_true(yaml_boolean(scalar(fixture, "false"), &value, &fixture->findings));
    assert_false(value);
    assert_false(yaml_boolean(scalar(fixture, "\"true\""), &value, &fixture->findings));
    assert_string_equal(findings_text(&fixture->findings),
                        "t.yaml:1:1: error: expected true or false, found 'yes'\n"
                        "t.yaml:1:1: error: expected true or false, found \"true\"\n");
}

static void expect_duration(struct fixture *fixture, const char *text, int64_t expected)
{
    int64_t value = -77;
    assert_true(yaml_duration_ms(scalar(fixture, text), 0, INT64_MAX, &value, &fixture->findings));
    assert_true(value == expected);
}

static void refuse_duration(struct fixture *fixture, const char *text, const char *expected)
{
    int64_t value = -77;
    assert_false(
        yaml_duration_ms(scalar(fixture, text), 1000, 3600 * 1000, &value, &fixture->findings));
    assert_int_equal(value, -77);
    assert_string_equal(findings_text(&fixture->findings), expected);
    findings_clear(&fixture->findings);
    findings_init(&fixture->findings);
}

static void test_durations_carry_units(void **state)
{
    struct fixture *fixture = *state;
    expect_duration(fixture, "250ms", 250);
    expect_duration(fixture, "90s", 90000);
    expect_duration(fixture, "5min", 300000);
    expect_duration(fixture, "2h", 7200000);
    expect_duration(fixture, "1d", 86400000);
    expect_duration(fixture, "0", 0);
    refuse_duration(fixture, "90",
                    "t.yaml:1:1: error: expected a number with a unit, such as 250ms, 90s, 5min, "
                    "2h or 1d, found '90'\n");
    refuse_duration(fixture, "5m",
                    "t.yaml:1:1: error: expected a number with a unit, such as 250ms, 90s, 5min, "
                    "2h or 1d, found '5m'\n");
    refuse_duration(fixture, "1.5h",
                    "t.yaml:1:1: error: expected a number with a unit, such as 250ms, 90s, 5min, "
                    "2h or 1d, found '1.5h'\n");
    refuse_duration(fixture, "-2h",
                    "t.yaml:1:1: error: expected a whole number with its unit, such as 250ms, "
                    "90s, 5min, 2h or 1d, found '-2h'\n");
    refuse_duration(fixture, "2h", "t.yaml:1:1: error: expected 1s to 1h, found '2h'\n");
    refuse_duration(fixture, "999999999999999999d",
                    "t.yaml:1:1: error: expected 1s to 1h, found '999999999999999999d'\n");
    refuse_duration(fixture, "9999999999999999999d",
                    "t.yaml:1:1: error: expected a whole number with its unit, such as 250ms, "
                    "90s, 5min, 2h or 1d, found '9999999999999999999d'\n");
}

static void test_sizes(void **state)
{
    struct fixture *fixture = *state;
    int64_t value = 0;
    assert_true(yaml_size(scalar(fixture, "4096"), 0, INT64_MAX, &value, &fixture->findings));
    assert_int_equal(value, 4096);
    assert_true(yaml_size(scalar(fixture, "64KiB"), 0, INT64_MAX, &value, &fixture->findings));
    assert_int_equal(value, 65536);
    assert_true(yaml_size(scalar(fixture, "4MiB"), 0, INT64_MAX, &value, &fixture->findings));
    assert_int_equal(value, 4 << 20);
    assert_false(yaml_size(scalar(fixture, "2GiB"), 1024, 1 << 30, &value, &fixture->findings));
    assert_false(yaml_size(scalar(fixture, "4MB"), 1024, 1 << 30, &value, &fixture->findings));
    assert_string_equal(findings_text(&fixture->findings),
                        "t.yaml:1:1: error: expected 1KiB to 1GiB, found '2GiB'\n"
                        "t.yaml:1:1: error: expected a number with a unit, such as 4096, 64KiB or "
                        "4MiB, found '4MB'\n");
}

static void test_findings_are_sorted_and_told_once(void **state)
{
    struct fixture *fixture = *state;
    struct yaml_node later = {.file = "a.yaml", .line = 9, .column = 2};
    struct yaml_node earlier = {.file = "a.yaml", .line = 3, .column = 7};
    struct yaml_node whole = {.file = "b.yaml"};
    finding_add(&fixture->findings, FINDING_ERROR, &whole, "cannot open");
    finding_add(&fixture->findings, FINDING_ERROR, &later, "x");
    finding_add(&fixture->findings, FINDING_WARNING, &earlier, "y");
    finding_add(&fixture->findings, FINDING_ERROR, &later, "x");
    finding_add(&fixture->findings, FINDING_NOTE, NULL, "z");
    assert_int_equal(fixture->findings.errors, 2);
    assert_int_equal(fixture->findings.warnings, 1);
    assert_string_equal(findings_text(&fixture->findings), "note: z\n"
                                                           "a.yaml:3:7: warning: y\n"
                                                           "a.yaml:9:2: error: x\n"
                                                           "b.yaml: error: cannot open\n");
}

static void test_findings_are_safe_on_a_terminal(void **state)
{
    struct fixture *fixture = *state;
    struct yaml_node place = {.file = "a\x1b.yaml", .line = 1, .column = 1};
    finding_add(&fixture->findings, FINDING_ERROR, &place, "bad \x1b[31m\n\xc2\x9b%s",
                "stra\xc3\x9f"
                "e");
    assert_string_equal(findings_text(&fixture->findings), "a?.yaml:1:1: error: bad ?[31m???"
                                                           "stra\xc3\x9f"
                                                           "e\n");
}

static void test_findings_are_bounded(void **state)
{
    struct fixture *fixture = *state;
    for (unsigned i = 1; i <= 5000; i++) {
        struct yaml_node place = {.file = "a.yaml", .line = i, .column = 1};
        finding_add(&fixture->findings, FINDING_ERROR, &place, "x");
    }
    assert_int_equal(fixture->findings.errors, 5000);
    const char *text = findings_text(&fixture->findings);
    assert_non_null(strstr(text, "a.yaml:500:1: error: x\n... and 4500 more\n"));
}

static void test_files(void **state)
{
    struct fixture *fixture = *state;
    char directory[] = "/tmp/usher-yaml-XXXXXX", file[64], pipe[64];
    assert_non_null(mkdtemp(directory));
    snprintf(file, sizeof(file), "%s/a.yaml", directory);
    snprintf(pipe, sizeof(pipe), "%s/p.yaml", directory);
    FILE *out = fopen(file, "w");
    assert_non_null(out);
    fputs("class: lamp\n", out);
    fclose(out);
    assert_int_equal(mkfifo(pipe, 0600), 0);

    struct yaml_node *root = yaml_load_file(fixture->arena, file, &fixture->findings);
    assert_non_null(root);
    assert_string_equal(root->file, file);
    assert_null(yaml_load_file(fixture->arena, pipe, &fixture->findings));
    assert_null(yaml_load_file(fixture->arena, directory, &fixture->findings));
    unlink(file);
    assert_null(yaml_load_file(fixture->arena, file, &fixture->findings));
    char expected[512];
    snprintf(expected, sizeof(expected),
             "%s: error: not a regular file\n"
             "%s: error: cannot open: No such file or directory\n"
             "%s: error: not a regular file\n",
             directory, file, pipe);
    assert_string_equal(findings_text(&fixture->findings), expected);
    unlink(pipe);
    rmdir(directory);
}

static void touch(const char *directory, const char *name)
{
    char path[96];
    snprintf(path, sizeof(path), "%s/%s", directory, name);
    FILE *out = fopen(path, "w");
    assert_non_null(out);
    fclose(out);
}

static void test_directories(void **state)
{
    struct fixture *fixture = *state;
    static const char *const names[] = {"b.yaml",  ".hidden.yaml", "a.yaml",
                                        "a.yaml~", "c.yml",        ".yaml"};
    char directory[] = "/tmp/usher-yaml-XXXXXX", path[96];
    assert_non_null(mkdtemp(directory));
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        touch(directory, names[i]);
    const char *const *files = yaml_list_files(fixture->arena, directory, &fixture->findings);
    assert_non_null(files);
    snprintf(path, sizeof(path), "%s/a.yaml", directory);
    assert_string_equal(files[0], path);
    const char *const *one = yaml_list_files(fixture->arena, path, &fixture->findings);
    assert_string_equal(one[0], path);
    assert_null(one[1]);
    snprintf(path, sizeof(path), "%s/b.yaml", directory);
    assert_string_equal(files[1], path);
    assert_null(files[2]);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        snprintf(path, sizeof(path), "%s/%s", directory, names[i]);
        unlink(path);
    }
    rmdir(directory);
    assert_int_equal(fixture->findings.errors, 0);
    assert_null(yaml_list_files(fixture->arena, "/nonexistent/profiles", &fixture->findings));
    assert_string_equal(findings_text(&fixture->findings),
                        "/nonexistent/profiles: error: cannot open: No such file or directory\n");
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_tree_knows_its_places),
        TEST(test_windows_files_are_taken),
        TEST(test_columns_count_characters),
        TEST(test_refuses_what_is_not_text),
        TEST(test_refuses_yaml_that_surprises),
        TEST(test_reports_every_duplicate_key),
        TEST(test_explains_mistakes_of_form),
        TEST(test_nesting_is_bounded),
        TEST(test_hostile_megabytes),
        TEST(test_size_and_count_are_bounded),
        TEST(test_small_arena_is_an_error),
        TEST(test_suggests_what_was_meant),
        TEST(test_text),
        TEST(test_integers),
        TEST(test_booleans),
        TEST(test_durations_carry_units),
        TEST(test_sizes),
        TEST(test_findings_are_sorted_and_told_once),
        TEST(test_findings_are_safe_on_a_terminal),
        TEST(test_findings_are_bounded),
        TEST(test_files),
        TEST(test_directories),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
