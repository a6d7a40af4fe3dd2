/* How devices are shared out among the places of servers. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "sqlite_priv.h"

enum err_code sqlite_place_counts(struct store_reader *reader,
                                  bool (*each)(void *context, uint16_t ssid, const char *place,
                                               uint64_t devices),
                                  void *context, struct err *err)
{
    struct sqlite_session *session = &reader->session;
    char place[PLACE_NAME_MAX + 1];
    enum err_code code = ERR_OK;
    bool more = true;
    int got = SQLITE_DONE;
    sqlite_end_look(reader);
    sqlite3_stmt *statement = sqlite_use(session, SQL_PLACE_COUNTS, err);
    if (statement == NULL)
        return err->code;
    while (more && (got = sqlite3_step(statement)) == SQLITE_ROW) {
        if (!column_text(statement, 1, place, sizeof place)) {
            code = sqlite_damaged(session, "a credential's row", err);
            break;
        }
        more = each(context, (uint16_t)sqlite3_column_int(statement, 0), place,
                    (uint64_t)sqlite3_column_int64(statement, 2));
    }
    if (got != SQLITE_ROW && got != SQLITE_DONE)
        code = sqlite_session_error(session, "counting places", err);
    sqlite_done(statement);
    return code;
}
