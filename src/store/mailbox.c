/* Where answers for a lane arrive from other threads. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "mailbox_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct mailbox {
    atomic_int holders;
    int fd;
    pthread_mutex_t lock;
    pthread_cond_t arrived; /* for the one synchronous call of the lane's thread */
    struct request *first, **last;
    bool closed;
};

enum err_code mailbox_new(struct mailbox **out, struct err *err)
{
    struct mailbox *mailbox = calloc(1, sizeof *mailbox);
    if (mailbox == NULL)
        return err_set(err, ERR_NO_MEMORY, "store: out of memory");
    mailbox->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (mailbox->fd < 0) {
        free(mailbox);
        return err_set(err, ERR_IO, "store: cannot make an eventfd: %s", strerror(errno));
    }
    atomic_store(&mailbox->holders, 1);
    pthread_mutex_init(&mailbox->lock, NULL);
    pthread_cond_init(&mailbox->arrived, NULL);
    mailbox->last = &mailbox->first;
    *out = mailbox;
    return ERR_OK;
}

void mailbox_hold(struct mailbox *mailbox)
{
    atomic_fetch_add(&mailbox->holders, 1);
}

void mailbox_release(struct mailbox *mailbox)
{
    if (atomic_fetch_sub(&mailbox->holders, 1) != 1)
        return;
    close(mailbox->fd);
    pthread_cond_destroy(&mailbox->arrived);
    pthread_mutex_destroy(&mailbox->lock);
    free(mailbox);
}

int mailbox_fd(const struct mailbox *mailbox)
{
    return mailbox->fd;
}

static void signal_lane(const struct mailbox *mailbox)
{
    uint64_t one = 1;
    /* Only a full counter fails, and then the descriptor is readable anyway. */
    ssize_t written = write(mailbox->fd, &one, sizeof one);
    (void)written;
}

void mailbox_put(struct mailbox *mailbox, struct request *request)
{
    bool dropped = false;
    pthread_mutex_lock(&mailbox->lock);
    if (request->waited) {
        request->arrived = true;
        pthread_cond_signal(&mailbox->arrived);
    } else if (mailbox->closed) {
        dropped = true;
    } else {
        if (mailbox->first == NULL)
            signal_lane(mailbox);
        request->next = NULL;
        *mailbox->last = request;
        mailbox->last = &request->next;
    }
    pthread_mutex_unlock(&mailbox->lock);
    if (dropped)
        request_release(request);
}

static struct request *detach(struct mailbox *mailbox)
{
    struct request *first = mailbox->first;
    mailbox->first = NULL;
    mailbox->last = &mailbox->first;
    return first;
}

struct request *mailbox_take_all(struct mailbox *mailbox)
{
    uint64_t count;
    pthread_mutex_lock(&mailbox->lock);
    ssize_t got = read(mailbox->fd, &count, sizeof count);
    (void)got;
    struct request *first = detach(mailbox);
    pthread_mutex_unlock(&mailbox->lock);
    return first;
}

struct request *mailbox_close(struct mailbox *mailbox)
{
    pthread_mutex_lock(&mailbox->lock);
    mailbox->closed = true;
    struct request *first = detach(mailbox);
    pthread_mutex_unlock(&mailbox->lock);
    return first;
}

void mailbox_wait(struct mailbox *mailbox, const struct request *request)
{
    pthread_mutex_lock(&mailbox->lock);
    while (!request->arrived)
        pthread_cond_wait(&mailbox->arrived, &mailbox->lock);
    pthread_mutex_unlock(&mailbox->lock);
}
