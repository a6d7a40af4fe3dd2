/* SPDX-License-Identifier: Apache-2.0 */
/* Text as a value of one of LwM2M's types. */
#include "profile_priv.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { NUMBER_TEXT_MAX = 63 };

static bool starts_with(struct bytes text, const char *prefix, struct bytes *rest)
{
    size_t len = strlen(prefix);
    if (text.len < len || memcmp(text.data, prefix, len) != 0)
        return false;
    *rest = bytes_of(text.data + len, text.len - len);
    return true;
}

/* The number functions of the C library want a NUL and take blanks, signs and names; this takes
 * digits and the letters named only. */
static bool number_text(struct bytes text, const char *allowed, char out[NUMBER_TEXT_MAX + 1])
{
    if (text.len == 0 || text.len > NUMBER_TEXT_MAX)
        return false;
    memcpy(out, text.data, text.len);
    out[text.len] = '\0';
    return strspn(out, allowed) == text.len;
}

/* -5, 70, 0x1f; no leading zeros, which other tools read as octal. */
static bool split_integer(struct bytes text, bool *negative, int *base,
                          char digits[NUMBER_TEXT_MAX + 1])
{
    struct bytes rest = text;
    *negative = starts_with(rest, "-", &rest);
    *base = starts_with(rest, "0x", &rest) ? 16 : 10;
    if (!number_text(rest, *base == 16 ? "0123456789abcdefABCDEF" : "0123456789", digits))
        return false;
    return *base == 16 || digits[0] != '0' || digits[1] == '\0';
}

static bool read_natural(struct bytes text, uint64_t *out)
{
    bool negative;
    int base;
    char digits[NUMBER_TEXT_MAX + 1];
    if (!split_integer(text, &negative, &base, digits) || negative)
        return false;
    errno = 0;
    *out = strtoull(digits, NULL, base);
    return errno == 0;
}

static bool read_integer(struct bytes text, int64_t *out)
{
    bool negative = text.len > 0 && text.data[0] == '-';
    uint64_t magnitude;
    if (!read_natural(negative ? bytes_of(text.data + 1, text.len - 1) : text, &magnitude))
        return false;
    if (magnitude > (uint64_t)INT64_MAX + negative)
        return false;
    *out = negative ? (int64_t)(0 - magnitude) : (int64_t)magnitude;
    return true;
}

static bool read_real(struct bytes text, double *out)
{
    char copy[NUMBER_TEXT_MAX + 1], *end;
    if (!number_text(text, "0123456789.-+eE", copy) || copy[0] == '+')
        return false;
    *out = strtod(copy, &end);
    return *end == '\0' && isfinite(*out);
}

static bool read_time(struct bytes text, int64_t *out)
{
    return read_integer(text, out) || time_text_read((const char *)text.data, text.len, out);
}

static bool read_boolean(struct bytes text, bool *out)
{
    *out = bytes_equal(text, bytes_of_text("true"));
    return *out || bytes_equal(text, bytes_of_text("false"));
}

/* "21:1", "/21/1", or "none" for the null link. */
static bool read_link(struct bytes text, struct objlink *out)
{
    *out = (struct objlink){UINT16_MAX, UINT16_MAX};
    if (bytes_equal(text, bytes_of_text("none")))
        return true;
    char path_text[PATH_TEXT_SIZE + 1];
    if (text.len == 0 || text.len >= sizeof(path_text) - 1)
        return false;
    size_t lead = text.data[0] != '/';
    path_text[0] = '/';
    memcpy(path_text + lead, text.data, text.len);
    path_text[lead + text.len] = '\0';
    char *colon = strchr(path_text, ':');
    if (colon)
        *colon = '/';
    struct path path;
    if (lead != (colon != NULL) || !path_parse(path_text, lead + text.len, &path) ||
        path.depth != 2)
        return false;
    *out = (struct objlink){path.ids[0], path.ids[1]};
    return true;
}

static bool read_opaque(struct bytes text, struct arena *arena, struct bytes *out)
{
    struct bytes rest;
    if (starts_with(text, "text:", out))
        return true;
    bool hex = starts_with(text, "hex:", &rest);
    if (!hex && !starts_with(text, "base64:", &rest))
        return false;
    uint8_t *data = arena_alloc(arena, rest.len + 1);
    size_t len = 0;
    if (!data)
        return false;
    bool good = hex ? bytes_from_hex((const char *)rest.data, rest.len, data, rest.len, &len)
                    : bytes_from_base64((const char *)rest.data, rest.len, data, rest.len, &len);
    *out = bytes_of(data, len);
    return good;
}

bool scalar_read(enum value_type type, struct bytes text, struct arena *arena, struct value *out)
{
    struct value value = {.type = type};
    bool good = false;
    switch (type) {
    case VALUE_STRING:
        value.bytes = text;
        good = bytes_is_utf8(text);
        break;
    case VALUE_INTEGER:
        good = read_integer(text, &value.integer);
        break;
    case VALUE_TIME:
        good = read_time(text, &value.integer);
        break;
    case VALUE_UNSIGNED:
        good = read_natural(text, &value.natural);
        break;
    case VALUE_FLOAT:
        good = read_real(text, &value.real);
        break;
    case VALUE_BOOLEAN:
        good = read_boolean(text, &value.boolean);
        break;
    case VALUE_OPAQUE:
        good = read_opaque(text, arena, &value.bytes);
        break;
    case VALUE_OBJLINK:
        good = read_link(text, &value.link);
        break;
    default:
        break;
    }
    if (good)
        *out = value;
    return good;
}

const char *scalar_expected(enum value_type type)
{
    static const char *const texts[VALUE_TYPE_COUNT] = {
        [VALUE_NONE] = "nothing",
        [VALUE_STRING] = "text in UTF-8",
        [VALUE_INTEGER] = "a whole number",
        [VALUE_UNSIGNED] = "a whole number, not negative",
        [VALUE_FLOAT] = "a number such as 21.5",
        [VALUE_BOOLEAN] = "true or false",
        [VALUE_OPAQUE] = "bytes as \"hex:0a1b\", \"base64:Chs=\" or \"text:abc\"",
        [VALUE_TIME] = "a time such as 2026-11-23T09:18:10Z, or seconds since 1970",
        [VALUE_OBJLINK] = "a link to an object instance such as \"21:1\", or none",
        [VALUE_SECRET] = "nothing",
    };
    return texts[type];
}
