/* Lists of devices by filter. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "device_priv.h"
#include "sqlite_priv.h"

#include "usher/buf.h"

enum { CONDITIONS_MAX = 8 + 2 * FILTER_TAGS_MAX };

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

/* The conditions of partial indexes are repeated word for word: only then are these used. */
static void add_state(struct conditions *all, int state)
{
    if (state == STATE_BLOCKED) {
        add_condition(all, "blocked >=", " AND blocked > 0", number_value(1));
        return;
    }
    add_condition(all, "state =", state > STATE_BOOTSTRAPPED ? " AND state > 4" : "",
                  number_value(state));
    add_condition(all, "blocked =", "", number_value(0));
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

static void build_query(const struct store_filter *filter, struct conditions *all,
                        char prefix_end[static ENDPOINT_MAX + 1])
{
    bool by_tag = filter->tag_count > 0;
    const char *endpoint_after = by_tag ? "t.endpoint >" : "d.endpoint >";
    const char *endpoint_from = by_tag ? "t.endpoint >=" : "d.endpoint >=";
    const char *endpoint_below = by_tag ? "t.endpoint <" : "d.endpoint <";
    buf_put_text(&all->sql, SQL_LIST_COLUMNS);
    buf_put_text(&all->sql, by_tag ? "device_tag AS t JOIN device AS d ON d.endpoint = t.endpoint "
                                   : "device AS d ");
    add_tags(all, filter);
    if (filter->class_name != NULL)
        add_condition(all, "class =", "", text_value(filter->class_name));
    if (filter->state >= 0)
        add_state(all, filter->state);
    if (filter->cause >= 0)
        add_condition(all, "cause =", filter->cause > 0 ? " AND cause > 0" : "",
                      number_value(filter->cause));
    if (filter->after != NULL)
        add_condition(all, endpoint_after, "", text_value(filter->after));
    if (filter->prefix != NULL && filter->prefix[0] != '\0') {
        size_t len = after_prefix(filter->prefix, prefix_end);
        add_condition(all, endpoint_from, "", text_value(filter->prefix));
        if (len > 0)
            add_condition(all, endpoint_below, "",
                          (struct condition_value){.text = prefix_end, .len = len});
    }
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
                               void *context, struct err *err)
{
    struct store_row row;
    int got;
    while ((got = sqlite3_step(statement)) == SQLITE_ROW) {
        if (!take_row(statement, &row))
            return sqlite_damaged(session, "a device's row", err);
        if (!each(context, &row))
            return ERR_OK;
    }
    return got == SQLITE_DONE ? ERR_OK : sqlite_session_error(session, "listing devices", err);
}

enum err_code sqlite_list(struct store_reader *reader, const struct store_filter *filter,
                          bool (*row)(void *context, const struct store_row *row), void *context,
                          struct err *err)
{
    struct sqlite_session *session = &reader->session;
    struct conditions all = {.count = 0};
    char prefix_end[ENDPOINT_MAX + 1], memory[2048];
    sqlite3_stmt *statement = NULL;
    enum err_code code;
    sqlite_end_look(reader);
    buf_init_fixed(&all.sql, memory, sizeof memory);
    build_query(filter, &all, prefix_end);
    const char *sql = buf_text(&all.sql);
    if (sql == NULL)
        return err_set(err, ERR_INTERNAL, "store: a list's statement is too long");
    if (sqlite3_prepare_v2(session->db, sql, -1, &statement, NULL) != SQLITE_OK) {
        code = sqlite_session_error(session, "preparing a list", err);
    } else {
        bind_conditions(statement, &all);
        code = show_rows(session, statement, row, context, err);
    }
    sqlite3_finalize(statement);
    return code;
}
