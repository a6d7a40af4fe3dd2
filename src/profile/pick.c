/* SPDX-License-Identifier: Apache-2.0 */
/* `pick:` of a server: one of several places, chosen for each device by rendezvous hashing: every
 * place gets a score from its name and the endpoint, the best one has the device. A new place takes
 * its share from all others, and no device moves between two that were there before. */
#include "servers_priv.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { WEIGHT_MAX = 100000000 };

static const char *const pick_keys[] = {"by", "from", "keep", NULL};
static const char *const place_keys[] = {"name", "uri", "weight", "capacity", "region", NULL};

/* --- while loading --- */

static void compile_by(struct building *building, const struct yaml_node *node,
                       struct rule_pick *pick)
{
    static const char *const words[] = {"weight", "endpoint-hash", "tag.NAME", NULL};
    struct compiler *compiler = building->compiler;
    const char *text;
    struct err err;
    if (!yaml_text(node, &text, compiler->findings))
        return;
    pick->by = PICK_BY_HASH;
    if (strncmp(text, "tag.", 4) != 0) {
        pick->by = compile_word(compiler, node, words) == 0 ? PICK_BY_WEIGHT : PICK_BY_HASH;
        return;
    }
    pick->by = PICK_BY_TAG;
    pick->tag = compile_text(compiler, text + 4, strlen(text + 4));
    if (enrollment_check_tag(text + 4, "x", &err) != ERR_OK)
        COMPILE_ERROR(compiler, node, "%s", err.text);
}

static bool compile_name(struct compiler *compiler, const struct yaml_node *place,
                         const struct rule_pick *pick, const char **out)
{
    const struct yaml_node *node = server_wanted(compiler, place, "name", "name: dm-north");
    const char *text;
    if (!node || !yaml_text(node, &text, compiler->findings))
        return false;
    size_t len = strlen(text);
    if (len == 0 || len > PLACE_NAME_MAX ||
        strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-.") != len) {
        COMPILE_ERROR(compiler, node, "a name has 1 to %d of a-z, 0-9, '-' and '.'",
                      PLACE_NAME_MAX);
        return false;
    }
    for (size_t i = 0; i < pick->count; i++) {
        if (strcmp(pick->places[i].name, text) == 0) {
            COMPILE_ERROR(compiler, node, "'%s' is there already", text);
            return false;
        }
    }
    *out = compile_text(compiler, text, len);
    return true;
}

static void compile_weight(struct compiler *compiler, const struct yaml_node *node,
                           struct rule_place *out)
{
    const struct yaml_node *weight = yaml_get(node, "weight"), *same = yaml_get(node, "capacity");
    int64_t number = 1;
    if (weight && same)
        COMPILE_ERROR(compiler, same->key, "'capacity' and 'weight' say the same; give one");
    if (weight || same)
        yaml_integer(weight ? weight : same, 1, WEIGHT_MAX, &number, compiler->findings);
    out->weight = (uint32_t)number;
}

static void compile_place(struct building *building, const struct yaml_node *node,
                          struct rule_place *places, struct rule_pick *pick)
{
    struct compiler *compiler = building->compiler;
    struct rule_place place = {0};
    if (!compile_expect(compiler, node, YAML_MAPPING,
                        "a mapping such as { name: dm-north, uri: \"coaps://north.example\" }"))
        return;
    yaml_check_keys(node, place_keys, compiler->findings);
    const struct yaml_node *region = yaml_get(node, "region");
    if (region && yaml_text(region, &place.region, compiler->findings))
        place.region = compile_text(compiler, place.region, strlen(place.region));
    compile_weight(compiler, node, &place);
    if (compile_name(compiler, node, pick, &place.name) &&
        server_read_uri(building, node, &place.uri))
        places[pick->count++] = place;
}

bool server_compile_pick(struct building *building, const struct yaml_node *node)
{
    struct compiler *compiler = building->compiler;
    const struct yaml_node *from = NULL, *by = NULL;
    const struct yaml_node *uri = yaml_get(building->node, "uri");
    if (!compile_expect(compiler, node, YAML_MAPPING,
                        "a mapping such as { by: weight, from: [..] }"))
        return false;
    if (uri)
        COMPILE_ERROR(compiler, uri->key, "'uri' comes from 'pick' here; leave one of them out");
    yaml_check_keys(node, pick_keys, compiler->findings);
    by = server_wanted(compiler, node, "by", "weight, endpoint-hash or tag.NAME");
    from = server_wanted(compiler, node, "from", "a list of { name: .., uri: .. }");
    if (!by || !from || !compile_expect(compiler, from, YAML_SEQUENCE, "a list of places"))
        return false;
    struct rule_pick *pick = compile_alloc(compiler, sizeof(*pick));
    struct rule_place *places = compile_alloc(compiler, (from->count + 1) * sizeof(*places));
    if (!pick || !places)
        return false;
    pick->places = places;
    pick->tag = "";
    compile_by(building, by, pick);
    pick->keep = true;
    const struct yaml_node *keep = yaml_get(node, "keep");
    if (keep)
        yaml_boolean(keep, &pick->keep, compiler->findings);
    for (const struct yaml_node *place = from->first; place; place = place->next)
        compile_place(building, place, places, pick);
    if (from->count == 0)
        COMPILE_ERROR(compiler, from, "no place in the list");
    building->out->pick = pick->count > 0 ? pick : NULL;
    return pick->count > 0;
}

/* --- for one device --- */

