/* Every personality of usher-sim against every sample profile: in every format without the preset
 * of its name, and with the preset; the whole server on a false network and a false clock. What
 * fails has to fail for the reason that stands in `expected`, and everything else has to pass.
 *
 *   interop_matrix PROFILES             says what differs from that; exit code 1 when something
 * does interop_matrix PROFILES --table     prints the matrix as well (scripts/interop-matrix)
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "net.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { LIMIT_MS = 4000000, RESULT_SIZE = 400, CLASS_SIZE = 64, PATH_SIZE = 128 };

static const struct sample {
    const char *class_name;
    uint16_t enrolled_ssid; /* whose key is stored with the device; 0 = none */
} samples[] = {
    {"mains-powered", 0}, {"parking-sensor", 0}, {"street-light", 0}, {"water-meter", 301}};
enum { SAMPLE_COUNT = sizeof samples / sizeof samples[0] };

/* "auto" is what the device asks for, or else TLV. The preset says itself what it knows of formats.
 */
static const char *const ways[] = {"auto",       "tlv",      "senml-cbor", "senml-json",
                                   "lwm2m-cbor", "oma-json", "preset"};
enum { WAY_COUNT = sizeof ways / sizeof ways[0], PRESET = WAY_COUNT - 1 };

/* Objects that the samples write to, besides the usual ones. */
static const uint16_t sample_objects[] = {11, 3416, 33755};

struct cell {
    const struct sim_personality *client;
    const struct sample *sample;
    const char *way;
};

/* The cell at hand, for the callbacks of the network. */
static struct cell current;

/* ---- what is known to fail ---- */

/* The first row that fits counts. */
static const struct expected {
    const char *client, *classes; /* NULL = every */
    const char *ways;             /* NULL = every but the preset; "all" = that too */
    const char *result;           /* how it begins */
    const char *why;
} expected[] = {
    {"leshan", "mains-powered parking-sensor street-light", NULL,
     "finish-refused: write-rejected; PUT /0/",
     "It wants resources 3, 4 and 5 in every account of /0, used or not, refuses Finish with 4.06 "
     "and "
     "answers the repair with 5.00."},
    {"mbed-cloud-client", NULL, "senml-cbor senml-json lwm2m-cbor oma-json",
     "format-refused: closed",
     "It takes TLV only, and another format ends its bootstrap before a second one can be tried."},
    {"mbed-cloud-client", "street-light", "all",
     "closed-by-server: write-rejected; PUT /2/0 as tlv was "
     "answered 4.04",
     "It has no object 2, and the class grants rights: not for this client (`usher check` says "
     "so)."},
    {"mbed-cloud-client", "water-meter", "all",
     "closed-by-server: write-rejected; PUT /11/0 as tlv was "
     "answered 4.04",
     "It has no object 11, and the class must write it: not for this client (`usher check` says "
     "so)."},
    {"wakaama", "parking-sensor", "senml-json lwm2m-cbor oma-json",
     "closed-by-server: write-rejected; PUT /0/1 as tlv was answered 5.00",
     "It answers unknown formats, and base64 of another alphabet, with 5.00, which counts as a "
     "matter "
     "of formats once only; to a device of 1.0 TLV comes next, which is not compiled in."},
    {"wakaama", "parking-sensor", NULL, "account-lost",
     "The class asks for no Discover, so that old accounts go by DELETE /0, which takes its "
     "bootstrap "
     "account with it: it could not come back."},
    {"zephyr", "street-light", "all", "closed-by-server: write-rejected; PUT /0/2",
     "It has room for two accounts, its own for bootstraps among them, and the class has two "
     "servers: "
     "not for this client (`usher check` says so)."},
};
enum { EXPECTED_COUNT = sizeof expected / sizeof expected[0] };

/* Words apart by blanks. */
static bool is_listed(const char *list, const char *word)
{
    size_t len = strlen(word);
    for (const char *at = list; (at = strstr(at, word)) != NULL; at += len)
        if ((at == list || at[-1] == ' ') && (at[len] == ' ' || at[len] == '\0'))
            return true;
    return false;
}

static bool is_way(const struct expected *row, const char *way)
{
    if (row->ways == NULL)
        return strcmp(way, ways[PRESET]) != 0;
    return strcmp(row->ways, "all") == 0 || is_listed(row->ways, way);
}

/* Index in `expected`; EXPECTED_COUNT = it is expected to pass. */
static size_t expectation(const struct cell *cell)
{
    size_t at = 0;
    for (; at < EXPECTED_COUNT; at++) {
        const struct expected *row = &expected[at];
        if (strcmp(row->client, cell->client->name) == 0 &&
            (row->classes == NULL || is_listed(row->classes, cell->sample->class_name)) &&
            is_way(row, cell->way))
            break;
    }
    return at;
}

/* ---- profiles ---- */

