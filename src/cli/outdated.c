/* usher list --outdated, usher check --against-store: what devices were given last, held against
 * what is meant for them. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "cli_priv.h"

#include "usher/plan.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static void put_filter(struct buf *path, const char *name, const char *value)
{
    if (value == NULL)
        return;
    buf_printf(path, "&%s=", name);
    client_put_escaped(path, value);
}

int cli_each_plan(struct cli_server *server, const char *class_name, const char *prefix,
                  void (*each)(void *context, const json_t *device), void *context)
{
    json_t *page = NULL;
    const char *next = NULL; /* borrowed from the page */
    int code;
    do {
        json_t *following = NULL, *device;
        struct buf path;
        size_t index;
        buf_init(&path, 4096);
        buf_put_text(&path, "/v1/plans?limit=500");
        put_filter(&path, "class", class_name);
        put_filter(&path, "prefix", prefix);
        put_filter(&path, "cursor", next);
        const char *text = buf_text(&path);
        code = text == NULL ? CLI_INVALID : cli_call(server, "GET", text, NULL, &following);
        buf_clear(&path);
        json_decref(page);
        page = following;
        if (code != CLI_OK)
            break;
        json_array_foreach(json_object_get(page, "devices"), index, device) each(context, device);
        next = json_string_value(json_object_get(page, "next"));
    } while (next != NULL);
    json_decref(page);
    return code;
}

/* ---- list --outdated ---- */

static void keep_outdated(void *context, const json_t *device)
{
    if (json_is_true(json_object_get(device, "outdated")))
        json_array_append_new(
            context, cli_memory(json_pack("{s:s, s:s, s:s, s:s, s:s}", "endpoint",
                                          cli_text_of(device, "endpoint"), "class",
                                          cli_text_of(device, "class"), "state",
                                          cli_text_of(device, "state"), "plan_hash",
                                          cli_text_of(device, "plan_hash"), "intended_hash",
                                          cli_text_of(device, "intended_hash"))));
}

static void print_outdated(const json_t *list)
{
    static const char *const titles[] = {"endpoint", "class", "state"};
    struct cli_table *table = cli_table_new(3, titles);
    size_t index;
    json_t *device;
    json_array_foreach(list, index, device)
    {
        const char *cells[] = {cli_text_of(device, "endpoint"), cli_text_of(device, "class"),
                               cli_text_of(device, "state")};
        cli_table_row(table, cells, CLI_PLAIN);
    }
    if (index > 0)
        cli_table_print(table, stdout);
    else
        puts("every device has what its profile says");
    cli_table_free(table);
}

int cli_list_outdated(struct cli_server *server, const char *class_name, const char *prefix)
{
    json_t *list = cli_memory(json_array());
    int code = cli_each_plan(server, class_name, prefix, keep_outdated, list);
    if (code == CLI_OK && server->json) {
        json_t *answer = cli_memory(json_pack("{s:O}", "devices", list));
        code = cli_print_json(answer);
        json_decref(answer);
    } else if (code == CLI_OK) {
        print_outdated(list);
    }
    json_decref(list);
    return code;
}

/* ---- check --against-store ---- */

enum { CLASSES_MAX = 512 };

struct class_count {
    char name[CLASS_MAX + 1];
    uint64_t devices, changing, impossible;
};

struct against {
    struct profile_set *set;
    struct class_count classes[CLASSES_MAX];
    size_t count;
    char first_problem[ERR_TEXT_MAX];
};

static struct class_count *count_of(struct against *against, const char *name)
{
    size_t i = 0;
    while (i < against->count && strcmp(against->classes[i].name, name) != 0)
        i++;
    if (i == CLASSES_MAX)
        return &against->classes[CLASSES_MAX - 1];
    if (i == against->count)
        snprintf(against->classes[against->count++].name, CLASS_MAX + 1, "%s", name);
    return &against->classes[i];
}

static bool read_identity(const char *text, struct identity *out)
{
    uint8_t data[IDENTITY_MAX];
    size_t len = 0;
    if (strncmp(text, "hex:", 4) != 0)
        return identity_set(out, bytes_of_text(text));
    return bytes_from_hex(text + 4, strlen(text + 4), data, sizeof data, &len) &&
           identity_set(out, bytes_of(data, len));
}

