/* SPDX-License-Identifier: Apache-2.0 */
/* Keys of mappings: finding one, refusing unknown ones, guessing what was meant. */
#include "usher/yaml.h"

#include <string.h>

enum { SUGGEST_WORD_MAX = 64, SUGGEST_DISTANCE_MAX = 2 };

struct yaml_node *yaml_get(const struct yaml_node *mapping, const char *key)
{
    if (!mapping || mapping->kind != YAML_MAPPING)
        return NULL;
    for (struct yaml_node *child = mapping->first; child; child = child->next)
        if (strcmp(child->key->text, key) == 0)
            return child;
    return NULL;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Levenshtein distance, row by row. Both words are shorter than SUGGEST_WORD_MAX. */
static size_t edit_distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
    size_t row[SUGGEST_WORD_MAX + 1];
    for (size_t j = 0; j <= b_len; j++)
        row[j] = j;
    for (size_t i = 1; i <= a_len; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            size_t change = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            row[j] = least(change, least(row[j], row[j - 1]) + 1);
        }
    }
    return row[b_len];
}

const char *yaml_suggest(const char *word, const char *const *known)
{
    size_t len = strlen(word);
    if (len == 0 || len > SUGGEST_WORD_MAX)
        return NULL;
    /* Two changes in a word of three letters make any other word of three letters. */
    size_t best_distance = len <= 3 ? 1 : SUGGEST_DISTANCE_MAX;
    const char *best = NULL;
    for (; *known; known++) {
        size_t known_len = strlen(*known);
        if (known_len > SUGGEST_WORD_MAX)
            continue;
        size_t distance = edit_distance(word, len, *known, known_len);
        if (distance < best_distance || (distance == best_distance && !best)) {
            best_distance = distance;
            best = *known;
        }
    }
    return best;
}

static void report_unknown(const struct yaml_node *key, const char *const *known,
                           struct findings *findings)
{
    const char *meant = yaml_suggest(key->text, known);
    if (meant) {
        finding_add(findings, FINDING_ERROR, key, "unknown key '%.64s'; did you mean '%s'?",
                    key->text, meant);
        return;
    }
    char list[400] = "";
    size_t used = 0;
    for (const char *const *word = known; *word; word++) {
        size_t len = strlen(*word);
        if (used + len + 3 > sizeof(list))
            break;
        if (used > 0) {
            memcpy(list + used, ", ", 2);
            used += 2;
        }
        memcpy(list + used, *word, len + 1);
        used += len;
    }
    finding_add(findings, FINDING_ERROR, key, "unknown key '%.64s'; known here: %s", key->text,
                list);
}

void yaml_check_keys(const struct yaml_node *mapping, const char *const *known,
                     struct findings *findings)
{
    if (mapping->kind != YAML_MAPPING)
        return;
    for (const struct yaml_node *child = mapping->first; child; child = child->next) {
        const char *const *word = known;
        while (*word && strcmp(*word, child->key->text) != 0)
            word++;
        if (!*word)
            report_unknown(child->key, known, findings);
    }
}