static void class_of(const struct cell *cell, char out[static CLASS_SIZE])
{
    (void)snprintf(out, CLASS_SIZE, "%s-%s-%s", cell->client->name, cell->sample->class_name,
                   cell->way);
    for (char *at = out; *at != '\0'; at++)
        if (*at == '.')
            *at = '-';
}

/* A format that is named is about Writes: no packs then. */
static void print_class(FILE *out, const struct cell *cell)
{
    char name[CLASS_SIZE];
    class_of(cell, name);
    fprintf(out, "class: %s\nextends: %s\nclient: { ", name, cell->sample->class_name);
    if (cell->way == ways[PRESET])
        fprintf(out, "preset: %s }\n", cell->client->name);
    else
        fprintf(out, "format: %s%s }\n", cell->way, cell->way == ways[0] ? "" : ", pack: never");
}

static void for_each_cell(void (*take)(void *context, const struct cell *cell), void *context)
{
    const struct sim_personality *client;
    for (size_t i = 0; (client = sim_personality(i)) != NULL; i++)
        for (size_t sample = 0; sample < SAMPLE_COUNT; sample++)
            for (size_t way = 0; way < WAY_COUNT; way++)
                take(context, &(struct cell){client, &samples[sample], ways[way]});
}

/* One class a file. */
static void file_of(const char *directory, const struct cell *cell, char out[static PATH_SIZE])
{
    char name[CLASS_SIZE];
    class_of(cell, name);
    (void)snprintf(out, PATH_SIZE, "%s/%s.yaml", directory, name);
}

static void write_class(void *context, const struct cell *cell)
{
    char name[PATH_SIZE];
    file_of(context, cell, name);
    FILE *out = fopen(name, "w");
    assert_non_null(out);
    print_class(out, cell);
    assert_int_equal(fclose(out), 0);
}

static void remove_class(void *context, const struct cell *cell)
{
    char name[PATH_SIZE];
    file_of(context, cell, name);
    (void)unlink(name);
}

/* The samples as they are, and a class for each cell that extends one of them. */
static struct profile_set *load(const char *samples_directory)
{
    char directory[] = "/tmp/usher-matrix-XXXXXX";
    struct findings findings;
    assert_non_null(mkdtemp(directory));
    const char *paths[] = {samples_directory, directory};
    for_each_cell(write_class, directory);
    findings_init(&findings);
    struct profile_set *set = profile_set_load(paths, 2, &findings);
    for_each_cell(remove_class, directory);
    (void)rmdir(directory);
    for (const struct finding *finding = findings.first; set == NULL && finding != NULL;
         finding = finding->next)
        fprintf(stderr, "%s\n", finding->text);
    assert_non_null(set);
    findings_clear(&findings);
    return set;
}

/* ---- one cell ---- */

static void behave(struct sim_config *config)
{
    config->cipher = 0;
    config->bootstrap_instance = 0;
    sim_config_as(config, current.client);
    if (config->objects == NULL) {
        config->more_objects = sample_objects;
        config->more_object_count = sizeof sample_objects / sizeof sample_objects[0];
    }
}

static void add_tag(struct enrollment *enrollment, const char *name, const char *value)
{
    struct tag *tag = &enrollment->tags[enrollment->tag_count++];
    (void)snprintf(tag->name, sizeof tag->name, "%s", name);
    (void)snprintf(tag->value, sizeof tag->value, "%s", value);
}

/* Like the generated ones, see below. */
static const uint8_t meter_key[16] = {0xfb, 0xef, 0xbe, 0xff, 0xff, 0xff, 0x01};

static void enrol(struct store_device *stored)
{
    struct enrollment *enrollment = &stored->enrollment;
    class_of(&current, enrollment->class_name);
    enrollment->tags = calloc(2, sizeof *enrollment->tags);
    assert_non_null(enrollment->tags);
    add_tag(enrollment, "bay", "7");
    add_tag(enrollment, "district", "north");
    if (current.sample->enrolled_ssid == 0)
        return;
    enrollment->credentials[0] = (struct enrolled_credential){
        .ssid = current.sample->enrolled_ssid, .status = CREDENTIAL_ACTIVE, .generation = 1};
    assert_true(identity_set(&enrollment->credentials[0].identity, bytes_of_text("meter")));
    assert_true(secret_set(&stored->keys[0], bytes_of(meter_key, sizeof meter_key)));
    enrollment->credentials[0].key_len = stored->keys[0].len;
    enrollment->credential_count = 1;
}

static bool has_account(const struct net *net)
{
    struct path path = path_resource(OBJECT_SECURITY, 0, 1);
    const struct value *value = sim_device_value(net->devices[0].sim, &path);
    return value != NULL && value->boolean;
}