static void read_device(const json_t *device, struct enrollment *out, struct tag tags[TAGS_MAX])
{
    const char *name;
    json_t *value;
    *out = (struct enrollment){.tags = tags};
    snprintf(out->endpoint, sizeof out->endpoint, "%s", cli_text_of(device, "endpoint"));
    snprintf(out->class_name, sizeof out->class_name, "%s", cli_text_of(device, "class"));
    read_identity(cli_text_of(device, "identity"), &out->identity);
    json_object_foreach(json_object_get(device, "tags"), name, value)
    {
        if (out->tag_count == TAGS_MAX)
            break;
        struct tag *tag = &tags[out->tag_count++];
        snprintf(tag->name, sizeof tag->name, "%s", name);
        snprintf(tag->value, sizeof tag->value, "%s", json_string_value(value));
    }
}

/* Where its credentials were made for, as credentials of which nothing else is known. */
static void read_places(const json_t *device, const struct profile *profile, struct enrollment *out)
{
    struct credential_need needs[ACCOUNTS_MAX];
    struct err unused;
    size_t count = 0;
    if (profile == NULL || profile_credentials(profile, out, needs, &count, &unused) != ERR_OK)
        return;
    for (size_t i = 0; i < count; i++) {
        char server[8];
        snprintf(server, sizeof server, "%u", needs[i].ssid);
        struct enrolled_credential *credential = &out->credentials[out->credential_count++];
        *credential = (struct enrolled_credential){
            .ssid = needs[i].ssid, .kind = needs[i].kind, .status = CREDENTIAL_ACTIVE};
        snprintf(credential->place, sizeof credential->place, "%s",
                 cli_text_of(json_object_get(device, "places"), server));
    }
}

static void hold_against(void *context, const json_t *device)
{
    struct against *against = context;
    struct tag tags[TAGS_MAX];
    struct enrollment enrollment;
    struct err err = {0};
    uint64_t hash = 0;
    char text[17];
    read_device(device, &enrollment, tags);
    const struct profile *profile = profile_set_select(against->set, &enrollment, &err);
    read_places(device, profile, &enrollment);
    struct class_count *count =
        count_of(against, profile != NULL ? profile_class(profile) : enrollment.class_name);
    count->devices++;
    if (profile == NULL || plan_intent(profile, &enrollment, &hash, &err) != ERR_OK) {
        count->impossible++;
        if (against->first_problem[0] == '\0')
            snprintf(against->first_problem, sizeof against->first_problem, "%s", err.text);
        return;
    }
    snprintf(text, sizeof text, "%016" PRIx64, hash);
    const char *last = cli_text_of(device, "plan_hash");
    count->changing += last[0] != '\0' && strcmp(last, text) != 0;
}

static void print_against(const struct against *against)
{
    static const char *const titles[] = {"class", "devices", "would change", "would fail"};
    struct cli_table *table = cli_table_new(4, titles);
    for (size_t i = 0; i < against->count; i++) {
        const struct class_count *count = &against->classes[i];
        char devices[24], changing[24], impossible[24];
        snprintf(devices, sizeof devices, "%" PRIu64, count->devices);
        snprintf(changing, sizeof changing, "%" PRIu64, count->changing);
        snprintf(impossible, sizeof impossible, "%" PRIu64, count->impossible);
        const char *cells[] = {count->name, devices, changing, impossible};
        cli_table_row(table, cells, CLI_PLAIN);
    }
    if (against->count > 0)
        cli_table_print(table, stdout);
    else
        puts("no device is enrolled");
    cli_table_free(table);
    if (against->first_problem[0] != '\0')
        cli_say("the first that would fail: %s", against->first_problem);
}

static int print_against_json(const struct against *against)
{
    json_t *list = cli_memory(json_array());
    for (size_t i = 0; i < against->count; i++) {
        const struct class_count *count = &against->classes[i];
        json_array_append_new(list,
                              cli_memory(json_pack("{s:s, s:I, s:I, s:I}", "class", count->name,
                                                   "devices", (json_int_t)count->devices,
                                                   "would_change", (json_int_t)count->changing,
                                                   "would_fail", (json_int_t)count->impossible)));
    }
    json_t *answer = cli_memory(json_pack("{s:o}", "classes", list));
    int code = cli_print_json(answer);
    json_decref(answer);
    return code;
}

int cli_check_against(struct cli_server *server, struct profile_set *set)
{
    struct against *against = cli_memory(calloc(1, sizeof *against));
    int code = CLI_OK;
    against->set = set;
    if (cli_connect(server, &code)) {
        code = cli_each_plan(server, NULL, NULL, hold_against, against);
        if (code == CLI_OK && server->json)
            code = print_against_json(against);
        else if (code == CLI_OK)
            print_against(against);
        cli_disconnect(server);
    }
    free(against);
    return code;
}
