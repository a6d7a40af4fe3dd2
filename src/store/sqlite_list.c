/* Lists of devices by filter. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "device_priv.h"
#include "sqlite_priv.h"

#include "usher/buf.h"

#include <stdio.h>

enum { CONDITIONS_MAX = 12 + 2 * FILTER_TAGS_MAX };

/* The WHERE part as it grows, and the values that go with it. */
struct conditions {
    struct buf sql;
    int count;
    struct condition_value {
        const char *text; /* NULL: the number counts */
        size_t len;
        int64_t number;
    } values[CONDITIONS_MAX];
};

/* "before $N after": the texts are ours, the value is bound. */
static void add_condition(struct conditions *all, const char *before, const char *after,
                          struct condition_value value)
{
    buf_printf(&all->sql, "%s %s $%d%s", all->count == 0 ? "WHERE" : " AND", before, all->count + 1,
               after);
    all->values[all->count++] = value;
}

static struct condition_value text_value(const char *text)
{
    return (struct condition_value){.text = text, .len = strlen(text)};
}

static struct condition_value number_value(int64_t number)
{
    return (struct condition_value){.number = number};
}

/* The conditions of partial indexes are repeated word for word: only then are these used. What "s"
 * says is never compared bare: the planner would begin with its rows, and sort devices by name. */
static void add_state(struct conditions *all, int state)
{
    if (state == STATE_BLOCKED) {
        add_condition(all, "d.blocked >=", " AND d.blocked > 0", number_value(1));
        return;
    }
    if (state > STATE_BOOTSTRAPPED)
        add_condition(all, "d.state =", " AND d.state > 4", number_value(state));
    else
        add_condition(all, "COALESCE(s.state, 0) =", "", number_value(state));
    add_condition(all, "d.blocked =", "", number_value(0));
}

static void add_cause(struct conditions *all, int cause)
{
    if (cause > 0)
        add_condition(all, "d.cause =", " AND d.cause > 0", number_value(cause));
    else
        add_condition(all, "COALESCE(s.cause, 0) =", "", number_value(cause));
}

/* The least text above all that begin with `prefix`; empty: there is none. */
static size_t after_prefix(const char *prefix, char out[static ENDPOINT_MAX + 1])
{
    size_t len = strnlen(prefix, ENDPOINT_MAX);
    memcpy(out, prefix, len);
    while (len > 0 && (unsigned char)out[len - 1] == 0xff)
        len--;
    if (len > 0)
        out[len - 1] = (char)((unsigned char)out[len - 1] + 1);
    out[len] = '\0';
    return len;
}

/* The first tag leads: its rows lie in the list's order. Each further one is asked for by device.
 */
static void add_tags(struct conditions *all, const struct store_filter *filter)
{
    for (size_t i = 0; i < filter->tag_count && i < FILTER_TAGS_MAX; i++) {
        const struct tag *tag = &filter->tags[i];
        add_condition(all,
                      i == 0 ? "t.name ="
                             : "EXISTS (SELECT 1 FROM device_tag AS more WHERE more.endpoint = "
                               "t.endpoint AND more.name =",
                      "", text_value(tag->name));
        add_condition(all, i == 0 ? "t.value =" : "more.value =", i == 0 ? "" : ")",
                      text_value(tag->value));
    }
}

/* ---- devices that called lately ---- */

enum { RECENT_MAX = 4096 }; /* outcomes up to which these lead */

/* How a list by time is made. */
enum recent_way {
    RECENT_LEADS,  /* row by row, by the devices of few outcomes, sorted by endpoint */
    RECENT_MARKED, /* row by row, by all endpoints in order, of which those that called are marked
                    */
    RECENT_LAST,   /* by the rows in the list's order: it finds a page soon */
};

static enum recent_way recent_way(sqlite3 *db, const struct store_filter *filter,
                                  struct recent_span *span)
{
    if (filter->since_wall_ms == 0 || !sqlite_recent_find(db, filter->since_wall_ms, span))
        return RECENT_LAST;
    int64_t count = span->last - span->first + 1;
    if (count < RECENT_MAX)
        return RECENT_LEADS;
    return count <= RECENT_CALLS_MAX && filter->tag_count == 0 ? RECENT_MARKED : RECENT_LAST;
}