static void describe(const struct net *net, char out[static RESULT_SIZE])
{
    const struct sim_report *report = sim_device_report(net->devices[0].sim);
    if (report->state == SIM_BOOTSTRAPPED && !has_account(net))
        (void)snprintf(out, RESULT_SIZE, "account-lost");
    else if (report->state == SIM_BOOTSTRAPPED)
        (void)snprintf(out, RESULT_SIZE, "%s", report->packed ? "pack" : "ok");
    else
        (void)snprintf(out, RESULT_SIZE, "%s: %s; %s", report->reason,
                       net->outcome_count > 0 ? cause_name(net_last(net)->cause) : "no outcome",
                       net->outcome_count > 0 ? net_last(net)->detail : report->detail);
}

static void bootstrap(const struct cell *cell, struct profile_set *profiles, bool every_cipher,
                      char out[static RESULT_SIZE])
{
    const struct net_settings settings = {
        .profiles = profiles, .every_cipher = every_cipher, .behave = behave, .enrol = enrol};
    current = *cell;
    struct net *net = net_new(&settings);
    net_start(net, 0, false, 0);
    net_finish(net, LIMIT_MS);
    describe(net, out);
    net_free(net);
}

/* Every generated key has bytes that are - and _ in base64url. */
void __real_secret_random(struct secret *secret, size_t len);
void __wrap_secret_random(struct secret *secret, size_t len);
void __wrap_secret_random(struct secret *secret, size_t len)
{
    __real_secret_random(secret, len);
    if (len > 6)
        memcpy(secret->data, "\xfb\xef\xbe\xff\xff\xff", 6);
}

/* ---- all of them ---- */

struct run {
    struct profile_set *profiles;
    bool table;
    size_t wrong;
    bool used[EXPECTED_COUNT];
};

static bool is_good(const char *result)
{
    return strcmp(result, "ok") == 0 || strcmp(result, "pack") == 0;
}

static bool is_as_expected(const char *result, size_t row)
{
    return row == EXPECTED_COUNT
               ? is_good(result)
               : strncmp(result, expected[row].result, strlen(expected[row].result)) == 0;
}

static void print_cell(const struct cell *cell, const char *result, size_t row)
{
    if (cell->way == ways[0])
        printf("| %s | %s |", cell->client->name, cell->sample->class_name);
    if (row == EXPECTED_COUNT)
        printf(" %s |", result);
    else
        printf(" (%zu) |", row + 1);
    if (cell->way == ways[PRESET])
        putchar('\n');
}

static void run_cell(void *context, const struct cell *cell)
{
    struct run *run = context;
    char result[RESULT_SIZE], name[CLASS_SIZE];
    size_t row = expectation(cell);
    bootstrap(cell, run->profiles, true, result);
    if (row < EXPECTED_COUNT)
        run->used[row] = true;
    class_of(cell, name);
    if (!is_as_expected(result, row)) {
        run->wrong++;
        fprintf(stderr, "%s: '%s', expected was '%s'\n", name, result,
                row == EXPECTED_COUNT ? "ok" : expected[row].result);
    }
    if (run->table)
        print_cell(cell, result, row);
}

static void print_head(void)
{
    fputs("| client | profile |", stdout);
    for (size_t i = 0; i < WAY_COUNT; i++)
        printf(" %s |", ways[i]);
    fputs("\n|--|--|", stdout);
    for (size_t i = 0; i < WAY_COUNT; i++)
        fputs("--|", stdout);
    putchar('\n');
}

static void print_reasons(void)
{
    putchar('\n');
    for (size_t i = 0; i < EXPECTED_COUNT; i++)
        printf("%zu. %s: %s\n", i + 1, expected[i].client, expected[i].why);
}

/* A listener without `cbc` has no cipher in common with a BC66. */
static void check_cbc(struct run *run)
{
    struct cell cell = {sim_personality_find("quectel-bc66"), &samples[0], ways[PRESET]};
    char result[RESULT_SIZE];
    assert_non_null(cell.client);
    bootstrap(&cell, run->profiles, false, result);
    if (strncmp(result, "dtls-alert-40", 13) == 0)
        return;
    run->wrong++;
    fprintf(stderr, "quectel-bc66 without CBC: '%s', expected was an alert\n", result);
}

/* A row that fits nothing is a mistake, too. */
static void check_used(struct run *run)
{
    for (size_t i = 0; i < EXPECTED_COUNT; i++) {
        run->wrong += !run->used[i];
        if (!run->used[i])
            fprintf(stderr, "row %zu of `expected` fits no bootstrap\n", i + 1);
    }
}

int main(int argc, char **argv)
{
    bool table = argc == 3 && strcmp(argv[2], "--table") == 0;
    if (argc != 2 && !table) {
        fputs("usage: interop_matrix PROFILES [--table]\n", stderr);
        return 2;
    }
    struct run run = {.profiles = load(argv[1]), .table = table};
    if (table)
        print_head();
    for_each_cell(run_cell, &run);
    if (table)
        print_reasons();
    check_used(&run);
    check_cbc(&run);
    profile_set_unref(run.profiles);
    return run.wrong > 0;
}
