/* Runs the vectors of a file in both directions: values -> bytes -> values. The language is told
 * in README. Every cut and every flipped bit of each payload is decoded too. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "usher/codec.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_SIZE = 1024, PAYLOAD_MAX = 4096, RECORDS_MAX = 32 };

enum block_kind { BLOCK_NONE, BLOCK_EXACT, BLOCK_ACCEPT, BLOCK_REJECT };

struct runner {
    const char *file;
    int line;
    unsigned failures, blocks;
    struct arena *arena;
    char title[LINE_SIZE];
    struct path base;
    enum lwm2m_version version;
    struct record records[RECORDS_MAX];
    size_t count;
    /* the block being collected */
    enum block_kind kind;
    int format;
    int first_line;
    uint8_t payload[PAYLOAD_MAX];
    size_t len;
};

static void complain(struct runner *run, int line, const char *what, const char *detail)
{
    fprintf(stderr, "%s:%d: %s: %s%s%s\n", run->file, line, run->title, what,
            detail[0] != '\0' ? ": " : "", detail);
    run->failures++;
}

static void print_hex(const char *what, struct bytes data)
{
    fprintf(stderr, "  %s ", what);
    for (size_t i = 0; i < data.len; i++)
        fprintf(stderr, "%02x", data.data[i]);
    fputc('\n', stderr);
}

static enum err_code decode(const struct runner *run, struct bytes payload, struct records *out,
                            struct err *err)
{
    enum lwm2m_version version = run->version;
    const struct codec_types types = {codec_types_from_table, &version};
    return codec_decode(run->format, &run->base, payload, &types, out, err);
}

static void check_encoding(struct runner *run)
{
    struct err err = {0};
    struct buf out;
    buf_init(&out, PAYLOAD_MAX);
    struct bytes expected = bytes_of(run->payload, run->len);
    enum err_code code =
        codec_encode(run->format, &run->base, run->records, run->count, NULL, &out, &err);
    if (code != ERR_OK) {
        complain(run, run->first_line, "cannot be encoded", err.text);
    } else if (!bytes_equal(expected, buf_bytes(&out))) {
        complain(run, run->first_line, "encodes otherwise", codec_name(run->format));
        print_hex("expected", expected);
        print_hex("got     ", buf_bytes(&out));
    }
    buf_clear(&out);
}

/* Exactly the values of the block, in any order. */
static void check_decoding(struct runner *run)
{
    struct err err = {0};
    struct records got = {.arena = arena_new(0)};
    enum err_code code = decode(run, bytes_of(run->payload, run->len), &got, &err);
    if (code != ERR_OK)
        complain(run, run->first_line, "cannot be decoded", err.text);
    else if (got.count != run->count)
        complain(run, run->first_line, "decodes to another number of values", "");
    for (size_t i = 0; code == ERR_OK && i < run->count; i++) {
        const struct record *found = records_find(&got, &run->records[i].path);
        char path[PATH_TEXT_SIZE];
        path_text(&run->records[i].path, path);
        if (found == NULL)
            complain(run, run->first_line, "lost in decoding", path);
        else if (!value_equal(&found->value, &run->records[i].value))
            complain(run, run->first_line, "decodes to another value", path);
    }
    arena_free(got.arena);
}

static void check_rejection(struct runner *run)
{
    struct err err = {0};
    struct records got = {.arena = arena_new(0)};
    if (decode(run, bytes_of(run->payload, run->len), &got, &err) == ERR_OK)
        complain(run, run->first_line, "is not refused", codec_name(run->format));
    else if (err.text[0] == '\0' || got.count != 0)
        complain(run, run->first_line, "is refused without a word or in part", "");
    arena_free(got.arena);
}

/* The payload cut after `len` bytes, at the end of an allocation, so that a read beyond it shows.
 * TLV alone may be cut between two elements; it then has fewer values. */