static void add_place(struct conditions *all, const struct store_filter *filter, const char *name,
                      char prefix_end[static ENDPOINT_MAX + 1])
{
    char text[32];
    if (filter->after != NULL) {
        snprintf(text, sizeof text, "%s.endpoint >", name);
        add_condition(all, text, "", text_value(filter->after));
    }
    if (filter->prefix == NULL || filter->prefix[0] == '\0')
        return;
    size_t len = after_prefix(filter->prefix, prefix_end);
    snprintf(text, sizeof text, "%s.endpoint >=", name);
    add_condition(all, text, "", text_value(filter->prefix));
    snprintf(text, sizeof text, "%s.endpoint <", name);
    if (len > 0)
        add_condition(all, text, "", (struct condition_value){.text = prefix_end, .len = len});
}

/* Row by row: of one, whose id is the first value. */
static void build_query(const struct store_filter *filter, enum recent_way way,
                        struct conditions *all, char prefix_end[static ENDPOINT_MAX + 1])
{
    bool by_tag = filter->tag_count > 0;
    buf_put_text(&all->sql, SQL_LIST_COLUMNS);
    buf_put_text(&all->sql, by_tag ? "device_tag AS t JOIN device AS d ON d.endpoint = t.endpoint "
                                   : "device AS d ");
    buf_put_text(&all->sql, "LEFT JOIN device_status AS s ON s.id = d.id ");
    if (way != RECENT_LAST)
        add_condition(all, "d.id =", "", number_value(0));
    add_tags(all, filter);
    if (filter->class_name != NULL)
        add_condition(all, "d.class =", "", text_value(filter->class_name));
    if (filter->state >= 0)
        add_state(all, filter->state);
    if (filter->cause >= 0)
        add_cause(all, filter->cause);
    if (filter->since_wall_ms != 0)
        add_condition(all, "COALESCE(s.last_ms, 0) >=", "", number_value(filter->since_wall_ms));
    if (way != RECENT_LAST)
        return;
    add_place(all, filter, by_tag ? "t" : "d", prefix_end);
    buf_printf(&all->sql, " ORDER BY %s.endpoint LIMIT %zu", by_tag ? "t" : "d", filter->limit);
}

static void bind_conditions(sqlite3_stmt *statement, const struct conditions *all)
{
    for (int i = 0; i < all->count; i++) {
        const struct condition_value *value = &all->values[i];
        if (value->text != NULL)
            sqlite3_bind_text(statement, i + 1, value->text, (int)value->len, SQLITE_STATIC);
        else
            bind_number(statement, i + 1, value->number);
    }
}

static bool take_row(sqlite3_stmt *statement, struct store_row *row)
{
    struct bytes identity = column_bytes(statement, 2);
    memset(row, 0, sizeof *row);
    if (!column_text(statement, 0, row->endpoint, sizeof row->endpoint) ||
        !column_text(statement, 1, row->class_name, sizeof row->class_name) ||
        (identity.len > 0 && !identity_set(&row->identity, identity)) ||
        !column_state(statement, 4, &row->state))
        return false;
    row->state = device_shown_state(sqlite3_column_int(statement, 3) != 0, row->state);
    row->cause = (enum cause)sqlite3_column_int(statement, 5);
    row->revision = (uint64_t)sqlite3_column_int64(statement, 6);
    row->bootstraps = (uint64_t)sqlite3_column_int64(statement, 7);
    row->created_wall_ms = sqlite3_column_int64(statement, 8);
    row->changed_wall_ms = sqlite3_column_int64(statement, 9);
    row->last_wall_ms = sqlite3_column_int64(statement, 10);
    row->last_duration_ms = (uint32_t)sqlite3_column_int64(statement, 11);
    return true;
}

static enum err_code show_rows(struct sqlite_session *session, sqlite3_stmt *statement,
                               bool (*each)(void *context, const struct store_row *row),
                               void *context, size_t *shown, struct err *err)
{
    struct store_row row;
    int got;
    while ((got = sqlite3_step(statement)) == SQLITE_ROW) {
        if (!take_row(statement, &row))
            return sqlite_damaged(session, "a device's row", err);
        if (!each(context, &row)) {
            *shown = SIZE_MAX;
            return ERR_OK;
        }
        ++*shown;
    }
    return got == SQLITE_DONE ? ERR_OK : sqlite_session_error(session, "listing devices", err);
}

