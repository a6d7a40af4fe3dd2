/* SPDX-License-Identifier: Apache-2.0 */
/* GET /v1/events: the feed as Server-Sent Events. A connection that has nothing to send is
 * suspended; the feed's thread resumes it. */
#include "http_priv.h"

#include <stdlib.h>
#include <string.h>

enum { BLOCK_SIZE = 16384 };

struct stream {
    struct events_reader *reader;
    struct MHD_Connection *connection;
    const struct http_door *door;
    unsigned generation; /* of the door, when the stream began */
    struct http_caller who;
};

static void park(void *context)
{
    MHD_suspend_connection(((struct stream *)context)->connection);
}

static void wake(void *context)
{
    MHD_resume_connection(((struct stream *)context)->connection);
}

static ssize_t read_stream(void *context, uint64_t position, char *out, size_t cap)
{
    (void)position;
    const struct stream *stream = context;
    if (atomic_load(&stream->door->generation) != stream->generation ||
        !http_tokens_still_good(stream->door->http->tokens, &stream->who))
        return MHD_CONTENT_READER_END_OF_STREAM;
    long got = events_read(stream->reader, out, cap);
    return got < 0 ? MHD_CONTENT_READER_END_OF_STREAM : got;
}

static void free_stream(void *context)
{
    struct stream *stream = context;
    events_unsubscribe(stream->reader);
    free(stream);
}

/* "operation,outcome" */
static bool read_kinds(struct request *request, uint32_t *kinds)
{
    const char *text = http_parameter(request, "event");
    *kinds = 0;
    while (text != NULL && *text != '\0') {
        char name[32] = "";
        size_t len = strcspn(text, ",");
        enum event_kind kind;
        if (len < sizeof name)
            memcpy(name, text, len);
        if (!event_kind_from_name(name, &kind)) {
            http_problem(request, 400, "invalid",
                         "query parameter 'event': '%.*s' is no event; there are handshake, "
                         "request, operation, outcome, reject, reload, enrolment, import",
                         (int)(len < 64 ? len : 64), text);
            return false;
        }
        *kinds |= 1u << kind;
        text += len + (text[len] == ',');
    }
    return true;
}

static void refuse(struct request *request, enum err_code code)
{
    if (code == ERR_INVALID)
        http_problem(request, 400, "invalid",
                     "the last event id is none of this server's; ask without it, or with 0-0 for "
                     "everything that is still there");
    else if (code == ERR_BUSY)
        http_retry_later(request, 503, 5, "busy",
                         "too many readers of events at one time; try again");
    else
        request->out_of_memory = true;
}

static const char *last_id_of(const struct request *request)
{
    const char *given = http_parameter(request, "last-event-id");
    return given != NULL
               ? given
               : MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, "Last-Event-ID");
}

void http_get_events(struct request *request)
{
    static const char *const known[] = {"class",         "endpoint", "event",
                                        "last-event-id", "follow",   NULL};
    struct events_filter filter = {0};
    bool follow = true;
    if (!http_read_query(request, known) || !read_kinds(request, &filter.kinds))
        return;
    if (http_parameter(request, "follow") != NULL &&
        !http_boolean_parameter(request, "follow", &follow))
        return;
    filter.class_name = http_parameter(request, "class");
    filter.endpoint = http_parameter(request, "endpoint");
    filter.once = !follow;
    struct stream *stream = calloc(1, sizeof *stream);
    if (stream == NULL) {
        request->out_of_memory = true;
        return;
    }
    stream->connection = request->connection;
    stream->door = request->door;
    stream->who = request->who;
    stream->generation = atomic_load(&request->door->generation);
    const struct events_waiting waiting = {park, wake, stream};
    enum err_code code = events_subscribe(request->http->config.events, &filter,
                                          last_id_of(request), &waiting, &stream->reader);
    if (code != ERR_OK) {
        free(stream);
        refuse(request, code);
        return;
    }
    struct MHD_Response *response = MHD_create_response_from_callback(
        MHD_SIZE_UNKNOWN, BLOCK_SIZE, read_stream, stream, free_stream);
    if (response == NULL) {
        free_stream(stream);
        request->out_of_memory = true;
        return;
    }
    http_answer_with(request, 200, "text/event-stream", response);
}