static void check_cut(struct runner *run, size_t len)
{
    uint8_t *copy = malloc(len > 0 ? len : 1);
    struct err err = {0};
    struct records got = {.arena = arena_new(0)};
    if (len > 0)
        memcpy(copy, run->payload, len);
    enum err_code code = decode(run, bytes_of(copy, len), &got, &err);
    bool plain = run->format == FORMAT_TEXT || run->format == FORMAT_OPAQUE;
    bool tlv = run->format == FORMAT_TLV || run->format == FORMAT_OLD_TLV;
    bool fewer = tlv && got.count < run->count;
    if (code == ERR_OK && !plain && !fewer)
        complain(run, run->first_line, "is accepted though cut short", codec_name(run->format));
    if (code != ERR_OK && got.count != 0)
        complain(run, run->first_line, "fails and leaves values behind", "");
    arena_free(got.arena);
    free(copy);
}

/* Whatever comes of it, it may not crash, and on failure it may not leave values behind. */
static void check_flip(struct runner *run, size_t bit)
{
    struct err err = {0};
    struct records got = {.arena = arena_new(0)};
    run->payload[bit / 8] ^= (uint8_t)(1 << bit % 8);
    if (decode(run, bytes_of(run->payload, run->len), &got, &err) != ERR_OK && got.count != 0)
        complain(run, run->first_line, "fails and leaves values behind", "");
    run->payload[bit / 8] ^= (uint8_t)(1 << bit % 8);
    arena_free(got.arena);
}

static void finish_block(struct runner *run)
{
    if (run->kind == BLOCK_NONE)
        return;
    run->blocks++;
    if (run->kind == BLOCK_EXACT)
        check_encoding(run);
    if (run->kind == BLOCK_REJECT)
        check_rejection(run);
    else
        check_decoding(run);
    for (size_t len = 0; run->kind != BLOCK_REJECT && len < run->len; len++)
        check_cut(run, len);
    for (size_t bit = 0; bit < run->len * 8; bit++)
        check_flip(run, bit);
    run->kind = BLOCK_NONE;
    run->len = 0;
}

/* Cuts the next word off a line. */
static char *word(char **rest)
{
    while (isspace((unsigned char)**rest))
        (*rest)++;
    char *start = *rest;
    while (**rest != '\0' && !isspace((unsigned char)**rest))
        (*rest)++;
    if (**rest != '\0')
        *(*rest)++ = '\0';
    return start;
}

/* "pattern N" stands for N bytes, byte i being i & 255. */
static struct bytes pattern(struct runner *run, const char *count)
{
    size_t len = strtoul(count, NULL, 10);
    uint8_t *data = arena_alloc(run->arena, len);
    for (size_t i = 0; i < len; i++)
        data[i] = (uint8_t)i;
    return bytes_of(data, len);
}

static bool parse_hex(struct runner *run, const char *text, struct bytes *out)
{
    size_t len = 0, cap = strlen(text) / 2;
    uint8_t *data = arena_alloc(run->arena, cap);
    if (!bytes_from_hex(text, strlen(text), data, cap, &len))
        return false;
    *out = bytes_of(data, len);
    return true;
}

static bool parse_value(struct runner *run, enum value_type type, char *text, struct value *out)
{
    unsigned object, instance;
    *out = (struct value){.type = type};
    switch (type) {
    case VALUE_STRING:
        out->bytes = bytes_of_text(arena_text(run->arena, text));
        return true;
    case VALUE_INTEGER:
    case VALUE_TIME:
        out->integer = strtoll(text, NULL, 10);
        return true;
    case VALUE_UNSIGNED:
        out->natural = strtoull(text, NULL, 10);
        return true;
    case VALUE_FLOAT:
        out->real = strtod(text, NULL);
        return true;
    case VALUE_BOOLEAN:
        out->boolean = strcmp(text, "true") == 0;
        return out->boolean || strcmp(text, "false") == 0;
    case VALUE_OBJLINK:
        if (sscanf(text, "%u:%u", &object, &instance) != 2)
            return false;
        out->link = (struct objlink){(uint16_t)object, (uint16_t)instance};
        return true;
    case VALUE_OPAQUE:
        if (strncmp(text, "pattern ", 8) == 0)
            out->bytes = pattern(run, text + 8);
        else if (strcmp(text, "-") != 0)
            return parse_hex(run, text, &out->bytes);
        return true;
    default:
        return false;
    }
}

static bool add_record(struct runner *run, const char *path, char *rest)
{
    struct record record;
    enum value_type type;
    if (run->count == RECORDS_MAX || !path_parse(path, strlen(path), &record.path) ||
        !value_type_from_name(word(&rest), &type) || !parse_value(run, type, rest, &record.value))
        return false;
    run->records[run->count++] = record;
    return true;
}