static enum err_code prepare(struct sqlite_session *session, struct conditions *all,
                             sqlite3_stmt **out, struct err *err)
{
    const char *sql = buf_text(&all->sql);
    if (sql == NULL)
        return err_set(err, ERR_INTERNAL, "store: a list's statement is too long");
    if (sqlite3_prepare_v2(session->db, sql, -1, out, NULL) != SQLITE_OK)
        return sqlite_session_error(session, "preparing a list", err);
    bind_conditions(*out, all);
    return ERR_OK;
}

/* ---- row by row ---- */

/* Ids in order of the endpoints: of the devices of the span's outcomes; or, without a span, of all,
 * out of the index alone. */
static enum err_code prepare_walk(struct sqlite_session *session, const struct store_filter *filter,
                                  const struct recent_span *span,
                                  char prefix_end[static ENDPOINT_MAX + 1], sqlite3_stmt **out,
                                  struct err *err)
{
    struct conditions all = {.count = 0};
    char memory[512];
    buf_init_fixed(&all.sql, memory, sizeof memory);
    buf_put_text(&all.sql, "SELECT d.id FROM device AS d ");
    if (span != NULL)
        add_condition(&all, "d.id IN (SELECT device FROM outcome WHERE seq >=", ")",
                      number_value(span->first));
    add_place(&all, filter, "d", prefix_end);
    buf_put_text(&all.sql, " ORDER BY d.endpoint");
    return prepare(session, &all, out, err);
}

/* The rows that `one` gives of the devices that are marked; without marks, of the span's. */
static enum err_code list_one_by_one(struct sqlite_session *session, const struct id_set *marks,
                                     const struct recent_span *span,
                                     const struct store_filter *filter, sqlite3_stmt *one,
                                     bool (*each)(void *context, const struct store_row *row),
                                     void *context, struct err *err)
{
    char prefix_end[ENDPOINT_MAX + 1];
    sqlite3_stmt *walk = NULL;
    size_t shown = 0;
    int got = SQLITE_DONE;
    enum err_code code =
        prepare_walk(session, filter, marks == NULL ? span : NULL, prefix_end, &walk, err);
    while (code == ERR_OK && shown < filter->limit && (got = sqlite3_step(walk)) == SQLITE_ROW) {
        int64_t id = sqlite3_column_int64(walk, 0);
        if (marks != NULL && !id_set_may_have(marks, id))
            continue;
        sqlite3_reset(one);
        bind_number(one, 1, id);
        code = show_rows(session, one, each, context, &shown, err);
    }
    if (code == ERR_OK && got != SQLITE_ROW && got != SQLITE_DONE)
        code = sqlite_session_error(session, "listing devices", err);
    sqlite3_finalize(walk);
    return code;
}

static enum err_code list(struct store_reader *reader, const struct store_filter *filter,
                          bool (*each)(void *context, const struct store_row *row), void *context,
                          struct err *err)
{
    struct sqlite_session *session = &reader->session;
    struct conditions all = {.count = 0};
    char prefix_end[ENDPOINT_MAX + 1], memory[2048];
    sqlite3_stmt *statement = NULL;
    struct recent_span span = {0};
    struct id_set marks = {.blocks = NULL};
    size_t shown = 0;
    enum recent_way way = recent_way(session->db, filter, &span);
    enum err_code code = ERR_OK;
    if (way == RECENT_MARKED && !sqlite_recent_devices(reader, &span, &marks))
        way = RECENT_LAST;
    buf_init_fixed(&all.sql, memory, sizeof memory);
    build_query(filter, way, &all, prefix_end);
    if (code == ERR_OK)
        code = prepare(session, &all, &statement, err);
    if (code == ERR_OK && way != RECENT_LAST)
        code = list_one_by_one(session, way == RECENT_MARKED ? &marks : NULL, &span, filter,
                               statement, each, context, err);
    else if (code == ERR_OK)
        code = show_rows(session, statement, each, context, &shown, err);
    sqlite3_finalize(statement);
    id_set_clear(&marks);
    return code;
}

enum err_code sqlite_list(struct store_reader *reader, const struct store_filter *filter,
                          bool (*row)(void *context, const struct store_row *row), void *context,
                          struct err *err)
{
    sqlite_end_look(reader);
    /* One look for all statements: what one tells is still so for the next. */
    enum err_code code = sqlite_session_transact(&reader->session, SQL_BEGIN_READ, err);
    if (code == ERR_OK)
        code = list(reader, filter, row, context, err);
    sqlite_session_rollback(&reader->session);
    return code;
}
