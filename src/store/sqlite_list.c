/* Lists of devices by filter. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "device_priv.h"
#include "sqlite_priv.h"

#include "usher/buf.h"

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

/* ---- devices that called lately ---- */

enum {
    RECENT_MAX = 4096,  /* outcomes up to which these lead; beyond, a scan in the
                           list's order finds a page soon */
    DISORDER_MS = 1000, /* outcomes that end together are not written in order */
};

/* The end of the first outcome from `seq` on; INT64_MAX: there is none. */
static int64_t end_of(sqlite3_stmt *statement, int64_t seq)
{
    int64_t end = INT64_MAX;
    sqlite3_reset(statement);
    sqlite3_bind_int64(statement, 1, seq);
    if (sqlite3_step(statement) == SQLITE_ROW)
        end = sqlite3_column_int64(statement, 0);
    return end;
}

/* Outcomes are appended as they end, so that their numbers are in order of time, or nearly: the
 * first number from that time on, and the last. False: the log does not go back so far, since old
 * outcomes are dropped from it; or the database does not answer. */
static bool find_recent(sqlite3 *db, int64_t since_ms, int64_t *first, int64_t *last)
{
    sqlite3_stmt *ends = NULL, *most = NULL;
    bool good = sqlite3_prepare_v2(db,
                                   "SELECT (SELECT max(seq) FROM outcome), (SELECT min(seq) FROM "
                                   "outcome)",
                                   -1, &most, NULL) == SQLITE_OK &&
                sqlite3_prepare_v2(db,
                                   "SELECT started_ms + duration_ms FROM outcome WHERE seq >= ?1 "
                                   "ORDER BY seq LIMIT 1",
                                   -1, &ends, NULL) == SQLITE_OK &&
                sqlite3_step(most) == SQLITE_ROW;
    int64_t high = good ? sqlite3_column_int64(most, 0) + 1 : 0;
    int64_t oldest = good ? sqlite3_column_int64(most, 1) : 0;
    int64_t low = oldest;
    *last = high - 1;
    while (good && low < high) {
        int64_t middle = low + (high - low) / 2;
        if (end_of(ends, middle) >= since_ms - DISORDER_MS)
            high = middle;
        else
            low = middle + 1;
    }
    *first = low;
    sqlite3_finalize(most);
    sqlite3_finalize(ends);
    return good && *last > 0 && (low > oldest || oldest <= 1);
}

/* The ids of few outcomes lead, in order, so that neighbours are read together. */
static void add_since(sqlite3 *db, struct conditions *all, int64_t since_ms)
{
    int64_t first = 0, last = 0;
    if (find_recent(db, since_ms, &first, &last) && last - first < RECENT_MAX)
        add_condition(all, "d.id IN (SELECT device FROM outcome WHERE seq >=", ")",
                      number_value(first));
    add_condition(all, "last_ms >=", "", number_value(since_ms));
}

static void build_query(sqlite3 *db, const struct store_filter *filter, struct conditions *all,
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
    if (filter->since_wall_ms != 0)
        add_since(db, all, filter->since_wall_ms);
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
    row->last_wall_ms = (int64_t)column_count(statement, 10);
    row->last_duration_ms = (uint32_t)column_count(statement, 11);
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
    build_query(session->db, filter, &all, prefix_end);
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
