/* Questions on their way to the writer and back. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "mailbox_priv.h"

#include "usher/pool.h"

#include <stdlib.h>

struct request *request_new(enum request_kind kind)
{
    struct request *request = pool_calloc(1, sizeof *request);
    if (request == NULL)
        return NULL;
    request->kind = kind;
    atomic_store(&request->holders, 1);
    return request;
}

void request_forget_answer(struct request *request)
{
    if (request->device != NULL)
        store_device_clear(request->device);
    free(request->device);
    request->device = NULL;
}

void request_free(struct request *request)
{
    if (request == NULL)
        return;
    if (request->credentials != NULL) {
        for (size_t i = 0; i < request->count; i++)
            blob_unref(request->credentials[i].public_part);
        bytes_wipe(request->credentials, request->count * sizeof *request->credentials);
        free(request->credentials);
    }
    pool_free(request->outcome);
    request_forget_answer(request);
    if (request->mailbox != NULL)
        mailbox_release(request->mailbox);
    pool_free(request);
}

void request_release(struct request *request)
{
    if (atomic_fetch_sub(&request->holders, 1) == 1)
        request_free(request);
}

void request_complete(struct request *request)
{
    struct mailbox *mailbox = request->mailbox;
    if (mailbox == NULL) {
        request_release(request);
        return;
    }
    /* A waiting caller frees its request, and with it its hold on the mailbox, as soon as it sees
     * the answer: hold on until the mailbox's lock is let go. */
    mailbox_hold(mailbox);
    mailbox_put(mailbox, request);
    mailbox_release(mailbox);
}
