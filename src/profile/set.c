/* SPDX-License-Identifier: Apache-2.0 */
/* A set of profiles: asked, counted, freed as one. */
#include "profile_priv.h"

#include <stdlib.h>
#include <string.h>

struct profile_set *profile_set_ref(struct profile_set *set)
{
    atomic_fetch_add_explicit(&set->references, 1, memory_order_relaxed);
    return set;
}

void profile_set_unref(struct profile_set *set)
{
    if (!set || atomic_fetch_sub_explicit(&set->references, 1, memory_order_acq_rel) != 1)
        return;
    if (set->companion)
        set->drop(set->companion);
    arena_free(set->arena);
    free(set);
}

void profile_set_keep(struct profile_set *set, void *companion, void (*drop)(void *companion))
{
    set->companion = companion;
    set->drop = drop;
}

void *profile_companion(const struct profile *profile)
{
    return profile->set->companion;
}

size_t profile_set_count(const struct profile_set *set)
{
    return set->count;
}

const struct profile *profile_set_at(const struct profile_set *set, size_t index)
{
    return index < set->count ? set->profiles[index] : NULL;
}

static int by_class(const void *name, const void *profile)
{
    return strcmp(name, (*(struct profile *const *)profile)->class_name);
}

const struct profile *profile_set_find(const struct profile_set *set, const char *class_name)
{
    struct profile *const *found =
        bsearch(class_name, set->profiles, set->count, sizeof(*set->profiles), by_class);
    return found ? *found : NULL;
}

static bool has_tags(const struct profile *profile, const struct enrollment *enrollment)
{
    for (size_t i = 0; i < profile->match_tag_count; i++) {
        const char *value = enrollment_tag(enrollment, profile->match_tags[i].name);
        if (!value || strcmp(value, profile->match_tags[i].value) != 0)
            return false;
    }
    return true;
}

/* Literal characters of the best glob of the class that takes the endpoint, plus 1; a tag counts
 * more than any name can; 0 = none. */
static size_t match_weight(const struct profile *profile, const struct enrollment *enrollment)
{
    const char *endpoint = enrollment->endpoint;
    size_t best = 0;
    if (!has_tags(profile, enrollment))
        return 0;
    for (size_t i = 0; i < profile->match_count; i++) {
        size_t weight = glob_literals(profile->matches[i]) + 1;
        if (weight > best && glob_match(profile->matches[i], endpoint))
            best = weight;
    }
    return best == 0 ? 0 : best + profile->match_tag_count * (ENDPOINT_MAX + 2);
}

static const struct profile *select_by_match(const struct profile_set *set,
                                             const struct enrollment *enrollment, struct err *err)
{
    const char *endpoint = enrollment->endpoint;
    const struct profile *best = NULL, *rival = NULL;
    size_t best_weight = 0;
    for (size_t i = 0; i < set->count; i++) {
        size_t weight = match_weight(set->profiles[i], enrollment);
        if (weight == 0 || weight < best_weight)
            continue;
        rival = weight == best_weight ? best : NULL;
        best = set->profiles[i];
        best_weight = weight;
    }
    if (!best)
        err_set(err, ERR_NOT_FOUND,
                "device '%s' has no class, and no profile's 'match' takes its name; enrol it with "
                "--class",
                endpoint);
    else if (rival)
        err_set(err, ERR_CONFLICT,
                "device '%s' fits the classes '%s' and '%s' equally well; enrol it with --class",
                endpoint, rival->class_name, best->class_name);
    return rival ? NULL : best;
}

const struct profile *profile_set_select(const struct profile_set *set,
                                         const struct enrollment *enrollment, struct err *err)
{
    if (enrollment->class_name[0] == '\0')
        return select_by_match(set, enrollment, err);
    const struct profile *profile = profile_set_find(set, enrollment->class_name);
    if (!profile)
        err_set(err, ERR_NOT_FOUND, "device '%s' is of class '%s', which no profile describes",
                enrollment->endpoint, enrollment->class_name);
    return profile;
}

/* --- one profile --- */

const char *profile_class(const struct profile *profile)
{
    return profile->class_name;
}

const char *profile_file(const struct profile *profile)
{
    return profile->file;
}

unsigned profile_line(const struct profile *profile)
{
    return profile->line;
}

const struct client_behaviour *profile_client(const struct profile *profile)
{
    return &profile->client;
}

enum rebootstrap_policy profile_rebootstrap(const struct profile *profile)
{
    return profile->rebootstrap;
}

bool profile_insecure(const struct profile *profile)
{
    return profile->insecure;
}

uint64_t profile_hash(const struct profile *profile)
{
    return profile->hash;
}

const struct profile_rules *profile_rules(const struct profile *profile)
{
    return &profile->rules;
}

struct profile_set *profile_owner(const struct profile *profile)
{
    return profile->set;
}
