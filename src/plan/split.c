/* SPDX-License-Identifier: Apache-2.0 */
/* A write in pieces, for devices that take no more than so many bytes in one message: the instance
 * without its largest resources, then these one by one. */
#include "plan_priv.h"

#include <stdlib.h>
#include <string.h>

/* The records of one resource. */
struct group {
    size_t first, count;
    size_t size; /* as a payload of its own; 0 = it stays with the instance */
    bool moved;
};

struct splitting {
    const struct operation *write;
    int format;
    struct group *groups;
    size_t count;
    struct record *kept; /* room for all records of the write */
};

static struct operation whole_resource(const struct splitting *splitting, const struct group *group)
{
    struct operation piece = *splitting->write;
    piece.records = &splitting->write->records[group->first];
    piece.record_count = group->count;
    piece.path.depth = 3;
    piece.path.ids[2] = piece.records[0].path.ids[2];
    return piece;
}

static size_t size_of(const struct splitting *splitting, const struct operation *operation)
{
    size_t size = 0;
    struct err err;
    return plan_payload_size(operation, splitting->format, &size, &err) == ERR_OK ? size : SIZE_MAX;
}

static void group_records(struct splitting *splitting)
{
    const struct operation *write = splitting->write;
    for (size_t i = 0; i < write->record_count; i++) {
        struct group *last = &splitting->groups[splitting->count - (splitting->count > 0)];
        if (splitting->count > 0 &&
            write->records[last->first].path.ids[2] == write->records[i].path.ids[2])
            last->count++;
        else
            splitting->groups[splitting->count++] = (struct group){.first = i, .count = 1};
    }
    for (size_t i = 0; i < splitting->count; i++) {
        struct operation piece = whole_resource(splitting, &splitting->groups[i]);
        splitting->groups[i].size = size_of(splitting, &piece);
    }
}

/* The instance with what has not been moved out. */
static struct operation rest(struct splitting *splitting)
{
    struct operation piece = *splitting->write;
    size_t count = 0;
    for (size_t i = 0; i < splitting->count; i++) {
        const struct group *group = &splitting->groups[i];
        if (group->moved)
            continue;
        memcpy(&splitting->kept[count], &splitting->write->records[group->first],
               group->count * sizeof(*splitting->kept));
        count += group->count;
    }
    piece.records = splitting->kept;
    piece.record_count = count;
    return piece;
}

static bool move_largest(struct splitting *splitting)
{
    struct group *largest = NULL;
    size_t left = 0;
    for (size_t i = 0; i < splitting->count; i++) {
        struct group *group = &splitting->groups[i];
        left += !group->moved;
        if (!group->moved && (!largest || group->size > largest->size))
            largest = group;
    }
    if (left < 2)
        return false;
    largest->moved = true;
    return true;
}

static void choose(struct splitting *splitting, size_t most)
{
    struct operation piece = rest(splitting);
    for (size_t i = 0; most == 0 && i < splitting->count; i++)
        splitting->groups[i].moved = true;
    while (most > 0 && size_of(splitting, &piece) > most && move_largest(splitting))
        piece = rest(splitting);
}

static void fill(struct splitting *splitting, struct plan_pieces *out)
{
    struct operation piece = rest(splitting);
    if (piece.record_count > 0)
        out->items[out->count++] = piece;
    for (size_t i = 0; i < splitting->count; i++)
        if (splitting->groups[i].moved)
            out->items[out->count++] = whole_resource(splitting, &splitting->groups[i]);
}

bool plan_split(const struct operation *write, int format, size_t most, struct plan_pieces *out)
{
    struct splitting splitting = {.write = write, .format = format};
    *out = (struct plan_pieces){0};
    splitting.groups = calloc(write->record_count + 1, sizeof(*splitting.groups));
    splitting.kept = calloc(write->record_count + 1, sizeof(*splitting.kept));
    out->items = calloc(write->record_count + 2, sizeof(*out->items));
    out->kept = splitting.kept;
    bool good = splitting.groups && splitting.kept && out->items;
    if (good) {
        group_records(&splitting);
        choose(&splitting, most);
        fill(&splitting, out);
    }
    free(splitting.groups);
    if (!good)
        plan_pieces_clear(out);
    return good;
}

void plan_pieces_clear(struct plan_pieces *pieces)
{
    free(pieces->items);
    free(pieces->kept);
    *pieces = (struct plan_pieces){0};
}
