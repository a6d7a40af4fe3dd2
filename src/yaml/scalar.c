/* SPDX-License-Identifier: Apache-2.0 */
/* Scalars of a tree as text, numbers, durations and sizes; each refusal says what was expected. */
#include "usher/yaml.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct unit {
    const char *name;
    int64_t factor;
};

static const struct unit durations[] = {
    {"ms", 1}, {"s", 1000}, {"min", 60 * 1000}, {"h", 3600 * 1000}, {"d", 24 * 3600 * 1000}, {0}};
static const struct unit sizes[] = {
    {"", 1}, {"KiB", 1024}, {"MiB", 1024 * 1024}, {"GiB", 1024 * 1024 * 1024}, {0}};

enum { FOUND_SIZE = 64 };

static bool is_null(const struct yaml_node *node)
{
    return node->kind == YAML_SCALAR && !node->quoted &&
           (node->text_len == 0 || strcmp(node->text, "~") == 0 || strcmp(node->text, "null") == 0);
}

/* What stands at the place, for a message. */
static const char *found(const struct yaml_node *node, char out[static FOUND_SIZE])
{
    if (node->kind == YAML_SEQUENCE)
        return "a list";
    if (node->kind == YAML_MAPPING)
        return "a mapping";
    if (is_null(node))
        return "nothing";
    snprintf(out, FOUND_SIZE, node->quoted ? "\"%.40s%s\"" : "'%.40s%s'", node->text,
             node->text_len > 40 ? ".." : "");
    return out;
}

static bool refuse(const struct yaml_node *node, const char *expected, struct findings *findings)
{
    char text[FOUND_SIZE];
    finding_add(findings, FINDING_ERROR, node, "expected %s, found %s", expected,
                found(node, text));
    return false;
}

bool yaml_text(const struct yaml_node *node, const char **out, struct findings *findings)
{
    if (node->kind != YAML_SCALAR || is_null(node))
        return refuse(node, "text", findings);
    *out = node->text;
    return true;
}

/* Decimal without leading zeros, or 0x and hexadecimal digits. A leading zero is refused since
 * YAML 1.1 reads it as octal and people do not. */
static bool parse_integer(const char *text, int64_t *out)
{
    const char *digits = text + (*text == '-');
    bool hex = digits[0] == '0' && digits[1] == 'x';
    const char *first = hex ? digits + 2 : digits;
    size_t len = strspn(first, hex ? "0123456789abcdefABCDEF" : "0123456789");
    if (len == 0 || first[len] != '\0' || (!hex && len > 1 && *first == '0'))
        return false;
    errno = 0;
    long long value = strtoll(text, NULL, hex ? 16 : 10);
    if (errno != 0)
        return false;
    *out = value;
    return true;
}

bool yaml_integer(const struct yaml_node *node, int64_t least, int64_t most, int64_t *out,
                  struct findings *findings)
{
    char expected[96];
    snprintf(expected, sizeof(expected), "a whole number from %lld to %lld", (long long)least,
             (long long)most);
    int64_t value;
    if (node->kind != YAML_SCALAR || node->quoted || !parse_integer(node->text, &value))
        return refuse(node, expected, findings);
    if (value < least || value > most)
        return refuse(node, expected, findings);
    *out = value;
    return true;
}

bool yaml_boolean(const struct yaml_node *node, bool *out, struct findings *findings)
{
    if (node->kind != YAML_SCALAR || node->quoted)
        return refuse(node, "true or false", findings);
    bool yes = strcmp(node->text, "true") == 0;
    if (!yes && strcmp(node->text, "false") != 0)
        return refuse(node, "true or false", findings);
    *out = yes;
    return true;
}

/* A whole number and one of the units; a lone 0 needs none. -1 = malformed, -2 = no such unit. */
static int64_t parse_quantity(const char *text, const struct unit *units)
{
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > 18)
        return -1;
    int64_t number = strtoll(text, NULL, 10);
    const char *name = text + digits;
    if (number == 0 && *name == '\0')
        return 0;
    for (; units->name; units++)
        if (strcmp(units->name, name) == 0)
            return number > INT64_MAX / units->factor ? INT64_MAX : number * units->factor;
    return -2;
}

/* The largest unit that divides the quantity, so that limits read as people write them. */
static void quantity_text(int64_t value, const struct unit *units, char *out, size_t size)
{
    const struct unit *best = units;
    for (const struct unit *unit = units; unit->name; unit++)
        if (value != 0 && value % unit->factor == 0)
            best = unit;
    snprintf(out, size, "%lld%s", (long long)(value / best->factor), value == 0 ? "" : best->name);
}

static bool quantity(const struct yaml_node *node, const struct unit *units, const char *examples,
                     int64_t least, int64_t most, int64_t *out, struct findings *findings)
{
    char expected[160];
    int64_t value = node->kind == YAML_SCALAR ? parse_quantity(node->text, units) : -1;
    if (value == -2) {
        snprintf(expected, sizeof(expected), "a number with a unit, %s", examples);
        return refuse(node, expected, findings);
    }
    if (value < 0) {
        snprintf(expected, sizeof(expected), "a whole number with its unit, %s", examples);
        return refuse(node, expected, findings);
    }
    if (value < least || value > most) {
        char from[32], to[32];
        quantity_text(least, units, from, sizeof(from));
        quantity_text(most, units, to, sizeof(to));
        snprintf(expected, sizeof(expected), "%s to %s", from, to);
        return refuse(node, expected, findings);
    }
    *out = value;
    return true;
}

bool yaml_duration_ms(const struct yaml_node *node, int64_t least_ms, int64_t most_ms, int64_t *out,
                      struct findings *findings)
{
    return quantity(node, durations, "such as 250ms, 90s, 5min, 2h or 1d", least_ms, most_ms, out,
                    findings);
}

bool yaml_size(const struct yaml_node *node, int64_t least, int64_t most, int64_t *out,
               struct findings *findings)
{
    return quantity(node, sizes, "such as 4096, 64KiB or 4MiB", least, most, out, findings);
}