/* Weighted rendezvous: a place's chance of the best score is its share of all weights. */
static double score(const struct rule_pick *pick, const struct rule_place *place,
                    const char *endpoint)
{
    static const uint8_t key[16] = "usher pick    1";
    uint8_t text[ENDPOINT_MAX + PLACE_NAME_MAX + 2];
    size_t endpoint_len = strlen(endpoint), name_len = strlen(place->name);
    memcpy(text, endpoint, endpoint_len + 1);
    memcpy(text + endpoint_len + 1, place->name, name_len);
    uint64_t hash = bytes_hash(key, bytes_of(text, endpoint_len + 1 + name_len));
    double share = ((double)(hash >> 11) + 0.5) / 9007199254740992.0; /* 2^53: between 0 and 1 */
    double weight = pick->by == PICK_BY_HASH ? 1 : place->weight;
    return weight / -log(share);
}

static bool is_meant(const struct rule_pick *pick, const struct rule_place *place,
                     const char *region)
{
    if (pick->by != PICK_BY_TAG)
        return true;
    return region ? place->region && strcmp(place->region, region) == 0 : !place->region;
}

static const struct rule_place *best(const struct rule_pick *pick, const char *endpoint,
                                     const char *region)
{
    const struct rule_place *found = NULL;
    double highest = 0;
    for (size_t i = 0; i < pick->count; i++) {
        const struct rule_place *place = &pick->places[i];
        double its = is_meant(pick, place, region) ? score(pick, place, endpoint) : -1;
        if (its < 0 || (found && its <= highest))
            continue;
        found = place;
        highest = its;
    }
    return found;
}

/* The place that its credential was made for, while it is there and meant for this device. */
static const struct rule_place *kept_place(const struct rule_server *server,
                                           const struct enrollment *enrollment, const char *region)
{
    const struct rule_pick *pick = server->pick;
    const struct enrolled_credential *credential =
        enrollment_credential(enrollment, server->ssid, CREDENTIAL_PENDING);
    if (!credential || credential->kind != server->kind || credential->place[0] == '\0')
        credential = enrollment_credential(enrollment, server->ssid, CREDENTIAL_ACTIVE);
    for (size_t i = 0; pick->keep && credential && i < pick->count; i++)
        if (strcmp(pick->places[i].name, credential->place) == 0 &&
            is_meant(pick, &pick->places[i], region))
            return &pick->places[i];
    return NULL;
}

static const struct rule_place *pick_in(const struct rule_server *server,
                                        const struct enrollment *enrollment, const char *region)
{
    const struct rule_place *kept = kept_place(server, enrollment, region);
    return kept ? kept : best(server->pick, enrollment->endpoint, region);
}

const struct rule_place *rule_pick_place(const struct rule_server *server,
                                         const struct enrollment *enrollment, struct err *err)
{
    const struct rule_pick *pick = server->pick;
    const char *region = pick->by == PICK_BY_TAG ? enrollment_tag(enrollment, pick->tag) : NULL;
    const struct rule_place *place = NULL;
    if (region || pick->by != PICK_BY_TAG)
        place = pick_in(server, enrollment, region);
    /* Places without a region take whom no region takes. */
    if (!place && pick->by == PICK_BY_TAG)
        place = pick_in(server, enrollment, NULL);
    if (!place)
        err_set(err, ERR_INVALID,
                "%s:%u: no place to pick for server %u: device '%s' has %s%s%s, and no region is "
                "called so; add a place without a region for all others",
                server->file, server->line, server->ssid, enrollment->endpoint,
                region ? "the tag value '" : "no tag '", region ? region : pick->tag, "'");
    return place;
}

/* --- on command --- */

static const struct rule_server *find_server(const struct profile *profile, uint16_t ssid)
{
    const struct profile_rules *rules = &profile->rules;
    for (size_t i = 0; i < rules->server_count; i++)
        if (rules->servers[i].ssid == ssid && rules->servers[i].pick)
            return &rules->servers[i];
    return NULL;
}

/* The region whose places a device may have; false: those without a region. */
static bool region_of(const struct rule_pick *pick, const struct enrollment *enrollment,
                      const char **region)
{
    *region = pick->by == PICK_BY_TAG ? enrollment_tag(enrollment, pick->tag) : NULL;
    for (size_t i = 0; *region && i < pick->count; i++)
        if (is_meant(pick, &pick->places[i], *region))
            return true;
    *region = NULL;
    return false;
}

static enum err_code no_such_place(const struct rule_pick *pick, const char *region,
                                   const char *wanted, struct err *err)
{
    char list[256] = "";
    size_t len = 0;
    for (size_t i = 0; i < pick->count && len < sizeof(list); i++)
        if (is_meant(pick, &pick->places[i], region))
            len += (size_t)snprintf(list + len, sizeof(list) - len, "%s%s", len > 0 ? ", " : "",
                                    pick->places[i].name);
    return err_set(err, ERR_INVALID, "'%.63s' is no place for this device; there are: %s", wanted,
                   list);
}

enum err_code profile_pick(const struct profile *profile, const struct enrollment *enrollment,
                           uint16_t ssid, const char *wanted, char out[static PLACE_NAME_MAX + 1],
                           struct err *err)
{
    const struct rule_server *server = find_server(profile, ssid);
    const struct rule_place *found = NULL;
    const char *region;
    if (!server)
        return err_set(err, ERR_NOT_FOUND,
                       "class '%s' has no server %u that stands in several places",
                       profile->class_name, ssid);
    region_of(server->pick, enrollment, &region);
    for (size_t i = 0; wanted && i < server->pick->count; i++)
        if (strcmp(server->pick->places[i].name, wanted) == 0 &&
            is_meant(server->pick, &server->pick->places[i], region))
            found = &server->pick->places[i];
    if (!wanted)
        found = best(server->pick, enrollment->endpoint, region);
    if (!found)
        return no_such_place(server->pick, region, wanted ? wanted : "(by hash)", err);
    snprintf(out, PLACE_NAME_MAX + 1, "%s", found->name);
    return ERR_OK;
}