static bool append(struct runner *run, struct bytes data)
{
    if (data.len > PAYLOAD_MAX - run->len)
        return false;
    if (data.len > 0)
        memcpy(run->payload + run->len, data.data, data.len);
    run->len += data.len;
    return true;
}

/* Hexadecimal in groups as one likes, "pattern N"; or, after a bar, text as it stands. */
static bool add_payload(struct runner *run, char *rest)
{
    if (rest[0] == '|')
        return append(run, bytes_of_text(rest + 1));
    while (*rest != '\0') {
        struct bytes data;
        char *group = word(&rest);
        if (strcmp(group, "pattern") == 0)
            data = pattern(run, word(&rest));
        else if (!parse_hex(run, group, &data))
            return false;
        if (!append(run, data))
            return false;
        while (isspace((unsigned char)*rest))
            rest++;
    }
    return true;
}

static bool begin_block(struct runner *run, enum block_kind kind, char *rest)
{
    run->kind = kind;
    run->first_line = run->line;
    run->format = codec_from_name(word(&rest));
    return codec_can_decode(run->format);
}

static bool begin_vector(struct runner *run, const char *title)
{
    snprintf(run->title, sizeof run->title, "%s", title);
    run->count = 0;
    run->base = path_root();
    run->version = LWM2M_1_2;
    return true;
}

static bool set_version(struct runner *run, const char *text)
{
    run->version = strcmp(text, "1.0") == 0   ? LWM2M_1_0
                   : strcmp(text, "1.1") == 0 ? LWM2M_1_1
                                              : LWM2M_1_2;
    return run->version != LWM2M_1_2 || strcmp(text, "1.2") == 0;
}

static bool run_keyword(struct runner *run, const char *keyword, char *rest)
{
    if (strcmp(keyword, "vector") == 0)
        return begin_vector(run, rest);
    if (strcmp(keyword, "base") == 0)
        return path_parse(rest, strlen(rest), &run->base);
    if (strcmp(keyword, "version") == 0)
        return set_version(run, rest);
    if (strcmp(keyword, "exact") == 0)
        return begin_block(run, BLOCK_EXACT, rest);
    if (strcmp(keyword, "accept") == 0)
        return begin_block(run, BLOCK_ACCEPT, rest);
    if (strcmp(keyword, "reject") == 0)
        return begin_block(run, BLOCK_REJECT, rest);
    return keyword[0] == '/' && add_record(run, keyword, rest);
}

static bool run_line(struct runner *run, char *line)
{
    line[strcspn(line, "\n")] = '\0';
    char *first = line + strspn(line, " ");
    /* Text after a bar may hold a number sign; nothing else does. */
    if (first[0] != '|')
        first[strcspn(first, "#")] = '\0';
    size_t len = strlen(first);
    while (first[0] != '|' && len > 0 && first[len - 1] == ' ')
        first[--len] = '\0';
    if (first[0] == '\0')
        return true;
    if (line[0] == ' ')
        return run->kind != BLOCK_NONE && add_payload(run, first);
    finish_block(run);
    const char *keyword = word(&first);
    return run_keyword(run, keyword, first);
}

static unsigned run_file(const char *file, unsigned *blocks)
{
    struct runner run = {.file = file, .arena = arena_new(0), .title = "(no vector yet)"};
    char line[LINE_SIZE];
    FILE *stream = fopen(file, "r");
    if (stream == NULL) {
        perror(file);
        arena_free(run.arena);
        return 1;
    }
    while (fgets(line, sizeof line, stream) != NULL) {
        run.line++;
        if (!run_line(&run, line))
            complain(&run, run.line, "this line is not understood", "");
    }
    finish_block(&run);
    fclose(stream);
    arena_free(run.arena);
    *blocks += run.blocks;
    return run.failures;
}

int main(int argc, char **argv)
{
    unsigned failures = 0;
    for (int i = 1; i < argc; i++) {
        unsigned blocks = 0;
        failures += run_file(argv[i], &blocks);
        if (blocks == 0) {
            fprintf(stderr, "%s: no payload in it\n", argv[i]);
            failures++;
        }
        printf("%s: %u payloads\n", argv[i], blocks);
    }
    return argc < 2 || failures > 0;
}
