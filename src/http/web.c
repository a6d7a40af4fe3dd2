/* SPDX-License-Identifier: Apache-2.0 */
/* Files that are built in: the dashboard, the description of the API. */
#include "http_priv.h"
#include "web_priv.h"

#include <string.h>

enum { WEB_FILE_MAX = 1 << 20 };

static const char *const no_parameters[] = {NULL};

static void answer_file(struct request *request, const struct web_file *file)
{
    struct buf text;
    buf_init(&text, WEB_FILE_MAX);
    buf_put(&text, file->data, file->len);
    if (text.failed)
        request->out_of_memory = true;
    else
        http_answer_text(request, 200, file->content_type, &text);
    buf_clear(&text);
}

/* `assets`: only files of the dashboard. */
static void answer_name(struct request *request, const char *name, bool assets)
{
    for (size_t i = 0; i < web_file_count; i++) {
        bool is_asset = strcmp(web_files[i].name, "openapi.yaml") != 0 &&
                        strcmp(web_files[i].name, "index.html") != 0;
        if (strcmp(web_files[i].name, name) == 0 && is_asset == assets) {
            answer_file(request, &web_files[i]);
            return;
        }
    }
    http_problem(request, 404, "not-found", "there is no such file");
}

void http_get_openapi(struct request *request)
{
    if (http_read_query(request, no_parameters))
        answer_name(request, "openapi.yaml", false);
}

void http_get_dashboard(struct request *request)
{
    if (http_read_query(request, no_parameters))
        answer_name(request, "index.html", false);
}

void http_get_asset(struct request *request)
{
    if (http_read_query(request, no_parameters))
        answer_name(request, request->item, true);
}
